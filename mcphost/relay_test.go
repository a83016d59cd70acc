package mcphost

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/internal/e2e/everything"
)

// relaying starts a host of two servers that have one of each, "new" of the newest revision and "old" of
// the one before, with the same members in their entries.
func relaying(t *testing.T, members string) *Host {
	t.Helper()
	cfg, _, err := ParseConfig([]byte(`{"mcpServers":{"new":{"command":"x"`+members+`},"old":{"command":"x"`+members+`}}}`), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, cfg, Options{Elicitation: true, Transport: func(c ServerConfig) mcp.Transport {
		opts := everything.Options{}
		if c.Name == "old" {
			opts.Revisions = []string{"2025-11-25"}
		}
		ours, theirs := mcp.NewInMemoryTransports()
		if _, err := everything.New(opts).Connect(context.Background(), theirs, nil); err != nil {
			t.Error(err)
		}
		return ours
	}})
	eventually(t, "the connections", func() bool {
		return status(t, h, "new").State == StateConnected && status(t, h, "old").State == StateConnected
	})
	return h
}

func executeRelayed(t *testing.T, h *Host, tool string, relay Relay) (Result, error) {
	t.Helper()
	return h.Execute(t.Context(), Call{Server: "new", Tool: tool, Relay: &relay})
}

const allCapabilities = `{"elicitation":{},"sampling":{},"roots":{}}`

func TestRelay(t *testing.T) {
	h := relaying(t, `,"sampling":true,"roots":"caller"`)
	result, err := executeRelayed(t, h, "test_input_required_result_multiple_inputs", Relay{Capabilities: json.RawMessage(allCapabilities)})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"resultType":"input_required"`, `"requestState":"several"`, `"roots/list"`, `"sampling/createMessage"`, `"What is your name?"`} {
		if !strings.Contains(string(result.Input), part) {
			t.Errorf("no %s in %s", part, result.Input)
		}
	}
	answers := `{"user_name":{"action":"accept","content":{"name":"Ann"}},"client_roots":{"roots":[{"uri":"file:///r"}]},
		"greeting":{"role":"assistant","model":"m","content":{"type":"text","text":"Hi"}}}`
	result, err = executeRelayed(t, h, "test_input_required_result_multiple_inputs",
		Relay{Capabilities: json.RawMessage(allCapabilities), Responses: json.RawMessage(answers), State: "several"})
	if err != nil || result.Text() != "Hi Ann, with 1 roots" || result.Input != nil {
		t.Errorf("%+v %v", result, err)
	}
	p, err := h.GetPrompt(t.Context(), PromptGet{Server: "new", Name: "test_input_required_result_prompt", Caller: Caller{Relay: &Relay{Capabilities: json.RawMessage(allCapabilities)}}})
	if err != nil || !strings.Contains(string(p.Input), "user_context") || len(p.Messages) != 0 {
		t.Errorf("the prompt is %+v %v", p, err)
	}
	_, err = executeRelayed(t, h, "test_input_required_result_tampered_state", Relay{Capabilities: json.RawMessage(allCapabilities), State: "mine"})
	wantKind(t, err, BadArguments, "not the server's")
	_, err = h.Execute(t.Context(), Call{Server: "old", Tool: "test_simple_text", Relay: &Relay{State: "x"}})
	wantKind(t, err, BadArguments, "requestState")
	_, err = executeRelayed(t, h, "test_simple_text", Relay{State: strings.Repeat("x", maxRelayed+1)})
	wantKind(t, err, BadArguments, "larger than")
}

// TestRelayIsAllowed checks that a server hears of nothing that its entry does not allow.
func TestRelayIsAllowed(t *testing.T) {
	h := relaying(t, `,"elicitation":false`)
	for tool, want := range map[string]string{
		"test_input_required_result_elicitation": "elicitation/create",
		"test_input_required_result_sampling":    "sampling/createMessage",
		"test_input_required_result_list_roots":  "roots/list",
	} {
		_, err := executeRelayed(t, h, tool, Relay{Capabilities: json.RawMessage(allCapabilities)})
		wantKind(t, err, NeedsInput, want)
	}
	result, err := executeRelayed(t, h, "test_input_required_result_capabilities", Relay{Capabilities: json.RawMessage(allCapabilities)})
	if err != nil || result.Input != nil {
		t.Errorf("the server heard of capabilities: %s %v", result.Input, err)
	}
}

// TestCallerSamples has the caller's model answer servers of both eras.
func TestCallerSamples(t *testing.T) {
	h := relaying(t, `,"sampling":true`)
	for _, server := range []string{"new", "old"} {
		call := Call{Server: server, Tool: "test_sampling", Arguments: json.RawMessage(`{"prompt":"who?"}`)}
		call.Sample = func(_ context.Context, params json.RawMessage) (json.RawMessage, error) {
			if !strings.Contains(string(params), "who?") {
				t.Errorf("the caller was asked %s", params)
			}
			return json.RawMessage(`{"role":"assistant","model":"m","content":{"type":"text","text":"me"}}`), nil
		}
		result, err := h.Execute(t.Context(), call)
		if err != nil || result.Text() != "LLM response: me" {
			t.Errorf("%s: %+v %v", server, result, err)
		}
		call.Sample = func(context.Context, json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(`{"no":1}`), nil
		}
		if result, err := h.Execute(t.Context(), call); err == nil && !result.IsError {
			t.Errorf("%s: an answer that is none was taken: %+v", server, result)
		}
	}
}
