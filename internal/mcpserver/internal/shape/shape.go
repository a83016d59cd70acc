// Package shape holds definitions of tools, resources and prompts against the types that MCP's schema
// gives their members. Clients that read by the schema refuse a whole list for one item that does not fit,
// so what one server got wrong would hide what all the others offer.
package shape

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/rawjson"
)

// item returns the definition of a resource, a template or a prompt without the members of another type
// than the schema's, and with a name where it has none. One that fits keeps its bytes. The error says that
// it cannot be taken apart.
func item(raw json.RawMessage, name string) (json.RawMessage, error) {
	named := false
	kept, err := keep(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "name":
			named = isText(value)
			return named
		case "title", "description", "mimeType":
			return isText(value)
		case "size":
			return isNumber(value)
		case "annotations":
			return fits(value, annotation)
		case "icons":
			return icons(value)
		case "arguments":
			return each(value, func(v json.RawMessage) bool { return has(v, "name") && fits(v, argument) })
		case "_meta":
			return isObject(value) && !private(value)
		}
		return true
	})
	if err != nil || named {
		return kept, err
	}
	return with(kept, "name", rpc.Encode(name)), nil
}

// hints returns the annotations of a tool without the members of another type than the schema's, or nil.
func hints(raw json.RawMessage) json.RawMessage {
	if !isObject(raw) {
		return nil
	}
	kept, err := keep(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "title":
			return isText(value)
		case "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint":
			return isBool(value)
		}
		return true
	})
	if err != nil {
		return nil
	}
	return kept
}

// input returns the schema of a tool's arguments. Arguments are an object, so a schema that leaves its type
// out gets it; one of another type, or whose first level is no schema, becomes that of any object.
func input(raw json.RawMessage) json.RawMessage {
	switch typ, ok := schema(raw); {
	case !ok || typ != "" && typ != `"object"`:
		return json.RawMessage(`{"type":"object"}`)
	case typ == "":
		return with(raw, "type", json.RawMessage(`"object"`))
	}
	return raw
}

// output returns the schema of a structured result, or nil. Before revision 2026-07-28 such results are
// objects and their schemas say so.
func output(raw json.RawMessage, objects bool) json.RawMessage {
	typ, ok := schema(raw)
	if !ok || objects && typ != `"object"` {
		return nil
	}
	return raw
}

// schema returns the "type" of a schema as it is written, and whether its first level is one.
func schema(raw json.RawMessage) (typ string, ok bool) {
	ok = isObject(raw) && fits(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "type":
			typ = string(value)
		case "$schema":
			return isText(value)
		case "properties":
			return fits(value, func(_ string, v json.RawMessage) bool { return isObject(v) || isBool(v) })
		case "required":
			return each(value, isText)
		}
		return true
	})
	return typ, ok
}

func annotation(key string, value json.RawMessage) bool {
	switch key {
	case "audience":
		return each(value, func(v json.RawMessage) bool { return string(v) == `"user"` || string(v) == `"assistant"` })
	case "priority":
		n, err := strconv.ParseFloat(string(value), 64)
		return err == nil && n >= 0 && n <= 1
	case "lastModified":
		return isText(value)
	}
	return true
}

func icons(value json.RawMessage) bool {
	return each(value, func(v json.RawMessage) bool { return has(v, "src") && fits(v, icon) })
}

// safe reports whether an icon's address is of a kind that clients may load (basic, "Icons").
func safe(src json.RawMessage) bool {
	text, ok := rawjson.Text(src)
	scheme, _, _ := strings.Cut(text, ":")
	return ok && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "data"))
}

func icon(key string, value json.RawMessage) bool {
	switch key {
	case "src":
		return safe(value)
	case "mimeType":
		return isText(value)
	case "sizes":
		return each(value, isText)
	case "theme":
		return string(value) == `"light"` || string(value) == `"dark"`
	}
	return true
}

func argument(key string, value json.RawMessage) bool {
	switch key {
	case "name", "title", "description":
		return isText(value)
	case "required":
		return isBool(value)
	}
	return true
}

func isText(v json.RawMessage) bool   { return v[0] == '"' }
func isObject(v json.RawMessage) bool { return len(v) > 0 && v[0] == '{' }
func isNumber(v json.RawMessage) bool { return v[0] == '-' || v[0] >= '0' && v[0] <= '9' }
func isBool(v json.RawMessage) bool   { return string(v) == "true" || string(v) == "false" }

// fits reports whether a value is an object all of whose members fit.
func fits(object json.RawMessage, fit func(key string, value json.RawMessage) bool) bool {
	all := isObject(object)
	err := rpc.Fields(object, func(key string, value json.RawMessage) error {
		all = all && fit(key, value)
		return nil
	})
	return all && err == nil
}

func has(object json.RawMessage, name string) (found bool) {
	fits(object, func(key string, _ json.RawMessage) bool {
		found = found || key == name
		return true
	})
	return found
}

// each reports whether a value is a list all of whose items fit.
func each(list json.RawMessage, fit func(json.RawMessage) bool) bool {
	var items []json.RawMessage
	if list[0] != '[' || json.Unmarshal(list, &items) != nil {
		return false
	}
	for _, v := range items {
		if !fit(v) {
			return false
		}
	}
	return true
}

// keep returns an object without the members that do not fit: the same bytes where all do.
func keep(object json.RawMessage, fit func(key string, value json.RawMessage) bool) (json.RawMessage, error) {
	kept, dropped := []byte{'{'}, false
	err := rpc.Fields(object, func(key string, value json.RawMessage) error {
		if !fit(key, value) {
			dropped = true
			return nil
		}
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		kept = append(append(append(kept, rpc.Encode(key)...), ':'), value...)
		return nil
	})
	if err != nil || !dropped {
		return object, err
	}
	return append(kept, '}'), nil
}

// with returns an object with a member more, which stands first.
func with(object json.RawMessage, key string, value json.RawMessage) json.RawMessage {
	first := append(append(append([]byte{'{'}, rpc.Encode(key)...), ':'), value...)
	_ = rpc.Fields(object, func(key string, value json.RawMessage) error { // whoever calls has taken it apart
		first = append(append(append(append(first, ','), rpc.Encode(key)...), ':'), value...)
		return nil
	})
	return append(first, '}')
}
