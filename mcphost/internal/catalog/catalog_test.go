package catalog

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestFullName(t *testing.T) {
	tests := []struct{ server, tool, want string }{
		{"fs", "read_file", "fs__read_file"},
		{"fs", "a__b", "fs__a__b"},
		{"fs", "_x", "fs___x"},
		{"my__srv", "x", "my__srv__x_2c45b8bb"},
		{"srv_", "x", ""},
		{"fs", "a/b.c", ""},
		{"fs", "größe", ""},
		{"a b", "x", ""},
		{"fs", strings.Repeat("n", 61), ""},
		{strings.Repeat("s", 128), strings.Repeat("n", 256), ""},
	}
	legal := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	seen := map[string]bool{}
	for _, test := range tests {
		got := FullName(test.server, test.tool, 0)
		if !legal.MatchString(got) || seen[got] || got != FullName(test.server, test.tool, 0) {
			t.Errorf("FullName(%q, %q) = %q", test.server, test.tool, got)
		}
		if plain := test.server + Separator + test.tool; test.want == plain && got != plain || test.want == "" && got == plain {
			t.Errorf("FullName(%q, %q) = %q", test.server, test.tool, got)
		}
		seen[got] = true
	}
	if a, b := FullName("a", "_b", 0), FullName("a_", "b", 0); a == b {
		t.Errorf("two tools are both named %q", a)
	}
}

func TestIndex(t *testing.T) {
	tools := []*Tool{
		{Server: "a", Name: "x"}, {Server: "b", Name: "x"}, {Server: "a", Name: "only"},
		{Server: "a", Name: "b__x"}, {Server: "b", Name: "my/tool"}, {Server: "a", Name: "x"},
	}
	// A tool that took the name which another one's hash gives does not hide it.
	clash := &Tool{Server: "b", Name: strings.TrimPrefix(FullName("b", "my/tool", 0), "b__")}
	tools = append([]*Tool{clash}, tools...)
	ix := NewIndex(tools)
	if len(ix.Tools) != 6 {
		t.Errorf("%d tools are listed, want 6", len(ix.Tools))
	}
	tests := []struct{ server, name, want string }{
		{"a", "x", "a/x"}, {"b", "x", "b/x"}, {"", "a__x", "a/x"}, {"a", "a__x", "a/x"}, {"", "only", "a/only"},
		{"a", "b__x", "a/b__x"}, {"", "b__x", "b/x"}, {"", "a__b__x", "a/b__x"}, {"b", "my/tool", "b/my/tool"},
		{"", "x", "ambiguous"}, {"b", "a__x", "ambiguous"}, {"", "y", "unknown"}, {"b", "only", "unknown"},
	}
	for _, test := range tests {
		got := "unknown"
		if found, err := ix.Find(test.server, test.name); err == nil {
			got = found.Server + "/" + found.Name
		} else if err.Ambiguous {
			got = "ambiguous"
		}
		if got != test.want {
			t.Errorf("Find(%q, %q) is %s, want %s", test.server, test.name, got, test.want)
		}
	}
	for _, listed := range ix.Tools {
		if found, err := ix.Find("", listed.Full); err != nil || found != listed {
			t.Errorf("%s does not lead back to its tool: %v", listed.Full, err)
		}
	}
}

func TestArguments(t *testing.T) {
	check, err := NewSchemaCheck(json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer","minimum":1},"p":{"type":"string","pattern":"^(?!x)a"},"items":{"type":"array","prefixItems":[{"const":1}]}},"required":["n"]}`))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ arguments, path, want string }{
		{`{"n":1}`, "", ""},
		{`{"n":12345678901234567890,"p":"any text passes a pattern that Go's engine lacks"}`, "", ""},
		{`{"n":0}`, "n", "minimum"},
		{`{"n":"1"}`, "n", "want integer"},
		{`{}`, "", "'n'"},
		{`{"n":1,"items":[2]}`, "items.0", "1"},
	}
	for _, test := range tests {
		misfit := check.Validate(json.RawMessage(test.arguments))
		switch {
		case misfit == nil && test.want != "":
			t.Errorf("%s passes", test.arguments)
		case misfit != nil && (test.want == "" || misfit.Path != test.path || !strings.Contains(misfit.Message, test.want)):
			t.Errorf("%s: %+v, want %q at %q", test.arguments, *misfit, test.want, test.path)
		}
	}
}

