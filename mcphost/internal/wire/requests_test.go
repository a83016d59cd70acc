package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/internal/rawjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a connection with a reader in the library's place, and the server's ends of the pipes.
type peer struct {
	t        *testing.T
	requests *Requests
	conn     *stdioConn
	in       lineReader // what the server is sent
	inFile   *os.File
	out      *os.File // what it says
	library  chan jsonrpc.Message
	noise    chan string
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	conn, in, out := pipes(t)
	p := &peer{t: t, requests: &Requests{}, conn: conn, in: lineReader{r: in, max: MaxLine}, inFile: in, out: out,
		library: make(chan jsonrpc.Message, 100), noise: make(chan string, 100)}
	conn.Requests, conn.OnNoise = p.requests, func(line string) { p.noise <- line }
	p.requests.bind(conn)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.library)
		for {
			msg, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			p.library <- msg
		}
	}()
	t.Cleanup(func() {
		out.Close()
		<-read
	})
	return p
}

// answer is what became of a request.
type answer struct {
	result json.RawMessage
	err    error
}

func (p *peer) do(ctx context.Context, req Request) <-chan answer {
	done := make(chan answer, 1)
	if req.Method == "" {
		req.Method = "tools/call"
	}
	if req.Params == nil {
		req.Params = json.RawMessage(`{"name":"x"}`)
	}
	go func() {
		result, err := p.requests.Do(ctx, req)
		done <- answer{result, err}
	}()
	return done
}

// sees returns the next message that the server is sent.
func (p *peer) sees() map[string]any {
	p.t.Helper()
	line, err := p.in.next()
	if err != nil {
		p.t.Fatal(err)
	}
	var msg map[string]any
	if err := json.Unmarshal(line, &msg); err != nil {
		p.t.Fatalf("%q: %v", line, err)
	}
	return msg
}

func (p *peer) says(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.out, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) want(done <-chan answer, result, problem string) {
	p.t.Helper()
	select {
	case a := <-done:
		if string(a.result) != result || (a.err == nil) != (problem == "") || a.err != nil && !strings.Contains(a.err.Error(), problem) {
			p.t.Errorf("the caller got %s, %v; want %s, %s", a.result, a.err, result, problem)
		}
	case <-time.After(time.Minute):
		p.t.Fatal("the caller got nothing")
	}
}

func id(msg map[string]any) int64 { return int64(msg["id"].(float64)) }

func TestAnswersGoToTheirCallers(t *testing.T) {
	p := newPeer(t)
	var done []<-chan answer
	var ids []int64
	for i := range 3 {
		done = append(done, p.do(t.Context(), Request{Params: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))}))
		msg := p.sees()
		if n := msg["params"].(map[string]any)["n"]; n != float64(i) || msg["method"] != "tools/call" || len(msg["params"].(map[string]any)) != 1 {
			t.Fatalf("the server saw %v", msg)
		}
		ids = append(ids, id(msg))
	}
	p.says(`{"result":{"z":1,"a":12345678901234567890},"id":%d,"jsonrpc":"2.0"}`, ids[2])
	p.says(`[{"jsonrpc":"2.0","id":"%d","error":{"code":-32602,"message":"no\u0021"}},{"jsonrpc":"2.0","method":"notifications/resources/updated"}]`, ids[0])
	p.says("{\"jsonrpc\":\"2.0\",\"id\":%d.0,\"result\":\"a\xffb\"}", ids[1])
	p.want(done[2], `{"z":1,"a":12345678901234567890}`, "")
	p.want(done[0], "", "no!")
	p.want(done[1], "\"a\uFFFDb\"", "")
	if msg := (<-p.library).(*jsonrpc.Request); msg.Method != "notifications/resources/updated" {
		t.Errorf("the library saw %v", msg)
	}
}

