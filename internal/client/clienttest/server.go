// Package clienttest is a running toolserve for tests: it answers chat completions with scripted turns
// and MCP requests with scripted bodies, and keeps what it was asked.
package clienttest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Turn is one answer to a chat completion request: the chunks of its stream, each the JSON of one
// event. A turn whose last chunk is [DONE] is complete.
type Turn []string

// Done ends a complete turn.
const Done = "[DONE]"

// Text is a complete turn that answers with text, a chunk a word.
func Text(text string) Turn {
	var turn Turn
	for _, word := range strings.SplitAfter(text, " ") {
		turn = append(turn, delta("content", word))
	}
	return append(turn, Finish("stop"), Done)
}

// Reasoned is Text after some reasoning.
func Reasoned(thought, text string) Turn {
	return append(Turn{delta("reasoning_content", thought)}, Text(text)...)
}

func delta(field, text string) string {
	data, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": map[string]string{field: text}}}})
	return string(data)
}

// Call is one call of a turn of calls.
type Call struct{ ID, Name, Arguments string }

// Calls is a complete turn that makes calls, their arguments in two pieces.
func Calls(calls ...Call) Turn {
	var turn Turn
	for i, c := range calls {
		half := len(c.Arguments) / 2
		turn = append(turn, callDelta(i, c.ID, c.Name, c.Arguments[:half]), callDelta(i, "", "", c.Arguments[half:]))
	}
	return append(turn, Finish("tool_calls"), Done)
}

func callDelta(index int, id, name, arguments string) string {
	function := map[string]any{"arguments": arguments}
	call := map[string]any{"index": index, "function": function}
	if name != "" {
		call["id"], call["type"], function["name"] = id, "function", name
	}
	data, _ := json.Marshal(map[string]any{"choices": []any{
		map[string]any{"index": 0, "delta": map[string]any{"tool_calls": []any{call}}},
	}})
	return string(data)
}

// Finish is the chunk that ends a generation.
func Finish(reason string) string {
	return fmt.Sprintf(`{"choices":[{"index":0,"delta":{},"finish_reason":%q}]}`, reason)
}

// Reply is an answer that is no stream.
type Reply struct {
	Status int
	Body   string
	// Type is the media type of the body; "" is JSON.
	Type string
}

// Server is the scripted server. Its exported fields are set before the first request.
type Server struct {
	*httptest.Server
	// Turns answer the chat completions, one after the other; the last one repeats.
	Turns []Turn
	// Tools, Status and Audit are the bodies of the MCP lists.
	Tools, Status, Audit string
	// Execute answers a call; nil answers every call with the text "ok".
	Execute func(body map[string]any) Reply
	// Approve answers an approval; nil approves all.
	Approve func(body map[string]any) Reply
	// Replies answer further paths.
	Replies map[string]Reply
	// Hold, when set, keeps a turn without [DONE] open until the client goes away, and is closed then.
	Hold chan struct{}
	// Key is the API key that every request must bring.
	Key string

	mu       sync.Mutex
	requests []Request
}

// Request is what the server was asked.
type Request struct {
	Path string // with the query
	Body map[string]any
}

// New starts a server that ends with the test.
func New(t *testing.T) *Server {
	t.Helper()
	s := &Server{
		Turns:  []Turn{Text("Hello.")},
		Tools:  `{"tools":[],"count":0,"reason":"no MCP server is configured"}`,
		Status: `{"servers":[]}`,
		Audit:  `{"entries":[],"count":0}`,
	}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Server.Close)
	return s
}

// Requests returns what was asked of a path so far.
func (s *Server) Requests(path string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Request
	for _, r := range s.requests {
		if p, _, _ := strings.Cut(r.Path, "?"); p == path {
			found = append(found, r)
		}
	}
	return found
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	request := Request{Path: r.URL.RequestURI()}
	_ = json.Unmarshal(body, &request.Body)
	s.mu.Lock()
	s.requests = append(s.requests, request)
	s.mu.Unlock()
	if s.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.Key {
		reply(w, Reply{Status: http.StatusUnauthorized, Body: `{"error":{"message":"wrong API key","type":"authentication_error","code":"invalid_api_key"}}`})
		return
	}
	switch r.URL.Path {
	case "/v1/models":
		reply(w, Reply{Status: 200, Body: `{"object":"list","data":[{"id":"test-model","owned_by":"toolserve"}]}`})
	case "/v1/mcp/tools":
		reply(w, Reply{Status: 200, Body: s.Tools})
	case "/v1/mcp/status":
		reply(w, Reply{Status: 200, Body: s.Status})
	case "/v1/mcp/audit":
		reply(w, Reply{Status: 200, Body: s.Audit})
	case "/v1/mcp/approve":
		if s.Approve == nil {
			reply(w, Reply{Status: 200, Body: `{"approved":{}}`})
			return
		}
		reply(w, s.Approve(request.Body))
	case "/v1/mcp/execute":
		if s.Execute == nil {
			reply(w, Reply{Status: 200, Body: `{"result":"ok","content":"ok","is_error":false}`})
			return
		}
		reply(w, s.Execute(request.Body))
	case "/v1/chat/completions":
		s.chat(w, r)
	default:
		if r, ok := s.Replies[r.URL.Path]; ok {
			reply(w, r)
			return
		}
		reply(w, Reply{Status: http.StatusNotFound, Body: "404 page not found"})
	}
}

func reply(w http.ResponseWriter, r Reply) {
	w.Header().Set("Content-Type", cmp.Or(r.Type, "application/json"))
	w.WriteHeader(r.Status)
	_, _ = io.WriteString(w, r.Body)
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	turn := s.Turns[min(len(s.Requests("/v1/chat/completions")), len(s.Turns))-1]
	if len(turn) == 1 && strings.HasPrefix(turn[0], `{"error"`) {
		reply(w, Reply{Status: http.StatusBadRequest, Body: turn[0]})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, chunk := range turn {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", chunk)
		w.(http.Flusher).Flush()
	}
	if s.Hold != nil && turn[len(turn)-1] != Done {
		<-r.Context().Done()
		close(s.Hold)
	}
}