func TestSchemasThatCannotBeUsed(t *testing.T) {
	bomb := `{"$ref":"#/$defs/a0","$defs":{`
	for i := range 30 {
		n, next := string(rune('a'+i/10))+string(rune('0'+i%10)), string(rune('a'+(i+1)/10))+string(rune('0'+(i+1)%10))
		bomb += `"` + n + `":{"allOf":[{"$ref":"#/$defs/` + next + `"},{"$ref":"#/$defs/` + next + `"}]},`
	}
	bomb += `"d0":true}}`
	for name, schema := range map[string]string{
		"not an object":  `["x"]`,
		"of a list":      `{"type":"array"}`,
		"remote":         `{"$ref":"https://evil.test/schema.json"}`,
		"file":           `{"$ref":"file:///etc/passwd"}`,
		"remote by id":   `{"$id":"https://evil.test/a","properties":{"x":{"$ref":"b"}}}`,
		"dangling":       `{"properties":{"x":{"$ref":"#/$defs/none"}}}`,
		"wrong keyword":  `{"type":"objekt"}`,
		"multiplying":    bomb,
		"a key twice":    `{"type":"object","type":"string"}`,
		"nested deep":    strings.Repeat(`{"not":`, 100) + `{}` + strings.Repeat(`}`, 100),
		"large":          `{"description":"` + strings.Repeat("x", maxSchema) + `"}`,
		"unknown drafts": `{"$schema":"https://evil.test/draft"}`,
	} {
		tool, err := newTool("s", json.RawMessage(`{"name":"t","inputSchema":`+schema+`}`))
		if err != nil {
			t.Errorf("%s: the tool is lost: %v", name, err)
			continue
		}
		if tool.Problem == "" || tool.Check != nil || !json.Valid(tool.Parameters) {
			t.Errorf("%s: the tool is %+v", name, tool)
		}
	}
}

// TestPatternsThatRE2DoesNotKnow wants it told which patterns are not checked, and all else checked.
func TestPatternsThatRE2DoesNotKnow(t *testing.T) {
	c := FromDefinitions("s", []json.RawMessage{json.RawMessage(`{"name":"t","inputSchema":{"type":"object","properties":{
		"a":{"type":"string","pattern":"^(?!x)"},"b":{"type":"string","pattern":"^y$"},"c":{"type":"string","pattern":"^(?!x)"}}},
		"outputSchema":{"type":"object","properties":{"d":{"pattern":"(a)\\1"}}}}`)})
	tool := c.Tools[0]
	if want := "of its input schema, texts are not held against the pattern \"^(?!x)\", which RE2 does not know"; !strings.HasPrefix(tool.Problem, want) || !strings.Contains(tool.Problem, `of its output schema, texts are not held against the pattern "(a)\\1"`) {
		t.Errorf("the problem is %q", tool.Problem)
	}
	if len(c.Notes) != 1 || c.Notes[0] != `tool "t": `+tool.Problem {
		t.Errorf("the notes are %q", c.Notes)
	}
	if _, misfit := tool.Fit(json.RawMessage(`{"a":"xx","b":"y"}`)); misfit != nil {
		t.Errorf("misfit: %+v", misfit)
	}
	if _, misfit := tool.Fit(json.RawMessage(`{"b":"z"}`)); misfit == nil || misfit.Path != "b" {
		t.Errorf("misfit: %+v", misfit)
	}
	many := `{"type":"object","properties":{`
	for i := range 200 {
		many += fmt.Sprintf(`"p%d":{"pattern":"(?!%d)"},`, i, i)
	}
	check, err := NewSchemaCheck(json.RawMessage(many + `"z":{}}}`))
	if err != nil || !strings.Contains(check.Unchecked(), "and 97 more") || len(check.Unchecked()) > 1000 {
		t.Errorf("%v: %s", err, check.Unchecked())
	}
}

