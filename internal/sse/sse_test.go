package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestWriter(t *testing.T) {
	rec := httptest.NewRecorder()
	w := NewWriter(rec)
	for _, err := range []error{
		w.Event("", []byte(`{"a":1}`)),
		w.Event("error\nevil", []byte("one\ntwo\r\nthree\rfour")),
		w.Event("", nil),
		w.Comment("wait\ndata: evil"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	const want = "data: {\"a\":1}\n\n" +
		"event: error\ndata: one\ndata: two\ndata: three\ndata: four\n\n" +
		"data: \n\n" +
		": wait\n\n"
	if got := rec.Body.String(); got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if !rec.Flushed || rec.Header().Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("flushed %v, headers %v", rec.Flushed, rec.Header())
	}
}

// brokenWriter fails every write after the first.
type brokenWriter struct {
	httptest.ResponseRecorder
	writes int
}

var errBroken = errors.New("broken pipe")

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.writes++; w.writes > 1 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestWriterKeepsItsFirstError(t *testing.T) {
	under := &brokenWriter{}
	w := NewWriter(under)
	if err := w.Event("", []byte("a")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.Event("", []byte("b")); err != errBroken {
			t.Errorf("error is %v, want %v", err, errBroken)
		}
	}
	if under.writes != 2 {
		t.Errorf("%d writes reached the connection, want 2", under.writes)
	}
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := httptest.NewRecorder()
		w := NewWriter(rec)
		w.KeepAlive(5 * time.Second)
		time.Sleep(12 * time.Second) // two comments
		if err := w.Event("", []byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second) // none: the event was 4 s ago
		if err := w.Event("", []byte("y")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second) // one
		w.Stop()
		time.Sleep(time.Minute) // none
		const want = ": keep-alive\n\n: keep-alive\n\ndata: x\n\ndata: y\n\n: keep-alive\n\n"
		if got := rec.Body.String(); got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
		if w.Event("", nil) == nil {
			t.Error("an event after Stop was sent")
		}
	})
}

func TestCancel(t *testing.T) {
	rec := httptest.NewRecorder()
	w := NewWriter(rec)
	if !w.Cancel() || w.Event("", nil) == nil || rec.Body.Len() > 0 {
		t.Errorf("a cancelled stream sent %q", rec.Body)
	}
	w = NewWriter(rec)
	if err := w.Event("", nil); err != nil {
		t.Fatal(err)
	}
	if w.Cancel() || w.Event("", nil) != nil {
		t.Error("a stream that had begun was cancelled")
	}
}

// all reads every event.
func all(r *Reader) (events []string, err error) {
	for {
		ev, err := r.Next()
		if err != nil {
			return events, err
		}
		events = append(events, fmt.Sprintf("%s|%s|%s", ev.Name, ev.Data, ev.ID))
	}
}

func TestReader(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		err      error
	}{
		{"empty", "", nil, io.EOF},
		{"two", "data: a\n\ndata: b\n\n", []string{"|a|", "|b|"}, io.EOF},
		{"no space", "data:a\n\n", []string{"|a|"}, io.EOF},
		{"one space only", "data:  a\n\n", []string{"| a|"}, io.EOF},
		{"lines", "data: a\ndata\ndata: b\n\n", []string{"|a\n\nb|"}, io.EOF},
		{"crlf", "event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []string{"x|a|", "|b|"}, io.EOF},
		{"cr", "data: a\r\rdata: b\r\r", []string{"|a|", "|b|"}, io.EOF},
		{"mixed", "data: a\r\n\ndata: b\r\n\rdata: c\n\r\n", []string{"|a|", "|b|", "|c|"}, io.EOF},
		{"comments", ": hi\n\n:\n\ndata: a\n: in between\ndata: b\n\n", []string{"|a\nb|"}, io.EOF},
		{"name without data", "event: x\n\ndata: a\n\n", []string{"|a|"}, io.EOF},
		{"id stays", "id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: \x00\ndata: d\n\n", []string{"|a|7", "|b|7", "|c|", "|d|"}, io.EOF},
		{"unknown fields", "retry: 5\nwhatever: x\ndata: a\n\n", []string{"|a|"}, io.EOF},
		{"mark", "\xEF\xBB\xBFdata: a\n\n", []string{"|a|"}, io.EOF},
		{"half a mark", "\xEF\xBBdata: a\n\n", nil, io.EOF},
		{"cut in a line", "data: a\n\ndata: b", []string{"|a|"}, io.ErrUnexpectedEOF},
		{"cut before the blank line", "data: a\n\ndata: b\n", []string{"|a|"}, io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, src := range []io.Reader{
				strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in)),
				iotest.DataErrReader(strings.NewReader(test.in)),
			} {
				got, err := all(NewReader(src))
				if !reflect.DeepEqual(got, test.want) || err != test.err {
					t.Errorf("read %q, %v; want %q, %v", got, err, test.want, test.err)
				}
			}
		})
	}
}