// TestAnswersNobodyWaitsFor sends answers twice, to ids that were never given, of the wrong kind, and
// before any request. They change nothing, and the library sees none of them.
func TestAnswersNobodyWaitsFor(t *testing.T) {
	p := newPeer(t)
	p.says(`{"jsonrpc":"2.0","id":%d,"result":"early"}`, int64(firstID))
	for _, bad := range []string{"7", `"x"`, "1.5", "null", "{}", "[1]", "true", "-1", "1e40", "1073741823", "2147483648", "9007199254740993", `"1073741900"`, "1073741900"} {
		p.says(`{"jsonrpc":"2.0","id":%s,"result":"nobody's"}`, bad)
	}
	p.says(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
	if msg := (<-p.library).(*jsonrpc.Request); msg.Method != "notifications/tools/list_changed" {
		t.Errorf("the library saw %v", msg)
	}
	done := p.do(t.Context(), Request{})
	n := id(p.sees())
	p.says(`{"jsonrpc":"1.0","id":%d,"result":"wrong version"}`, n)
	p.says(`{"jsonrpc":"2.0","ID":%d,"result":"wrong case"}`, n)
	p.says(`{"jsonrpc":"2.0","id":%d,"id":%d,"result":"twice"}`, n, n)
	p.says(`{"jsonrpc":"2.0","id":%d,"result":"a","result":"b"}`, n)
	p.says("{\"jsonrpc\":\"2.0\",\"id\":%d,\"re\u017fult\":\"folded\"}\x00", n)
	p.says(`{"jsonrpc":"2.0","id":%d,"result":"right"}`, n)
	p.says(`{"jsonrpc":"2.0","id":%d,"result":"again"}`, n)
	p.want(done, `"right"`, "")
	p.says(`{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}`)
	if msg := (<-p.library).(*jsonrpc.Request); msg.Method != "notifications/prompts/list_changed" {
		t.Errorf("the library saw %v", msg)
	}
}

func TestAnswerWithoutResult(t *testing.T) {
	p := newPeer(t)
	done := p.do(t.Context(), Request{})
	p.says(`{"jsonrpc":"2.0","id":%d}`, id(p.sees()))
	p.want(done, "", "neither a result nor an error")
	done = p.do(t.Context(), Request{})
	p.says(`{"jsonrpc":"2.0","id":%d,"result":null,"error":null}`, id(p.sees()))
	p.want(done, "null", "")
	done = p.do(t.Context(), Request{})
	p.says(`{"jsonrpc":"2.0","id":%d,"result":{},"error":{"code":"x","message":7}}`, id(p.sees()))
	a := <-done
	var wireErr *jsonrpc.Error
	if !errors.As(a.err, &wireErr) {
		t.Errorf("both a result and an error: %s, %v", a.result, a.err)
	}
}

func TestTooLongAnswer(t *testing.T) {
	p := newPeer(t)
	done, other := p.do(t.Context(), Request{}), p.do(t.Context(), Request{})
	first, second := id(p.sees()), id(p.sees())
	filler := strings.Repeat("y", MaxLine)
	p.says(`{"jsonrpc":"2.0","id":%d,"result":"%s"}`, first, filler)
	p.says(`{"jsonrpc":"2.0","id":%d,"result":"short"}`, second)
	a, b := <-done, <-other
	if a.err == nil {
		a, b = b, a
	}
	if a.err == nil || !strings.Contains(a.err.Error(), "longer than 32 MiB") || string(b.result) != `"short"` {
		t.Errorf("the callers got %v and %s, %v", a.err, b.result, b.err)
	}
}

func TestDeepNestingIsNoise(t *testing.T) {
	p := newPeer(t)
	done := p.do(t.Context(), Request{})
	n := id(p.sees())
	p.says(`{"jsonrpc":"2.0","id":%d,"result":%s1%s}`, n, strings.Repeat("[", 20000), strings.Repeat("]", 20000))
	if line := <-p.noise; !strings.HasPrefix(line, `{"jsonrpc"`) {
		t.Errorf("noise is %q", line)
	}
	p.says(`{"jsonrpc":"2.0","id":%d,"result":1}`, n)
	p.want(done, "1", "")
}

func TestProgress(t *testing.T) {
	p := newPeer(t)
	var mu sync.Mutex
	var got []string
	done := p.do(t.Context(), Request{OnProgress: func(params json.RawMessage) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(rawjson.Member(params, "progress")))
	}})
	msg := p.sees()
	token := msg["params"].(map[string]any)["_meta"].(map[string]any)["progressToken"]
	if token != msg["id"] || msg["params"].(map[string]any)["name"] != "x" {
		t.Fatalf("the server saw %v", msg)
	}
	quiet := p.do(t.Context(), Request{})
	other := id(p.sees())
	for i := range 3 {
		p.says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%d,"progress":%d}}`, id(msg), i)
		p.says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%d,"progress":9}}`, other) // never asked for
	}
	p.says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%d,"progress":"%s"}}`, id(msg), strings.Repeat("1", maxNote))
	p.says(`{"jsonrpc":"2.0","id":%d,"result":1}`, id(msg))
	p.says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%d,"progress":4}}`, id(msg))
	p.says(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mine","progress":4}}`) // nobody's
	p.says(`{"jsonrpc":"2.0","id":%d,"result":2}`, other)
	p.want(done, "1", "")
	p.want(quiet, "2", "")
	if strings.Join(got, " ") != "0 1 2" {
		t.Errorf("progress is %q", got)
	}
	if len(p.library) > 0 {
		t.Errorf("the library saw %v", <-p.library)
	}
}

