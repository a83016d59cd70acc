package prompt_test

import (
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/prompt"
)

func TestSetTakesTheTemplateOfTheRequest(t *testing.T) {
	const plain = `{% for m in messages %}plain:{{ m.content }}{% endfor %}`
	const tools = `{% for t in tools %}{{ t.function.name }} {% endfor %}{% for m in messages %}tools:{{ m.content }}{% endfor %}`
	request := &chat.Request{Messages: []chat.Message{{Role: chat.RoleUser, Content: chat.Text("hi")}}}
	withTools := *request
	withTools.Tools = []chat.Tool{{Name: "look"}}
	for name, tt := range map[string]struct {
		templates       map[string]string
		plain, withTool string
	}{
		"two":     {map[string]string{"default": plain, "tool_use": tools}, "plain:hi", "look tools:hi"},
		"unnamed": {map[string]string{"": plain, "tool_use": tools}, "plain:hi", "look tools:hi"},
		"one":     {map[string]string{"default": tools}, "tools:hi", "look tools:hi"},
	} {
		set, err := prompt.NewSet(tt.templates, prompt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for want, req := range map[string]*chat.Request{tt.plain: request, tt.withTool: &withTools} {
			if got, err := set.Render(req); err != nil || got.Text != want {
				t.Errorf("%s: %q, %v; want %q", name, got.Text, err, want)
			}
		}
	}
}

func TestSetWithoutTemplates(t *testing.T) {
	set, err := prompt.NewSet(nil, prompt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if set.For(true).Source() != prompt.DefaultTemplate || set.For(true) != set.For(false) {
		t.Error("a model without templates does not get the default one")
	}
}

func TestSetNamesTheBrokenTemplate(t *testing.T) {
	if _, err := prompt.NewSet(map[string]string{"default": "fine", "tool_use": "{% if %}"}, prompt.Options{Name: "model x"}); err == nil {
		t.Error("a broken tool_use template is accepted")
	}
}
