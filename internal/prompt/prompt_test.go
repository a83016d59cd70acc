package prompt_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/prompt"
)

// plain is a template that knows neither tools nor calls, and has a system turn of its own.
const plain = `{% for message in messages %}{% if loop.first and message.role != 'system' %}<|im_start|>system
Be helpful.<|im_end|>
{% endif %}<|im_start|>{{ message['role'] }}
{{ message['content'] }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

// alternating is a template without system turn, whose turns must alternate.
const alternating = `{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}
{%- for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
[{{ m.role }}]{{ m.content | trim }}
{%- endfor %}{% if add_generation_prompt %}[assistant]{% endif %}`

// strict is a template that wants one call a turn, its arguments as text, and every key of a tool.
const strict = `{% for t in tools or [] %}T:{{ t.function.name }}:{{ t.function.description + '' }}:{{ t.function.parameters.properties | length }}
{% endfor %}
{%- for m in messages %}
{%- if m.tool_calls %}{% if m.tool_calls | length != 1 %}{{ raise_exception('one call') }}{% endif %}
C:{{ m.tool_calls[0].function.name + ':' + m.tool_calls[0].function.arguments }}
{% elif m.role == 'tool' %}R:{{ m.name + ':' + m.content }}
{% else %}{{ m.role }}:{{ m.content + '' }}
{% endif %}
{%- endfor %}`

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func chatML(t testing.TB) string { return read(t, "../../jinja/testdata/chatml_tools.jinja") }

func newTemplate(t testing.TB, source string) *prompt.Template {
	t.Helper()
	tmpl, err := prompt.New(source, prompt.Options{BOS: "<s>", EOS: "</s>"})
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func render(t testing.TB, source string, req *chat.Request) prompt.Prompt {
	t.Helper()
	p, err := newTemplate(t, source).Render(req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func say(role chat.Role, text string) chat.Message {
	return chat.Message{Role: role, Content: chat.Text(text)}
}

// weather is a tool whose keys are in no order that a map would keep.
var weather = chat.Tool{
	Name:     "weather",
	Function: json.RawMessage(`{"name":"weather","parameters":{"type":"object","properties":{"zone":{"type":"string"},"city":{"type":"string"}}},"description":"Get it."}`),
}

// toolRound is a question, two parallel calls, and their results in the wrong order.
func toolRound() *chat.Request {
	return &chat.Request{
		Tools: []chat.Tool{weather},
		Messages: []chat.Message{
			say(chat.RoleUser, "Weather?"),
			{Role: chat.RoleAssistant, ToolCalls: []chat.ToolCall{
				{ID: "a", Name: "weather", Arguments: `{"zone": "z", "city": "Rome"}`},
				{ID: "b", Name: "weather", Arguments: `{"city":"Oslo"}`},
			}},
			{Role: chat.RoleTool, ToolCallID: "b", Content: chat.Text("cold")},
			{Role: chat.RoleTool, ToolCallID: "a", Content: chat.Text("warm")},
		},
	}
}

func TestToolRound(t *testing.T) {
	got := render(t, chatML(t), toolRound())
	want := "<|im_start|>user\nWeather?<|im_end|>\n" +
		"<|im_start|>assistant\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"zone\": \"z\", \"city\": \"Rome\"}}\n</tool_call>\n" +
		"<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call><|im_end|>\n" +
		"<|im_start|>user\n<tool_response>\nwarm\n</tool_response>\n<tool_response>\ncold\n</tool_response><|im_end|>\n" +
		"<|im_start|>assistant\n"
	if !strings.HasSuffix(got.Text, want) {
		t.Errorf("got\n%s\nwant at its end\n%s", got.Text, want)
	}
	tool := `{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}, "city": {"type": "string"}}}, "description": "Get it."}}`
	if !strings.Contains(got.Text, tool) {
		t.Errorf("the tool is not as it was sent in\n%s", got.Text)
	}
	if !got.ToolsInPrompt || got.HermesTools || got.ReasoningOpen {
		t.Errorf("got %+v", got)
	}
}

func TestFallbackShowsTools(t *testing.T) {
	for name, source := range map[string]string{"plain": plain, "default": ""} {
		t.Run(name, func(t *testing.T) {
			got := render(t, source, toolRound())
			if !got.HermesTools || !got.ToolsInPrompt {
				t.Errorf("got %+v", got)
			}
			system, rest, _ := strings.Cut(got.Text, "<|im_end|>\n")
			if !strings.HasPrefix(system, "<|im_start|>system\n") || !strings.Contains(system, string(weather.Function)) ||
				!strings.Contains(system, "<tools>") || !strings.Contains(system, "<tool_call>") {
				t.Errorf("the system turn is\n%s", system)
			}
			want := "<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\n" +
				"<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"zone\": \"z\", \"city\": \"Rome\"}}\n</tool_call>\n" +
				"<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"Oslo\"}}\n</tool_call><|im_end|>\n" +
				"<|im_start|>user\n<tool_response>\nwarm\n</tool_response>\n<tool_response>\ncold\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
			if rest != want {
				t.Errorf("after the system turn\n%s\nwant\n%s", rest, want)
			}
		})
	}
}

func TestFallbackKeepsSystem(t *testing.T) {
	req := &chat.Request{
		Tools:    []chat.Tool{{Name: "f", Description: "Does <f>.", Parameters: json.RawMessage(`{"type":"object"}`)}},
		Messages: []chat.Message{say(chat.RoleDeveloper, "Speak French."), say(chat.RoleUser, "Hi")},
	}
	got := render(t, plain, req).Text
	if !strings.HasPrefix(got, "<|im_start|>system\nSpeak French.\n\nYou can call functions") {
		t.Errorf("the prompt begins %.80q", got)
	}
	if !strings.Contains(got, `{"type": "function", "function": {"name":"f","description":"Does <f>.","parameters":{"type":"object"}}}`) {
		t.Errorf("no tool in\n%s", got)
	}
}

func TestToolChoiceNoneHidesTools(t *testing.T) {
	for name, source := range map[string]string{"plain": plain, "native": chatML(t)} {
		req := toolRound()
		req.ToolChoice.Mode = chat.ToolNone
		got := render(t, source, req)
		if got.ToolsInPrompt || got.HermesTools || strings.Contains(got.Text, "Get it.") {
			t.Errorf("%s: the tool is in %+v", name, got)
		}
		if !strings.Contains(got.Text, "Oslo") || !strings.Contains(got.Text, "cold") {
			t.Errorf("%s: the history is not in\n%s", name, got.Text)
		}
	}
}

func TestRender(t *testing.T) {
	image := chat.Part{Type: chat.PartImage, URL: "data:image/png;base64,"}
	yes, no := true, false
	withParts := `{% for m in messages %}{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{% if p.type == 'image' %}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %};{% endfor %}`
	thinking := `{% for m in messages %}{{ m.role }}:{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }};{% endfor %}{% if add_generation_prompt %}assistant:{% if enable_thinking is defined and not enable_thinking %}<think></think>{% else %}<think>
{% endif %}{% endif %}`
	turns := "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
	tests := []struct {
		name, template string
		req            chat.Request
		want           string
	}{
		{"developer becomes system", turns, chat.Request{Messages: []chat.Message{say(chat.RoleDeveloper, "d"), say(chat.RoleUser, "u")}}, "system:d;user:u;"},
		{"developer stays where it is known", turns + "{# developer #}", chat.Request{Messages: []chat.Message{say(chat.RoleDeveloper, "d"), say(chat.RoleUser, "u")}}, "developer:d;user:u;"},
		{"null content is empty", turns, chat.Request{Messages: []chat.Message{say(chat.RoleUser, "u"), {Role: chat.RoleAssistant}}}, "user:u;assistant:;"},
		{"text parts are joined", turns, chat.Request{Messages: []chat.Message{{Role: chat.RoleUser, Content: []chat.Part{{Type: chat.PartText, Text: "a"}, {Type: chat.PartText, Text: "b"}}}}}, "user:ab;"},
		{"images keep their place", withParts, chat.Request{Messages: []chat.Message{{Role: chat.RoleUser, Content: []chat.Part{{Type: chat.PartText, Text: "a"}, image, {Type: chat.PartText, Text: "b"}}}}}, "user:a<image>b;"},
		{"system goes into the user turn", alternating, chat.Request{Messages: []chat.Message{say(chat.RoleSystem, "s"), say(chat.RoleUser, "u")}}, "<s>[user]s\n\nu[assistant]"},
		{"turns of one role are joined", alternating, chat.Request{Messages: []chat.Message{say(chat.RoleUser, "a"), say(chat.RoleUser, "b")}}, "<s>[user]a\n\nb[assistant]"},
		{"a later system message", "{% if messages[1:] | selectattr('role', 'equalto', 'system') | list %}{{ raise_exception('first') }}{% endif %}" + turns, chat.Request{Messages: []chat.Message{say(chat.RoleSystem, "a"), say(chat.RoleUser, "u"), say(chat.RoleSystem, "b")}}, "system:a\n\nb;user:u;"},
		{"reasoning opens", thinking, chat.Request{Messages: []chat.Message{say(chat.RoleUser, "u")}}, "user:u;assistant:<think>\n"},
		{"thinking off", thinking, chat.Request{EnableThinking: &no, Messages: []chat.Message{say(chat.RoleUser, "u")}}, "user:u;assistant:<think></think>"},
		{"thinking on", thinking, chat.Request{EnableThinking: &yes, Messages: []chat.Message{say(chat.RoleUser, "u")}}, "user:u;assistant:<think>\n"},
		{"template arguments", thinking, chat.Request{TemplateArgs: json.RawMessage(`{"enable_thinking": false}`), Messages: []chat.Message{say(chat.RoleUser, "u")}}, "user:u;assistant:<think></think>"},
		{"no generation prompt", thinking, chat.Request{NoGenerationPrompt: true, Messages: []chat.Message{say(chat.RoleUser, "u")}}, "user:u;"},
		{"reasoning of the history", thinking, chat.Request{NoGenerationPrompt: true, Messages: []chat.Message{say(chat.RoleUser, "u"), {Role: chat.RoleAssistant, Reasoning: "r", Content: chat.Text("a")}}}, "user:u;assistant:<think>r</think>a;"},
		{"continue the last message", turns, chat.Request{ContinueFinalMessage: true, Messages: []chat.Message{say(chat.RoleUser, "u"), say(chat.RoleAssistant, "Once upon ")}}, "user:u;assistant:Once upon "},
		{"continue a message that is trimmed", alternating, chat.Request{ContinueFinalMessage: true, Messages: []chat.Message{say(chat.RoleUser, "u"), say(chat.RoleAssistant, " Once ")}}, "<s>[user]u[assistant]Once"},
		{"reasoning effort", turns + "{{ reasoning_effort }}", chat.Request{ReasoningEffort: "low", Messages: []chat.Message{say(chat.RoleUser, "u")}}, "user:u;low"},
		{"one call a turn", strict, *toolRound(), "T:weather:Get it.:2\nuser:Weather?\nC:weather:{\"zone\": \"z\", \"city\": \"Rome\"}\nR:weather:warm\nC:weather:{\"city\":\"Oslo\"}\nR:weather:cold\n"},
		{"a bare tool", strict, chat.Request{Tools: []chat.Tool{{Name: "f"}}, Messages: []chat.Message{say(chat.RoleUser, "u")}}, "T:f::0\nuser:u\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := render(t, tt.template, &tt.req)
			if got.Text != tt.want {
				t.Errorf("got  %q\nwant %q", got.Text, tt.want)
			}
			if open := strings.HasSuffix(tt.want, "<think>\n"); got.ReasoningOpen != open {
				t.Errorf("ReasoningOpen is %v", got.ReasoningOpen)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	user := say(chat.RoleUser, "u")
	badCall := chat.Message{Role: chat.RoleAssistant, ToolCalls: []chat.ToolCall{{ID: "a", Name: "f", Arguments: "[1"}}}
	tests := []struct {
		name, template string
		req            chat.Request
		param          string
	}{
		{"no messages", plain, chat.Request{}, "messages"},
		{"the template refuses", "{% if messages[0].content == 'u' %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}", chat.Request{Messages: []chat.Message{user}}, "messages"},
		{"arguments that are no object", chatML(t), chat.Request{Messages: []chat.Message{user, badCall}}, "messages[1].tool_calls"},
		{"an image without a place", plain, chat.Request{Messages: []chat.Message{{Role: chat.RoleUser, Content: []chat.Part{{Type: chat.PartImage}}}}}, "messages[0].content"},
		{"a tool that is no object", chatML(t), chat.Request{Tools: []chat.Tool{{Name: "f", Function: json.RawMessage(`[]`)}}, Messages: []chat.Message{user}}, "tools[0].function"},
		{"parameters that are no JSON", chatML(t), chat.Request{Tools: []chat.Tool{{Name: "f", Parameters: json.RawMessage(`{`)}}, Messages: []chat.Message{user}}, "tools[0].function.parameters"},
		{"template arguments that are no object", plain, chat.Request{TemplateArgs: json.RawMessage(`1`), Messages: []chat.Message{user}}, "chat_template_kwargs"},
		{"template arguments that are the request's", plain, chat.Request{TemplateArgs: json.RawMessage(`{"messages":[]}`), Messages: []chat.Message{user}}, "chat_template_kwargs"},
		{"nothing to continue", plain, chat.Request{ContinueFinalMessage: true, Messages: []chat.Message{user}}, "continue_final_message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := newTemplate(t, tt.template).Render(&tt.req)
			var e *prompt.RequestError
			if !errors.As(err, &e) {
				t.Fatalf("got %q, %v", p.Text, err)
			}
			if e.Param != tt.param || e.Message == "" {
				t.Errorf("the error is about %s: %s", e.Param, e.Message)
			}
		})
	}
}

func TestRenderLeavesRequest(t *testing.T) {
	req := toolRound()
	req.Messages = append([]chat.Message{say(chat.RoleDeveloper, "d")}, req.Messages...)
	before, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{plain, alternating, strict, chatML(t)} {
		render(t, source, req)
	}
	after, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("the request became\n%s\nfrom\n%s", after, before)
	}
}

func TestRenderConcurrently(t *testing.T) {
	tmpl := newTemplate(t, chatML(t))
	want, err := tmpl.Render(toolRound())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := tmpl.Render(toolRound()); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func TestNewRefuses(t *testing.T) {
	if _, err := prompt.New("{% if %}", prompt.Options{}); err == nil {
		t.Error("a template that cannot be read was taken")
	}
}

func TestChoose(t *testing.T) {
	tests := []struct {
		names    string
		hasTools bool
		want     string
	}{
		{"default tool_use", true, "tool_use"},
		{"default tool_use", false, "default"},
		{"default rag", true, "default"},
		{"rag other", false, "other"},
		{"", true, ""},
	}
	for _, tt := range tests {
		templates := map[string]string{}
		for _, name := range strings.Fields(tt.names) {
			templates[name] = "source of " + name
		}
		name, source, ok := prompt.Choose(templates, tt.hasTools)
		if name != tt.want || ok != (tt.want != "") || ok && source != "source of "+name {
			t.Errorf("of %q with tools %v: %q, %q, %v", tt.names, tt.hasTools, name, source, ok)
		}
	}
}

func frozen() time.Time { return time.Date(2026, 1, 5, 9, 7, 3, 0, time.UTC) }

func TestRawRender(t *testing.T) {
	now := time.Date(2026, 1, 5, 9, 7, 3, 0, time.UTC)
	got, err := prompt.RenderVars("{{ a|tojson }} {{ strftime_now('%Y-%m-%dT%H:%M:%S') }}", []byte(`{"a":{"z":1,"b":2.0}}`), now)
	if want := `{"z": 1, "b": 2.0} 2026-01-05T09:07:03`; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := prompt.RenderVars("{{ a }}", []byte(`[]`), now); err == nil {
		t.Error("a list was taken for variables")
	}
	req := &chat.Request{Messages: []chat.Message{say(chat.RoleUser, "u")}}
	if got, err := prompt.RenderRequest("{{ messages[0].content }}{{ strftime_now('%H') }}", req, now); err != nil || got != "u09" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := prompt.RenderRequest("{{ messages[0].content }}{{ strftime_now('%Y') }}", req, time.Time{}); err != nil || got < "u2026" {
		t.Errorf("without a clock: %q, %v", got, err)
	}
}

func TestCaps(t *testing.T) {
	tests := []struct {
		name, template string
		want           prompt.Caps
	}{
		{"plain", plain, prompt.Caps{ToolRole: true, System: true, LaterSystem: true, Strings: true, PrefixStable: true}},
		{"alternating", alternating, prompt.Caps{Strings: true, PrefixStable: true}},
		{"strict", strict, prompt.Caps{Tools: true, ToolCalls: true, TextArguments: true, ToolRole: true, System: true, LaterSystem: true, Strings: true, PrefixStable: true}},
		{"tools in ChatML", chatML(t), prompt.Caps{Tools: true, ToolCalls: true, ParallelCalls: true, ToolRole: true, System: true, LaterSystem: true, Strings: true, Reasoning: true, EnableThinking: true,
			PrefixBreak: "a user turn after reasoning"}},
		{"tools in the last turn", "{% for m in messages %}{% if loop.last %}{{ tools }}{% endif %}{{ m.content }}{% endfor %}", prompt.Caps{Tools: true, ToolRole: true, System: true, LaterSystem: true, Strings: true, PrefixBreak: "a user turn, a user turn with tools"}},
	}
	for _, tt := range tests {
		if got := newTemplate(t, tt.template).Caps(); got != tt.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

// TestHostileTemplateIsNotProbedOn loads a template that never ends: a few probes find that out.
func TestHostileTemplateIsNotProbedOn(t *testing.T) {
	renders := 0
	clock := func() time.Time { renders++; return frozen() }
	endless := "{% set now = strftime_now('%Y') %}{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
	tmpl, err := prompt.New(endless, prompt.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if renders > 10 {
		t.Errorf("%d probes of a template that never ends", renders)
	}
	renders = 0
	req := &chat.Request{Messages: []chat.Message{{Role: chat.RoleUser, Content: chat.Text("hi")}}}
	var refused *prompt.RequestError
	if _, err := tmpl.Render(req); !errors.As(err, &refused) {
		t.Errorf("the error is %v", err)
	}
	if renders > 1 {
		t.Errorf("%d attempts at a render that takes too much", renders)
	}
}