// TestServerAsksForNothingMuch answers requests that nobody takes, and drops notifications that nobody needs.
func TestServerAsksForNothingMuch(t *testing.T) {
	p := newPeer(t)
	p.says(`{"jsonrpc":"2.0","id":"a","method":"ping"}`)
	p.says(`{"jsonrpc":"2.0","id":8,"method":"what/else"}`)
	p.says(`{"jsonrpc":"2.0","method":"what/else"}`)
	p.says(`{"jsonrpc":"2.0","id":null,"method":"notifications/resources/updated"}`)
	if msg := p.sees(); msg["id"] != "a" || fmt.Sprint(msg["result"]) != "map[]" {
		t.Errorf("a ping is answered %v", msg)
	}
	if msg := p.sees(); msg["id"] != 8.0 || msg["error"] == nil {
		t.Errorf("an unknown request is answered %v", msg)
	}
	if msg := (<-p.library).(*jsonrpc.Request); msg.Method != "notifications/resources/updated" {
		t.Errorf("the library saw %v", msg)
	}
}

// TestFlood has a server send far more notifications than anyone can use: what the library is given stays
// bounded, and calls are answered all the same.
func TestFlood(t *testing.T) {
	p := newPeer(t)
	done := p.do(t.Context(), Request{})
	n := id(p.sees())
	stop := make(chan struct{})
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		for {
			select {
			case <-stop:
				return
			default:
				fmt.Fprintln(p.out, `{"jsonrpc":"2.0","method":"notifications/nothing"}`)
				fmt.Fprintln(p.out, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
			}
		}
	}()
	seen := 0
	for start := time.Now(); time.Since(start) < 300*time.Millisecond; seen++ {
		<-p.library
	}
	go func() {
		for range p.library { // so that reading goes on
		}
	}()
	close(stop)
	<-flooded
	p.says(`{"jsonrpc":"2.0","id":%d,"result":1}`, n)
	p.want(done, "1", "")
	if seen > 3*maxNotices {
		t.Errorf("%d notifications in a third of a second", seen)
	}
}

