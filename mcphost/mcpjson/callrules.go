package mcpjson

import (
	"regexp"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
	"github.com/toolserve/toolserve/policy"
)

// callRules reads the operator's rules about calls: a list of objects.
func (p *configParser) callRules(n jsonc.Node) ([]policy.CallRule, error) {
	items, err := n.Items()
	if err != nil {
		return nil, err
	}
	rules := make([]policy.CallRule, 0, len(items))
	for _, item := range items {
		rule, err := p.callRule(item)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func (p *configParser) callRule(n jsonc.Node) (r policy.CallRule, err error) {
	members, err := n.Members()
	if err != nil {
		return r, err
	}
	for _, m := range members {
		switch m.Key {
		case "action":
			r.Action, err = oneOf(m.Value, policy.Allow, policy.Ask, policy.Deny)
		case "server":
			r.Server, err = m.Value.Text()
		case "tool":
			r.Tool, err = m.Value.Text()
		case "argument":
			r.Argument, err = m.Value.Text()
		case "matches":
			if r.Matches, err = m.Value.Text(); err == nil {
				if _, bad := regexp.Compile(r.Matches); bad != nil {
					err = m.Value.Errorf("%q is not a regular expression: %v", r.Matches, bad)
				}
			}
		case "reason":
			r.Reason, err = m.Value.Text()
		default:
			// What is not understood might have been what narrows the rule, or what widens it.
			err = m.Value.Errorf("is not known in a rule: use action, server, tool, argument, matches and reason")
		}
		if err != nil {
			return r, inKey(m.Key, err)
		}
	}
	switch {
	case r.Action == "":
		err = n.Errorf("a rule needs an \"action\": \"allow\", \"ask\" or \"deny\"")
	case r.Matches != "" && r.Argument == "":
		err = n.Errorf("a rule with \"matches\" needs the \"argument\" that it looks at")
	}
	return r, err
}

// flowRules reads what is held back once private data was read: a mode, or an object.
func (p *configParser) flowRules(n jsonc.Node) (f policy.FlowRules, err error) {
	modes := []policy.FlowMode{policy.FlowOff, policy.FlowWarn, policy.FlowAsk, policy.FlowBlock}
	if n.IsString() {
		f.Mode, err = oneOf(n, modes...)
		return f, err
	}
	members, err := n.Members()
	if err != nil {
		return f, n.Errorf("must be \"off\", \"warn\", \"ask\", \"block\" or an object")
	}
	f.Mode = policy.FlowBlock
	for _, m := range members {
		switch m.Key {
		case "mode":
			f.Mode, err = oneOf(m.Value, modes...)
		case "private":
			f.Private, err = names(m.Value)
		case "outward":
			f.Outward, err = names(m.Value)
		case "exempt":
			f.Exempt, err = names(m.Value)
		default:
			err = m.Value.Errorf("is not known here: use mode, private, outward and exempt")
		}
		if err != nil {
			return f, inKey(m.Key, err)
		}
	}
	return f, nil
}
