// Package headers holds the headers of revision 2026-07-28 that repeat what a request says against the request:
// its method, what it names, and arguments of a tool (Mcp-Param-*).
package headers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
)

// CheckMethod holds the headers Mcp-Method and Mcp-Name against a request, and returns what it names and its
// arguments, as far as it has such.
func CheckMethod(header http.Header, m *rpc.Message) (name string, arguments json.RawMessage, e *rpc.Error) {
	if got := header.Get("Mcp-Method"); got != m.Method {
		return "", nil, rpc.Errorf(rpc.CodeHeaderMismatch, "the header Mcp-Method is %.80q and the method %.80q; they must be the same", got, m.Method)
	}
	key := map[string]string{"tools/call": "name", "prompts/get": "name", "resources/read": "uri",
		"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}[m.Method]
	if key == "" {
		return "", nil, nil
	}
	err := rpc.Fields(m.Params, func(k string, value json.RawMessage) error {
		switch k {
		case key:
			return json.Unmarshal(value, &name)
		case "arguments":
			arguments = value
		}
		return nil
	})
	if err != nil || name == "" {
		return "", nil, rpc.Errorf(rpc.CodeInvalidParams, "the params need %q, a string", key)
	}
	if got, ok := Decode(header.Get("Mcp-Name")); !ok || got != name {
		return "", nil, rpc.Errorf(rpc.CodeHeaderMismatch, "the header Mcp-Name is %.80q and %q is %.80q; they must be the same", got, key, name)
	}
	return name, arguments, nil
}

// Argument is an argument that clients repeat in a header: one whose schema has "x-mcp-header".
type Argument struct {
	path   []string
	header string
}

const (
	// maxArguments and maxDepth bound what is looked for in one schema.
	maxArguments = 64
	maxDepth     = 8
)

// Find finds the arguments of a schema that are repeated in headers.
func Find(schema json.RawMessage) []Argument {
	if !bytes.Contains(schema, []byte(`"x-mcp-header"`)) {
		return nil
	}
	var found []Argument
	collect(schema, nil, &found)
	return found
}

func collect(schema json.RawMessage, path []string, found *[]Argument) {
	_ = rpc.Fields(schema, func(key string, properties json.RawMessage) error { // what cannot be read asks for nothing
		if key != "properties" || len(path) == maxDepth {
			return nil
		}
		return rpc.Fields(properties, func(name string, property json.RawMessage) error {
			here := append(path[:len(path):len(path)], name)
			var header string
			_ = rpc.Fields(property, func(key string, value json.RawMessage) error { // as above
				if key == "x-mcp-header" {
					_ = json.Unmarshal(value, &header)
				}
				return nil
			})
			if header != "" && len(*found) < maxArguments {
				*found = append(*found, Argument{here, header})
			}
			collect(property, here, found)
			return nil
		})
	})
}

// Check holds headers against the arguments that they repeat. The error says what is wrong.
func Check(header http.Header, wanted []Argument, arguments json.RawMessage) *rpc.Error {
	for _, w := range wanted {
		name := "Mcp-Param-" + w.header
		values := header.Values(name)
		value, there := lookUp(arguments, w.path)
		text, primitive := primitive(value)
		switch {
		case len(values) > 1:
			return rpc.Errorf(rpc.CodeHeaderMismatch, "the header %.80s is given more than once", name)
		case !there && len(values) == 0:
			continue
		case !there:
			return rpc.Errorf(rpc.CodeHeaderMismatch, "the header %.80s is given, and its argument is not", name)
		case len(values) == 0:
			return rpc.Errorf(rpc.CodeHeaderMismatch, "the header %.80s is missing; it repeats the argument %.80s", name, strings.Join(w.path, "."))
		}
		if got, ok := Decode(values[0]); !ok || !primitive || !same(got, text, value) {
			return rpc.Errorf(rpc.CodeHeaderMismatch, "the header %.80s is not the argument %.80s", name, strings.Join(w.path, "."))
		}
	}
	return nil
}

// lookUp returns the argument of a path. Null counts as not there.
func lookUp(arguments json.RawMessage, path []string) (json.RawMessage, bool) {
	value := arguments
	for _, name := range path {
		var next json.RawMessage
		if value == nil || rpc.Fields(value, func(key string, v json.RawMessage) error {
			if key == name {
				next = v
			}
			return nil
		}) != nil {
			return nil, false
		}
		value = next
	}
	return value, value != nil && string(value) != "null"
}

// primitive is a string, a boolean or an integer as a header writes it.
func primitive(value json.RawMessage) (string, bool) {
	switch {
	case len(value) == 0:
		return "", false
	case value[0] == '"':
		var s string
		err := json.Unmarshal(value, &s)
		return s, err == nil
	case string(value) == "true", string(value) == "false":
		return string(value), true
	}
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil || n != math.Trunc(n) || math.Abs(n) > maxSafeInteger {
		return "", false
	}
	return strconv.FormatFloat(n, 'f', -1, 64), true
}

// maxSafeInteger is the largest integer that all JSON readers agree on.
const maxSafeInteger = 1<<53 - 1

// same compares a header with an argument: numbers by their value, all else by its text.
func same(header, text string, value json.RawMessage) bool {
	if value[0] == '"' || value[0] == 't' || value[0] == 'f' {
		return header == text
	}
	n, err := strconv.ParseFloat(header, 64)
	return err == nil && strconv.FormatFloat(n, 'f', -1, 64) == text
}

// Decode reads a header's value, which is in base64 between marks where it would not fit a header.
func Decode(value string) (string, bool) {
	inner, ok := strings.CutPrefix(value, "=?base64?")
	if !ok {
		return value, true
	}
	if inner, ok = strings.CutSuffix(inner, "?="); !ok {
		return value, true
	}
	decoded, err := base64.StdEncoding.DecodeString(inner)
	return string(decoded), err == nil
}