// TestProgressFlood keeps only so many notes for a caller that is slow, the newest ones.
func TestProgressFlood(t *testing.T) {
	p := newPeer(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var got []string
	done := p.do(t.Context(), Request{OnProgress: func(params json.RawMessage) {
		if len(got) == 0 {
			close(begun)
			<-goOn
		}
		got = append(got, string(rawjson.Member(params, "progress")))
	}})
	n := id(p.sees())
	note := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%d,"progress":%d}}`
	p.says(note, n, 0)
	<-begun
	for i := range 10_000 {
		p.says(note, n, i+1)
	}
	p.says(`{"jsonrpc":"2.0","id":%d,"result":1}`, n)
	p.says(`{"jsonrpc":"2.0","method":"notifications/resources/updated"}`)
	<-p.library // all was read while the caller was busy
	close(goOn)
	p.want(done, "1", "")
	if len(got) != 1+maxProgress || got[len(got)-1] != "10000" {
		t.Errorf("%d notes, the last %s", len(got), got[len(got)-1])
	}
}

// expiring is a context whose time is up when over is closed.
type expiring struct {
	context.Context
	over chan struct{}
}

func (e expiring) Done() <-chan struct{} { return e.over }

func (e expiring) Err() error {
	select {
	case <-e.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestCallerLeaves(t *testing.T) {
	p := newPeer(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := p.do(ctx, Request{})
	n := id(p.sees())
	cancel()
	p.want(done, "", "context canceled")
	msg := p.sees()
	params, _ := msg["params"].(map[string]any)
	if msg["method"] != methodCancelled || msg["id"] != nil || params["requestId"] != float64(n) || params["reason"] == "" {
		t.Errorf("the server saw %v", msg)
	}
	p.says(`{"jsonrpc":"2.0","id":%d,"result":"late"}`, n)

	late := expiring{t.Context(), make(chan struct{})}
	done = p.do(late, Request{})
	next := id(p.sees())
	close(late.over)
	p.want(done, "", "deadline exceeded")
	if msg := p.sees(); msg["params"].(map[string]any)["reason"] != "no answer in time" || next == n {
		t.Errorf("the server saw %v", msg)
	}
}

// TestTakenBack gives a request up of which nothing was sent: the server never sees it.
func TestTakenBack(t *testing.T) {
	p := newPeer(t)
	// Fill the pipe, so that what follows stays in line.
	if err := p.conn.Write(t.Context(), request(t, 1, strings.Repeat("m", 1<<20))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	p.want(p.do(ctx, Request{}), "", "deadline exceeded")
	if msg := p.sees(); id(msg) != 1 {
		t.Fatalf("the server saw %v", msg)
	}
	done := p.do(t.Context(), Request{Params: json.RawMessage(`{"name":"next"}`)})
	msg := p.sees()
	if msg["params"].(map[string]any)["name"] != "next" {
		t.Errorf("the server saw %v", msg)
	}
	p.says(`{"jsonrpc":"2.0","id":%d,"result":1}`, id(msg))
	p.want(done, "1", "")
}

func TestServerDies(t *testing.T) {
	p := newPeer(t)
	var waiting []<-chan answer
	for range 5 {
		waiting = append(waiting, p.do(t.Context(), Request{}))
		p.sees()
	}
	p.out.Close()
	for _, done := range waiting {
		p.want(done, "", "the connection ended")
	}
	p.want(p.do(t.Context(), Request{}), "", "the connection ended")
	if _, err := p.requests.Do(t.Context(), Request{Method: "x", Params: json.RawMessage("{}")}); !errors.Is(err, ErrEnded) || !errors.Is(err, io.EOF) {
		t.Errorf("error is %v", err)
	}
}

func TestInputClosed(t *testing.T) {
	p := newPeer(t)
	p.inFile.Close()
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, err := p.requests.Do(ctx, Request{Method: "x", Params: json.RawMessage("{}")})
		cancel()
		if errors.Is(err, ErrEnded) {
			return
		}
	}
	t.Error("nobody is told that the server's input is closed")
}

// TestIDs goes once around the range of ids while one is in use, and keeps the library out of it.
func TestIDs(t *testing.T) {
	p := newPeer(t)
	done := p.do(t.Context(), Request{})
	if n := id(p.sees()); n != firstID {
		t.Fatalf("the first id is %d", n)
	}
	p.requests.mu.Lock()
	p.requests.last = lastID
	p.requests.mu.Unlock()
	next := p.do(t.Context(), Request{})
	n := id(p.sees())
	if n != firstID+1 {
		t.Errorf("the id after the last is %d", n)
	}
	p.says(`{"jsonrpc":"2.0","id":%d,"result":1}`, int64(firstID))
	p.says(`{"jsonrpc":"2.0","id":%d,"result":2}`, n)
	p.want(done, "1", "")
	p.want(next, "2", "")
	if err := p.conn.Write(t.Context(), request(t, firstID, "x")); err == nil {
		t.Error("the library may use our ids")
	}
	if err := p.conn.Write(t.Context(), request(t, firstID-1, "x")); err != nil {
		t.Error(err)
	}
}

// TestMeta declares what the library declares, and forgets it when the library does.
func TestMeta(t *testing.T) {
	p := newPeer(t)
	declared := `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}}`
	for _, test := range []struct{ method, params, want string }{
		{methodDiscover, `{"_meta":{` + declared + `}}`, `{"name":"x"}`},
		{"tools/list", `{"_meta":{` + declared + `,"progressToken":3,"io.modelcontextprotocol/logLevel":"debug"}}`, `{"_meta":{` + declared + `},"name":"x"}`},
		{"tools/list", `{"_meta":{"io.modelcontextprotocol/other":1}}`, `{"name":"x"}`},
		{"initialize", `{}`, `{"name":"x"}`},
	} {
		req := request(t, 1, test.method)
		req.Params = json.RawMessage(test.params)
		if err := p.conn.Write(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		p.sees()
		done := p.do(t.Context(), Request{})
		line, err := p.in.next()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(rawjson.Member(line, "params")); got != test.want {
			t.Errorf("after %s %s\n got %s\nwant %s", test.method, test.params, got, test.want)
		}
		n, _ := ownID(rawjson.Member(line, "id"))
		p.says(`{"jsonrpc":"2.0","id":%d,"result":1}`, n)
		p.want(done, "1", "")
	}
	for _, test := range []struct{ params, meta, want string }{
		{`{}`, ``, `{"_meta":{"progressToken":5}}`},
		{`{}`, `"a":1`, `{"_meta":{"a":1,"progressToken":5}}`},
		{`{"b":2}`, `"a":1`, `{"_meta":{"a":1,"progressToken":5},"b":2}`},
	} {
		if got := string(withMeta(json.RawMessage(test.params), json.RawMessage(test.meta), 5)); got != test.want {
			t.Errorf("%s", got)
		}
	}
}

// TestNoExtensions leaves extensions out of what is declared already and of what the library declares later.
func TestNoExtensions(t *testing.T) {
	const before = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":`
	for _, test := range []struct{ declared, want string }{
		{before + `{"extensions":{"a/b":{}},"roots":{"listChanged":true}}`, `"io.modelcontextprotocol/clientCapabilities":{"roots":{"listChanged":true}},"io.modelcontextprotocol/protocolVersion":"2026-07-28"`},
		{before + `{"extensions":{"a/b":{}}}`, `"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/protocolVersion":"2026-07-28"`},
		{before + `{"roots":{}}`, before + `{"roots":{}}`},
		{``, ``},
	} {
		listing := request(t, 1, "tools/list")
		listing.Params = json.RawMessage(`{"_meta":{` + test.declared + `}}`)
		early, late := &Requests{}, &Requests{}
		early.DeclareNoExtensions()
		early.learn(listing)
		late.learn(listing)
		if got := string(late.meta); got != test.declared {
			t.Errorf("before it is said: %s, want %s", got, test.declared)
		}
		late.DeclareNoExtensions()
		for when, r := range map[string]*Requests{"early": early, "late": late} {
			if got := string(r.meta); got != test.want {
				t.Errorf("said %s: %s, want %s", when, got, test.want)
			}
		}
	}
}

