package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/mcphost"
)

const takesTasks = `{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}`

// longHost is a host whose tool runs as a task until it is told to go on, and asks its user on the way.
func longHost() (host *fakeHost, goOn chan mcphost.Result, ended chan struct{}) {
	goOn, ended = make(chan mcphost.Result), make(chan struct{}, 100)
	host = asking()
	ask := host.run
	host.tools = []mcphost.Tool{tool("fs", "long")}
	host.run = func(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
		defer func() { ended <- struct{}{} }()
		if call.OnTask == nil {
			return text("no task"), nil
		}
		call.OnTask("begun")
		if call.Tool == "asks" {
			return ask(ctx, call)
		}
		for said := 0; ; said++ {
			if call.OnProgress != nil && (said == 0 || call.Tool == "x") {
				call.OnProgress(mcphost.Progress{Progress: 1, Message: "half"})
			}
			select {
			case r := <-goOn:
				return r, nil
			case <-ctx.Done():
				return mcphost.Result{}, &mcphost.Error{Kind: mcphost.Canceled, Message: "given up"}
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return host, goOn, ended
}

// taskOf is the id of the task in an answer.
func taskOf(t *testing.T, r reply) string {
	t.Helper()
	var got struct {
		Result struct {
			TaskID string
			Task   struct{ TaskID string }
		}
	}
	last := r.body
	if _, after, ok := strings.Cut(last, `data: {"jsonrpc":"2.0","id":`); ok { // progress came first
		last = `{"jsonrpc":"2.0","id":` + after
	}
	if err := json.Unmarshal([]byte(last), &got); err != nil || got.Result.TaskID+got.Result.Task.TaskID == "" {
		t.Fatalf("no task in %d %s", r.status, r.body)
	}
	return got.Result.TaskID + got.Result.Task.TaskID
}

func TestTasksOfTheExtension(t *testing.T) {
	host, goOn, ended := longHost()
	url := serveFake(t, host, Options{})
	send := func(method, params, capabilities string, more ...string) reply {
		t.Helper()
		body, header := modern(method, params, capabilities)
		return do(t, "POST", url, body, append(header, more...)...)
	}
	about := func(method, id string, more ...string) reply {
		t.Helper()
		return send(method, `{"taskId":"`+id+`"}`, takesTasks, append([]string{"Mcp-Name", id}, more...)...)
	}
	wants(t, "discover", send("server/discover", `{}`, `{}`), 200, `"extensions":{"io.modelcontextprotocol/tasks":{}}`)
	wants(t, "a client without tasks", send("tools/call", `{"name":"x"}`, `{}`), 200, "no task")
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
		wants(t, method+" by it", send(method, `{"taskId":"x"}`, `{}`, "Mcp-Name", "x"), 400, `-32021`, `"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}`)
		wants(t, method+" of none", about(method, "x"), 400, `-32602`)
		wants(t, method+" of another name", send(method, `{"taskId":"x"}`, takesTasks, "Mcp-Name", "y"), 400, `-32020`)
	}
	wants(t, "tasks/list", send("tasks/list", `{}`, takesTasks), 404, `-32601`)
	wants(t, "tasks/result", about("tasks/result", "x"), 404, `-32601`)

	r := send("tools/call", `{"name":"x"}`, takesTasks, "X-Test-Key", "ann")
	wants(t, "the promise", r, 200, `"resultType":"task"`, `"status":"working","statusMessage":"begun"`, `"ttlMs":3600000`)
	id := taskOf(t, r)
	wants(t, "another key's get", about("tasks/get", id), 400, `-32602`)
	wants(t, "another key's cancel", about("tasks/cancel", id, "X-Test-Key", "bob"), 400, `-32602`)
	soon(t, "the progress", func() bool {
		return strings.Contains(about("tasks/get", id, "X-Test-Key", "ann").body, `"statusMessage":"half"`)
	})
	goOn <- text("at last")
	soon(t, "the result", func() bool {
		return strings.Contains(about("tasks/get", id, "X-Test-Key", "ann").body, `"status":"completed"`)
	})
	wants(t, "the result", about("tasks/get", id, "X-Test-Key", "ann"), 200, `"resultType":"complete"`, `"text":"at last"`)
	wants(t, "the end cancelled", about("tasks/cancel", id, "X-Test-Key", "ann"), 200, `"resultType":"complete"`)

	id = taskOf(t, send("tools/call", `{"name":"x"}`, takesTasks))
	wants(t, "cancel", about("tasks/cancel", id), 200, `"resultType":"complete"`)
	wants(t, "cancelled", about("tasks/get", id), 200, `"status":"cancelled"`)
	for range 3 { // the call without tasks, the one that ended and the one that was cancelled
		<-ended
	}
}

func TestATaskAsks(t *testing.T) {
	host, _, _ := longHost()
	url := serveFake(t, host, Options{})
	body, header := modern("tools/call", `{"name":"asks"}`, takesTasks)
	id := taskOf(t, do(t, "POST", url, body, header...))
	get, getHeader := modern("tasks/get", `{"taskId":"`+id+`"}`, takesTasks)
	getHeader = append(getHeader, "Mcp-Name", id)
	soon(t, "the question", func() bool {
		return strings.Contains(do(t, "POST", url, get, getHeader...).body, `"inputRequests":{"toolserve_1":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object"}}}}`)
	})
	body, header = modern("tasks/update", `{"taskId":"`+id+`","inputResponses":{"toolserve_1":{"action":"accept","content":{"name":"Ann"}}}}`, takesTasks)
	wants(t, "the answer", do(t, "POST", url, body, append(header, "Mcp-Name", id)...), 200, `"result":{"resultType":"complete","_meta"`)
	soon(t, "the result", func() bool {
		return strings.Contains(do(t, "POST", url, get, getHeader...).body, `accept{\"name\":\"Ann\"}`)
	})
}

func TestTasksAreListenedTo(t *testing.T) {
	host, goOn, _ := longHost()
	url := serveFake(t, host, Options{})
	body, header := modern("tools/call", `{"name":"long"}`, takesTasks)
	id := taskOf(t, do(t, "POST", url, body, header...))
	filter := `{"notifications":{"taskIds":["` + id + `","other"]}}`
	body, header = modern("subscriptions/listen", filter, `{}`)
	wants(t, "a client without tasks", do(t, "POST", url, body, header...), 400, `-32021`)
	body, header = modern("subscriptions/listen", filter, takesTasks)
	in := newEvents(t, open(t, t.Context(), "POST", url, body, header...))
	if got := in.next(); !strings.Contains(got, `"notifications":{"taskIds":["`+id+`"]}`) {
		t.Errorf("agreed on %s", got)
	}
	if got := in.next(); !strings.Contains(got, `"method":"notifications/tasks","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"m"},"taskId":"`+id+`"`) {
		t.Errorf("told %s", got)
	}
	goOn <- text("at last")
	for {
		if got := in.next(); strings.Contains(got, `"status":"completed"`) && strings.Contains(got, "at last") {
			return
		} else if got == "" {
			t.Fatal("the end is not told")
		}
	}
}

func TestTasksOfSessions(t *testing.T) {
	host, goOn, ended := longHost()
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{"elicitation":{}}`)
	send := func(method, params string) reply {
		t.Helper()
		return do(t, "POST", url, inSession(method, params), "Mcp-Session-Id", id)
	}
	wants(t, "the list", send("tools/list", `{}`), 200, `"execution":{"taskSupport":"optional"}`)
	r := send("tools/call", `{"name":"long","task":{"ttl":60000},"_meta":{"progressToken":"p"}}`)
	wants(t, "the promise", r, 200, `"task":{"taskId":"`, `"status":"working"`, `"ttl":60000,"pollInterval":500}`)
	task := taskOf(t, r)
	own := `{"taskId":"` + task + `"}`
	wants(t, "tasks/list", send("tasks/list", `{}`), 200, `"tasks":[{"taskId":"`+task)
	other := begin(t, url, `{}`)
	wants(t, "another session's get", do(t, "POST", url, inSession("tasks/get", own), "Mcp-Session-Id", other), 200, `-32602`)
	wants(t, "another session's result", do(t, "POST", url, inSession("tasks/result", own), "Mcp-Session-Id", other), 200, `-32602`)
	wants(t, "tasks/update", send("tasks/update", own), 200, `-32601`)

	in := newEvents(t, open(t, t.Context(), "POST", url, inSession("tasks/result", own), "Mcp-Session-Id", id))
	if got := in.next(); !strings.Contains(got, `"progressToken":"p"`) || !strings.Contains(got, `"io.modelcontextprotocol/related-task":{"taskId":"`+task) {
		t.Errorf("told %s", got)
	}
	result := text("broken")
	result.IsError = true
	goOn <- result
	if got := in.next(); !strings.Contains(got, `"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"`+task+`"}},"content":[{"text":"broken","type":"text"}],"isError":true}`) {
		t.Errorf("the result is %s", got)
	}
	wants(t, "tasks/get", send("tasks/get", own), 200, `"status":"failed"`)
	wants(t, "tasks/cancel of the end", send("tasks/cancel", own), 200, `-32602`)
	<-ended

	task = taskOf(t, send("tools/call", `{"name":"asks","task":{}}`))
	in = newEvents(t, open(t, t.Context(), "POST", url, inSession("tasks/result", `{"taskId":"`+task+`"}`), "Mcp-Session-Id", id))
	asked := in.next()
	if !strings.Contains(asked, `"method":"elicitation/create","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"`+task) {
		t.Fatalf("asked %s", asked)
	}
	wants(t, "while it asks", send("tasks/get", `{"taskId":"`+task+`"}`), 200, `"status":"input_required"`)
	var question struct{ ID json.RawMessage }
	if err := json.Unmarshal([]byte(asked), &question); err != nil {
		t.Fatal(err)
	}
	wants(t, "the answer", do(t, "POST", url, `{"jsonrpc":"2.0","id":`+string(question.ID)+`,"result":{"action":"decline"}}`, "Mcp-Session-Id", id), 202)
	if got := in.next(); !strings.Contains(got, `"text":"decline"`) {
		t.Errorf("the result is %s", got)
	}
	<-ended

	task = taskOf(t, send("tools/call", `{"name":"long","task":{}}`))
	wants(t, "cancel", send("tasks/cancel", `{"taskId":"`+task+`"}`), 200, `"status":"cancelled"`)
	<-ended
	wants(t, "its result", send("tasks/result", `{"taskId":"`+task+`"}`), 200, `"error"`, "cancelled")
	send("tools/call", `{"name":"long","task":{}}`)
	wants(t, "DELETE", do(t, "DELETE", url, "", "Mcp-Session-Id", id), 204)
	<-ended // the task ends with its session

	old := do(t, "POST", url, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	if strings.Contains(old.body, `"tasks"`) {
		t.Errorf("an older revision is offered tasks: %s", old.body)
	}
	wants(t, "in an older revision", do(t, "POST", url, inSession("tasks/list", `{}`), "Mcp-Session-Id", old.header.Get("Mcp-Session-Id")), 200, `-32601`)
}

func TestTasksEndWithTheServer(t *testing.T) {
	host, _, ended := longHost()
	h := New(Options{Tools: host, Catalogue: host})
	body, header := modern("tools/call", `{"name":"x"}`, takesTasks)
	w := request(h.mux(), "POST", body, header)
	taskOf(t, reply{status: w.Code, body: w.Body.String()})
	h.Close()
	select {
	case <-ended:
	default:
		t.Error("Close leaves a call behind")
	}
}

// The last messages of a task reach one of those who ask for its result at the same time, and the result all.
func TestSeveralAskForOneResult(t *testing.T) {
	const asking, notes = 8, 60
	goOn := make(chan struct{})
	host := &fakeHost{tools: []mcphost.Tool{tool("fs", "x")}, run: func(_ context.Context, call mcphost.Call) (mcphost.Result, error) {
		<-goOn
		for n := range notes {
			call.OnProgress(mcphost.Progress{Progress: float64(n + 1)})
		}
		return text("at last"), nil
	}}
	url := serveFake(t, host, Options{})
	id := begin(t, url, `{}`)
	task := taskOf(t, do(t, "POST", url, inSession("tools/call", `{"name":"x","task":{},"_meta":{"progressToken":"p"}}`), "Mcp-Session-Id", id))
	close(goOn)
	results := make(chan string)
	for n := range asking {
		go func() {
			body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tasks/result","params":{"taskId":%q}}`, 100+n, task)
			resp, err := try(t.Context(), url, body, "Mcp-Session-Id", id)
			if err != nil {
				results <- err.Error()
				return
			}
			defer resp.Body.Close()
			all, _ := io.ReadAll(resp.Body) // what is missing shows
			results <- string(all)
		}()
	}
	for range asking {
		if got := <-results; !strings.Contains(got, "at last") {
			t.Errorf("the result is %s", got)
		}
	}
}

func TestNoTaskOutlivesItsSession(t *testing.T) {
	host, _, ended := longHost()
	h := New(Options{Tools: host, Catalogue: host})
	defer h.Close()
	w := request(h.mux(), "POST", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`, nil)
	s, release := h.sessions.take(w.Header().Get("Mcp-Session-Id"), "", view{})
	if s == nil {
		t.Fatalf("no session: %s", w.Body)
	}
	defer release()
	h.sessions.end(s) // while a call is on its way
	x := &exchange{h: h, w: httptest.NewRecorder(), session: s}
	x.startTask(t.Context(), &rpc.Message{ID: json.RawMessage("1"), Method: "tools/call", Params: json.RawMessage(`{"name":"long"}`)}, h.callTool, 0)
	if left := h.tasks.List(x.owner()); len(left) > 0 {
		t.Fatalf("%d tasks are left", len(left))
	}
	<-ended
}
