package mcpjson

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

// AddEntry returns the text of a configuration with the entry of a server more; comments stay. An empty text
// becomes a configuration of that server alone. The program itself never writes such a file.
func AddEntry(data []byte, name string, entry json.RawMessage) ([]byte, error) {
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(entry), "", "  "); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}\n")
	}
	doc, roots, err := serverRoots(data)
	if err != nil {
		return nil, err
	}
	for _, root := range roots {
		if _, there := root.Remove(name); there {
			return nil, fmt.Errorf("the configuration has a server %q already; remove it first, or take another name", name)
		}
	}
	if len(roots) > 0 {
		return roots[0].Insert(name, pretty.Bytes())
	}
	if data, err = doc.Insert("mcpServers", []byte("{}")); err != nil {
		return nil, err
	}
	return AddEntry(data, name, entry)
}

// RemoveEntry returns the text of a configuration without the entry of a server.
func RemoveEntry(data []byte, name string) ([]byte, error) {
	_, roots, err := serverRoots(data)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, root := range roots {
		if text, ok := root.Remove(name); ok {
			return text, nil
		}
		members, err := root.Members()
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			names = append(names, m.Key)
		}
	}
	if near := jsonc.Nearest(name, names); near != "" {
		return nil, fmt.Errorf("the configuration has no server %q; did you mean %q?", name, near)
	}
	return nil, fmt.Errorf("the configuration has no server %q", name)
}

// serverRoots reads a configuration and returns it with the objects in it that hold servers.
func serverRoots(data []byte) (doc jsonc.Node, roots []jsonc.Node, err error) {
	if doc, err = jsonc.Parse(data); err != nil {
		return doc, nil, err
	}
	members, err := doc.Members()
	if err != nil {
		return doc, nil, err
	}
	for _, m := range members {
		if m.Key == "mcpServers" || m.Key == "servers" {
			if _, err := m.Value.Members(); err != nil {
				return doc, nil, inKey(m.Key, err)
			}
			roots = append(roots, m.Value)
		}
	}
	return doc, roots, nil
}
