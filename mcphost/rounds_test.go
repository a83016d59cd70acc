package mcphost

//lint:file-ignore SA1019 servers still ask for roots

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// roundsServer is one of revision 2026-07-28 whose tools ask in their results.
func roundsServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "rounds", Version: "1"}, nil)
	add := func(name string, ask func(req *mcp.CallToolRequest) *mcp.CallToolResult) {
		server.AddTool(&mcp.Tool{Name: name, InputSchema: rawSchema(`{"type":"object"}`)},
			func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return ask(req), nil })
	}
	form := &mcp.ElicitParams{Message: "Who are you?", RequestedSchema: rawSchema(`{"type":"object","properties":{"name":{"type":"string"}}}`)}
	add("hello", func(req *mcp.CallToolRequest) *mcp.CallToolResult {
		p := req.Params
		if p.RequestState == "" {
			return &mcp.CallToolResult{RequestState: "round 2", InputRequests: mcp.InputRequestMap{"who": form, "where": &mcp.ListRootsParams{}}}
		}
		who, _ := json.Marshal(p.InputResponses["who"])
		where, _ := json.Marshal(p.InputResponses["where"])
		text := p.RequestState + " " + string(p.Arguments) + " " + string(who) + " " + string(where)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
	})
	add("endless", func(*mcp.CallToolRequest) *mcp.CallToolResult {
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"where": &mcp.ListRootsParams{}}}
	})
	return server
}

// TestRoundsOfACall answers what a tool asks in its result, over each transport.
func TestRoundsOfACall(t *testing.T) {
	url, _ := remote(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return roundsServer() }, &mcp.StreamableHTTPOptions{Stateless: true}))
	root := t.TempDir()
	memory := inMemory(roundsServer())
	h := start(t, &Config{Servers: []ServerConfig{
		{Name: "memory", Roots: []string{root}},
		{Name: "http", Transport: TransportHTTP, URL: url, Roots: []string{root}},
	}}, Options{Elicitation: true, Transport: func(c ServerConfig) mcp.Transport {
		if c.Name == "memory" {
			return memory(c)
		}
		return nil
	}})
	elicit := func(_ context.Context, e Elicitation) (ElicitationAnswer, error) {
		if e.Message != "Who are you?" {
			t.Errorf("the user was asked %+v", e)
		}
		return ElicitationAnswer{Action: ElicitationAccept, Content: json.RawMessage(`{"name":"Ann"}`)}, nil
	}
	for _, server := range []string{"memory", "http"} {
		call := Call{Server: server, Tool: "hello", Arguments: json.RawMessage(`{"a":1}`), Elicit: elicit}
		result, err := h.Execute(t.Context(), call)
		if err != nil {
			t.Errorf("%s: %v", server, err)
			continue
		}
		for _, want := range []string{`round 2 {"a":1} `, `"action":"accept"`, `{"name":"Ann"}`, root} {
			if !strings.Contains(result.Text(), want) {
				t.Errorf("%s: %q has no %q", server, result.Text(), want)
			}
		}
		var e *Error
		call.Elicit = nil
		if _, err := h.Execute(t.Context(), call); !errors.As(err, &e) || e.Kind != NeedsInput || !strings.Contains(e.Message, "elicitation/create") || !strings.Contains(e.Message, "nobody can be asked") {
			t.Errorf("%s: nobody to ask: %v", server, err)
		}
		if _, err := h.Execute(t.Context(), Call{Server: server, Tool: "endless"}); !errors.As(err, &e) || e.Kind != ServerFailed || !strings.Contains(e.Message, "rounds") {
			t.Errorf("%s: a tool that never has enough: %v", server, err)
		}
	}
}