func TestReaderBounds(t *testing.T) {
	tests := map[string]string{
		"line":    "data: " + strings.Repeat("x", 100),
		"lines":   strings.Repeat("data: xxxxxxxxx\n", 7),
		"field":   strings.Repeat("x", 100),
		"comment": ":" + strings.Repeat("x", 100),
	}
	for name, in := range tests {
		if _, err := all(NewReaderSize(strings.NewReader(in), 99)); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: error is %v, want %v", name, err, ErrTooLong)
		}
	}
	long := strings.Repeat(": comment\n", 1000) + "data: " + strings.Repeat("x", 93) + "\n\n"
	if got, err := all(NewReaderSize(strings.NewReader(long+long), 99)); len(got) != 2 || err != io.EOF {
		t.Errorf("read %d events, %v; want 2", len(got), err)
	}
}

// A reader must not wait for the byte after a line end.
func TestReaderDoesNotHoldBack(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	events := NewReader(r)
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r"} {
		go func() { _, _ = io.WriteString(w, in) }()
		if ev, err := events.Next(); err != nil || string(ev.Data) != "a" {
			t.Fatalf("%q: %q, %v", in, ev.Data, err)
		}
	}
}

// FuzzReader checks that the events do not depend on how the stream arrives in pieces, and that what the
// writer writes the reader reads.
func FuzzReader(f *testing.F) {
	f.Add([]byte("event: x\r\ndata: a\rdata:b\n\n: c\n\nid: 1\ndata\n\n"), uint64(1))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		want, wantErr := all(NewReaderSize(bytes.NewReader(in), 1000))
		got, err := all(NewReaderSize(&chunked{in, rand.New(rand.NewPCG(seed, 0))}, 1000))
		if !reflect.DeepEqual(got, want) || !errors.Is(err, errors.Unwrap(wantErr)) && err != wantErr {
			t.Errorf("whole %q, %v; in pieces %q, %v", want, wantErr, got, err)
		}
		rec := httptest.NewRecorder()
		if err := NewWriter(rec).Event("", in); err != nil {
			t.Fatal(err)
		}
		ev, err := NewReader(rec.Body).Next()
		lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(in))
		if err != nil || string(ev.Data) != lines {
			t.Errorf("wrote %q, read %q, %v", in, ev.Data, err)
		}
	})
}

type chunked struct {
	rest []byte
	rng  *rand.Rand
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(len(c.rest), 1+c.rng.IntN(4))])
	c.rest = c.rest[n:]
	return n, nil
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
func (d discard) Flush()                      {}

func BenchmarkWriter(b *testing.B) {
	w := NewWriter(discard{http.Header{}})
	data := []byte(strings.Repeat("x", 250))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Event("", data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	stream := strings.Repeat("data: "+strings.Repeat("x", 250)+"\n\n", 1000)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(strings.NewReader(stream))
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}

// TestResumption keeps what a client needs to come back: the last id and the wait.
func TestResumption(t *testing.T) {
	r := NewReader(strings.NewReader("id: 1\nretry: 500\n\nid: 2\ndata: x\n\nretry: soon\nretry: -1\nid: 3\n\n"))
	ev, err := r.Next()
	if err != nil || string(ev.Data) != "x" || ev.ID != "2" || r.LastID() != "2" || r.Retry() != 500*time.Millisecond {
		t.Errorf("%+v, %v, id %q, retry %v", ev, err, r.LastID(), r.Retry())
	}
	if _, err := r.Next(); err != io.EOF || r.LastID() != "3" || r.Retry() != 500*time.Millisecond {
		t.Errorf("%v, id %q, retry %v", err, r.LastID(), r.Retry())
	}
	r.Reset(strings.NewReader("\xEF\xBB\xBFdata: y\r\rdata: z\n\n"))
	for _, want := range []string{"y", "z"} {
		if ev, err := r.Next(); err != nil || string(ev.Data) != want || ev.ID != "" || r.LastID() != "" || r.Retry() != 0 {
			t.Errorf("after a reset: %+v, %v", ev, err)
		}
	}
}

type opening string

func (o opening) Opening() (string, time.Duration) { return string(o), 1500 * time.Millisecond }

func TestNumberedEvents(t *testing.T) {
	for open, want := range map[Opener]string{
		nil:                  "",
		opening(""):          "",
		opening("7_0\nevil"): "id: 7_0\nretry: 1500\ndata: \n\n",
	} {
		rec := httptest.NewRecorder()
		w := NewWriter(rec)
		if open != nil {
			w.Open(open)
		}
		if err := errors.Join(w.Numbered("7_1\nevil", "message", []byte("a\nb")), w.Event("", []byte("c"))); err != nil {
			t.Fatal(err)
		}
		if got := rec.Body.String(); got != want+"id: 7_1\nevent: message\ndata: a\ndata: b\n\ndata: c\n\n" {
			t.Errorf("%v: wrote %q", open, got)
		}
	}
}
