package tasks

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
)

func add(t *testing.T, s *Store, owner Owner, ttl time.Duration) (*Task, *int) {
	t.Helper()
	cancels := new(int)
	task, err := s.Add(owner, Call{TTL: ttl, Cancel: func() { *cancels++ }})
	if err != nil {
		t.Fatal(err)
	}
	return task, cancels
}

func status(t *testing.T, raw json.RawMessage) (status, text string) {
	t.Helper()
	var got struct{ Status, StatusMessage string }
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	return got.Status, got.StatusMessage
}

func TestATaskIsItsOwners(t *testing.T) {
	s := New(Options{})
	defer s.End()
	owner := Owner{Key: "ann", Session: "s", View: "fs"}
	task, _ := add(t, s, owner, 0)
	for _, other := range []Owner{{Key: "bob", Session: "s", View: "fs"}, {Key: "ann", View: "fs"}, {Key: "ann", Session: "s"}} {
		if s.Find(other, task.ID) != nil || len(s.List(other)) != 0 {
			t.Errorf("%+v finds the task of %+v", other, owner)
		}
	}
	second, _ := add(t, s, owner, 0)
	if list := s.List(owner); s.Find(owner, task.ID) != task || len(list) != 2 || list[0] != task || list[1] != second {
		t.Errorf("the owner has %v", list)
	}
}

func TestStates(t *testing.T) {
	s := New(Options{})
	defer s.End()
	var told []string
	task, cancels := add(t, s, Owner{}, 0)
	stop := task.Watch(func(raw json.RawMessage) {
		now, _ := status(t, raw)
		told = append(told, now)
	})
	task.Say("at\u200bit")
	if now, text := status(t, task.Detailed()); now != working || text != `at\u200bit` {
		t.Errorf("the task is %s: %s", now, text)
	}
	answers := map[string]string{}
	for _, name := range []string{"one", "two"} {
		task.Ask("elicitation/create", json.RawMessage(`{"message":"`+name+`"}`), func(raw json.RawMessage) { answers[name] = string(raw) })
	}
	takeBack := task.Ask("elicitation/create", json.RawMessage(`{}`), func(json.RawMessage) { t.Error("what was taken back is answered") })
	takeBack()
	if got := string(task.Detailed()); !strings.Contains(got, `"inputRequests":{"toolserve_1":{"method":"elicitation/create","params":{"message":"one"}},"toolserve_2":{`) || strings.Contains(got, "toolserve_3") {
		t.Errorf("the task asks %s", got)
	}
	task.Answer(map[string]json.RawMessage{"toolserve_2": json.RawMessage(`2`), "toolserve_3": json.RawMessage(`3`), "x": json.RawMessage(`4`)})
	if now, _ := status(t, task.Detailed()); now != inputRequired || answers["two"] != "2" {
		t.Errorf("after one answer the task is %s, and the answers %v", now, answers)
	}
	task.Answer(map[string]json.RawMessage{"toolserve_1": json.RawMessage(`1`), "toolserve_2": json.RawMessage(`9`)})
	if now, _ := status(t, task.Detailed()); now != working || answers["one"] != "1" || answers["two"] != "2" {
		t.Errorf("after both the task is %s, and the answers %v", now, answers)
	}
	answered := task.Wait()
	if now, _ := status(t, task.Summary()); now != inputRequired {
		t.Errorf("a task that waits is %s", now)
	}
	answered()
	stop()
	task.Finish(json.RawMessage(`{"content":[],"isError":true}`), true, nil)
	<-task.Done()
	if now, _ := status(t, task.Detailed()); now != completed || !strings.Contains(string(task.Detailed()), `"result":{"content":[],"isError":true}`) {
		t.Errorf("the end is %s", task.Detailed())
	}
	if now, _ := status(t, task.Summary()); now != failed { // as 2025-11-25 has it
		t.Errorf("the end is %s", task.Summary())
	}
	if got := strings.Join(told, " "); got != "working working input_required input_required input_required input_required input_required working input_required working" {
		t.Errorf("who watches was told %s", got)
	}
	task.Say("more")
	if task.Cancel() || *cancels != 1 || strings.Contains(string(task.Detailed()), "more") {
		t.Errorf("the task goes on after its end: %s", task.Detailed())
	}
}

