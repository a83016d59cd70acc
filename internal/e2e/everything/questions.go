package everything

//lint:file-ignore SA1019 sampling and roots are deprecated and tested all the same

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The tools here ask their client something: in revision 2026-07-28 with a result of the type
// input_required, before it with requests, which the library makes of those results.

func form(message, schema string) *mcp.ElicitParams {
	return &mcp.ElicitParams{Message: message, RequestedSchema: json.RawMessage(schema)}
}

func sample(text string) *mcp.CreateMessageParams {
	return &mcp.CreateMessageParams{MaxTokens: 100, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}}}
}

const (
	nameForm    = `{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`
	confirmForm = `{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}`
)

// filled is the content of an accepted form, or nil.
func filled(r mcp.InputResponseMap, key string) map[string]any {
	if answer, ok := r[key].(*mcp.ElicitResult); ok && answer.Action == "accept" {
		return answer.Content
	}
	return nil
}

func sampled(r mcp.InputResponseMap, key string) (string, bool) {
	answer, ok := r[key].(*mcp.CreateMessageWithToolsResult)
	if !ok || len(answer.Content) == 0 {
		return "", false
	}
	text, ok := answer.Content[0].(*mcp.TextContent)
	return text.Text, ok
}

func rooted(r mcp.InputResponseMap, key string) (int, bool) {
	answer, ok := r[key].(*mcp.ListRootsResult)
	if !ok {
		return 0, false
	}
	return len(answer.Roots), true
}

func asks(state string, questions mcp.InputRequestMap) *mcp.CallToolResult {
	return &mcp.CallToolResult{InputRequests: questions, RequestState: state}
}

// elicits is a tool that shows a form and says what was answered.
func elicits(schema string) call {
	return func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if answer, ok := req.Params.InputResponses["form"].(*mcp.ElicitResult); ok {
			content, err := json.Marshal(answer.Content)
			return says("Elicitation completed: action=%s, content=%s", answer.Action, content), err
		}
		var in struct{ Message string }
		_ = json.Unmarshal(req.Params.Arguments, &in) // without one there is another
		if in.Message == "" {
			in.Message = "Please fill in the form"
		}
		return asks("", mcp.InputRequestMap{"form": form(in.Message, schema)}), nil
	}
}

func addQuestions(s *mcp.Server) {
	add(s, "test_elicitation", `{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}`,
		elicits(`{"type":"object","properties":{"username":{"type":"string"},"email":{"type":"string"}},"required":["username","email"]}`))
	add(s, "test_elicitation_sep1034_defaults", anything, elicits(`{"type":"object","properties":{
		"name":{"type":"string","default":"John Doe"},"age":{"type":"integer","default":30},"score":{"type":"number","default":95.5},
		"status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},"verified":{"type":"boolean","default":true}}}`))
	add(s, "test_elicitation_sep1330_enums", anything, elicits(`{"type":"object","properties":{
		"untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
		"titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First"},{"const":"value2","title":"Second"},{"const":"value3","title":"Third"}]},
		"legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],"enumNames":["One","Two","Three"]},
		"untitledMulti":{"type":"array","minItems":1,"maxItems":3,"items":{"type":"string","enum":["option1","option2","option3"]}},
		"titledMulti":{"type":"array","minItems":1,"maxItems":3,"items":{"anyOf":[{"const":"value1","title":"First"},{"const":"value2","title":"Second"},{"const":"value3","title":"Third"}]}}}}`))
	add(s, "test_sampling", `{"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]}`,
		func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if text, ok := sampled(req.Params.InputResponses, "sample"); ok {
				return says("LLM response: %s", text), nil
			}
			var in struct{ Prompt string }
			if err := json.Unmarshal(req.Params.Arguments, &in); err != nil {
				return nil, err
			}
			return asks("", mcp.InputRequestMap{"sample": sample(in.Prompt)}), nil
		})
	addRounds(s)
	addStates(s)
}

func addRounds(s *mcp.Server) {
	add(s, "test_input_required_result_elicitation", anything, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if name, ok := filled(req.Params.InputResponses, "user_name")["name"].(string); ok {
			return says("Hello, %s!", name), nil
		}
		return asks("", mcp.InputRequestMap{"user_name": form("What is your name?", nameForm)}), nil
	})
	add(s, "test_input_required_result_sampling", anything, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if text, ok := sampled(req.Params.InputResponses, "capital_question"); ok {
			return says("The answer was: %s", text), nil
		}
		return asks("", mcp.InputRequestMap{"capital_question": sample("What is the capital of France?")}), nil
	})
	add(s, "test_input_required_result_list_roots", anything, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if n, ok := rooted(req.Params.InputResponses, "client_roots"); ok {
			return says("The client has %d roots", n), nil
		}
		return asks("", mcp.InputRequestMap{"client_roots": &mcp.ListRootsParams{}}), nil
	})
	add(s, "test_input_required_result_multiple_inputs", anything, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		in := req.Params.InputResponses
		name, greeting := filled(in, "user_name")["name"], ""
		text, told := sampled(in, "greeting")
		roots, listed := rooted(in, "client_roots")
		if greeting = text; name != nil && told && listed {
			return says("%s %v, with %d roots", greeting, name, roots), nil
		}
		return asks("several", mcp.InputRequestMap{"user_name": form("What is your name?", nameForm),
			"greeting": sample("Generate a greeting"), "client_roots": &mcp.ListRootsParams{}}), nil
	})
	add(s, "test_input_required_result_capabilities", anything, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		questions, caps := mcp.InputRequestMap{}, req.ClientCapabilities()
		if caps != nil && caps.Elicitation != nil {
			questions["user_name"] = form("What is your name?", nameForm)
		}
		if caps != nil && caps.Sampling != nil {
			questions["greeting"] = sample("Generate a greeting")
		}
		if len(req.Params.InputResponses) > 0 || len(questions) == 0 {
			return says("asked as far as the client can be"), nil
		}
		return asks("", questions), nil
	})
}

func addStates(s *mcp.Server) {
	confirm := func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		const state = "state-of-the-server"
		switch {
		case req.Params.RequestState != "" && req.Params.RequestState != state:
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the requestState is not the server's"}
		case req.Params.RequestState == state && filled(req.Params.InputResponses, "confirm") != nil:
			return says("state-ok"), nil
		}
		return asks(state, mcp.InputRequestMap{"confirm": form("Please confirm", confirmForm)}), nil
	}
	add(s, "test_input_required_result_request_state", anything, confirm)
	add(s, "test_input_required_result_tampered_state", anything, confirm)
	add(s, "test_input_required_result_multi_round", anything, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		switch in := req.Params.InputResponses; req.Params.RequestState {
		case "round 1":
			return asks(fmt.Sprint("round 2 ", filled(in, "step1")["name"]), mcp.InputRequestMap{"step2": form("Step 2: What is your favorite color?",
				`{"type":"object","properties":{"color":{"type":"string"}},"required":["color"]}`)}), nil
		case "":
			return asks("round 1", mcp.InputRequestMap{"step1": form("Step 1: What is your name?", nameForm)}), nil
		default:
			return says("%s likes %v", req.Params.RequestState, filled(in, "step2")["color"]), nil
		}
	})
}
