package openai

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/toolserve/toolserve/chat"
)

// request decodes a body that has the given members beside one user message.
func request(t *testing.T, members string) *wireRequest {
	t.Helper()
	if members != "" {
		members = "," + members
	}
	req, err := decode([]byte(`{"messages":[{"role":"user","content":"hi"}]` + members + `}`))
	if err != nil {
		t.Fatalf("%s: %v", members, err)
	}
	return req
}

func TestDecodeMessages(t *testing.T) {
	const body = ` {"model":"m","messages":[
		{"role":"system","content":"be brief","name":"boss"},
		{"role":"developer","content":[{"type":"text","text":"a\u00e9"},{"type":"text","text":""}]},
		{"role":"user","content":[
			{"type":"text","text":"look","cache_control":{}},
			{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}},
			{"type":"image_url","image_url":"https://example.org/x.png"},
			{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}]},
		{"role":"assistant","content":null,"refusal":null,"reasoning_content":"hm","tool_calls":[
			{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},
			{"id":"b","type":"function","index":1,"function":{"name":"g","arguments":{"y":[2]}}},
			{"type":"function","function":{"name":"h","arguments":""}}]},
		{"role":"tool","tool_call_id":"b","content":"two"},
		{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"one"}]},
		{"role":"tool","content":null},
		{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},
		{"role":"user","content":""}
	]} `
	req, bad := decode([]byte(body))
	if bad != nil {
		t.Fatal(bad)
	}
	want := []chat.Message{
		{Role: chat.RoleSystem, Content: chat.Text("be brief"), Name: "boss"},
		{Role: chat.RoleDeveloper, Content: []chat.Part{{Type: chat.PartText, Text: "aé"}, {Type: chat.PartText}}},
		{Role: chat.RoleUser, Content: []chat.Part{
			{Type: chat.PartText, Text: "look"},
			{Type: chat.PartImage, URL: "data:image/png;base64,AA=="},
			{Type: chat.PartImage, URL: "https://example.org/x.png"},
			{Type: chat.PartAudio, Data: "AA==", Format: "wav"},
		}},
		{Role: chat.RoleAssistant, Reasoning: "hm", ToolCalls: []chat.ToolCall{
			{ID: "a", Name: "f", Arguments: `{"x": 1}`},
			{ID: "b", Name: "g", Arguments: `{"y":[2]}`},
			{ID: "call_3", Name: "h", Arguments: "{}"},
		}},
		{Role: chat.RoleTool, ToolCallID: "b", Name: "g", Content: chat.Text("two")},
		{Role: chat.RoleTool, ToolCallID: "a", Name: "f", Content: chat.Text("one")},
		{Role: chat.RoleTool, ToolCallID: "call_3", Name: "h"},
		{Role: chat.RoleAssistant, Content: chat.Text("no")},
		{Role: chat.RoleUser, Content: chat.Text("")},
	}
	for i := range want {
		if !reflect.DeepEqual(req.Messages[i], want[i]) {
			t.Errorf("message %d is %+v, want %+v", i, req.Messages[i], want[i])
		}
	}
}

// Some clients send the calls of one turn as several messages, and some models number their calls anew
// each turn: an answer belongs to the latest call of its id.
func TestDecodeAnswersAcrossMessages(t *testing.T) {
	req, bad := decode([]byte(`{"messages":[
		{"role":"assistant","tool_calls":[{"id":"0","function":{"name":"old"}}]},
		{"role":"tool","tool_call_id":"0","content":"x"},
		{"role":"assistant","tool_calls":[{"id":"0","function":{"name":"f"}}]},
		{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"g"}}]},
		{"role":"tool","tool_call_id":"0","content":"x"},
		{"role":"user","content":"wait"},
		{"role":"tool","tool_call_id":"1","content":"y"}]}`))
	if bad != nil {
		t.Fatal(bad)
	}
	for i, want := range map[int]string{1: "old", 4: "f", 6: "g"} {
		if got := req.Messages[i].Name; got != want {
			t.Errorf("message %d answers %q, want %q", i, got, want)
		}
	}
}

func TestDecodeToolsKeepsThemAsSent(t *testing.T) {
	const function = `{"parameters": {"type":"object","properties":{"z":{},"a":{}}}, "x-more":1, "name":"fs__read-file","description":"d","strict":true}`
	req := request(t, `"tools":[{"name":"fs__read-file","server":"fs","function":`+function+`,"type":"function"},{"function":{"name":"bare","parameters":null}}]`)
	want := []chat.Tool{{
		Name: "fs__read-file", Description: "d", Strict: true,
		Parameters: json.RawMessage(`{"type":"object","properties":{"z":{},"a":{}}}`), Function: json.RawMessage(function),
	}, {
		Name: "bare", Function: json.RawMessage(`{"name":"bare","parameters":null}`),
	}}
	if !reflect.DeepEqual(req.Tools, want) {
		t.Errorf("tools are %+v, want %+v", req.Tools, want)
	}
}

