package mcpserver

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/mcphost"
)

// steps is a host whose tool says a step of progress whenever it is told to, and ends at the end of steps.
func steps() (host *fakeHost, step chan struct{}, ended chan error) {
	step, ended = make(chan struct{}), make(chan error, 10)
	return &fakeHost{run: func(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
		for n := 1; ; n++ {
			select {
			case _, more := <-step:
				if !more {
					ended <- nil
					return text("all steps"), nil
				}
				call.OnProgress(mcphost.Progress{Progress: float64(n)})
			case <-ctx.Done():
				ended <- ctx.Err()
				return mcphost.Result{}, &mcphost.Error{Kind: mcphost.Canceled, Message: "given up"}
			}
		}
	}}, step, ended
}

func TestACallGoesOnForAClientThatComesBack(t *testing.T) {
	host, step, ended := steps()
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	ctx, leave := context.WithCancel(t.Context())
	go func() { step <- struct{}{} }() // the answer begins with it
	in := newEvents(t, open(t, ctx, "POST", url, callOf("x"), "Mcp-Session-Id", id))
	if got := in.next(); !strings.Contains(got, `"progress":1`) || in.id != "1_1" {
		t.Fatalf("event %s is %s", in.id, got)
	}
	leave()
	step <- struct{}{}
	back := newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id, "Last-Event-ID", "1_1"))
	if got := back.next(); !strings.Contains(got, `"progress":2`) || back.id != "1_2" {
		t.Fatalf("event %s is %s", back.id, got)
	}
	close(step)
	if got := back.next(); !strings.Contains(got, `"id":7,"result":{"content":[{"text":"all steps"`) || back.id != "1_3" {
		t.Errorf("event %s is %s", back.id, got)
	}
	if got := back.next(); got != "" {
		t.Errorf("after the answer comes %s", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("the call ended with %v", err)
	}
	// The end is still there for who did not get it, also from the beginning; other streams' are not.
	again := newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id, "Last-Event-ID", "1_0"))
	if first, second := again.next(), again.next(); !strings.Contains(first, `"progress":1`) || !strings.Contains(second, `"progress":2`) {
		t.Errorf("from the beginning: %s, %s", first, second)
	}
	for _, unknown := range []string{"2_0", "1_4", "x", "1_1; drop"} {
		wants(t, unknown, do(t, "GET", url, "", "Mcp-Session-Id", id, "Last-Event-ID", unknown), 400, "is not kept")
	}
	other := begin(t, url, `{}`)
	wants(t, "another session", do(t, "GET", url, "", "Mcp-Session-Id", other, "Last-Event-ID", "1_1"), 400)
}

func TestAStreamBeginsWithAnID(t *testing.T) {
	for revision, want := range map[string]string{
		"2025-11-25": "id: 1_0\nretry: 1000\ndata: \n\nid: 1_1\nevent: message\ndata: {",
		"2025-06-18": "id: 1_1\nevent: message\ndata: {",
	} {
		host, step, _ := steps()
		url := serveFake(t, host, Options{})
		hello := do(t, "POST", url, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+revision+`","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
		go func() {
			step <- struct{}{}
			close(step)
		}()
		if r := do(t, "POST", url, callOf("x"), "Mcp-Session-Id", hello.header.Get("Mcp-Session-Id")); !strings.HasPrefix(r.body, want) {
			t.Errorf("%s: %q", revision, r.body)
		}
	}
}

func TestACallEndsWhereNobodyComesBack(t *testing.T) {
	host, step, ended := steps()
	url := serveFake(t, host, Options{ResumeWait: 50 * time.Millisecond})
	id := begin(t, url, `{}`)
	ctx, leave := context.WithCancel(t.Context())
	go func() { step <- struct{}{} }()
	newEvents(t, open(t, ctx, "POST", url, callOf("x"), "Mcp-Session-Id", id)).next()
	leave()
	if err := <-ended; err == nil {
		t.Error("the call ended well")
	}
	soon(t, "the end of what is kept", func() bool {
		return do(t, "GET", url, "", "Mcp-Session-Id", id, "Last-Event-ID", "1_1").status == 400
	})
	// Before the first event a client has nothing to come back with.
	ctx, leave = context.WithCancel(t.Context())
	go func() {
		for len(host.started()) < 2 {
			time.Sleep(time.Millisecond)
		}
		leave()
	}()
	another := strings.Replace(callOf("x"), `"id":7`, `"id":8`, 1) // the first may not be forgotten yet
	if resp, err := try(ctx, url, another, "Mcp-Session-Id", id); err == nil {
		t.Errorf("the answer is %s", resp.Status)
	}
	if err := <-ended; err == nil {
		t.Error("the call ended well")
	}
}

func TestTheOwnStreamGoesOn(t *testing.T) {
	f, url := serveShelf(t)
	id := begin(t, url, `{}`)
	ctx, leave := context.WithCancel(t.Context())
	own := newEvents(t, open(t, ctx, "GET", url, "", "Mcp-Session-Id", id))
	wants(t, "subscribe", do(t, "POST", url, inSession("resources/subscribe", `{"uri":"a://1"}`), "Mcp-Session-Id", id), 200)
	f.watch("a://1")("a://1/first")
	if got := own.next(); !strings.Contains(got, "a://1/first") || own.id != "0_1" {
		t.Fatalf("event %s is %s", own.id, got)
	}
	leave()
	own.resp.Body.Close()
	for _, uri := range []string{"a://1/second", "a://1/third"} {
		f.watch("a://1")(uri)
	}
	var back *events
	soon(t, "the missed event", func() bool { // the server may not know yet that the connection is gone
		back = newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id, "Last-Event-ID", "0_1"))
		return strings.Contains(back.next(), "a://1/second")
	})
	if got := back.next(); !strings.Contains(got, "a://1/third") || back.id != "0_3" {
		t.Errorf("event %s is %s", back.id, got)
	}
	f.watch("a://1")("a://1/fourth")
	if got := back.next(); !strings.Contains(got, "a://1/fourth") || back.id != "0_4" {
		t.Errorf("event %s is %s", back.id, got)
	}
	// An id that is not kept any more is no reason to be told nothing.
	late := newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id, "Last-Event-ID", "0_99"))
	f.change(tool("fs", "new"))
	if got := late.next(); !strings.Contains(got, "notifications/tools/list_changed") && !strings.Contains(got, "a://1") {
		t.Errorf("told %s", got)
	}
}

func TestAStreamThatIsGoneBackToIsToldOfNoLists(t *testing.T) {
	host, step, _ := steps()
	host.tools = []mcphost.Tool{tool("fs", "x")}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	ctx, leave := context.WithCancel(t.Context())
	go func() { step <- struct{}{} }()
	newEvents(t, open(t, ctx, "POST", url, callOf("x"), "Mcp-Session-Id", id)).next()
	leave()
	back := newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id, "Last-Event-ID", "1_1"))
	own := newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id))
	host.change(tool("fs", "new"))
	if got := own.next(); !strings.Contains(got, "notifications/tools/list_changed") {
		t.Errorf("the session's own stream is told %s", got)
	}
	close(step)
	if got := back.next(); !strings.Contains(got, "all steps") {
		t.Errorf("the stream of the call is told %s", got)
	}
}
