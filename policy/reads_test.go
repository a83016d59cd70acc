package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/policy/internal/shape"
)

func gateOf(t *testing.T, rules ToolRules) *Gate {
	t.Helper()
	g, err := NewGate(rules)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestReadsOfResources(t *testing.T) {
	g := gateOf(t, ToolRules{
		Roots: []string{"/srv/docs"},
		Reads: ReadRules{BlockedResources: []string{"file:///srv/docs/private/*", "secret:*"}},
		Servers: map[string]ServerRules{
			"narrow": {Reads: ReadRules{AllowedResources: []string{"demo://a/*", "file:///srv/docs/my%20files/*"}}},
			"none":   {Reads: ReadRules{AllowedResources: []string{}}},
			"rooted": {Roots: []string{"/home/x"}},
		},
	})
	for _, tc := range []struct {
		server, uri string
		code        Code
	}{
		{"s", "demo://anything/else?x=1#y", ""},
		{"s", "file:///srv/docs/a.md", ""},
		{"s", "file:///srv/docs/private/a.md", CodeBlocked},
		{"s", "FILE:///srv/docs/private/a.md", CodeBlocked},
		{"s", "file:/srv/docs/private/a.md", CodeBlocked},
		{"s", "file://localhost/srv/docs/private/a.md", CodeBlocked},
		{"s", "file:///srv/docs//./private/a.md", CodeBlocked},
		{"s", "file:///srv/docs/%70rivate/a.md", CodeBlocked},
		{"s", "file:///srv/docs/%2570rivate/a.md", CodeBlocked},
		{"s", "SECRET:x", CodeBlocked},
		{"s", "file:///etc/hosts", CodeArgument},
		{"s", "/etc/hosts", CodeArgument},
		{"s", "file:///srv/docs/../../etc/hosts", CodeArgument},
		{"s", "file:///srv/docs/%2e%2e/x", CodeArgument},
		{"s", "demo://a/../b", CodeArgument},
		{"s", "demo://a/%2e%2e/b", CodeArgument},
		{"s", "http://169.254.169.254/latest/meta-data/", CodeArgument},
		{"s", "demo://a/v1..v2", ""},
		{"s", "\xff", CodeBadArguments},
		{"narrow", "demo://a/1", ""},
		{"narrow", "DEMO://a/1", ""},
		{"narrow", "demo://b/1", CodeNotAllowed},
		{"narrow", "file:///srv/docs/my%20files/a", ""},
		{"narrow", "file:///srv/docs/my files/a", ""},
		{"none", "demo://a/1", CodeNotAllowed},
		{"rooted", "file:///home/x/notes", ""},
		{"rooted", "file:///srv/docs/a", CodeArgument},
	} {
		d := g.PreviewRead(Read{Server: tc.server, Kind: ReadResource, Name: tc.uri})
		if d.Code != tc.code || (d.Action == Allow) != (tc.code == "") || (d.Reason == "") != (tc.code == "") {
			t.Errorf("%s %q: %s %q %s", tc.server, tc.uri, d.Action, d.Code, d.Reason)
		}
	}
	if g.Offers(Read{Server: "narrow", Kind: ReadTemplate, Name: "demo://b/{id}"}) || !g.Offers(Read{Server: "narrow", Kind: ReadTemplate, Name: "demo://a/{id}"}) {
		t.Error("templates are judged otherwise than URIs")
	}
	if d := g.PreviewRead(Read{Server: "s", Kind: ReadTemplate, Name: "file:///{path}", Arguments: []byte(`{"path":"../x"}`)}); d.Code != CodeArgument {
		t.Errorf("what is completed is judged as %+v", d)
	}
}

func TestReadsOfPrompts(t *testing.T) {
	g := gateOf(t, ToolRules{Reads: ReadRules{BlockedPrompts: []string{"two__*", "Old"}}, Servers: map[string]ServerRules{
		"one": {Reads: ReadRules{AllowedPrompts: []string{"plan-*", "old"}}}}})
	for _, tc := range []struct {
		server, name, arguments string
		code                    Code
	}{
		{"one", "plan-trip", `{"city":"Oslo"}`, ""},
		{"one", "other", "", CodeNotAllowed},
		{"one", "old", "", CodeBlocked},
		{"two", "plan-trip", "", CodeBlocked},
		{"three", "plan-trip", `{"path":"../../etc/passwd"}`, CodeArgument},
		{"three", "plan-trip", `{"a":"1","a":"2"}`, CodeBadArguments},
	} {
		d := g.PreviewRead(Read{Server: tc.server, Kind: ReadPrompt, Name: tc.name, Arguments: []byte(tc.arguments)})
		if d.Code != tc.code || strings.Contains(d.Reason, "Tool") {
			t.Errorf("%s %s: %+v", tc.server, tc.name, d)
		}
	}
}

func TestReadsAreCounted(t *testing.T) {
	now := time.Unix(0, 0)
	g := gateOf(t, ToolRules{Now: func() time.Time { return now }, Reads: ReadRules{PerMinute: 3}, TotalCallsPerMinute: 5})
	read := func(server string) Decision {
		now = now.Add(time.Second)
		return g.DecideRead(Read{Server: server, Kind: ReadResource, Name: "a:b"})
	}
	for i := range 3 {
		if d := read("one"); d.Action != Allow {
			t.Fatalf("read %d: %+v", i, d)
		}
	}
	if d := read("one"); d.Code != CodeRate || d.RetryAfter != 57*time.Second || !strings.Contains(d.Reason, "'one': max 3 per minute") {
		t.Errorf("%+v", d)
	}
	if d := read("two"); d.Action != Allow {
		t.Errorf("another server: %+v", d)
	}
	if d := g.Decide(Call{Server: "three", Tool: "t"}); d.Action != Allow {
		t.Errorf("the fifth of all: %+v", d)
	}
	if d := read("two"); d.Code != CodeRate {
		t.Errorf("the sixth of all: %+v", d)
	}
}

func TestRulesAndFlowOfReads(t *testing.T) {
	g := gateOf(t, ToolRules{
		Rules: []CallRule{
			{Action: Deny, Server: "db", Reason: "not now"},
			{Action: Deny, Tool: "resources/read", Argument: "uri", Matches: "^secret:"},
			{Action: Ask, Tool: "prompts/get", Argument: "arguments.city", Matches: "Paris"},
		},
		Flow: FlowRules{Mode: FlowBlock, Exempt: []string{"docs__*"}, Private: []string{"mail__inbox"}},
	})
	for _, tc := range []struct {
		read   Read
		action Action
		code   Code
	}{
		{Read{Server: "db", Kind: ReadResource, Name: "a:b"}, Deny, CodeRule},
		{Read{Server: "db", Kind: ReadPrompt, Name: "p"}, Deny, CodeRule},
		{Read{Server: "db", Kind: ReadTemplate, Name: "a:{b}"}, Deny, CodeRule},
		{Read{Server: "s", Kind: ReadResource, Name: "secret:1"}, Deny, CodeRule},
		{Read{Server: "s", Kind: ReadPrompt, Name: "p", Arguments: []byte(`{"city":"Paris"}`)}, Ask, CodeApproval},
		{Read{Server: "s", Kind: ReadPrompt, Name: "p", Arguments: []byte(`{"city":"Paris"}`), Approved: true}, Allow, ""},
		{Read{Server: "s", Kind: ReadPrompt, Name: "p", Arguments: []byte(`{"city":"Rome"}`)}, Allow, ""},
	} {
		if d := g.PreviewRead(tc.read); d.Action != tc.action || d.Code != tc.code || (d.Reason == "") != (tc.action == Allow) {
			t.Errorf("%+v: %+v", tc.read, d)
		}
	}
	send := func(run string) Code { return g.Decide(Call{Server: "s", Tool: "send_mail", Run: run}).Code }
	for run, read := range map[string]Read{
		"exempt": {Server: "docs", Kind: ReadResource, Name: "a:b"}, "a prompt": {Server: "s", Kind: ReadPrompt, Name: "inbox"},
		"a resource": {Server: "s", Kind: ReadResource, Name: "a:b"}, "a private prompt": {Server: "mail", Kind: ReadPrompt, Name: "inbox"},
	} {
		read.Run = run
		g.PreviewRead(read)
		if code := send(run); code != "" {
			t.Errorf("%s: before it was read: %s", run, code)
		}
		if d := g.DecideRead(read); d.Action != Allow {
			t.Errorf("%s: %+v", run, d)
		}
		want := Code("")
		if run == "a resource" || run == "a private prompt" {
			want = CodeFlow
		}
		if code := send(run); code != want {
			t.Errorf("%s: a tool that sends is judged %q, want %q", run, code, want)
		}
	}
}

func TestGlobIsLinear(t *testing.T) {
	if shape.Glob(strings.Repeat("*a", 20)+"b", strings.Repeat("a", 8000), true) {
		t.Error("matched")
	}
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"", "", true}, {"", "a", false}, {"a*", "abc", true}, {"*c", "abc", true}, {"a*c*", "abc", true}, {"a*b", "abc", false},
		{"*b*", "abc", true}, {"abc", "abcd", false}, {"**", "x", true}, {"A*", "abc", false},
	} {
		if got := shape.Glob(tc.pattern, tc.name, false); got != tc.want {
			t.Errorf("Glob(%q, %q) is %t", tc.pattern, tc.name, got)
		}
	}
}

func FuzzReads(f *testing.F) {
	for _, uri := range []string{"file:///srv/docs/a", "demo://a/%2e%2e", "FILE://localhost//etc", "x", "a:b\x00c", "file:..%252f"} {
		f.Add(uri)
	}
	g, err := NewGate(ToolRules{Roots: []string{"/srv/docs"}, Reads: ReadRules{BlockedResources: []string{"file:///srv/docs/private/*"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		d := g.PreviewRead(Read{Server: "s", Kind: ReadResource, Name: uri})
		plain := shape.PlainURI(uri)
		if again := shape.PlainURI(plain); d.Action == Allow && strings.HasPrefix(plain, "file:///") && !strings.HasPrefix(again, "file:///srv/docs") && strings.HasPrefix(uri, "file:///") {
			t.Errorf("%q (%q) is allowed", uri, plain)
		}
	})
}
