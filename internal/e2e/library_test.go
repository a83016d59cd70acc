package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLibrary uses the resources and prompts of the reference server through the built program.
func TestLibrary(t *testing.T) {
	needs(t, "TOOLSERVE_TEST_NPX")
	s := serve(t, 0, "--mcp-config", config(t, `{
		"mcpServers": {
			"everything": {"command": "npx", "args": ["-y", "`+everythingPackage+`"], "connect_timeout": 150, "blocked_prompts": ["simple-*"]},
			"plain": `+ownServer(t)+`,
			"gone": {"url": "http://127.0.0.1:1/mcp"}},
		"security": {"pins": "off"}}`))
	s.connected("everything")
	s.connected("plain")
	t.Run("lists", func(t *testing.T) { libraryLists(t, s) })
	t.Run("reads", func(t *testing.T) { libraryReads(t, s) })
	t.Run("prompts", func(t *testing.T) { libraryPrompts(t, s) })
	t.Run("chat", func(t *testing.T) { libraryChat(t, s) })
	t.Run("commands", func(t *testing.T) { libraryCommands(t, s) })
	_, log := s.call("/v1/mcp/audit?limit=1000&tool=prompts/get&errors=true", nil)
	if text := fmt.Sprint(log); !strings.Contains(text, "origin:chat") || !strings.Contains(text, "tool_blocked") {
		t.Errorf("refused prompts are not on record: %s", text)
	}
}

// in reports where a value lacks one of some texts.
func in(t *testing.T, what string, value any, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(fmt.Sprint(value), text) {
			t.Errorf("%s does not hold %q: %v", what, text, value)
		}
	}
}

func libraryLists(t *testing.T, s *served) {
	s.until("the lists", func() bool {
		_, answer := s.call("/v1/mcp/resources/templates", nil)
		return answer["count"] == 2.0
	})
	status, answer := s.call("/v1/mcp/resources", nil)
	if status != http.StatusOK || answer["count"] != 7.0 {
		t.Errorf("%d, %v resources", status, answer["count"])
	}
	in(t, "the resources", answer["resources"], "demo://resource/static/document/features.md", "text/markdown")
	in(t, "the servers", answer["servers"], "server:gone", "connection refused", "server:plain state:connected supported:false")
	_, answer = s.call("/v1/mcp/prompts?server=plain", nil)
	in(t, "the reason", answer["reason"], "plain is connected and does not offer prompts")
	_, answer = s.call("/v1/mcp/prompts", nil)
	in(t, "the prompts", answer["prompts"], "everything__args-prompt", "everything__completable-prompt", "everything__resource-prompt")
	in(t, "what is hidden", answer["servers"], "hidden:1")
	_, answer = s.call("/v1/mcp/status", nil)
	in(t, "the status", answer["servers"], "resources_count:7", "resource_templates_count:2", "prompts_count:4")
	if status, _ := s.call("/v1/mcp/prompts?server=nobody", nil); status != http.StatusNotFound {
		t.Errorf("prompts of nobody: %d", status)
	}
}

func libraryReads(t *testing.T, s *served) {
	read := func(server, uri string) (int, map[string]any) {
		return s.call("/v1/mcp/resources/read?"+url.Values{"server": {server}, "uri": {uri}}.Encode(), nil)
	}
	status, answer := read("", "demo://resource/dynamic/text/7")
	if status != http.StatusOK || answer["server"] != "everything" {
		t.Errorf("%d %v", status, answer)
	}
	in(t, "a text", answer["contents"], "Resource 7: This is a plaintext resource", "text/plain")
	_, answer = read("everything", "demo://resource/dynamic/blob/7")
	contents := answer["contents"].([]any)
	blob, err := base64.StdEncoding.DecodeString(contents[0].(map[string]any)["blob"].(string))
	if err != nil || !strings.Contains(string(blob), "Resource 7") {
		t.Errorf("a blob is %q, %v", blob, err)
	}
	status, answer = s.call("/v1/mcp/resources/read", map[string]string{"uri": "demo://resource/static/document/features.md"})
	if in(t, "a document", answer, "# Everything Server"); status != http.StatusOK {
		t.Errorf("a static document: %d", status)
	}
	for _, tc := range []struct {
		server, uri string
		status      int
	}{
		{"everything", "demo://nothing", 404}, {"", "demo://nothing", 404}, {"nobody", "demo://x", 404}, {"plain", "demo://x", 404},
		{"gone", "demo://x", 503}, {"everything", "file:///etc/shadow", 403}, {"everything", "", 400},
	} {
		if status, answer := read(tc.server, tc.uri); status != tc.status || answer["is_error"] != true {
			t.Errorf("%s %s: %d %v", tc.server, tc.uri, status, answer)
		}
	}
}