func TestErrorsAndCancellation(t *testing.T) {
	s := New(Options{})
	task, _ := add(t, s, Owner{}, 0)
	task.Finish(nil, false, rpc.Errorf(-5, "no"))
	if got := string(task.Detailed()); !strings.Contains(got, `"status":"failed"`) || !strings.Contains(got, `"error":{"code":-5,"message":"no"}`) || strings.Contains(got, `"result"`) {
		t.Errorf("an error became %s", got)
	}
	task, cancels := add(t, s, Owner{}, 0)
	if !task.Cancel() || task.Cancel() || *cancels != 1 {
		t.Errorf("%d cancels", *cancels)
	}
	task.Finish(json.RawMessage(`{}`), false, nil)
	if now, _ := status(t, task.Detailed()); now != cancelled || task.Outcome().Result != nil {
		t.Errorf("a cancelled task became %s", task.Detailed())
	}
	_, first := add(t, s, Owner{Session: "s"}, 0)
	other, second := add(t, s, Owner{Session: "r"}, 0)
	s.EndSession("s")
	if *first != 1 || *second != 0 || s.Find(other.Owner, other.ID) == nil {
		t.Error("the end of a session is not the end of its tasks alone")
	}
	s.End()
	if _, err := s.Add(Owner{}, Call{}); *second != 1 || err == nil {
		t.Errorf("after the end: %d cancels, %v", *second, err)
	}
}

func TestBounds(t *testing.T) {
	s := New(Options{PerKey: 2, Bytes: 10})
	defer s.End()
	ann := Owner{Key: "ann"}
	one, _ := add(t, s, ann, 0)
	two, _ := add(t, s, ann, 0)
	if _, err := s.Add(ann, Call{Cancel: func() {}}); err == nil {
		t.Error("a third task is kept")
	}
	one.Finish(json.RawMessage(`"12345678"`), false, nil)
	if _, err := s.Add(ann, Call{Cancel: func() {}}); err == nil {
		t.Error("a task makes room whose result nobody fetched")
	}
	two.Finish(json.RawMessage(`"1"`), false, nil)
	if got := string(two.Detailed()); !strings.Contains(got, "cannot be kept") || !strings.Contains(got, `"failed"`) {
		t.Errorf("results beyond the bound: %s", got)
	}
	one.Detailed()
	three, _ := add(t, s, ann, 0) // two, which ended later, stays: what came of it was fetched after that of one
	if s.Find(ann, one.ID) != nil || s.Find(ann, two.ID) == nil {
		t.Error("the task that ended first does not make room")
	}
	three.Finish(json.RawMessage(`"12345678"`), false, nil)
	if now, _ := status(t, three.Detailed()); now != completed {
		t.Errorf("the bytes of a task that is gone count: %s", three.Detailed())
	}
	for i := range allKeys * 2 {
		_, err := s.Add(Owner{Key: strings.Repeat("x", i)}, Call{Cancel: func() {}})
		if got, want := err == nil, i < allKeys*2-2; got != want {
			t.Fatalf("task %d of all keys: %v", i, err)
		}
	}
	four, _ := s.Add(ann, Call{Cancel: func() {}}) // in the place of its key's own
	if four == nil {
		t.Fatal("a key's own finished task makes no room")
	}
	for range maxWatchers {
		if four.Watch(func(json.RawMessage) {}) == nil {
			t.Error("a task cannot be watched")
		}
	}
	if four.Watch(func(json.RawMessage) {}) != nil {
		t.Error("too many watch")
	}
}

func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{TTL: time.Hour})
		defer s.End()
		short, cancels := add(t, s, Owner{}, time.Minute)
		long, _ := add(t, s, Owner{}, 5*time.Hour)
		if got := string(short.Created()); !strings.Contains(got, `"ttlMs":60000,"pollIntervalMs":500}`) || got[0] == '{' {
			t.Errorf("the beginning is %s", got)
		}
		if got := string(long.Summary()); !strings.Contains(got, `"ttl":3600000,"pollInterval":500}`) {
			t.Errorf("the summary is %s", got)
		}
		time.Sleep(59 * time.Second)
		if s.Find(Owner{}, short.ID) == nil {
			t.Error("a task is gone before its time")
		}
		time.Sleep(2 * time.Second)
		if s.Find(Owner{}, short.ID) != nil || *cancels != 1 || s.Find(Owner{}, long.ID) == nil {
			t.Error("the time of a task does not end it alone")
		}
	})
}