// TestSelfReference checks that a schema of trees works, and that one whose work doubles with each
// level of the arguments comes back.
func TestSelfReference(t *testing.T) {
	tree, err := NewSchemaCheck(json.RawMessage(`{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"left":{"$ref":"#/$defs/node"},"right":{"$ref":"#/$defs/node"},"v":{"type":"number"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if misfit := tree.Validate(json.RawMessage(`{"left":{"right":{"v":"x"}}}`)); misfit == nil || misfit.Path != "left.right.v" {
		t.Errorf("misfit is %+v", misfit)
	}
	double, err := NewSchemaCheck(json.RawMessage(`{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat(`{"a":`, 60) + `1` + strings.Repeat(`}`, 60)
	if misfit := double.Validate(json.RawMessage(deep)); misfit != nil {
		t.Errorf("misfit is %+v", misfit)
	}
}

func TestDefinitions(t *testing.T) {
	tool, err := newTool("s", json.RawMessage(`{"name":"t","title":"T","description":"`+strings.Repeat("é", 20_000)+`","annotations":{"destructiveHint":true}}`))
	if err != nil {
		t.Fatal(err)
	}
	if string(tool.Parameters) != `{"type":"object","properties":{}}` || tool.Problem != "" || !strings.HasSuffix(tool.Description, "é... [cut by toolserve]") || tool.Profile == nil {
		t.Errorf("the tool is %+v", tool)
	}
	for _, raw := range []string{`{}`, `{"name":7}`, "{\"name\":\"a\xff\"}", `{"name":""}`, `7`, `{"name":"` + strings.Repeat("n", 300) + `"}`} {
		if tool, err := newTool("s", json.RawMessage(raw)); err == nil {
			t.Errorf("%.40s is taken: %+v", raw, tool)
		}
	}
}

func FuzzReadArguments(f *testing.F) {
	f.Add(`{"a":1}`)
	f.Add(`"{\"a\":1}"`)
	f.Fuzz(func(t *testing.T, text string) {
		arguments, err := ReadArguments(json.RawMessage(text))
		if err != nil {
			return
		}
		var object map[string]any
		if json.Unmarshal(arguments, &object) != nil || object == nil {
			t.Errorf("%q gives %q, which is no object", text, arguments)
		}
	})
}

func TestFit(t *testing.T) {
	tool, err := newTool("s", json.RawMessage(`{"name":"t","inputSchema":{"type":"object","required":["a"],"properties":{
		"a":{"type":"string"},"b":{"type":"boolean"},"c":{"type":["null","string"]},"d":{"type":"object"},"e~/":{"type":"number"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for arguments, want := range map[string]string{
		`{ "a":"x", "c":null }`:                       `{ "a":"x", "c":null }`,
		`{"a":"x","b":null,"c":"y"}`:                  `{"a":"x","c":"y"}`,
		`{"b":null,"a":"\u0078","d":{"e":null}}`:      `{"a":"\u0078","d":{"e":null}}`,
		`{"e~/":null,"a":"x"}`:                        `{"a":"x"}`,
		`{"a":null}`:                                  "a: got null, want string",
		`{"a":"x","b":"yes","c":null}`:                "b: got string, want boolean",
		`{"a":"x","b\"":null,"b":null,"\u0063":null}`: `{"a":"x","b\"":null,"c":null}`,
	} {
		got, misfit := tool.Fit(json.RawMessage(arguments))
		if misfit != nil {
			got = json.RawMessage(misfit.Message)
		}
		if string(got) != want {
			t.Errorf("%s\n got %s\nwant %s", arguments, got, want)
		}
	}
}
