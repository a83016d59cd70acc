package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", 3000)
	text := "one\r\n\ntwo\n" + `{"id":7,` + long + "\nthree\n" + long + `"id": 8}` + "\nlast without an end"
	for name, r := range map[string]io.Reader{"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
		lines := lineReader{r: r, max: 1000}
		var got []string
		for {
			line, err := lines.next()
			if errors.Is(err, errTooLong) {
				id, ok := findID(line)
				line = fmt.Appendf(nil, "too long %v %v", id.Raw(), ok)
			} else if err != nil {
				break
			}
			got = append(got, string(line))
		}
		for i, line := range got {
			got[i] = line[:min(len(line), 40)]
		}
		if want := "one||two|too long 7 true|three|too long 8 true"; strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// decodeLine decodes a line for the library.
func decodeLine(line string) (msgs []jsonrpc.Message, err error) {
	err = eachMessage([]byte(line), func(e envelope) error {
		msg, err := e.message()
		msgs = append(msgs, msg)
		return err
	})
	return msgs, err
}

func TestDecodeLine(t *testing.T) {
	tests := []struct{ line, want string }{
		{`{"jsonrpc":"2.0","id":1,"result":{"a":1}}`, `response 1 {"a":1} <nil>`},
		{`{"id":"x","jsonrpc":"2.0","result":null}`, `response x null <nil>`},
		{`{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"no\u0021"}}`, `response 2  no!`},
		{`{"jsonrpc":"2.0","method":"notifications/x","params":[1]}`, `request <nil> notifications/x [1]`},
		{`{"jsonrpc":"2.0","id":3,"method":"ping"}`, `request 3 ping `},
		{`[{"jsonrpc":"2.0","id":1,"result":1},{"jsonrpc":"2.0","method":"m"}]`, `response 1 1 <nil>; request <nil> m `},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"a\xffb\"}", "response 1 \"a\uFFFDb\" <nil>"},
		{`hello`, "no message"}, {``, "no message"}, {`{`, "no message"}, {`[1]`, "no message"}, {`"x"`, "no message"},
		{`{"level":"info"}`, "no message"},
		{`{"jsonrpc":"1.0","id":1,"result":1}`, "no message"},
		{`{"JSONRPC":"2.0","id":1,"result":1}`, "no message"},
		{`{"jsonrpc":"2.0","id":1,"id":2,"result":1}`, "no message"},
		{`{"jsonrpc":"2.0","id":1}`, "no message"},
		{`{"jsonrpc":"2.0","id":1.5,"result":1}`, "no message"},
		{`{"jsonrpc":"2.0","id":null,"result":1}`, "no message"},
		{`{"jsonrpc":"2.0","id":{},"method":"x"}`, "no message"},
		{`{"jsonrpc":"2.0","id":1,"Method":"x"}`, "no message"},
		{`{"jsonrpc":"2.0","id":1,"method":7}`, "no message"},
	}
	for _, test := range tests {
		msgs, err := decodeLine(test.line)
		got := "no message"
		if err == nil {
			var parts []string
			for _, msg := range msgs {
				switch msg := msg.(type) {
				case *jsonrpc.Response:
					parts = append(parts, fmt.Sprintf("response %v %s %v", msg.ID.Raw(), msg.Result, msg.Error))
				case *jsonrpc.Request:
					parts = append(parts, fmt.Sprintf("request %v %s %s", msg.ID.Raw(), msg.Method, msg.Params))
				}
			}
			got = strings.Join(parts, "; ")
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.line, got, test.want)
		}
	}
}

func FuzzDecodeLine(f *testing.F) {
	f.Add(`{"jsonrpc":"2.0","id":1,"result":{"a":1}}`)
	f.Add(`[{"jsonrpc":"2.0","method":"x","params":{}}]`)
	f.Fuzz(func(t *testing.T, line string) {
		msgs, err := decodeLine(line)
		if err != nil {
			return
		}
		for _, msg := range msgs {
			if _, err := jsonrpc.EncodeMessage(msg); err != nil {
				t.Errorf("%q decodes to what cannot be encoded: %v", line, err)
			}
		}
	})
}

// pipes returns a connection and the server's ends of its two pipes.
func pipes(t *testing.T) (conn *stdioConn, in, out *os.File) {
	t.Helper()
	childIn, ourIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourOut, childOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range []*os.File{childIn, ourIn, ourOut, childOut} {
			f.Close()
		}
	})
	s := &Stdio{In: ourIn, Out: ourOut, DiscoverWait: 20 * time.Millisecond, OnNoise: func(string) {}, OnClose: func() {}}
	c, _ := s.Connect(t.Context())
	return c.(*stdioConn), childIn, childOut
}

