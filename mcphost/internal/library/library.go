// Package library reads what MCP servers offer besides tools: resources, templates of resources, and
// prompts. Lists are read within bounds, looked over for hidden text, and kept while they are fresh; a
// list that cannot be read is marked with the reason, and the others stay. What servers send is kept byte
// for byte beside what was understood of it.
package library

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/policy/screen"
)

// The bounds of what is taken from a definition.
const (
	maxName       = 256
	maxURI        = 4 << 10
	maxDefinition = 64 << 10
	maxArguments  = 100
	maxDepth      = 64
)

// Resource is something of a server that can be read, named by its URI.
type Resource struct {
	Server, URI string
	// Name is for programs, Title, where there is one, for people.
	Name, Title, Description string
	// MIMEType is what the server says the content is, or "".
	MIMEType string
	// Size is the content's length in bytes, as the server says; -1 where it does not.
	Size int64
	// Raw is the definition as the server sent it. Nothing in it was cut or judged.
	Raw json.RawMessage
	// Findings are what screening says of its texts.
	Findings []string
}

// Template is a family of resources: a URI template (RFC 6570) whose variables the reader fills in.
type Template struct {
	Server, URITemplate      string
	Name, Title, Description string
	MIMEType                 string
	// Raw is the definition as the server sent it. Nothing in it was cut or judged.
	Raw json.RawMessage
	// Findings are what screening says of its texts.
	Findings []string
}

// Prompt is a text of a server's that is made from arguments, for use in a conversation.
type Prompt struct {
	Server, Name string
	// FullName is legal for every API and unique: server__prompt in most cases.
	FullName           string
	Title, Description string
	Arguments          []Argument
	// Raw is the definition as the server sent it. Nothing in it was cut or judged.
	Raw json.RawMessage
	// Findings are what screening says of its texts.
	Findings []string
}

// Argument is an argument of a prompt. Its value is a string.
type Argument struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required"`
}

// texts are the strings of a definition that all kinds have.
type texts struct {
	name, title, description, mime string
}

// read takes a member of a definition where it is one of the texts.
func (t *texts) read(key string, value json.RawMessage) {
	switch key {
	case "name":
		t.name, _ = rawjson.Text(value)
	case "title":
		t.title, _ = rawjson.Text(value)
	case "description":
		t.description, _ = rawjson.Text(value)
	case "mimeType":
		t.mime, _ = rawjson.Text(value)
	}
}

func (t *texts) cut() {
	t.name, t.title, t.mime = catalog.Cut(t.name, maxName), catalog.Cut(t.title, maxName), catalog.Cut(t.mime, maxName)
	t.description = catalog.CutDescription(t.description)
}

// checkKey judges what a thing is asked for by.
func checkKey(what, key string, most int) error {
	switch {
	case key == "":
		return errors.New("it has none")
	case !utf8.ValidString(key):
		return fmt.Errorf("the %s %q is not UTF-8", what, catalog.Cut(key, 60))
	case len(key) > most:
		return fmt.Errorf("the %s '%s...' is longer than %d bytes", what, catalog.Cut(key, 60), most)
	}
	return nil
}

// parseResource reads one definition. The error says why it cannot be offered.
func parseResource(server string, raw json.RawMessage) (*Resource, error) {
	r := &Resource{Server: server, Size: -1, Raw: raw}
	var t texts
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		t.read(key, value)
		switch key {
		case "uri":
			r.URI, _ = rawjson.Text(value)
		case "size":
			var size float64
			if json.Unmarshal(value, &size) == nil && size >= 0 && size < 1<<53 {
				r.Size = int64(size)
			}
		}
		return true
	})
	t.cut()
	r.Name, r.Title, r.Description, r.MIMEType = t.name, t.title, t.description, t.mime
	return r, checkKey("URI", r.URI, maxURI)
}

// parseTemplate reads one definition. The error says why it cannot be offered.
func parseTemplate(server string, raw json.RawMessage) (*Template, error) {
	r := &Template{Server: server, Raw: raw}
	var t texts
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		t.read(key, value)
		if key == "uriTemplate" {
			r.URITemplate, _ = rawjson.Text(value)
		}
		return true
	})
	t.cut()
	r.Name, r.Title, r.Description, r.MIMEType = t.name, t.title, t.description, t.mime
	return r, checkKey("URI template", r.URITemplate, maxURI)
}

// parsePrompt reads one definition. The error says why it cannot be offered.
func parsePrompt(server string, raw json.RawMessage) (*Prompt, error) {
	p := &Prompt{Server: server, Raw: raw}
	var t texts
	var bad error
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		t.read(key, value)
		switch key {
		case "name":
			p.Name, _ = rawjson.Text(value)
		case "arguments":
			rawjson.Items(value, func(item json.RawMessage) bool {
				bad = p.addArgument(item)
				return bad == nil
			})
		}
		return bad == nil
	})
	t.cut()
	p.Title, p.Description = t.title, t.description
	if err := checkKey("name", p.Name, maxName); err != nil {
		return nil, err
	}
	return p, bad
}

func (p *Prompt) addArgument(raw json.RawMessage) error {
	var a Argument
	var t texts
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		t.read(key, value)
		if key == "required" {
			a.Required = string(value) == "true"
		}
		return true
	})
	a.Name, a.Title, a.Description = t.name, catalog.Cut(t.title, maxName), catalog.CutDescription(t.description)
	if err := checkKey("name of an argument", a.Name, maxName); err != nil {
		return fmt.Errorf("an argument: %w", err)
	}
	for _, other := range p.Arguments {
		if other.Name == a.Name {
			return fmt.Errorf("it has two arguments '%s'", a.Name)
		}
	}
	if len(p.Arguments) == maxArguments {
		return fmt.Errorf("it has more than %d arguments", maxArguments)
	}
	p.Arguments = append(p.Arguments, a)
	return nil
}

func (r *Resource) screen(s *screen.Screener) {
	s.Name("uri", r.URI)
	s.Text("name", r.Name)
	s.Text("title", r.Title)
	s.Text("description", r.Description)
}

func (r *Template) screen(s *screen.Screener) {
	s.Name("uriTemplate", r.URITemplate)
	s.Text("name", r.Name)
	s.Text("title", r.Title)
	s.Text("description", r.Description)
}

func (p *Prompt) screen(s *screen.Screener) {
	s.Name("name", p.Name)
	s.Text("title", p.Title)
	s.Text("description", p.Description)
	for i, a := range p.Arguments {
		where := fmt.Sprintf("arguments[%d].", i)
		s.Name(where+"name", a.Name)
		s.Text(where+"title", a.Title)
		s.Text(where+"description", a.Description)
	}
}
