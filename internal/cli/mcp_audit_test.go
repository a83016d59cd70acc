package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/audit"
)

// runLocal runs one command line that needs no server.
func runLocal(t *testing.T, args ...string) (status int, out, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	status = Run(t.Context(), args, IO{In: strings.NewReader(""), Out: &o, Err: &e, Env: os.Getenv})
	return status, o.String(), e.String()
}

// auditFile writes a log of some records, in files of about maxBytes.
func auditFile(t *testing.T, records int, maxBytes int64) (path, head string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.Open(audit.Options{Path: path, MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if err := log.Append(audit.Record{Server: "fs", Tool: fmt.Sprintf("tool%d", i), Decision: "allow", Success: true}); err != nil {
			t.Fatal(err)
		}
	}
	_, head = log.Head()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return path, head
}

func TestAuditVerify(t *testing.T) {
	path, head := auditFile(t, 5, 0)
	status, out, stderr := runLocal(t, "mcp", "audit", "--verify", path)
	if want := path + ": intact, 5 records in 1 files, 1 to 5\nhead " + head; status != 0 || !strings.HasPrefix(out, want) || stderr != "" {
		t.Errorf("status %d\n%s%s\nwant %s", status, out, stderr, want)
	}
	status, out, _ = runLocal(t, "mcp", "audit", "--verify", path, "--json")
	if want := `{"files":1,"first":1,"head":"` + head + `","intact":true,"last":5,"records":5}` + "\n"; status != 0 || out != want {
		t.Errorf("status %d, %s, want %s", status, out, want)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for name, test := range map[string]struct {
		text string
		want []string // in the message
	}{
		"a changed record": {strings.Replace(string(text), "tool2", "tool9", 1), []string{path + ": line 3 (record 3)", "it was changed", "the 2 records before it are intact"}},
		"a missing record": {strings.Join(append(append([]string{}, lines[:1]...), lines[2:]...), ""), []string{"line 2 (record 2)", "record 3 stands here"}},
		"a torn end":       {string(text[:len(text)-10]), []string{"line 5 (record 5)", "not complete"}},
		"other text":       {"hello\n", []string{"line 1", "not a record"}},
	} {
		bad := filepath.Join(t.TempDir(), "audit.jsonl")
		if err := os.WriteFile(bad, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		status, out, stderr := runLocal(t, "mcp", "audit", "--verify", bad)
		for _, want := range test.want {
			if !strings.Contains(stderr, strings.ReplaceAll(want, path, bad)) || status != 1 || out != "" {
				t.Errorf("%s: status %d, %s%s, want %q", name, status, out, stderr, want)
			}
		}
		status, out, stderr = runLocal(t, "mcp", "audit", "--verify", bad, "--json")
		if status != 1 || !strings.Contains(out, `"intact":false`) || !json.Valid([]byte(out)) || stderr != "" {
			t.Errorf("%s as JSON: status %d, %s%s", name, status, out, stderr)
		}
	}
}

func TestAuditVerifyRotated(t *testing.T) {
	path, _ := auditFile(t, 30, 1500)
	if status, out, stderr := runLocal(t, "mcp", "audit", "--verify", path); status != 0 || !strings.Contains(out, "files, 1 to ") {
		t.Fatalf("status %d, %s%s", status, out, stderr)
	}
	oldest := path
	for n := 1; ; n++ {
		next := fmt.Sprintf("%s.%d", path, n)
		if _, err := os.Stat(next); err != nil {
			break
		}
		oldest = next
	}
	if oldest == path {
		t.Fatal("the log was not rotated")
	}
	if err := os.Remove(oldest); err != nil {
		t.Fatal(err)
	}
	if status, out, stderr := runLocal(t, "mcp", "audit", "--verify", path); status != 0 || !strings.Contains(out, "are in older files, which are gone") {
		t.Errorf("status %d, %s%s", status, out, stderr)
	}
}

func TestAuditVerifyUsage(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.jsonl")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args      []string
		status    int
		out, errs string
	}{
		{[]string{"--verify", empty}, 0, "no records", ""},
		{[]string{"--verify", empty + ".none"}, 1, "", "no such file"},
		{[]string{"--verify", empty + ".none", "--json"}, 1, "", "no such file"},
		{[]string{"--verify", t.TempDir()}, 1, "", "is a directory"},
		{[]string{"--verify", empty, "--follow"}, 2, "", "give one of them"},
	} {
		status, out, stderr := runLocal(t, append([]string{"mcp", "audit"}, test.args...)...)
		if status != test.status || !strings.Contains(out, test.out) || !strings.Contains(stderr, test.errs) {
			t.Errorf("%q: status %d, %s%s", test.args, status, out, stderr)
		}
	}
}

// TestAuditFollow follows a log that grows by more than --limit at a time, until it is interrupted.
func TestAuditFollow(t *testing.T) {
	log, err := audit.Open(audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	add := func(n int) {
		for range n {
			if err := log.Append(audit.Record{Server: "fs", Tool: "read", Success: true}); err != nil {
				t.Error(err)
			}
		}
	}
	add(5)
	asked := 0 // by one client, one request at a time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := 0
		fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		body, _ := json.Marshal(map[string]any{"entries": log.Query(audit.Filter{Limit: limit})})
		_, _ = w.Write(body)
		if asked++; asked < 3 {
			add(10)
		}
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	read, write := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- Run(ctx, []string{"mcp", "audit", "--follow", "--json", "--limit", "2", "--url", server.URL},
			IO{In: strings.NewReader(""), Out: write, Err: io.Discard, Env: os.Getenv})
		write.Close()
	}()
	dec := json.NewDecoder(read)
	for want := uint64(4); want <= 25; want++ { // the newest two of five, and all that came after
		var record struct{ Seq uint64 }
		if err := dec.Decode(&record); err != nil || record.Seq != want {
			t.Fatalf("record %d, %v; want %d", record.Seq, err, want)
		}
	}
	cancel()
	if rest, _ := io.ReadAll(io.MultiReader(dec.Buffered(), read)); strings.TrimSpace(string(rest)) != "" {
		t.Errorf("more came: %s", rest)
	}
	if status := <-done; status != 0 {
		t.Errorf("interrupted: status %d", status)
	}
}