func TestDecodeToolChoice(t *testing.T) {
	const tools = `"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]`
	tests := []struct {
		members string
		choice  chat.ToolChoice
		tools   string
		single  bool
	}{
		{``, chat.ToolChoice{}, "", false},
		{tools, chat.ToolChoice{}, "fg", false},
		{tools + `,"tool_choice":null,"parallel_tool_calls":true`, chat.ToolChoice{}, "fg", false},
		{tools + `,"tool_choice":"auto","parallel_tool_calls":false`, chat.ToolChoice{Mode: chat.ToolAuto}, "fg", true},
		{tools + `,"tool_choice":"none"`, chat.ToolChoice{Mode: chat.ToolNone}, "fg", false},
		{tools + `,"tool_choice":"required"`, chat.ToolChoice{Mode: chat.ToolRequired}, "fg", false},
		{`"tool_choice":"auto","tools":[]`, chat.ToolChoice{Mode: chat.ToolAuto}, "", false},
		{`"tool_choice":"none"`, chat.ToolChoice{Mode: chat.ToolNone}, "", false},
		{tools + `,"tool_choice":{"type":"function","function":{"name":"g"}}`, chat.ToolChoice{Mode: chat.ToolNamed, Name: "g"}, "fg", false},
		{tools + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}}`,
			chat.ToolChoice{Mode: chat.ToolRequired}, "g", false},
		{tools + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":[{"function":{"name":"f"}}]}}`,
			chat.ToolChoice{Mode: chat.ToolAuto}, "f", false},
		{`"functions":[{"name":"f"}]`, chat.ToolChoice{}, "f", true},
		{`"functions":[{"name":"f"}],"function_call":"none"`, chat.ToolChoice{Mode: chat.ToolNone}, "f", true},
		{`"functions":[{"name":"f"}],"function_call":{"name":"f"}`, chat.ToolChoice{Mode: chat.ToolNamed, Name: "f"}, "f", true},
	}
	for _, test := range tests {
		req := request(t, test.members)
		var names string
		for _, tool := range req.Tools {
			names += tool.Name
		}
		if req.ToolChoice != test.choice || names != test.tools || req.SingleToolCall != test.single {
			t.Errorf("%s: choice %+v, tools %q, single %v; want %+v, %q, %v",
				test.members, req.ToolChoice, names, req.SingleToolCall, test.choice, test.tools, test.single)
		}
	}
}

