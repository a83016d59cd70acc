package mcpjson

import "github.com/toolserve/toolserve/mcphost/internal/jsonc"

// inputs reads VS Code's list of what it asks people for. A server asks nobody: what stands here is the
// default of an input, where it has one and is no password.
func (p *configParser) inputs(n jsonc.Node) error {
	items, err := n.Items()
	if err != nil {
		return err
	}
	defaults := map[string]string{}
	for _, item := range items {
		members, err := item.Members()
		if err != nil {
			return err
		}
		var id, value string
		secret := false
		for _, m := range members {
			switch m.Key {
			case "id":
				id, err = m.Value.Text()
			case "default":
				value, err = m.Value.Text()
			case "password":
				secret, err = m.Value.Bool()
			}
			if err != nil {
				return inKey(m.Key, err)
			}
		}
		if id != "" && value != "" && !secret {
			defaults[id] = value
		}
	}
	p.vars.Inputs = defaults
	return nil
}