// TestManyCallers has callers come and go at once; every answer reaches its own.
func TestManyCallers(t *testing.T) {
	p := newPeer(t)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			line, err := p.in.next()
			if err != nil {
				return
			}
			if string(rawjson.Member(line, "method")) == `"tools/call"` {
				fmt.Fprintf(p.out, `{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", rawjson.Member(line, "id"), rawjson.Member(line, "params"))
			}
		}
	}()
	var callers sync.WaitGroup
	for caller := range 16 {
		callers.Go(func() {
			for i := range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if i%7 == 0 {
					cancel()
				}
				params := fmt.Sprintf(`{"caller":%d,"call":%d,"pad":%q}`, caller, i, strings.Repeat("p", i*20))
				result, err := p.requests.Do(ctx, Request{Method: "tools/call", Params: json.RawMessage(params)})
				cancel()
				switch {
				case err == nil && string(result) != params:
					t.Errorf("asked %.40s, answered %.40s", params, result)
				case err != nil && (i%7 != 0 || !errors.Is(err, context.Canceled)):
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	}
	callers.Wait()
	p.requests.mu.Lock()
	if n := len(p.requests.waiting); n != 0 {
		t.Errorf("%d callers are still registered", n)
	}
	p.requests.mu.Unlock()
	p.conn.In.Close()
	<-served
}

// TestTap calls over a connection of the library's own, which it uses too.
func TestTap(t *testing.T) {
	ours, theirs := mcp.NewInMemoryTransports()
	server := mcp.NewServer(&mcp.Implementation{Name: "s", Version: "1"}, nil)
	entered := make(chan struct{}, 1)
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(ctx context.Context, req *mcp.CallToolRequest, in struct {
		Text string `json:"text"`
	}) (*mcp.CallToolResult, any, error) {
		switch {
		case in.Text == "wait":
			entered <- struct{}{}
			<-ctx.Done() // the test hangs unless the word comes that nobody waits
			entered <- struct{}{}
		case req.Params.GetProgressToken() != nil:
			req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: 1})
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Text}}}, nil, nil
	})
	ss, err := server.Connect(t.Context(), theirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	requests := &Requests{}
	if _, err := requests.Do(t.Context(), Request{Method: "x", Params: json.RawMessage("{}")}); err == nil {
		t.Error("a request without a connection succeeds")
	}
	cs, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(), Tap{Transport: ours, Requests: requests}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cs.ListTools(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	call := func(ctx context.Context, text string, onProgress func(json.RawMessage)) (json.RawMessage, error) {
		return requests.Do(ctx, Request{Method: "tools/call", OnProgress: onProgress, Params: json.RawMessage(`{"name":"echo","arguments":{"text":"` + text + `"}}`)})
	}
	notes := 0
	result, err := call(t.Context(), "hello", func(json.RawMessage) { notes++ })
	if err != nil || !strings.Contains(string(result), `"text":"hello"`) || notes != 1 {
		t.Errorf("%s, %v, %d notes", result, err, notes)
	}
	if cs.InitializeResult().ProtocolVersion < "2026" || !strings.Contains(string(result), `"resultType":"complete"`) {
		t.Errorf("the call was not one of the negotiated revision: %s", result)
	}
	if _, err := requests.Do(t.Context(), Request{Method: "tools/call", Params: json.RawMessage(`{"name":"nothing"}`)}); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("an unknown tool: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	if _, err := call(ctx, "wait", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left: %v", err)
	}
	<-entered
	cs.Close()
	ss.Wait()
	if _, err := call(t.Context(), "x", nil); !errors.Is(err, ErrEnded) {
		t.Errorf("after the end: %v", err)
	}
}