func TestDecodeParameters(t *testing.T) {
	seed := func(n uint64) *uint64 { return &n }
	flag := func(b bool) *bool { return &b }
	base := chat.Request{Messages: []chat.Message{{Role: chat.RoleUser, Content: chat.Text("hi")}}, Sampling: chat.DefaultSampling()}
	tests := []struct {
		members string
		change  func(*chat.Request)
	}{
		{``, func(*chat.Request) {}},
		{`"temperature":null,"stop":null,"seed":null,"n":null,"max_tokens":null,"tools":null,"tool_choice":null,"stream_options":null,"response_format":null,"logit_bias":null`, func(*chat.Request) {}},
		{`"user":"u","store":true,"metadata":{"a":"b"},"service_tier":"auto","modalities":["text"],"whatever":[1]`, func(*chat.Request) {}},
		{`"temperature":0,"top_p":0.5,"top_k":7,"min_p":0.1`, func(r *chat.Request) {
			r.Sampling.Temperature, r.Sampling.TopP, r.Sampling.TopK, r.Sampling.MinP = 0, 0.5, 7, 0.1
		}},
		{`"top_p":0`, func(r *chat.Request) { r.Sampling.TopP, r.Sampling.TopK = 1, 1 }},
		{`"top_k":-1`, func(r *chat.Request) { r.Sampling.TopK = 0 }},
		{`"seed":42`, func(r *chat.Request) { r.Sampling.Seed = seed(42) }},
		{`"seed":4.2e1`, func(r *chat.Request) { r.Sampling.Seed = seed(42) }},
		{`"seed":-1`, func(*chat.Request) {}},
		{`"seed":-2`, func(r *chat.Request) { r.Sampling.Seed = seed(math.MaxUint64 - 1) }},
		{`"frequency_penalty":-2,"presence_penalty":0.5,"repetition_penalty":1.1`, func(r *chat.Request) {
			r.Sampling.FrequencyPenalty, r.Sampling.PresencePenalty, r.Sampling.RepetitionPenalty = -2, 0.5, 1.1
		}},
		{`"logit_bias":{"5":-100,"7":1.5}`, func(r *chat.Request) { r.Sampling.LogitBias = map[int32]float64{5: -100, 7: 1.5} }},
		{`"max_tokens":5`, func(r *chat.Request) { r.MaxTokens = 5 }},
		{`"max_completion_tokens":6,"max_tokens":5`, func(r *chat.Request) { r.MaxTokens = 6 }},
		{`"max_tokens":-1`, func(*chat.Request) {}},
		{`"n":1,"logprobs":true,"top_logprobs":3`, func(r *chat.Request) { r.Logprobs, r.TopLogprobs = true, 3 }},
		{`"logprobs":false,"top_logprobs":0`, func(*chat.Request) {}},
		{`"stop":"a\nb"`, func(r *chat.Request) { r.Stop = []string{"a\nb"} }},
		{`"stop":["a","b"]`, func(r *chat.Request) { r.Stop = []string{"a", "b"} }},
		{`"stop":"","response_format":{"type":"text"}`, func(*chat.Request) {}},
		{`"response_format":{"type":"json_object"}`, func(r *chat.Request) { r.ResponseFormat.JSON = true }},
		{`"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"array"}}}`, func(r *chat.Request) {
			r.ResponseFormat = chat.ResponseFormat{JSON: true, Schema: json.RawMessage(`{"type":"array"}`)}
		}},
		{`"chat_template_kwargs":{"b":1, "a":2}`, func(r *chat.Request) { r.TemplateArgs = json.RawMessage(`{"b":1, "a":2}`) }},
		{`"reasoning_effort":"high"`, func(r *chat.Request) { r.ReasoningEffort = "high" }},
		{`"reasoning_effort":"minimal"`, func(r *chat.Request) { r.ReasoningEffort = "low" }},
		{`"reasoning_effort":"none"`, func(r *chat.Request) { r.EnableThinking = flag(false) }},
		{`"enable_thinking":true`, func(r *chat.Request) { r.EnableThinking = flag(true) }},
		{`"add_generation_prompt":false`, func(r *chat.Request) { r.NoGenerationPrompt = true }},
		{`"add_generation_prompt":true,"continue_final_message":false`, func(*chat.Request) {}},
	}
	for _, test := range tests {
		want := base
		test.change(&want)
		if got := request(t, test.members).Request; !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, want\n%+v", test.members, got, want)
		}
	}
}

func TestDecodeContinuesTheFinalMessage(t *testing.T) {
	req, bad := decode([]byte(`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"continue_final_message":true}`))
	if bad != nil {
		t.Fatal(bad)
	}
	if !req.ContinueFinalMessage || !req.NoGenerationPrompt {
		t.Errorf("continue %v, no prompt %v", req.ContinueFinalMessage, req.NoGenerationPrompt)
	}
}

