// Package purpose tells what a tool's arguments are for, from their names and schemas.
package purpose

import "strings"

// Purpose is what a string argument is for, as far as its name and schema tell.
type Purpose uint8

// The purposes, the later ones going before the earlier where a schema and a name disagree.
const (
	Unknown Purpose = iota
	Path            // a file or a folder
	Remote          // a path of somebody's HTTP interface
	Prose           // text or code, which may speak of any path
	Command         // a command line
)

// nameWords are words of argument names with a purpose. The last word of a name decides where two
// disagree: "file_text" is text, "text_file" a file.
var nameWords = words(map[Purpose]string{
	Path: `path paths file files filename filenames filepath filepaths dir dirs directory directories folder folders
		cwd workdir workspace dirname basedir root roots`,
	Prose: `content contents text code body message messages prompt description comment comments title summary script
		html css markdown md diff patch snippet newtext oldtext string str sql query note notes reason question answer
		thoughts selector xpath locator jsonpath
		instructions instruction thought expression javascript caption subject regex jq pointer`,
	Remote:  `endpoint endpoints route routes pathname`,
	Command: `command commands cmd args argv arguments commandline shell`,
})

func words(lists map[Purpose]string) map[string]Purpose {
	m := make(map[string]Purpose)
	for p, list := range lists {
		for w := range strings.FieldsSeq(list) {
			m[w] = p
		}
	}
	return m
}

// OfName reads an argument's name word by word: camelCase, snake_case and kebab-case.
func OfName(name string) Purpose {
	last, remote := Unknown, false
	EachWord(name, func(word []byte) bool {
		if p := nameWords[string(word)]; p == Path && remote {
			last = Remote
		} else if p != Unknown {
			last = p
		}
		remote = remoteWords[string(word)]
		return true
	})
	return last
}

// remoteWords in front of "path" say that it is none of this machine.
var remoteWords = map[string]bool{"api": true, "url": true, "uri": true, "http": true, "request": true, "route": true, "endpoint": true}

// EachWord calls f with the words of a name in lower case until f returns false. The slice is valid
// during the call.
func EachWord(name string, f func(word []byte) bool) {
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

// Of reads an argument's name and its schema.
func Of(name string, def map[string]any) Purpose {
	found := OfName(name)
	format, _ := def["format"].(string)
	switch strings.ToLower(format) {
	case "path", "file-path", "filepath", "file", "directory", "directory-path", "dir", "folder", "filename":
		found = Path
	case "markdown", "html", "code", "sql", "text", "multiline", "textarea", "regex":
		found = max(found, Prose)
	case "":
		if text, _ := def["description"].(string); found == Unknown && speaksOfPath(text) {
			found = Path
		} else if found == Unknown && speaksOfExpression(text) {
			found = Prose
		}
	}
	return found
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

// speaksOfExpression says whether a description calls the value a regular expression. A glob is a path.
func speaksOfExpression(description string) bool {
	d := strings.ToLower(description)
	return (strings.Contains(d, "regular expression") || strings.Contains(d, "regex")) && !strings.Contains(d, "glob")
}
