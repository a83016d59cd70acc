package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// maxKeys bounds the keys of an object of the protocol's own. Arguments of tools are not read here.
const maxKeys = 200

// Fields calls take for each member of the object that data holds, in order, and returns its first error.
// The values share data's memory. A key that is given twice is an error, and so is anything but an object.
func Fields(data []byte, take func(key string, value json.RawMessage) error) error {
	if !json.Valid(data) {
		return errors.New("not JSON")
	}
	i := skipSpace(data, 0)
	if data[i] != '{' {
		return errors.New("not an object")
	}
	var few [8]string // most objects have no more
	seen := few[:0]
	for i = skipSpace(data, i+1); data[i] != '}'; i = skipSpace(data, i) {
		end := skipValue(data, i)
		key := unquote(data[i:end])
		switch {
		case slices.Contains(seen, key):
			return fmt.Errorf("the key %.60q is given twice", key)
		case len(seen) == maxKeys:
			return fmt.Errorf("more than %d keys", maxKeys)
		}
		seen = append(seen, key)
		i = skipSpace(data, skipSpace(data, end)+1) // past the colon
		end = skipValue(data, i)
		if err := take(key, data[i:end:end]); err != nil {
			return err
		}
		if i = skipSpace(data, end); data[i] == ',' {
			i++
		}
	}
	return nil
}

// unquote decodes a valid JSON string.
func unquote(quoted []byte) string {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return string(quoted)
	}
	return s
}

// skipSpace returns the index of the first byte from i on that is no white space.
func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the index behind the value that begins at i of valid JSON.
func skipValue(data []byte, i int) int {
	for level := 0; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			i = skipString(data, i)
		case c == '{' || c == '[':
			level++
			i++
		case c == '}' || c == ']':
			level--
			i++
		case level == 0: // a number or a word
			for i < len(data) && bytes.IndexByte([]byte(" \t\r\n,]}:"), data[i]) < 0 {
				i++
			}
		default:
			i++
			continue
		}
		if level == 0 {
			return i
		}
	}
	return len(data)
}

// skipString returns the index behind the string that begins at i.
func skipString(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}
