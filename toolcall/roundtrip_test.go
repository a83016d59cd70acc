package toolcall

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/jinja"
)

// tripCall is a call to be written by a chat template and read back.
type tripCall struct {
	name string
	args string
}

var tripCalls = []tripCall{
	{"get_tide", `{"port": "Saint-Malo \"é\" <b> & 潮", "days": 2, "metres": true, "o": {"a": [1, "x"]}}`},
	{"get_time", `{"tz": "CET"}`},
	{"ping", `{}`},
}

// TestRoundTrip lets each template of the corpus write calls as it writes the history of a conversation,
// and reads them back from the text.
func TestRoundTrip(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(corpus(t), "templates", "*.jinja"))
	done := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, ok := Detect(string(source))
		if !ok {
			continue
		}
		base := filepath.Base(file)
		text, open, calls, ok := renderCalls(base, string(source))
		if !ok {
			t.Logf("%s renders no calls", base)
			continue
		}
		done++
		c := testCase{opts: caseOptions{ReasoningOpen: open}}
		o := c.run(t, f, text)
		var got []tripCall
		for _, call := range o.calls {
			got = append(got, tripCall{call.name, call.args.String()})
		}
		if !equalCalls(got, calls) || strings.Contains(o.content.String(), "tool_call") {
			t.Errorf("%s (%s): of %q\nthe parser reads\n%s", base, f.Name(), text, o)
		}
	}
	if done < 45 {
		t.Errorf("only %d templates rendered calls", done)
	}
}

func equalCalls(got, want []tripCall) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		var a, b any
		if got[i].name != want[i].name || json.Unmarshal([]byte(got[i].args), &a) != nil || json.Unmarshal([]byte(want[i].args), &b) != nil || !reflect.DeepEqual(a, b) {
			return false
		}
	}
	return true
}

// renderCalls returns what the template writes for an assistant's turn with calls, as many as it takes, and
// whether the prompt before it opened the reasoning.
func renderCalls(name, source string) (text string, open bool, calls []tripCall, ok bool) {
	tmpl, err := jinja.Compile(name, source)
	if err != nil {
		return "", false, nil, false
	}
	for _, n := range []int{3, 1} {
		for _, asText := range []bool{false, true} {
			for _, content := range []string{"null", `""`, `"Let me look."`} {
				calls := tripCalls[:n]
				turn := assistantTurn(content, calls, asText)
				user := `{"role": "user", "content": "Tide?"}`
				prompt, err1 := render(tmpl, user, true)
				full, err2 := render(tmpl, user+", "+turn, false)
				if err1 != nil || err2 != nil {
					continue
				}
				common := 0
				for common < len(prompt) && common < len(full) && prompt[common] == full[common] {
					common++
				}
				rest := prompt[common:]
				text = full[common:]
				open = rest == "" && (strings.HasSuffix(strings.TrimSpace(prompt), "think>") || strings.HasSuffix(prompt, "<|open|>think<|sep|>")) &&
					!strings.HasSuffix(strings.TrimSpace(prompt), "</think>") && !strings.HasSuffix(strings.TrimSpace(prompt), "</mm:think>")
				if i := strings.LastIndexByte(full[:common], '<'); rest != "" && i > common-30 {
					text = full[i:] // not from the middle of a marker
				}
				whole := true
				for _, c := range calls {
					whole = whole && strings.Contains(text, c.name)
				}
				if whole {
					return text, open, calls, true
				}
			}
		}
	}
	return "", false, nil, false
}

func assistantTurn(content string, calls []tripCall, asText bool) string {
	var list []string
	for i, c := range calls {
		args := c.args
		if asText {
			q, _ := json.Marshal(args)
			args = string(q)
		}
		list = append(list, fmt.Sprintf(`{"id": "abcDEF12%d", "type": "function", "function": {"name": "%s", "arguments": %s}}`, i, c.name, args))
	}
	return fmt.Sprintf(`{"role": "assistant", "content": %s, "tool_calls": [%s]}`, content, strings.Join(list, ", "))
}

func render(tmpl *jinja.Template, messages string, generate bool) (string, error) {
	var tools []string
	for _, tool := range testTools {
		params := string(tool.Parameters)
		if params == "" {
			params = `{"type": "object", "properties": {}}`
		}
		tools = append(tools, fmt.Sprintf(`{"type": "function", "function": {"name": "%s", "description": "Does it.", "parameters": %s}}`, tool.Name, params))
	}
	vars, err := jinja.DecodeJSON([]byte(fmt.Sprintf(`{"messages": [%s], "tools": [%s], "add_generation_prompt": %v, "bos_token": "<s>", "eos_token": "</s>"}`,
		messages, strings.Join(tools, ", "), generate)))
	if err != nil {
		return "", err
	}
	return tmpl.Render(vars.(*jinja.Dict), jinja.RenderOptions{Now: func() time.Time { return time.Date(2026, 1, 5, 9, 7, 3, 0, time.UTC) }})
}
