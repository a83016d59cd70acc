package pins

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/toolserve/toolserve/policy/trust"
)

var now = time.Date(2026, 1, 5, 9, 7, 3, 0, time.UTC)

func item(name, description string) trust.Item {
	definition, _ := json.Marshal(map[string]string{"name": name, "description": description})
	return trust.NewItem(trust.KindTool, name, definition)
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func actions(t *testing.T, s *Store, server string, rules trust.Rules, items ...trust.Item) string {
	t.Helper()
	out, err := s.Review(server, rules, items, true, now)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, o := range out {
		words = append(words, string(o.Action))
	}
	return strings.Join(words, " ")
}

func TestReview(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "lock.json")} {
		s := open(t, path)
		steps := []struct {
			server string
			rules  trust.Rules
			items  []trust.Item
			want   string
		}{
			{"s", trust.Rules{}, []trust.Item{item("a", "1"), item("b", "1")}, "record record"},
			{"s", trust.Rules{}, []trust.Item{item("a", "1"), item("b", "2")}, "keep suspend"},
			{"s", trust.Rules{Mode: trust.Warn}, []trust.Item{item("b", "2")}, "report"},
			{"s", trust.Rules{}, []trust.Item{item("b", "1")}, "keep"},
			{"s", trust.Rules{HoldNew: true}, []trust.Item{item("c", "1")}, "suspend"},
			{"other", trust.Rules{HoldNew: true}, []trust.Item{item("a", "9")}, "record"},
			{"empty", trust.Rules{}, nil, ""},
			{"empty", trust.Rules{HoldNew: true}, []trust.Item{item("a", "1")}, "suspend"},
		}
		for i, step := range steps {
			if got := actions(t, s, step.server, step.rules, step.items...); got != step.want {
				t.Errorf("step %d: %q, want %q", i, got, step.want)
			}
			if path != "" { // what is on record is the same to who reads it anew
				if got := actions(t, open(t, path), step.server, step.rules, step.items...); got != strings.ReplaceAll(step.want, "record", "keep") {
					t.Errorf("step %d, read anew: %q", i, got)
				}
			}
		}
		if err := s.Approve("s", item("c", "1"), "ann", now); err != nil {
			t.Fatal(err)
		}
		if got := actions(t, s, "s", trust.Rules{HoldNew: true}, item("c", "1")); got != "keep" {
			t.Errorf("after the approval: %q", got)
		}
		if waiting, err := s.Waiting("s"); err != nil || len(waiting) != 0 {
			t.Errorf("waiting are %+v, %v", waiting, err)
		}
		if waiting, _ := s.Waiting("empty"); len(waiting) != 1 || waiting[0].Item.Digest != item("a", "1").Digest {
			t.Errorf("waiting are %+v", waiting)
		}
	}
}

// TestDefinitionsThatAreNotKept checks what is too large, and what would spoil the file.
func TestDefinitionsThatAreNotKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock.json")
	s := open(t, path)
	twice := trust.NewItem(trust.KindTool, "twice", []byte(`{"a":1,"a":2}`))
	deep := trust.NewItem(trust.KindTool, "deep", []byte(strings.Repeat("[", 127)+strings.Repeat("]", 127)))
	bad := trust.NewItem(trust.KindTool, "bad\x00\xff\u2028", []byte("{\"\xff\":\"\\ud800\"}"))
	items := []trust.Item{item("large", strings.Repeat("x", maxDefinition)), twice, deep, bad}
	for i := range 100 {
		items = append(items, item(fmt.Sprint("t", i), strings.Repeat("y", 60_000)))
	}
	want := strings.TrimSpace(strings.Repeat("record ", len(items)))
	if got := actions(t, s, "s", trust.Rules{}, items...); got != want {
		t.Errorf("first: %q", got)
	}
	if got := actions(t, open(t, path), "s", trust.Rules{}, items...); got != strings.ReplaceAll(want, "record", "keep") {
		t.Errorf("read anew: %q", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxServer+1<<20 {
		t.Errorf("the file is %d bytes long, %v", info.Size(), err)
	}
}

func entryText(digest, definition string) string {
	return `{"version":1,"servers":{"s":{"tools":{"t":{"digest":"` + digest + `","definition":` + definition + `}}}}}`
}

func TestHostileFiles(t *testing.T) {
	good := item("t", "d")
	if _, err := Decode([]byte(entryText(good.Digest, string(good.Definition)))); err != nil {
		t.Fatalf("a good file: %v", err)
	}
	for text, want := range map[string]string{
		"":                                      "empty",
		" \n":                                   "empty",
		"{":                                     "unexpected end",
		"[]":                                    "must be an object",
		"null":                                  "must be an object",
		"{}":                                    `no "version"`,
		`{"version":"1"}`:                       "must be a number",
		`{"version":2,"servers":{}}`:            "newer version",
		`{"version":1,"Servers":{}}`:            "unknown key",
		`{"version":1,"servers":[]}`:            "must be an object",
		`{"version":1,"servers":{"s":{"x":1}}}`: "unknown key",
		`{"version":1,"version":1}`:             "given twice",
		`{"version":1,"servers":{"s":{"launch":{}}}}`:                                                "no digest",
		`{"version":1,"servers":{"s":{"launch":{"digest":"sha256:1"}}}}`:                             "no SHA-256",
		`{"version":1,"servers":{"s":{"launch":{"digest":7}}}}`:                                      "must be a string",
		`{"version":1,"servers":{"s":{"launch":{"pending":{}}}}}`:                                    "no digest",
		`{"version":1,"servers":{"s":{"tools":{"t":{"since":"x","digest":"` + good.Digest + `"}}}}}`: "no time",
		entryText(good.Digest, `{"name":"t","description":"another"}`):                               "not the one of its digest",
		entryText(good.Digest, `null`):                                                               "not the one of its digest",
		`{"version":1,"servers":{"` + strings.Repeat("x", 2000) + `":{}}}`:                           "longer than",
		strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000):                              "nested too deep",
		`{"version":1,"servers":{}} {}`:                                                              "invalid character",
	} {
		_, err := Decode([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
		path := filepath.Join(t.TempDir(), "lock.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path+" is damaged") {
			t.Errorf("%.60s: opened with %v", text, err)
		}
		if left, _ := os.ReadFile(path); string(left) != text {
			t.Errorf("%.60s: the file is now %.60s", text, left)
		}
	}
}

func TestFilesOfOtherKinds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock.json")
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
	os.WriteFile(path, []byte(`{"version":1,"servers":{}}`), 0o600)
	os.Chmod(path, 0o666)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "everyone may write") {
		t.Errorf("a file of everyone: %v", err)
	}
	os.Chmod(path, 0o600)
	s := open(t, path)
	actions(t, s, "s", trust.Rules{}, item("a", "1"))
	os.Remove(path)
	if _, err := s.Review("s", trust.Rules{}, []trust.Item{item("a", "2")}, true, now); err == nil || !strings.Contains(err.Error(), "removed while in use") {
		t.Errorf("a removed file: %v", err)
	}
	os.WriteFile(path, []byte("{"), 0o600)
	if _, err := s.Review("s", trust.Rules{}, []trust.Item{item("a", "2")}, true, now); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v", err)
	}
	if err := s.Approve("s", item("a", "2"), "ann", now); err == nil {
		t.Error("an approval replaces a damaged file")
	}
	if left, _ := os.ReadFile(path); string(left) != "{" {
		t.Errorf("the damaged file is now %s", left)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("left behind are %v", entries)
	}
}