func TestDecodeBounds(t *testing.T) {
	message := `{"role":"user","content":"a"},`
	tests := map[string]string{
		"messages": `{"messages":[` + strings.Repeat(message, maxMessages) + message[:len(message)-1] + `]}`,
		"tools":    `{"messages":[{"role":"user","content":"a"}],"tools":[` + strings.Repeat("{},", maxTools) + `{}]}`,
		"messages[0].tool_calls": `{"messages":[{"role":"assistant","tool_calls":[` +
			strings.Repeat(`{},`, maxCalls) + `{}]}]}`,
		"stop": `{"messages":[{"role":"user","content":"a"}],"stop":"` + strings.Repeat("x", maxStopBytes+1) + `"}`,
		"":     `{"messages":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	}
	for param, body := range tests {
		_, bad := decode([]byte(body))
		if bad == nil || bad.param != param {
			t.Errorf("%s: error %v", param, bad)
		}
	}
	if _, bad := decode([]byte("{\"messages\":[{\"role\":\"user\",\"content\":\"a\xff\"}]}")); bad == nil || bad.code != "invalid_utf8" {
		t.Errorf("bad UTF-8: error %v", bad)
	}
}

// FuzzDecode checks that no body makes the decoder panic, that what it accepts is within its promises, and
// that every refusal is a JSON object in UTF-8.
func FuzzDecode(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*/*.txtar")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(data).Files {
			if strings.HasSuffix(file.Name, ".json") {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if req, bad := decodeCompletion(body); bad == nil && (req.Prompt == "" || req.Messages != nil) {
			t.Errorf("a text completion of %+v", req)
		}
		req, bad := decode(body)
		if bad != nil {
			if b := bad.body(); !json.Valid(b) || !utf8.Valid(b) || bad.status != 400 || bad.message == "" {
				t.Errorf("error is %q, %+v", b, bad)
			}
			return
		}
		if len(req.Messages) == 0 {
			t.Error("accepted without messages")
		}
		for _, m := range req.Messages {
			for _, c := range m.ToolCalls {
				if c.ID == "" || c.Name == "" || !json.Valid([]byte(c.Arguments)) || strings.TrimSpace(c.Arguments)[0] != '{' {
					t.Errorf("call %+v", c)
				}
			}
			if (m.Role == chat.RoleTool) != (m.ToolCallID != "") {
				t.Errorf("message %+v", m)
			}
		}
		for _, s := range req.ToolServers {
			if s.Label == "" || len(s.Label) > maxLabel || s.URL == "" && s.Headers != nil || len(s.Headers) > maxHeaders+1 {
				t.Errorf("server %+v", s)
			}
			for name, value := range s.Headers {
				if !validHeaderName(name) || strings.ContainsAny(value, "\r\n\x00") {
					t.Errorf("header %q: %q", name, value)
				}
			}
		}
		for _, tool := range req.Tools {
			if !validName(tool.Name) || !json.Valid(tool.Function) || tool.Parameters != nil && !json.Valid(tool.Parameters) {
				t.Errorf("tool %+v", tool)
			}
		}
	})
}

// FuzzString checks the encoder of strings against the decoder of encoding/json.
func BenchmarkDecode(b *testing.B) {
	tool := `{"type":"function","function":{"name":"tool_%","description":"reads a file","parameters":{"type":"object","properties":{"path":{"type":"string","description":"where"}},"required":["path"]}}}`
	var tools []string
	for _, c := range "abcdefghijklmnopqrst" {
		tools = append(tools, strings.ReplaceAll(tool, "%", string(c)))
	}
	body := []byte(`{"model":"default","messages":[` + strings.Repeat(`{"role":"user","content":"`+strings.Repeat("word ", 200)+`"},{"role":"assistant","content":"fine\nthanks"},`, 20) +
		`{"role":"user","content":"go"}],"temperature":0.7,"tools":[` + strings.Join(tools, ",") + `]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChunkEncoder(b *testing.B) {
	sent := 0
	e := newChunkEncoder(head{id: "chatcmpl-X", object: "chat.completion.chunk", model: "org/model", created: 1767600000},
		&wireRequest{}, func(data []byte) error { sent += len(data); return nil })
	events := []chat.Event{
		{Kind: chat.ContentDelta, Text: " a word\nor \"two\""},
		{Kind: chat.CallDelta, Text: `{"path": "`},
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range events {
			if err := e.encode(&events[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestDecodeCompletionLength(t *testing.T) {
	for body, want := range map[string]int{
		`{"prompt":"a"}`: 16, `{"prompt":"a","max_tokens":7}`: 7, `{"prompt":"a","max_tokens":-1}`: 0, `{"prompt":"a","max_tokens":null}`: 16,
	} {
		if req, bad := decodeCompletion([]byte(body)); bad != nil || req.MaxTokens != want {
			t.Errorf("%s: %+v, %v; want %d tokens", body, req, bad, want)
		}
	}
}

func TestDecodeToolServers(t *testing.T) {
	req := request(t, `"max_tool_calls":3,"tools":[
		{"type":"function","function":{"name":"f"},"defer_loading":true},
		{"type":"tool_search"},
		{"type":"mcp","server_label":"a","server_description":"files","allowed_tools":["x"],"require_approval":{"always":{"read_only":false},"never":["y"]},"defer_loading":true},
		{"type":"mcp","server_label":"b","server_url":"https://x.example/mcp","headers":{"x-key":"1"},"authorization":"t","allowed_tools":{"read_only":true},"require_approval":"never"}],
		"tool_choice":{"type":"mcp","server_label":"a","name":"x"}`)
	yes, no := true, false
	want := []chat.ToolServer{
		{Index: 2, Label: "a", Description: "files", Allowed: &chat.ToolFilter{Names: []string{"x"}},
			Approval: chat.ApprovalRule{Always: &chat.ToolFilter{ReadOnly: &no}, Never: &chat.ToolFilter{Names: []string{"y"}}}, Defer: true},
		{Index: 3, Label: "b", URL: "https://x.example/mcp", Headers: map[string]string{"X-Key": "1", "Authorization": "Bearer t"},
			Allowed: &chat.ToolFilter{ReadOnly: &yes}, Approval: chat.ApprovalRule{Mode: chat.ApprovalNever}},
	}
	if !reflect.DeepEqual(req.ToolServers, want) {
		t.Errorf("servers are %+v", req.ToolServers)
	}
	if len(req.Tools) != 1 || !req.Tools[0].Defer || req.MaxToolCalls != 3 ||
		req.ToolChoice != (chat.ToolChoice{Mode: chat.ToolNamed, Name: "x", Server: "a"}) {
		t.Errorf("tools are %+v, the choice %+v, max_tool_calls %d", req.Tools, req.ToolChoice, req.MaxToolCalls)
	}
}
