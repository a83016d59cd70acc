package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func tick() func() time.Time {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	return func() time.Time { at = at.Add(time.Second); return at }
}

func call(tool, server string, ok bool) Record {
	r := Record{Server: server, Tool: tool, Origin: "execute", Arguments: json.RawMessage(`{"path":"/tmp/x","token":"t"}`),
		Decision: "allow", Success: ok, DurationMS: 12.5}
	if !ok {
		r.Error = "it failed"
	}
	return r
}

func mustOpen(t *testing.T, opts Options) *Log {
	t.Helper()
	if opts.Now == nil {
		opts.Now = tick()
	}
	l, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestQuery(t *testing.T) {
	var seen []string
	l := mustOpen(t, Options{Ring: 5, OnRecord: func(r Record) {
		seen = append(seen, r.Tool)
		if r.Tool == "read_file" {
			panic("the callback's own")
		}
	}})
	for i, r := range []Record{call("old", "fs", true), call("read_file", "fs", true), call("write_file", "fs", false), call("get", "web", true),
		call("read_file", "other", true), call("list", "fs", true)} {
		if err := l.Append(r); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "2 read_file, 3 write_file, 4 get, 5 read_file, 6 list"},
		{Filter{Limit: 2}, "5 read_file, 6 list"},
		{Filter{Limit: -1, Tool: "file"}, "2 read_file, 3 write_file, 5 read_file"},
		{Filter{Server: "fs"}, "2 read_file, 3 write_file, 6 list"},
		{Filter{ErrorsOnly: true}, "3 write_file"},
		{Filter{Tool: "nope"}, ""},
	} {
		var got []string
		for _, r := range l.Query(c.f) {
			got = append(got, fmt.Sprint(r.Seq, " ", r.Tool))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%+v: %v, want %s", c.f, got, c.want)
		}
	}
	if got := string(l.Query(Filter{Limit: 1})[0].Arguments); got != `{"path":"/tmp/x","token":"[REDACTED]"}` {
		t.Errorf("arguments are %s", got)
	}
	if strings.Join(seen, " ") != "old read_file write_file get read_file list" {
		t.Errorf("the callback saw %v", seen)
	}
	if n := l.Clear(); n != 5 || len(l.Query(Filter{})) != 0 {
		t.Errorf("cleared %d, %d left", n, len(l.Query(Filter{})))
	}
}

func TestChainOverRestartsAndRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	now := tick()
	for range 4 {
		l, err := Open(Options{Path: path, MaxBytes: 1500, MaxFiles: -1, Now: now, SyncEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if err := l.Append(call("t", "s", i%2 == 0)); err != nil {
				t.Fatal(err)
			}
		}
		if n := l.Clear(); n != 5 {
			t.Errorf("Clear returns %d", n)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(Record{}); !errors.Is(err, ErrClosed) {
			t.Errorf("append after close: %v", err)
		}
	}
	sum, err := VerifyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Files < 3 || sum.First != 1 || sum.Last != uint64(sum.Records) || sum.Records < 22 {
		t.Errorf("summary %+v", sum)
	}
	// A rotated file that is missing breaks the chain at the first line of the next one.
	if err := os.Remove(path + ".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".3", path+".2"); err != nil && sum.Files > 3 {
		t.Fatal(err)
	}
	var bad *ChainError
	if _, err := VerifyFile(path); sum.Files > 3 && (!errors.As(err, &bad) || bad.Line != 1) {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestRotationKeepsFewFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := mustOpen(t, Options{Path: path, MaxBytes: 1, MaxFiles: 2})
	for range 6 {
		if err := l.Append(call("t", "s", true)); err != nil {
			t.Fatal(err)
		}
	}
	if !exists(path+".2") || exists(path+".3") {
		t.Error("not exactly two old files are kept")
	}
	if sum, err := VerifyFile(path); err != nil || sum.First == 1 {
		t.Errorf("summary %+v, %v", sum, err)
	}
}

func writeLog(t *testing.T, n int) (path string, data []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := Open(Options{Path: path, Now: tick()})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := l.Append(call("tool", "server", true)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, data
}

func TestVerifyFindsEveryFlippedByte(t *testing.T) {
	_, data := writeLog(t, 4)
	if err := Verify(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for _, flip := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(data)
			bad[i] ^= flip
			err := Verify(bytes.NewReader(bad))
			var chain *ChainError
			if !errors.As(err, &chain) {
				t.Fatalf("byte %d flipped by %#x: %v", i, flip, err)
			}
			if line := 1 + bytes.Count(data[:i], []byte("\n")); chain.Line != line {
				t.Fatalf("byte %d of line %d flipped: the error names line %d", i, line, chain.Line)
			}
		}
	}
}

func TestVerifyFindsMovedLines(t *testing.T) {
	_, data := writeLog(t, 4)
	lines := strings.SplitAfter(string(data), "\n")
	for name, c := range map[string]struct {
		lines []string
		line  int
	}{
		"removed":    {[]string{lines[0], lines[2], lines[3]}, 2},
		"swapped":    {[]string{lines[0], lines[2], lines[1], lines[3]}, 2},
		"doubled":    {[]string{lines[0], lines[0], lines[1]}, 2},
		"blank line": {[]string{lines[0], "\n", lines[1]}, 2},
		"incomplete": {[]string{lines[0], lines[1][:20]}, 2},
		"not json":   {[]string{lines[0], "hello\n"}, 2},
	} {
		var chain *ChainError
		if err := Verify(strings.NewReader(strings.Join(c.lines, ""))); !errors.As(err, &chain) || chain.Line != c.line {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Verify(strings.NewReader("")); err != nil {
		t.Errorf("an empty log: %v", err)
	}
}

// TestTornEnd cuts the last record at every byte, as a crash would, and goes on.
func TestTornEnd(t *testing.T) {
	path, data := writeLog(t, 2)
	for cut := bytes.IndexByte(data, '\n') - 2; cut < len(data); cut++ {
		if err := os.WriteFile(path, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(Options{Path: path, Now: tick()})
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if err := l.Append(call("after", "server", true)); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		sum, err := VerifyFile(path)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		whole := bytes.Count(data[:cut], []byte("\n"))
		want := whole + 1
		if cut > 0 && data[cut-1] != '\n' {
			want++ // the record of the repair
		}
		if sum.Records != want {
			t.Fatalf("cut at %d: %d records, want %d", cut, sum.Records, want)
		}
	}
}

func TestOpenRefusesABrokenEnd(t *testing.T) {
	path, data := writeLog(t, 3)
	data[len(data)-100] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: path}); err == nil || !strings.Contains(err.Error(), "not intact") {
		t.Errorf("error %v", err)
	}
	if _, err := Open(Options{Path: filepath.Join(t.TempDir(), "no", "folder")}); err == nil {
		t.Error("a missing folder is no error")
	}
}

func TestOpenLocksTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	mustOpen(t, Options{Path: path})
	if _, err := Open(Options{Path: path}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second open: %v", err)
	}
}

func TestCrashBetweenRenameAndNewFile(t *testing.T) {
	path, _ := writeLog(t, 3)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, Options{Path: path})
	if err := l.Append(call("t", "s", true)); err != nil {
		t.Fatal(err)
	}
	if sum, err := VerifyFile(path); err != nil || sum.Last != 4 {
		t.Errorf("summary %+v, %v", sum, err)
	}
}

// faulty fails its nth write after some bytes, as a full disk does.
type faulty struct {
	file
	fail    map[int]int
	writes  int
	noTrunc bool
}

func (f *faulty) Write(b []byte) (int, error) {
	f.writes++
	if n, ok := f.fail[f.writes]; ok {
		n, _ = f.file.Write(b[:min(n, len(b))])
		return n, errors.New("no space left")
	}
	return f.file.Write(b)
}

func (f *faulty) Truncate(size int64) error {
	if f.noTrunc {
		return errors.New("read-only")
	}
	return f.file.Truncate(size)
}

func TestFailedWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := mustOpen(t, Options{Path: path})
	bad := &faulty{file: l.file.f, fail: map[int]int{2: 0, 3: 40, 5: 1}}
	l.file.f = bad
	var failed int
	for range 6 {
		if l.Append(call("t", "s", true)) != nil {
			failed++
		}
	}
	if sum, err := VerifyFile(path); err != nil || sum.Records != 3 || failed != 3 {
		t.Errorf("%d failed, summary %+v, %v", failed, sum, err)
	}
	if got := len(l.Query(Filter{})); got != 6 {
		t.Errorf("the ring has %d records", got)
	}
	bad.noTrunc, bad.fail = true, map[int]int{7: 30}
	for range 2 {
		if l.Append(call("t", "s", true)) == nil {
			t.Error("a log with a torn end takes more records")
		}
	}
}

func TestConcurrentAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := mustOpen(t, Options{Path: path, MaxBytes: 4000, MaxFiles: -1, Now: time.Now})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if err := l.Append(call("t", "s", true)); err != nil {
					t.Error(err)
				}
				l.Query(Filter{Limit: 3})
			}
		})
	}
	wg.Wait()
	sum, err := VerifyFile(path)
	if err != nil || sum.Records < 400 {
		t.Errorf("summary %+v, %v", sum, err)
	}
	if seq, head := l.Head(); seq != sum.Last || head != sum.Head {
		t.Errorf("head is %d %s, the file ends with %d %s", seq, head, sum.Last, sum.Head)
	}
}

func TestRecordText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := mustOpen(t, Options{Path: path})
	r := Record{Server: "s\x1b[8m", Tool: "t\xff", Origin: "execute", Actor: "key 1", Request: "r1", Arguments: json.RawMessage(`{"a":1}`),
		Decision: "deny", Code: "argument", Reason: "because", Warnings: []string{"w1", "password=x1"}, Error: "token=abc", Result: "r", DurationMS: 0.25, Note: "n"}
	if err := l.Append(r); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"seq":1,"time":"2026-01-02T03:04:06.000000006Z","kind":"call","server":"s\u001b[8m","tool":"t\ufffd","origin":"execute","actor":"key 1",` +
		`"request":"r1","arguments":{"a":1},"decision":"deny","code":"argument","reason":"because","warnings":["w1","password=[REDACTED]"],"success":false,` +
		`"error":"token=[REDACTED]","result":"r","duration_ms":0.250,"note":"n","prev":"` + strings.Repeat("0", 64) + `","hash":"`
	if got := string(data[:len(data)-67]); got != want {
		t.Errorf("the line is\n%s\nwant\n%s", got, want)
	}
	var back Record
	if err := json.Unmarshal(data, &back); err != nil || back.Tool != "t\ufffd" || back.DurationMS != 0.25 || back.Seq != 1 {
		t.Errorf("read back as %+v, %v", back, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, path := range map[string]string{"ring": "", "file": filepath.Join(b.TempDir(), "audit.jsonl")} {
		b.Run(name, func(b *testing.B) {
			l, err := Open(Options{Path: path, Redactor: NewRedactor(RedactorOptions{Secrets: []string{"hunter2", "another-secret"}})})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			r := call("read_file", "filesystem", true)
			r.Result = "The file holds one line: https://example.com/?token=abc and nothing else of note."
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Append(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
