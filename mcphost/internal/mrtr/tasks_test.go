package mrtr

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// taskServer answers requests in order: each step is "method -> result", and a result that begins with ! is an
// error. It keeps what was sent.
type taskServer struct {
	t     *testing.T
	steps []string
	sent  []string
}

func (s *taskServer) send(_ context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	s.sent = append(s.sent, method+" "+string(params))
	if len(s.steps) == 0 {
		s.t.Fatalf("nobody expects %s %s", method, params)
	}
	want, result, _ := strings.Cut(s.steps[0], " -> ")
	s.steps = s.steps[1:]
	if method != want {
		s.t.Fatalf("%s was sent where %s belongs", method, want)
	}
	if text, ok := strings.CutPrefix(result, "!"); ok {
		return nil, errors.New(text)
	}
	return json.RawMessage(result), nil
}

func TestIsTask(t *testing.T) {
	for result, want := range map[string]bool{
		`{"task":{"taskId":"a","status":"working"}}`:                         true,
		`{"resultType":"complete","task":{"taskId":"a","status":"working"}}`: true,
		`{"resultType":"task","taskId":"a","status":"working"}`:              true,
		`{"content":[]}`:                     false,
		`{"taskId":"a","status":"working"}`:  false,
		`{"resultType":"task","status":"x"}`: false,
		`{"task":{"taskId":"a"}}`:            false,
		`{"task":3}`:                         false,
		`{"task":{"status":"working"}}`:      false,
		`{"task":{"taskId":"` + strings.Repeat("x", 2000) + `","status":"working"}}`: false,
		`[]`: false,
	} {
		if got := IsTask(json.RawMessage(result)); got != want {
			t.Errorf("%.60s: %v", result, got)
		}
	}
}

