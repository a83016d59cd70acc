package mcpjson

import (
	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
	"github.com/toolserve/toolserve/policy"
)

func readKeys() []string {
	return []string{"allowed_resources", "blocked_resources", "allowed_prompts", "blocked_prompts"}
}

// readRule reads a key that says which resources and prompts may be read, of a server's entry or of the
// security block.
func readRule(rules *policy.ReadRules, m jsonc.Member) (known bool, err error) {
	switch m.Key {
	case "allowed_resources", "allowedResources":
		rules.AllowedResources, err = names(m.Value)
	case "blocked_resources", "disabledResources":
		rules.BlockedResources, err = names(m.Value)
	case "allowed_prompts", "allowedPrompts":
		rules.AllowedPrompts, err = names(m.Value)
	case "blocked_prompts", "disabledPrompts":
		rules.BlockedPrompts, err = names(m.Value)
	default:
		return false, nil
	}
	return true, err
}
