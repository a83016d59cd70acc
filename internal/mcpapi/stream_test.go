package mcpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/sse"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/form"
)

// liveHost runs calls by a function.
type liveHost struct {
	fakeHost
	run func(context.Context, mcphost.Call) (mcphost.Result, error)
}

func (h *liveHost) Execute(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
	return h.run(ctx, call)
}

// live serves a host over HTTP; the header X-Key names the key.
func live(t *testing.T, run func(context.Context, mcphost.Call) (mcphost.Result, error)) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	opts := Options{Host: &liveHost{run: run}, Actor: func(r *http.Request) string { return r.Header.Get("X-Key") }}
	for _, route := range NewHandler(opts).Routes() {
		mux.Handle(route.Pattern, route.Handler)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// open begins a call with a stream as the key ann.
func open(t *testing.T, s *httptest.Server) (*sse.Reader, io.Closer) {
	t.Helper()
	req, _ := http.NewRequest("POST", s.URL+"/v1/mcp/execute", strings.NewReader(`{"tool":"x"}`))
	req.Header.Set("Accept", "application/json;q=0.5, text/event-stream")
	req.Header.Set("X-Key", "ann")
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || !strings.HasPrefix(got, "text/event-stream") {
		t.Fatalf("%s %s", resp.Status, got)
	}
	return sse.NewReader(resp.Body), resp.Body
}

// next returns the next event as "name data".
func next(t *testing.T, events *sse.Reader) string {
	t.Helper()
	e, err := events.Next()
	if err != nil {
		return err.Error()
	}
	return e.Name + " " + string(e.Data)
}

// answer posts an answer and returns the status and the body.
func answer(t *testing.T, s *httptest.Server, key, id, body string) (int, string) {
	t.Helper()
	req, _ := http.NewRequest("POST", s.URL+"/v1/mcp/elicitations/"+id, strings.NewReader(body))
	req.Header.Set("X-Key", key)
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func askName(t *testing.T) mcphost.Elicitation {
	t.Helper()
	schema := json.RawMessage(`{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"age":{"type":"integer","default":42}}}`)
	parsed, err := form.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	return mcphost.Elicitation{Server: "s", Tool: "x", Mode: mcphost.ModeForm, Message: "Who?", Schema: schema, Form: parsed}
}

func TestStream(t *testing.T) {
	ended := make(chan struct{})
	s := live(t, func(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
		if call.Actor != "ann" || call.Origin != "execute" {
			t.Errorf("the call is %+v", call)
		}
		call.OnProgress(mcphost.Progress{Progress: 1, Total: 2, Message: "half"})
		call.OnProgress(mcphost.Progress{Progress: 1.5})
		call.OnLog(mcphost.LogMessage{Level: "info", Logger: "l", Data: json.RawMessage(`{"a":1}`)})
		got, err := call.Elicit(ctx, askName(t))
		if err != nil || got.Action != "accept" || string(got.Content) != `{"name":"Ann","age":42}` {
			t.Errorf("the answer is %+v, %v", got, err)
		}
		close(ended)
		return mcphost.Result{Server: "s", Tool: "x", FullName: "s__x", Content: []mcphost.Content{{Type: "text", Text: "done"}}}, nil
	})
	events, _ := open(t, s)
	if got := next(t, events) + next(t, events); got != `progress {"progress":1,"total":2,"message":"half"}progress {"progress":1.5}` {
		t.Errorf("progress: %s", got)
	}
	if got := next(t, events); got != `log {"level":"info","logger":"l","data":{"a":1}}` {
		t.Errorf("log: %s", got)
	}
	name, data, _ := strings.Cut(next(t, events), " ")
	var q questionEvent
	if err := json.Unmarshal([]byte(data), &q); err != nil || name != "elicitation" || q.Server != "s" || q.Tool != "x" || q.Mode != "form" || q.Message != "Who?" || q.URL != "" || len(q.Schema) == 0 {
		t.Fatalf("%s %s", name, data)
	}
	for _, test := range []struct {
		key, id, body string
		status        int
		want          string
	}{
		{"bob", q.ID, `{"action":"decline"}`, 404, "belongs to another key"},
		{"ann", "elicit_x", `{"action":"decline"}`, 404, "no such elicitation"},
		{"ann", q.ID, `{"action":"maybe"}`, 400, `"param":"action"`},
		{"ann", q.ID, `{}`, 400, `"param":"action"`},
		{"ann", q.ID, `[]`, 400, "JSON object"},
		{"ann", q.ID, `{"action":"accept"}`, 400, `the field \"name\" is required`},
		{"ann", q.ID, `{"action":"accept","content":{"name":1}}`, 400, `"param":"content"`},
		{"ann", q.ID, `{"action":"accept","content":{"name":"` + strings.Repeat("x", maxAnswer) + `"}}`, 413, "larger than"},
		{"ann", q.ID, `{"action":"accept","content":{"name":"Ann"}}`, 200, `{"id":"` + q.ID + `","action":"accept"}`},
	} {
		if status, body := answer(t, s, test.key, test.id, test.body); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s %.60s: %d %s, want %d %s", test.key, test.body, status, body, test.status, test.want)
		}
	}
	<-ended
	if got := next(t, events); !strings.HasPrefix(got, `result {"server":"s","tool":"x","tool_name":"s__x","result":"done","content":"done",`) {
		t.Errorf("result: %s", got)
	}
	if got := next(t, events); got != io.EOF.Error() {
		t.Errorf("after the result: %s", got)
	}
	if status, _ := answer(t, s, "ann", q.ID, `{"action":"cancel"}`); status != 404 {
		t.Errorf("after the call: %d", status)
	}
}

// askingReads asks the caller's user before it answers.
type askingReads struct {
	fakeLibrary
	ask mcphost.Elicitation
}

func (r *askingReads) ReadResource(ctx context.Context, req mcphost.ResourceRead) (mcphost.ResourceResult, error) {
	if req.Elicit == nil {
		return mcphost.ResourceResult{}, &mcphost.Error{Kind: mcphost.NeedsInput, Message: "nobody can be asked"}
	}
	got, err := req.Elicit(ctx, r.ask)
	return mcphost.ResourceResult{Server: got.Action, URI: req.URI}, err
}

func (r *askingReads) GetPrompt(ctx context.Context, req mcphost.PromptGet) (mcphost.PromptResult, error) {
	got, err := req.Elicit(ctx, r.ask)
	if err == nil {
		err = &mcphost.Error{Kind: mcphost.ServerFailed, Message: "it was told " + got.Action}
	}
	return mcphost.PromptResult{}, err
}

// TestReadsThatAsk wants a server to be able to ask during a read that streams, and the end to be that of the
// plain answer.
func TestReadsThatAsk(t *testing.T) {
	reads := &askingReads{ask: askName(t)}
	mux := http.NewServeMux()
	for _, route := range NewHandler(Options{Lists: reads, Reads: reads, Actor: func(r *http.Request) string { return r.Header.Get("X-Key") }}).Routes() {
		mux.Handle(route.Pattern, route.Handler)
	}
	s := httptest.NewServer(mux)
	defer s.Close()
	for _, tt := range []struct{ method, path, body, want string }{
		{"POST", "/v1/mcp/resources/read", `{"uri":"a://b"}`, `result {"server":"decline","uri":"a://b","contents":[]`},
		{"GET", "/v1/mcp/resources/read?uri=a://b", "", `result {"server":"decline","uri":"a://b","contents":[]`},
		{"POST", "/v1/mcp/prompts/get", `{"name":"p"}`, `error {"error":{"message":"it was told decline"`},
	} {
		req, _ := http.NewRequest(tt.method, s.URL+tt.path, strings.NewReader(tt.body))
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("X-Key", "ann")
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		events := sse.NewReader(resp.Body)
		name, data, _ := strings.Cut(next(t, events), " ")
		var q questionEvent
		if err := json.Unmarshal([]byte(data), &q); err != nil || name != "elicitation" || q.Message != "Who?" {
			t.Fatalf("%s %s: %s %s", tt.method, tt.path, name, data)
		}
		if status, body := answer(t, s, "ann", q.ID, `{"action":"decline"}`); status != 200 {
			t.Errorf("%d %s", status, body)
		}
		if got := next(t, events); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s: %s", tt.method, tt.path, got)
		}
		resp.Body.Close()
	}
	resp, err := http.Get(s.URL + "/v1/mcp/resources/read?uri=a://b")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 409 || !strings.Contains(string(body), "nobody can be asked") {
		t.Errorf("a plain read: %s %s", resp.Status, body)
	}
}

