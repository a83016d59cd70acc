package mcpjson

import (
	"strings"
	"testing"

	"github.com/toolserve/toolserve/policy"
)

func TestCallRulesAndFlow(t *testing.T) {
	cfg, _, err := parse(t, `{"mcpServers":{}, "security":{
		"rules":[{"action":"deny","server":"mail","tool":"send*","argument":"to","matches":"@evil","reason":"no"},{"action":"ask","tool":"x"}],
		"flow":{"outward":["mail__*"],"private":["crm__*"],"exempt":["a"]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	rules := cfg.ToolRules()
	want := policy.CallRule{Action: policy.Deny, Server: "mail", Tool: "send*", Argument: "to", Matches: "@evil", Reason: "no"}
	if len(rules.Rules) != 2 || rules.Rules[0] != want || rules.Flow.Mode != policy.FlowBlock || rules.Flow.Outward[0] != "mail__*" ||
		rules.Flow.Private[0] != "crm__*" || rules.Flow.Exempt[0] != "a" {
		t.Errorf("the rules are %+v", rules)
	}
	if _, err := policy.NewGate(rules); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		`"rules":{}`, `"rules":[{}]`, `"rules":[{"action":"maybe"}]`, `"rules":[{"action":"deny","matches":"x"}]`,
		`"rules":[{"action":"deny","argument":"a","matches":"("}]`, `"rules":[{"action":"deny","tol":"x"}]`, `"rules":["deny"]`,
		`"flow":"maybe"`, `"flow":{"mode":"x"}`, `"flow":{"outwards":[]}`, `"flow":{"private":[""]}`, `"flow":7`,
	} {
		if _, _, err := parse(t, `{"mcpServers":{}, "security":{`+bad+`}}`); err == nil || !strings.Contains(err.Error(), "security") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if cfg, _, err := parse(t, `{"mcpServers":{}, "security":{"flow":"ask"}}`); err != nil || cfg.ToolRules().Flow.Mode != policy.FlowAsk {
		t.Errorf("flow as a word: %v", err)
	}
}
