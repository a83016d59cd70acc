package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCallRules(t *testing.T) {
	g := mustGate(t, ToolRules{
		CallsPerMinute: Unlimited, HighRisk: RiskAsk, AskTools: []string{"write_*"},
		Rules: []CallRule{
			{Action: Deny, Tool: "send_mail", Argument: "to", Matches: `@evil\.example$`, Reason: "not to them"},
			{Action: Allow, Server: "mail", Tool: "send_mail", Argument: "to", Matches: `@corp\.example$`},
			{Action: Ask, Tool: "send_mail"},
			{Action: Allow, Server: "fs", Tool: "write_file", Argument: "path", Matches: `^/srv/out/`},
			{Action: Deny, Argument: "options.*.force", Matches: `^true$`},
			{Action: Deny, Server: "db", Tool: "db__drop*"},
			{Action: Deny, Argument: "limit", Matches: `^\d{4,}$`},
			{Action: Allow, Tool: "shell"},
		},
	})
	for _, c := range []struct {
		server, tool, arguments string
		want                    Action
	}{
		{"mail", "send_mail", `{"to":"a@corp.example"}`, Allow},
		{"mail", "send_mail", `{"to":["a@corp.example","b@corp.example"]}`, Allow},
		{"mail", "send_mail", `{"to":["a@corp.example","b@else.example"]}`, Ask},
		{"mail", "send_mail", `{"to":["a@corp.example","x@evil.example"]}`, Deny},
		{"mail", "SEND_MAIL", `{"TO":"x@evil.example"}`, Deny},
		{"mail", "send_mail", `{}`, Ask},
		{"other", "send_mail", `{"to":"a@corp.example"}`, Ask},
		{"fs", "write_file", `{"path":"/srv/out/a"}`, Allow},
		{"fs", "write_file", `{"path":"/srv/in/a"}`, Ask},
		{"fs", "write_file", `{"path":"/srv/out/../../etc/passwd"}`, Deny}, // allow lifts no refusal
		{"x", "y", `{"options":{"a":{"force":true}}}`, Deny},
		{"x", "y", `{"options":{"a":{"force":false}}}`, Allow},
		{"x", "y", `{"options":[{"a":{"force":true}}]}`, Deny},
		{"db", "drop_table", `{}`, Deny},
		{"pg", "drop_table", `{}`, Allow},
		{"x", "y", `{"limit":9999}`, Deny},
		{"x", "y", `{"limit":999}`, Allow},
		{"x", "shell", `{}`, Allow},
		{"x", "bash", `{}`, Ask},
	} {
		d := g.Decide(Call{Server: c.server, Tool: c.tool, Arguments: json.RawMessage(c.arguments)})
		if d.Action != c.want {
			t.Errorf("%s %s %s: %s (%s), want %s", c.server, c.tool, c.arguments, d.Action, d.Reason, c.want)
		}
		if d.Action == Deny && d.Code == CodeRule && !strings.Contains(d.Reason, "rule of the configuration") {
			t.Errorf("the reason is %q", d.Reason)
		}
	}
	if d := g.Decide(Call{Server: "mail", Tool: "send_mail", Approved: true}); d.Action != Allow {
		t.Errorf("an approved call: %+v", d)
	}
	if d := g.Decide(Call{Server: "mail", Tool: "send_mail", Approved: true, Arguments: json.RawMessage(`{"to":"x@evil.example"}`)}); d.Action != Deny {
		t.Errorf("an approved call that is denied: %+v", d)
	}
	for _, bad := range [][]CallRule{{{Action: "maybe"}}, {{Action: Deny, Matches: "x"}}, {{Action: Deny, Argument: "a", Matches: "("}}} {
		if _, err := NewGate(ToolRules{Rules: bad}); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func hints(text string) *ToolProfile { return NewToolProfile(nil, json.RawMessage(text)) }

func TestFlow(t *testing.T) {
	now := time.Unix(1e9, 0)
	g := mustGate(t, ToolRules{
		CallsPerMinute: Unlimited, Now: func() time.Time { return now },
		Flow: FlowRules{Mode: FlowBlock, Private: []string{"crm__*"}, Outward: []string{"printer__print"}, Exempt: []string{"chat__send_note"}},
	})
	step := func(want Action, run, server, tool string, p *ToolProfile) {
		t.Helper()
		d := g.Decide(Call{Server: server, Tool: tool, Run: run, Actor: "a", Profile: p})
		if d.Action != want || want == Deny && d.Code != CodeFlow {
			t.Errorf("run %q, %s__%s: %s %s %q, want %s", run, server, tool, d.Action, d.Code, d.Reason, want)
		}
	}
	step(Allow, "1", "mail", "send_email", nil) // nothing was read yet
	step(Allow, "1", "fs", "read_file", nil)
	step(Deny, "1", "mail", "send_email", nil)
	step(Deny, "1", "web", "fetch", hints(`{"readOnlyHint":true}`))
	step(Deny, "1", "printer", "print", nil)
	step(Deny, "1", "x", "quiet", hints(`{"openWorldHint":true}`))
	step(Deny, "1", "x", "post", hints(`{"openWorldHint":false,"readOnlyHint":true}`)) // its word does not count
	step(Allow, "1", "chat", "send_note", nil)
	step(Allow, "1", "fs", "write_file", nil)
	step(Allow, "1", "fs", "read_file", nil)
	step(Allow, "2", "mail", "send_email", nil) // another run
	step(Allow, "3", "x", "quiet", hints(`{"readOnlyHint":true}`))
	step(Deny, "3", "mail", "send_email", nil)
	step(Allow, "4", "crm", "touch", nil)
	step(Deny, "4", "mail", "send_email", nil)
	step(Allow, "", "fs", "read_file", nil) // calls without a run are one for each actor
	step(Deny, "", "mail", "send_email", nil)
	step(Deny, Unnamed, "mail", "send_email", nil)
	if d := g.Decide(Call{Server: "mail", Tool: "send_email", Actor: "b"}); d.Action != Allow {
		t.Errorf("another actor: %+v", d)
	}
	if d := g.Decide(Call{Server: "mail", Tool: "send_email", Actor: "a", Run: "1", Approved: true}); d.Action != Deny {
		t.Errorf("block is lifted by an approval: %+v", d)
	}
	for _, c := range []Call{
		{Tool: "send_email", Run: "9", Conversation: "c"}, {Tool: "read_file", Run: "10", Conversation: "c"},
		{Tool: "send_email", Run: "11", Conversation: "c"}, {Tool: "send_email", Run: "10"}, {Tool: "send_email", Run: "11", Conversation: "d"},
	} {
		c.Server, c.Actor = "s", "z"
		want := Allow
		if c.Tool == "send_email" && (c.Run == "10" || c.Run == "11" && c.Conversation == "c") {
			want = Deny
		}
		if d := g.Decide(c); d.Action != want {
			t.Errorf("%+v: %+v", c, d)
		}
	}
	if d := g.Decide(Call{Server: "s", Tool: "read_file", Actor: "y", Run: "1", Conversation: Unnamed}); d.Action != Allow {
		t.Error(d)
	}
	if d := g.Decide(Call{Server: "s", Tool: "send_email", Actor: "y", Run: "2", Conversation: Unnamed}); d.Action != Deny {
		t.Errorf("requests without a conversation: %+v", d)
	}
	now = now.Add(unnamedRest + time.Second)
	step(Allow, "", "mail", "send_email", nil)
	step(Deny, "1", "mail", "send_email", nil)
}

func TestFlowModes(t *testing.T) {
	for mode, want := range map[FlowMode]Action{"": Allow, FlowOff: Allow, FlowWarn: Allow, FlowAsk: Ask, FlowBlock: Deny} {
		g := mustGate(t, ToolRules{CallsPerMinute: Unlimited, Flow: FlowRules{Mode: mode}})
		// A refused read reads nothing, and a preview neither.
		g.Preview(Call{Server: "s", Tool: "read"})
		g.Decide(Call{Server: "s", Tool: "read", Arguments: json.RawMessage(`{"path":"/etc/passwd"}`)})
		if d := g.Decide(Call{Server: "s", Tool: "send"}); d.Action != Allow || len(d.Warnings) != 0 {
			t.Errorf("%q: before: %+v", mode, d)
		}
		g.Decide(Call{Server: "s", Tool: "read"})
		d := g.Decide(Call{Server: "s", Tool: "send"})
		if d.Action != want || (len(d.Warnings) > 0) != (mode == FlowWarn) {
			t.Errorf("%q: %+v", mode, d)
		}
		if mode == FlowAsk && g.Decide(Call{Server: "s", Tool: "send", Approved: true}).Action != Allow {
			t.Error("an approval does not count")
		}
	}
	if _, err := NewGate(ToolRules{Flow: FlowRules{Mode: "x"}}); err == nil {
		t.Error("an unknown mode is taken")
	}
}

func TestFlowForgetsOldRuns(t *testing.T) {
	now := time.Unix(1e9, 0)
	g := mustGate(t, ToolRules{CallsPerMinute: Unlimited, Now: func() time.Time { return now }, Flow: FlowRules{Mode: FlowBlock}})
	for i := range 3 * maxRuns {
		now = now.Add(time.Millisecond)
		g.Decide(Call{Server: "s", Tool: "read", Run: fmt.Sprint(i)})
	}
	if n := len(g.flows.runs); n > maxRuns {
		t.Errorf("%d runs are remembered", n)
	}
	if d := g.Decide(Call{Server: "s", Tool: "send", Run: fmt.Sprint(3*maxRuns - 1)}); d.Action != Deny {
		t.Errorf("the last run is forgotten: %+v", d)
	}
}

func TestRiskByArguments(t *testing.T) {
	takes := func(schema string) *ToolProfile {
		return NewToolProfile(json.RawMessage(`{"properties":{`+schema+`}}`), nil)
	}
	block := mustGate(t, ToolRules{HighRisk: RiskBlock, CallsPerMinute: Unlimited})
	if d := block.Decide(Call{Server: "s", Tool: "helper", Profile: takes(`"command":{"type":"string"}`)}); d.Code != CodeHighRisk {
		t.Errorf("a tool that takes a command: %+v", d)
	}
	if d := block.Decide(Call{Server: "s", Tool: "editor", Profile: takes(`"command":{"enum":["view","create"]}`)}); d.Action != Allow {
		t.Errorf("a tool that takes one of a few words: %+v", d)
	}
	if d := block.Decide(Call{Server: "s", Tool: "wipe", Profile: hints(`{"destructiveHint":true}`)}); d.Action != Ask {
		t.Errorf("a destructive tool: %+v", d)
	}
	warn := mustGate(t, ToolRules{CallsPerMinute: Unlimited})
	if d := warn.Decide(Call{Server: "s", Tool: "helper", Profile: takes(`"cmd":{"type":"string"}`)}); len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "'cmd'") {
		t.Errorf("warn: %+v", d)
	}
}
