package toolloop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/mcphost"
)

// offeredNames are the tools that the model was offered in a turn.
func (r *rig) offeredNames(turn int) string {
	var names []string
	for _, t := range r.model.asked[turn].Tools {
		names = append(names, t.Name)
	}
	return strings.Join(names, " ")
}

// deferred are two servers, of which one is searched, and a function of the client that is searched too.
const deferred = `"tools":[{"type":"mcp","server_label":"files","server_description":"My files.","require_approval":"never","defer_loading":true},
	{"type":"mcp","server_label":"web","require_approval":"never"},{"type":"function","function":{"name":"clock","description":"Tells the time."},"defer_loading":true},{"type":"tool_search"}]`

// TestSearch wants what is found to be appended, so that the tools before it stay where they were.
func TestSearch(t *testing.T) {
	r := newRig(t, turn{"", []string{`search_tools {"query":"write to a file"}`}}, turn{"", []string{`files__write {}`, `search_tools {"query":"time"}`, `search_tools {"query":""}`}},
		turn{"Done.", nil}, turn{"x", nil})
	a := r.ask(deferred+`,"max_tool_calls":1`, user("go"))
	for i, want := range []string{"web__get search_tools", "web__get search_tools files__write files__read", "web__get search_tools files__write files__read clock"} {
		if got := r.offeredNames(i); got != want {
			t.Errorf("turn %d is offered %s, want %s", i, got, want)
		}
	}
	text := r.model.asked[0].Tools[1].Description
	if !strings.Contains(text, "3 more tools") || !strings.Contains(text, "the user's own (1)") || !strings.Contains(text, "files (2): My files.") {
		t.Errorf("the search says %s", text)
	}
	if got := r.model.history(2); !strings.Contains(got, "tool:These tools were found and can be called now:\n- files__write: Writes a file.\n- files__read: Reads a file.\n") ||
		!strings.Contains(got, "result of write {}") || !strings.Contains(got, `tool:Error: the argument "query" is missing`) {
		t.Errorf("the model saw\n%s", got)
	}
	var kinds []string
	for _, it := range a.Items[2:] {
		kinds = append(kinds, it.Type+" "+it.Status)
	}
	if got := strings.Join(kinds[:2], ", "); got != "tool_search_call completed, tool_search_output completed" || len(a.Items[3].Tools) != 2 || a.Items[3].Tools[0]["name"] != "files__write" {
		t.Errorf("items %s: %+v", got, a.Items)
	}
	if got := strings.Join(kinds, ", "); !strings.Contains(got, "tool_search_call incomplete") {
		t.Errorf("items %s", got)
	}
	// The next question: what was found is offered again, in the same order.
	r.ask(deferred, user("go"), a.message, user("more"))
	if got := r.offeredNames(3); got != "web__get search_tools files__write files__read clock" {
		t.Errorf("the next question is offered %s", got)
	}
}

// TestSearchAcrossAnApproval wants a run that stopped to go on with the tools that it had found.
func TestSearchAcrossAnApproval(t *testing.T) {
	r := newRig(t, turn{"", []string{`search_tools {"query":"write"}`}}, turn{"", []string{`files__write {}`}}, turn{"Done.", nil})
	r.opts.Search = SearchOn
	a := r.ask(filesAsk, user("go"))
	r.ask(filesAsk, user("go"), a.plain(), consent(a.message, 0, true, ""))
	if len(r.host.ran) != 1 || r.offeredNames(2) != "search_tools files__write" || r.offeredNames(1) != r.offeredNames(2) {
		t.Errorf("ran %+v, offered %s", r.host.ran, r.offeredNames(2))
	}
}

func TestWhenToolsAreSearched(t *testing.T) {
	size := len(functionJSON(&newHost().tools[0]))
	count := func(text string) (int, error) { return len(text) / 4, nil }
	for name, c := range map[string]struct {
		mode    SearchMode
		context int
		tokens  func(string) (int, error)
		want    string
	}{
		"no size":        {"", 0, nil, "files__read files__write"},
		"large context":  {"", 100_000, count, "files__read files__write"},
		"fits":           {SearchAuto, contextShare * (size/2 + 10), count, "files__read files__write"},
		"does not fit":   {SearchAuto, contextShare * (size/2 - 10), count, "search_tools"},
		"tiny context":   {SearchAuto, 40, nil, "search_tools"},
		"off":            {SearchOff, 40, count, "files__read files__write"},
		"on":             {SearchOn, 0, nil, "search_tools"},
		"cannot count":   {SearchAuto, contextShare * size, func(string) (int, error) { return 0, fmt.Errorf("no") }, "files__read files__write"},
		"counts as more": {SearchAuto, contextShare * size * 3 / 5, func(s string) (int, error) { return len(s) / 3, nil }, "search_tools"},
	} {
		r := newRig(t, turn{"x", nil})
		r.opts.Search, r.opts.ContextSize, r.opts.Tokens = c.mode, c.context, c.tokens
		r.ask(filesNever, user("go"))
		if got := r.offeredNames(0); got != c.want {
			t.Errorf("%s: offered %s, want %s", name, got, c.want)
		}
	}
	r := newRig(t, turn{"x", nil})
	r.opts.Search = SearchOff
	if r.ask(deferred, user("go")); r.offeredNames(0) != "files__read files__write web__get clock" && r.offeredNames(0) != "clock files__read files__write web__get" {
		t.Errorf("off: offered %s", r.offeredNames(0))
	}
	r = newRig(t, turn{"x", nil})
	if r.ask(deferred+`,"tool_choice":{"type":"mcp","server_label":"files","name":"read"}`, user("go")); r.offeredNames(0) != "files__read web__get search_tools" {
		t.Errorf("a tool that is forced: offered %s", r.offeredNames(0))
	}
	r = newRig(t, turn{"x", nil})
	r.host.tools = append(r.host.tools, mcphost.Tool{Server: "files", Name: "search", FullName: "search_tools"})
	if r.ask(deferred, user("go")); r.offeredNames(0) != "web__get search_tools_2" {
		t.Errorf("with a tool of its name: offered %s", r.offeredNames(0))
	}
}