func request(t *testing.T, id float64, method string) *jsonrpc.Request {
	t.Helper()
	key, err := jsonrpc.MakeID(id)
	if err != nil {
		t.Fatal(err)
	}
	return &jsonrpc.Request{ID: key, Method: method}
}

func TestSilenceToDiscover(t *testing.T) {
	conn, _, out := pipes(t)
	if err := conn.Write(t.Context(), request(t, 1, methodDiscover)); err != nil {
		t.Fatal(err)
	}
	out.WriteString(`{"jsonrpc":"2.0",`) // half a line must not be lost
	msg, err := conn.Read(t.Context())
	if resp, ok := msg.(*jsonrpc.Response); err != nil || !ok || resp.Error == nil {
		t.Fatalf("read %v, %v; want an error in the server's name", msg, err)
	}
	ctx, capture := WithCapture(t.Context())
	if err := conn.Write(ctx, request(t, 2, "initialize")); err != nil {
		t.Fatal(err)
	}
	out.WriteString(`"id":1,"result":"too late"}` + "\n" + `{"jsonrpc":"2.0","id":2,"result":{"b":1,"a":2}}` + "\n")
	msg, err = conn.Read(t.Context())
	if resp, ok := msg.(*jsonrpc.Response); err != nil || !ok || resp.ID.Raw() != int64(2) {
		t.Fatalf("read %v, %v; want the answer to 2", msg, err)
	}
	if got := string(capture.Raw()); got != `{"b":1,"a":2}` {
		t.Errorf("captured %s", got)
	}
}

// TestWriteToOneThatDoesNotRead fills the pipe of a server that reads nothing. Nobody is kept waiting for
// ever, and once it reads it finds every message whole and in order.
func TestWriteToOneThatDoesNotRead(t *testing.T) {
	conn, in, _ := pipes(t)
	big := strings.Repeat("m", 2<<20)
	sent := 0
	for ; ; sent++ {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := conn.Write(ctx, request(t, float64(sent+1), big))
		cancel()
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error is %v", err)
			}
			break
		}
		if sent > 100 {
			t.Fatal("what a server does not read is kept without end")
		}
	}
	lines := lineReader{r: in, max: MaxLine}
	for i := range sent {
		line, err := lines.next()
		if err != nil || !strings.HasPrefix(string(line), fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,`, i+1)) || !strings.HasSuffix(string(line), `m"}`) {
			t.Fatalf("message %d of %d is %.60q, %v", i+1, sent, line, err)
		}
	}
	if err := conn.Write(t.Context(), request(t, 1000, "last")); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.next(); err != nil || string(line) != `{"jsonrpc":"2.0","id":1000,"method":"last"}` {
		t.Errorf("the server read %.80q, %v", line, err)
	}
}

func TestWriteThatNeverBegan(t *testing.T) {
	conn, in, _ := pipes(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if err := conn.Write(gone, request(t, 1, "late")); !errors.Is(err, context.Canceled) {
			t.Fatalf("error is %v", err)
		}
	}
	if err := conn.Write(t.Context(), request(t, 2, "next")); err != nil {
		t.Fatalf("the stream is not good any more: %v", err)
	}
	buf := make([]byte, 64<<10)
	n, err := in.Read(buf)
	if err != nil || string(buf[:n]) != `{"jsonrpc":"2.0","id":2,"method":"next"}`+"\n" {
		t.Errorf("the server read %q, %v", buf[:n], err)
	}
}

func TestWriteToClosedInput(t *testing.T) {
	conn, in, _ := pipes(t)
	in.Close()
	for range 100 {
		if err := conn.Write(t.Context(), request(t, 1, "x")); err != nil {
			if !errors.Is(err, ErrEnded) {
				t.Errorf("error is %v", err)
			}
			return
		}
		time.Sleep(time.Millisecond) // the goroutine that finds out
	}
	t.Error("a server that closed its input is written to for ever")
}

func TestTappedEvents(t *testing.T) {
	body := "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\nid: 1\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\r\ndata: \"result\":{\"z\":1,\"a\":2}}\r\n\r\nrest"
	for name, r := range map[string]io.Reader{"whole": strings.NewReader(body), "byte by byte": iotest.OneByteReader(strings.NewReader(body))} {
		capture := &Capture{}
		b := &tappedBody{ReadCloser: io.NopCloser(r), capture: capture, events: true}
		if read, err := io.ReadAll(b); err != nil || string(read) != body {
			t.Errorf("%s: the body was changed: %q, %v", name, read, err)
		}
		if got := string(capture.Raw()); got != `{"z":1,"a":2}` {
			t.Errorf("%s: captured %q", name, got)
		}
	}
}