func TestTasks(t *testing.T) {
	const old = `{"task":{"taskId":"a","status":"working","statusMessage":"one","pollInterval":3000}}`
	const new = `{"resultType":"task","taskId":"a","status":"completed","result":{"not":"this"},"pollIntervalMs":100}`
	for name, test := range map[string]struct {
		promise string
		steps   []string
		want    string // a result, or an error that begins with !
		sent    string
		took    time.Duration
		said    string
	}{
		"old": {old, []string{
			`tasks/get -> {"taskId":"a","status":"working","statusMessage":"one","pollInterval":3000}`,
			`tasks/get -> {"taskId":"a","status":"completed","statusMessage":"two"}`, `tasks/result -> {"content":[]}`,
		}, `{"content":[]}`, `tasks/get {"taskId":"a"}; tasks/get {"taskId":"a"}; tasks/result {"taskId":"a"}`, 6 * time.Second, "one,two"},
		"old, which asks":   {old, []string{`tasks/get -> {"taskId":"a","status":"input_required"}`, `tasks/result -> {"content":[1]}`}, `{"content":[1]}`, "", 3 * time.Second, "one"},
		"old, done at once": {`{"task":{"taskId":"a","status":"completed"}}`, []string{`tasks/result -> {}`}, `{}`, "", 0, ""},
		"old, failed":       {`{"task":{"taskId":"a","status":"failed"}}`, []string{`tasks/result -> !it broke`}, `!it broke`, "", 0, ""},
		"old, cancelled":    {`{"task":{"taskId":"a","status":"cancelled"}}`, nil, `!cancelled the task`, "", 0, ""},
		"old, lost":         {old, []string{`tasks/get -> !no such task`}, `!no such task`, "", 3 * time.Second, "one"},
		"old, garbage":      {old, []string{`tasks/get -> {"a":1,"a":2}`}, `!given twice`, "", 3 * time.Second, "one"},
		"old, no status":    {old, []string{`tasks/get -> {}`}, `!no status`, "", 3 * time.Second, "one"},
		"new": {new, []string{
			`tasks/get -> {"resultType":"complete","taskId":"a","status":"working","statusMessage":"hm","pollIntervalMs":999999}`,
			`tasks/get -> {"resultType":"complete","taskId":"a","status":"completed","result":{"content":[2]}}`,
		}, `{"content":[2]}`, `tasks/get {"taskId":"a"}; tasks/get {"taskId":"a"}`, 5*time.Second + 100*time.Millisecond, "hm"},
		"new, which asks": {new, []string{
			`tasks/get -> {"taskId":"a","status":"input_required","inputRequests":{"k1":{"method":"elicitation/create","params":{"n":1}},"k2":{"method":"roots/list"}}}`,
			`tasks/update -> {"resultType":"complete"}`,
			`tasks/get -> {"taskId":"a","status":"input_required","inputRequests":{"k2":{"method":"roots/list"}}}`,
			`tasks/get -> {"taskId":"a","status":"completed","result":{}}`,
		}, `{}`, `tasks/get {"taskId":"a"}; tasks/update {"taskId":"a","inputResponses":{"k1":"elicitation/create {\"n\":1}","k2":"roots/list "}}; tasks/get {"taskId":"a"}; tasks/get {"taskId":"a"}`,
			2100 * time.Millisecond, ""},
		"new, refused": {new, []string{`tasks/get -> {"taskId":"a","status":"input_required","inputRequests":{"k":{"method":"x"}}}`}, `!something that is not known here: no`, "", 100 * time.Millisecond, ""},
		"new, failed":  {new, []string{`tasks/get -> {"taskId":"a","status":"failed","error":{"code":-5,"message":"it broke"}}`}, `!it broke`, "", 100 * time.Millisecond, ""},
		"new, empty":   {new, []string{`tasks/get -> {"taskId":"a","status":"completed"}`}, `!gives no result`, "", 100 * time.Millisecond, ""},
		"new, too many": {new, []string{`tasks/get -> {"taskId":"a","status":"input_required","inputRequests":{` + strings.Repeat(`"x":{},`, 1) + manyAsks(40) + `}}`},
			`!more than 32 things`, "", 100 * time.Millisecond, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &taskServer{t: t, steps: test.steps}
				var said []string
				owned := ""
				tasks := Tasks{Send: s.send, OnTask: func(id string) { owned = id }, OnStatus: func(text string) { said = append(said, text) },
					Answer: func(_ context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
						if method == "x" {
							return nil, errors.New("no")
						}
						return json.Marshal(method + " " + string(params))
					}}
				start := time.Now()
				got, err := tasks.Result(t.Context(), json.RawMessage(test.promise))
				if text, fails := strings.CutPrefix(test.want, "!"); fails && (err == nil || !strings.Contains(err.Error(), text)) || !fails && (err != nil || string(got) != test.want) {
					t.Errorf("%s %v, want %s", got, err, test.want)
				}
				if sent := strings.Join(s.sent, "; "); test.sent != "" && sent != test.sent {
					t.Errorf("sent %s\nwant %s", sent, test.sent)
				}
				if took := time.Since(start); took != test.took || owned != "a" || strings.Join(said, ",") != test.said || len(s.steps) > 0 {
					t.Errorf("took %s, of %q, said %q, left %q", took, owned, said, s.steps)
				}
			})
		})
	}
}

func manyAsks(n int) string {
	var items []string
	for range n {
		items = append(items, `"k`+strings.Repeat("x", len(items))+`":{"method":"roots/list"}`)
	}
	return strings.Join(items, ",")
}

func TestTaskFailureIsTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &taskServer{t: t, steps: []string{`tasks/get -> {"status":"failed","error":{"code":-5,"message":"it broke"}}`}}
		_, err := Tasks{Send: s.send}.Result(t.Context(), json.RawMessage(`{"resultType":"task","taskId":"a","status":"working"}`))
		var e *jsonrpc.Error
		if !errors.As(err, &e) || e.Code != -5 {
			t.Errorf("%v", err)
		}
	})
}

// TestTaskIsCancelled when nobody waits for it any more.
func TestTaskIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer leave()
		s := &taskServer{t: t, steps: []string{`tasks/get -> {"status":"working"}`, `tasks/get -> {"status":"working"}`, `tasks/cancel -> {}`}}
		_, err := Tasks{Send: s.send}.Result(ctx, json.RawMessage(`{"task":{"taskId":"a","status":"working"}}`))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if len(s.steps) > 0 {
			t.Errorf("sent %q only", s.sent)
		}
	})
}