// TestManyWriters lets stores, as processes have them, record at once: nothing is lost, and of two
// definitions of one tool the first one counts for all.
func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock.json")
	const writers = 8
	contested := make([]string, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			s, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			for n := range 5 {
				if _, err := s.Review(fmt.Sprint("own", i), trust.Rules{}, []trust.Item{item(fmt.Sprint("t", n), "1")}, true, now); err != nil {
					t.Error(err)
				}
			}
			out, err := s.Review("shared", trust.Rules{}, []trust.Item{item("t", fmt.Sprint(i))}, true, now)
			if err != nil {
				t.Error(err)
				return
			}
			contested[i] = string(out[0].Action)
		})
	}
	wg.Wait()
	if all := strings.Join(contested, " "); strings.Count(all, "record") != 1 || strings.Count(all, "suspend") != writers-1 {
		t.Errorf("of %d different definitions: %s", writers, all)
	}
	s := open(t, path)
	for i := range writers {
		for n := range 5 {
			if got := actions(t, s, fmt.Sprint("own", i), trust.Rules{}, item(fmt.Sprint("t", n), "1")); got != "keep" {
				t.Errorf("the record of writer %d, tool %d is lost: %s", i, n, got)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	good := item("t", "d")
	f.Add([]byte(entryText(good.Digest, string(good.Definition))))
	f.Add([]byte(`{"version":1,"servers":{"s":{"launch":{"pending":{"digest":"` + good.Digest + `","since":"2026-01-05T09:07:03Z"}},"tools":{}}}}`))
	f.Add([]byte(`{"version":1,"servers":{"":{"instructions":{"digest":"","by":""}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Decode(data)
		if err != nil {
			return
		}
		text, err := encode(file)
		if err != nil {
			t.Fatalf("%q cannot be written again: %v", data, err)
		}
		again, err := Decode(text)
		if err != nil {
			t.Fatalf("%q is written as %q, which cannot be read: %v", data, text, err)
		}
		if second, err := encode(again); err != nil || string(second) != string(text) {
			t.Errorf("%q is written as %q and then as %q", data, text, second)
		}
	})
}

func BenchmarkReviewUnchanged(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "lock.json"))
	if err != nil {
		b.Fatal(err)
	}
	var items []trust.Item
	for i := range 100 {
		items = append(items, item(fmt.Sprint("t", i), strings.Repeat("d", 1000)))
	}
	for b.Loop() {
		if _, err := s.Review("s", trust.Rules{}, items, true, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "lock.json")
	s, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	var items []trust.Item
	for i := range 100 {
		items = append(items, item(fmt.Sprint("t", i), strings.Repeat("d", 1000)))
	}
	if _, err := s.Review("s", trust.Rules{}, items, true, now); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Open(path); err != nil {
			b.Fatal(err)
		}
	}
}
