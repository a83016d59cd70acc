package catalog

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
)

// headerParam is an argument that revision 2026-07-28 wants as a header of the HTTP request too, as the
// schema says with "x-mcp-header".
type headerParam struct {
	path   []string // of member names, from the arguments inwards
	header string
}

// maxHeaderParams bounds them for one tool.
const maxHeaderParams = 64

// readHeaderParams finds the arguments of a schema that are headers too. Of a definition that is wrong
// about them, the protocol library has left the tool out already.
func readHeaderParams(schema json.RawMessage) []headerParam {
	if !bytes.Contains(schema, []byte(`"x-mcp-header"`)) {
		return nil
	}
	var params []headerParam
	var walk func(schema json.RawMessage, path []string)
	walk = func(schema json.RawMessage, path []string) {
		rawjson.Fields(schema, func(key string, value json.RawMessage) bool {
			switch name, isText := rawjson.Text(value); {
			case key == "x-mcp-header" && isText && name != "" && len(path) > 0:
				params = append(params, headerParam{path, "Mcp-Param-" + name})
			case key == "properties":
				rawjson.Fields(value, func(member string, schema json.RawMessage) bool {
					walk(schema, append(path[:len(path):len(path)], member))
					return len(params) < maxHeaderParams
				})
			}
			return len(params) < maxHeaderParams
		})
	}
	walk(schema, nil)
	return params
}

// Headers returns the headers that go with a call of the tool over HTTP.
func (t *Tool) Headers(arguments json.RawMessage) map[string]string {
	if len(t.headers) == 0 {
		return nil
	}
	headers := make(map[string]string, len(t.headers))
	for _, p := range t.headers {
		value := arguments
		for _, name := range p.path {
			value = rawjson.Member(value, name)
		}
		if text, ok := primitive(value); ok {
			headers[p.header] = wire.HeaderValue(text)
		}
	}
	return headers
}

// primitive spells a string, a boolean or a whole number that a float holds exactly; other values are no
// headers.
func primitive(value json.RawMessage) (string, bool) {
	const safe = 1<<53 - 1
	if text, ok := rawjson.Text(value); ok {
		return text, true
	}
	if s := string(value); s == "true" || s == "false" {
		return s, true
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > safe {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}
