package mcphost

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/toolserve/toolserve/policy"
)

// taskServer is a server of 2026-07-28 over HTTP that answers each call with a task, which asks for a name
// before it ends.
type taskServer struct {
	without bool // the server does not declare the extension

	mu     sync.Mutex
	sent   []string // method and the header Mcp-Name
	answer json.RawMessage
}

func (s *taskServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params struct {
			Meta struct {
				Capabilities struct {
					Extensions map[string]json.RawMessage `json:"extensions"`
				} `json:"io.modelcontextprotocol/clientCapabilities"`
			} `json:"_meta"`
			TaskID         string          `json:"taskId"`
			InputResponses json.RawMessage `json:"inputResponses"`
		} `json:"params"`
	}
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&req) != nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, req.Method+" "+r.Header.Get("Mcp-Name"))
	result := ""
	_, declared := req.Params.Meta.Capabilities.Extensions["io.modelcontextprotocol/tasks"]
	switch {
	case req.Method == "server/discover" && s.without:
		result = `"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}`
	case req.Method == "server/discover":
		result = `"supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}`
	case req.Method == "tools/list":
		result = `"tools":[{"name":"slow","inputSchema":{"type":"object"}},{"name":"endless","inputSchema":{"type":"object"}}]`
	case !declared:
		result = `"content":[{"type":"text","text":"the client declares no tasks"}]`
	case req.Method == "tools/call":
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"task","taskId":"task-%s","status":"working","statusMessage":"begun","ttlMs":60000,"pollIntervalMs":50}}`, req.ID, r.Header.Get("Mcp-Name"))
		return
	case req.Method == "tasks/get" && req.Params.TaskID == "task-endless":
		result = `"taskId":"task-endless","status":"working","statusMessage":"still at it"`
	case req.Method == "tasks/get" && s.answer == nil:
		result = `"taskId":"task-slow","status":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"mode":"form","message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}}`
	case req.Method == "tasks/get":
		result = `"taskId":"task-slow","status":"completed","statusMessage":"done","result":{"content":[{"type":"text","text":"` + strings.ReplaceAll(string(s.answer), `"`, `'`) + `"}]}`
	case req.Method == "tasks/update":
		s.answer = req.Params.InputResponses
		result = `"x":1`
	case req.Method == "tasks/cancel":
		result = `"x":1`
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete",%s}}`, req.ID, result)
}

func (s *taskServer) saw(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.sent, what)
}

// TestTasksOfTheNewestRevision follows tasks of the extension io.modelcontextprotocol/tasks to their result.
func TestTasksOfTheNewestRevision(t *testing.T) {
	s := &taskServer{}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	h := start(t, &Config{Servers: []ServerConfig{{Name: "tasks", Transport: TransportHTTP, URL: web.URL}}}, Options{
		Launch: &policy.LaunchRules{AllowedHosts: []string{"127.0.0.1"}}, Elicitation: true,
	})
	var said, states []string
	result, err := h.Execute(t.Context(), Call{
		Tool: "slow", OnTask: func(status string) { states = append(states, status) },
		OnProgress: func(p Progress) { said = append(said, p.Message) },
		Elicit: func(_ context.Context, e Elicitation) (ElicitationAnswer, error) {
			return ElicitationAnswer{Action: ElicitationAccept, Content: json.RawMessage(`{"name":"Ann"}`)}, nil
		},
	})
	if err != nil || result.Text() != `{'who':{'action':'accept','content':{'name':'Ann'}}}` {
		t.Errorf("%q %v", result.Text(), err)
	}
	if got := strings.Join(said, ","); got != "begun,done" {
		t.Errorf("said %s", got)
	}
	if got := strings.Join(states, ","); got != ",begun,done" {
		t.Errorf("the task was told as %s", got)
	}
	for _, want := range []string{"tools/call slow", "tasks/get task-slow", "tasks/update task-slow"} {
		if !s.saw(want) {
			t.Errorf("%q was not sent among %q", want, s.sent)
		}
	}
	for timeout := 300 * time.Millisecond; !s.saw("tasks/get task-endless"); timeout *= 2 { // a busy machine may not get so far
		_, err = h.Execute(t.Context(), Call{Tool: "endless", Timeout: timeout})
		wantKind(t, err, TimedOut)
	}
	eventually(t, "the task is cancelled", func() bool { return s.saw("tasks/cancel task-endless") })
}

// TestTasksUndeclared does not declare the extension to a server that does not.
func TestTasksUndeclared(t *testing.T) {
	web := httptest.NewServer(&taskServer{without: true})
	t.Cleanup(web.Close)
	h := start(t, &Config{Servers: []ServerConfig{{Name: "tasks", Transport: TransportHTTP, URL: web.URL}}}, Options{
		Launch: &policy.LaunchRules{AllowedHosts: []string{"127.0.0.1"}},
	})
	result, err := h.Execute(t.Context(), Call{Tool: "slow"})
	if err != nil || result.Text() != "the client declares no tasks" {
		t.Errorf("%q %v", result.Text(), err)
	}
}
