package mcpjson

import (
	"reflect"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/policy"
)

func TestReadRules(t *testing.T) {
	cfg, warnings, err := Parse([]byte(`{
		"mcpServers": {"a": {"command": "x", "allowed_resources": ["demo://*"], "disabledPrompts": ["old-*"]}, "b": {"command": "x", "allowedPrompts": [], "blocked_resources": ["file:*"]}},
		"security": {"blocked_resources": ["file:///etc/*"], "allowed_prompts": ["*"], "max_reads_per_minute": 0}}`), ParseOptions{})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	rules := cfg.ToolRules()
	if want := (policy.ReadRules{BlockedResources: []string{"file:///etc/*"}, AllowedPrompts: []string{"*"}, PerMinute: policy.Unlimited}); !reflect.DeepEqual(rules.Reads, want) {
		t.Errorf("general rules are %+v", rules.Reads)
	}
	if want := (policy.ReadRules{AllowedResources: []string{"demo://*"}, BlockedPrompts: []string{"old-*"}}); !reflect.DeepEqual(rules.Servers["a"].Reads, want) {
		t.Errorf("rules of a are %+v", rules.Servers["a"].Reads)
	}
	if want := (policy.ReadRules{AllowedPrompts: []string{}, BlockedResources: []string{"file:*"}}); !reflect.DeepEqual(rules.Servers["b"].Reads, want) {
		t.Errorf("rules of b are %+v", rules.Servers["b"].Reads)
	}
	_, warnings, err = Parse([]byte(`{"mcpServers": {"a": {"command": "x", "allowed_resource": ["demo://*"]}}}`), ParseOptions{})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].Message, `did you mean "allowed_resources"?`) {
		t.Errorf("%v, %q", err, warnings)
	}
	if _, _, err = Parse([]byte(`{"mcpServers": {}, "security": {"blocked_prompts": [""]}}`), ParseOptions{}); err == nil {
		t.Error("an empty name is taken")
	}
}