// TestStreamAnsweredTwice keeps the first answer while the call goes on.
func TestStreamAnsweredTwice(t *testing.T) {
	goOn := make(chan struct{})
	s := live(t, func(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
		ask := mcphost.Elicitation{Mode: mcphost.ModeURL, URL: "https://example.org"}
		if got, err := call.Elicit(ctx, ask); err != nil || got.Action != "accept" || got.Content != nil {
			t.Errorf("%+v %v", got, err)
		}
		<-goOn
		return mcphost.Result{}, nil
	})
	events, _ := open(t, s)
	var q questionEvent
	_, data, _ := strings.Cut(next(t, events), " ")
	if json.Unmarshal([]byte(data), &q); q.URL != "https://example.org" || q.Schema != nil {
		t.Errorf("%s", data)
	}
	if status, body := answer(t, s, "ann", q.ID, `{"action":"accept","content":{"x":1}}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if status, body := answer(t, s, "ann", q.ID, `{"action":"decline"}`); status != 409 {
		t.Errorf("%d %s", status, body)
	}
	close(goOn)
	next(t, events)
}

func TestStreamEndsInAnError(t *testing.T) {
	s := live(t, func(context.Context, mcphost.Call) (mcphost.Result, error) {
		return mcphost.Result{}, &mcphost.Error{Kind: mcphost.RateLimited, Server: "s", Tool: "x", Message: "slow down", RetryAfter: 1500000000}
	})
	events, _ := open(t, s)
	want := `error {"error":{"message":"slow down","type":"rate_limit_error","param":null,"code":"rate_limited"},"is_error":true,"error_message":"slow down","result":"slow down","content":"slow down","server":"s","tool":"x","status":429,"retry_after":2}`
	if got := next(t, events); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := next(t, events); got != io.EOF.Error() {
		t.Errorf("after the error: %s", got)
	}
}

// TestClientLeaves gives up the call and whatever is asked on its behalf; a host that goes on telling
// afterwards does no harm.
func TestClientLeaves(t *testing.T) {
	ended := make(chan error, 1)
	s := live(t, func(ctx context.Context, call mcphost.Call) (mcphost.Result, error) {
		_, err := call.Elicit(ctx, askName(t))
		ended <- err
		for range 3 * queued {
			call.OnLog(mcphost.LogMessage{Level: "info"})
		}
		return mcphost.Result{}, err
	})
	events, body := open(t, s)
	next(t, events)
	body.Close()
	if err := <-ended; err == nil {
		t.Error("the question goes on without a client")
	}
}
