package policy

import (
	"encoding/json"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/purpose"
)

// ToolProfile is what a tool's definition says about its arguments, read once. The zero value says
// nothing.
type ToolProfile struct {
	purposes map[string]purpose.Purpose
	top      []string // names of the outermost properties
	runs     string   // the property that takes a command, or ""
	hints    Hints
}

// Hints is what a tool says of itself in its annotations; nil is nothing. They are claims of the server.
type Hints struct {
	ReadOnly    *bool `json:"readOnlyHint"`
	Destructive *bool `json:"destructiveHint"`
	OpenWorld   *bool `json:"openWorldHint"`
}

// NewToolProfile reads a tool's input schema and its annotations, a JSON object, which may be nil. Neither
// makes a decision milder than it is without it, but where a format or a description calls a value text, code or a
// regular expression. What cannot be read says nothing.
func NewToolProfile(inputSchema, annotations json.RawMessage) *ToolProfile {
	p := &ToolProfile{purposes: make(map[string]purpose.Purpose)}
	if len(annotations) <= 1<<16 {
		_ = json.Unmarshal(annotations, &p.hints)
	}
	var schema any
	if len(inputSchema) <= 1<<20 && json.Unmarshal(inputSchema, &schema) == nil {
		p.read(schema, 0)
	}
	return p
}

// read notes the purposes of all properties in a schema, wherever they stand.
func (p *ToolProfile) read(schema any, depth int) {
	if depth > 16 {
		return
	}
	switch s := schema.(type) {
	case []any:
		for _, v := range s {
			p.read(v, depth+1)
		}
	case map[string]any:
		for key, v := range s {
			if props, ok := v.(map[string]any); ok && key == "properties" {
				for name, prop := range props {
					p.property(name, prop, depth)
				}
			}
			p.read(v, depth+1)
		}
	}
}

func (p *ToolProfile) property(name string, prop any, depth int) {
	if depth == 0 {
		p.top = append(p.top, name)
	}
	def, _ := prop.(map[string]any)
	if items, ok := def["items"].(map[string]any); ok && def["format"] == nil {
		def = items
	}
	found := purpose.Of(name, def)
	if found != purpose.Unknown && p.purposes[name] != purpose.Path {
		p.purposes[name] = found
	}
	// One of a few words is no command line.
	if depth == 0 && (p.runs == "" || name < p.runs) && isCommandName(name) && def["enum"] == nil {
		p.runs = name
	}
}

// isCommandName says whether an argument by its name is a command to be run.
func isCommandName(name string) bool {
	switch strings.ToLower(strings.ReplaceAll(name, "_", "")) {
	case "command", "commands", "cmd", "commandline", "shellcommand", "shell", "bashcommand":
		return true
	}
	return false
}

func (p *ToolProfile) purposeOf(name string) purpose.Purpose {
	if p != nil {
		if found, ok := p.purposes[name]; ok {
			return found
		}
	}
	return purpose.OfName(name)
}
