package policy

import (
	"encoding/json"
	"strings"
)

// purpose is what a string argument is for, as far as its name and schema tell.
type purpose uint8

const (
	unknownPurpose purpose = iota
	pathPurpose            // a file or a folder
	remotePurpose          // a path of somebody's HTTP interface
	prosePurpose           // text or code, which may speak of any path
	commandPurpose         // a command line
)

// nameWords are words of argument names with a purpose. The last word of a name decides where two
// disagree: "file_text" is text, "text_file" a file.
var nameWords = words(map[purpose]string{
	pathPurpose: `path paths file files filename filenames filepath filepaths dir dirs directory directories folder folders
		cwd workdir workspace dirname basedir root roots`,
	prosePurpose: `content contents text code body message messages prompt description comment comments title summary script
		html css markdown md diff patch snippet newtext oldtext string str sql query note notes reason question answer
		thoughts selector xpath locator jsonpath
		instructions instruction thought expression javascript caption subject regex jq pointer`,
	remotePurpose:  `endpoint endpoints route routes pathname`,
	commandPurpose: `command commands cmd args argv arguments commandline shell`,
})

func words(lists map[purpose]string) map[string]purpose {
	m := make(map[string]purpose)
	for p, list := range lists {
		for w := range strings.FieldsSeq(list) {
			m[w] = p
		}
	}
	return m
}

// purposeOf reads an argument's name word by word: camelCase, snake_case and kebab-case.
func purposeOf(name string) purpose {
	last, remote := unknownPurpose, false
	eachWord(name, func(word []byte) bool {
		if p := nameWords[string(word)]; p == pathPurpose && remote {
			last = remotePurpose
		} else if p != unknownPurpose {
			last = p
		}
		remote = remoteWords[string(word)]
		return true
	})
	return last
}

// remoteWords in front of "path" say that it is none of this machine.
var remoteWords = map[string]bool{"api": true, "url": true, "uri": true, "http": true, "request": true, "route": true, "endpoint": true}

// eachWord calls f with the words of a name in lower case until f returns false. The slice is valid
// during the call.
func eachWord(name string, f func(word []byte) bool) {
	var room [64]byte
	word := room[:0]
	for i := 0; i < len(name); i++ {
		c := name[i]
		upper := c >= 'A' && c <= 'Z'
		alnum := upper || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 0x80
		starts := upper && i > 0 && (isLower(name[i-1]) || i+1 < len(name) && isLower(name[i+1]))
		if len(word) > 0 && (!alnum || starts) {
			if !f(word) {
				return
			}
			word = word[:0]
		}
		if upper {
			c += 'a' - 'A'
		}
		if alnum {
			word = append(word, c)
		}
	}
	if len(word) > 0 {
		f(word)
	}
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// ToolProfile is what a tool's definition says about its arguments, read once. The zero value says
// nothing.
type ToolProfile struct {
	purposes map[string]purpose
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
// makes a decision milder than it is without it. What cannot be read says nothing.
func NewToolProfile(inputSchema, annotations json.RawMessage) *ToolProfile {
	p := &ToolProfile{purposes: make(map[string]purpose)}
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
	found := purposeOf(name)
	format, _ := def["format"].(string)
	switch strings.ToLower(format) {
	case "path", "file-path", "filepath", "file", "directory", "directory-path", "dir", "folder", "filename":
		found = pathPurpose
	case "markdown", "html", "code", "sql", "text", "multiline", "textarea", "regex":
		found = max(found, prosePurpose)
	case "":
		if text, _ := def["description"].(string); found == unknownPurpose && speaksOfPath(text) {
			found = pathPurpose
		}
	}
	if found != unknownPurpose && p.purposes[name] != pathPurpose {
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

// speaksOfPath says whether a description calls the value a path.
func speaksOfPath(description string) bool {
	d := strings.ToLower(description)
	for _, phrase := range [...]string{"path to", "path of", "file path", "absolute path", "relative path", "directory to", "folder to", "filename"} {
		if strings.Contains(d, phrase) {
			return true
		}
	}
	return false
}

func (p *ToolProfile) purposeOf(name string) purpose {
	if p != nil {
		if found, ok := p.purposes[name]; ok {
			return found
		}
	}
	return purposeOf(name)
}