func libraryPrompts(t *testing.T, s *served) {
	get := func(body map[string]any) (int, map[string]any) { return s.call("/v1/mcp/prompts/get", body) }
	_, answer := get(map[string]any{"name": "args-prompt", "arguments": map[string]any{"city": "Oslo", "state": "Viken"}})
	in(t, "a prompt", answer, "What's weather in Oslo, Viken?", "everything__args-prompt")
	_, answer = get(map[string]any{"server": "everything", "name": "resource-prompt", "arguments": map[string]any{"resourceType": "Text", "resourceId": 3}})
	in(t, "a prompt with a resource", answer["messages"], "demo://resource/dynamic/text/3", "Resource 3")
	for _, tc := range []struct {
		body   map[string]any
		status int
		text   string
	}{
		{map[string]any{"name": "args-prompt"}, 400, "needs the argument: city"},
		{map[string]any{"name": "args-promt"}, 404, "did you mean 'args-prompt'?"},
		{map[string]any{"name": "simple-prompt"}, 403, "blocked by security policy"},
		{map[string]any{"server": "gone", "name": "x"}, 503, "not connected"},
	} {
		status, answer := get(tc.body)
		if in(t, fmt.Sprint(tc.body), answer["error_message"], tc.text); status != tc.status {
			t.Errorf("%v: %d %v", tc.body, status, answer)
		}
	}
	_, answer = s.call("/v1/mcp/complete", map[string]any{"prompt": "completable-prompt", "argument": "department", "value": "S"})
	in(t, "completions", answer["values"], "[Sales Support]")
	_, answer = s.call("/v1/mcp/complete", map[string]any{"prompt": "completable-prompt", "argument": "name", "arguments": map[string]string{"department": "Sales"}})
	in(t, "completions in a department", answer["values"], "David")
	_, answer = s.call("/v1/mcp/complete", map[string]any{"template": "demo://resource/dynamic/text/{resourceId}", "argument": "resourceId", "value": "nonsense"})
	in(t, "no completions", answer, "the server proposes nothing")
}

func libraryChat(t *testing.T, s *served) {
	chat := func(fields map[string]any) (int, map[string]any) {
		fields["model"], fields["max_tokens"] = "default", 4
		return s.call("/v1/chat/completions", fields)
	}
	tokens := func(answer map[string]any) float64 {
		usage, _ := answer["usage"].(map[string]any)
		n, _ := usage["prompt_tokens"].(float64)
		return n
	}
	question := []any{map[string]any{"role": "user", "content": "Why?"}}
	_, plain := chat(map[string]any{"messages": question})
	for name, fields := range map[string]map[string]any{
		"a prompt alone":        {"mcp_prompt": map[string]any{"name": "args-prompt", "arguments": map[string]any{"city": "Oslo"}}},
		"a prompt and messages": {"mcp_prompt": map[string]any{"server": "everything", "name": "args-prompt", "arguments": map[string]any{"city": "Oslo"}}, "messages": question},
		"resources":             {"mcp_resources": []any{"demo://resource/dynamic/text/1", map[string]any{"server": "everything", "uri": "demo://resource/dynamic/blob/1"}}, "messages": question},
		"metadata":              {"metadata": map[string]any{"mcp_prompt": "args-prompt", "mcp_prompt_args": `{"city":"Oslo"}`, "mcp_resources": "demo://resource/dynamic/text/1"}, "messages": question},
	} {
		status, answer := chat(fields)
		if status != http.StatusOK || name != "a prompt alone" && tokens(answer) <= tokens(plain) {
			t.Errorf("%s: %d %v; without it %v", name, status, answer, plain["usage"])
		}
	}
	for _, tc := range []struct {
		fields map[string]any
		status int
		param  string
	}{
		{map[string]any{"mcp_prompt": "args-prompt"}, 400, "mcp_prompt.arguments.city"},
		{map[string]any{"mcp_prompt": "nonsense"}, 404, "mcp_prompt.name"},
		{map[string]any{"mcp_prompt": "simple-prompt"}, 403, "mcp_prompt"},
		{map[string]any{"mcp_resources": []any{"demo://nothing"}, "messages": question}, 404, "mcp_resources[0].uri"},
	} {
		status, answer := chat(tc.fields)
		if failed, _ := answer["error"].(map[string]any); status != tc.status || failed["param"] != tc.param {
			t.Errorf("%v: %d %v", tc.fields, status, answer)
		}
	}
}

func libraryCommands(t *testing.T, s *served) {
	path := filepath.Join(t.TempDir(), "blob")
	for _, tc := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"resources"}, 0, "demo://resource/static/document/startup.md"},
		{[]string{"resources", "--templates"}, 0, "demo://resource/dynamic/text/{resourceId}"},
		{[]string{"read", "demo://resource/dynamic/text/5"}, 0, "Resource 5: This is a plaintext"},
		{[]string{"read", "everything", "demo://resource/dynamic/blob/5", "--output", path}, 0, ""},
		{[]string{"read", "demo://nothing"}, 1, ""},
		{[]string{"prompts", "--server", "everything"}, 0, "everything__completable-prompt  department, name"},
		{[]string{"prompt", "everything", "args-prompt", "city=Rome"}, 0, "user: What's weather in Rome?\n"},
		{[]string{"prompt", "args-prompt"}, 2, ""},
		{[]string{"prompt", "completable-prompt", "--complete", "department=E"}, 0, "Engineering\n"},
	} {
		out, status := run(t, "", append(append([]string{"mcp"}, tc.args...), "--url", s.url)...)
		if status != tc.status || !strings.Contains(out, tc.want) {
			t.Errorf("mcp %q: status %d\n%s", tc.args, status, out)
		}
	}
	if data, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(data), "Resource 5: This is a base64 blob") {
		t.Errorf("the saved blob is %q, %v", data, err)
	}
}
