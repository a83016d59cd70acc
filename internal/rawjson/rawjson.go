// Package rawjson takes JSON apart without changing it: values keep their bytes, so that big numbers
// and the order of keys survive, and keys are compared exactly, so that two readers of one text cannot
// see different things.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrDepth is the error of a text that nests too deep.
var ErrDepth = errors.New("nested too deep")

// Check reports whether data is one JSON value that nests at most maxDepth levels and gives no key
// of any object twice.
func Check(data []byte, maxDepth int) error {
	if !Valid(data) {
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			return err
		}
		return errors.New("not JSON")
	}
	if Depth(data) > maxDepth {
		return ErrDepth
	}
	return duplicates(data)
}

// Depth returns how deep valid JSON nests.
func Depth(data []byte) int {
	now, most := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		}
	}
	return most
}

func duplicates(data []byte) error {
	data = bytes.TrimSpace(data)
	switch data[0] {
	case '{':
		return duplicatesInObject(data)
	case '[':
		var err error
		Items(data, func(item json.RawMessage) bool {
			err = duplicates(item)
			return err == nil
		})
		return err
	}
	return nil
}

func duplicatesInObject(data []byte) error {
	// Most objects are small: a scan of a slice is cheaper than a map.
	var keys []string
	var many map[string]bool
	var err error
	Fields(data, func(key string, value json.RawMessage) bool {
		seen := many[key]
		for _, k := range keys {
			seen = seen || k == key
		}
		if seen {
			err = fmt.Errorf("the key %q is given twice", key)
			return false
		}
		if keys = append(keys, key); len(keys) > 16 {
			if many == nil {
				many = map[string]bool{}
			}
			for _, k := range keys {
				many[k] = true
			}
			keys = keys[:0]
		}
		err = duplicates(value)
		return err == nil
	})
	return err
}

// Fields calls yield for each member of an object in order, until it returns false. data must be
// valid JSON; it returns false when data is not an object. The values share data's memory.
func Fields(data []byte, yield func(key string, value json.RawMessage) bool) bool {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '{' {
		return false
	}
	for i++; ; i++ {
		i = skipSpace(data, i)
		if i >= len(data) || data[i] == '}' {
			return true
		}
		end := skipString(data, i)
		key := name(data[i:end])
		i = skipSpace(data, end) + 1 // past the colon
		i = skipSpace(data, i)
		end = skipValue(data, i)
		if end > len(data) || !yield(key, json.RawMessage(data[i:end])) {
			return true
		}
		if i = skipSpace(data, end); i >= len(data) || data[i] != ',' {
			return true
		}
	}
}

// Member returns a member of an object, the last where it is given twice, or nil.
func Member(data []byte, key string) (found json.RawMessage) {
	Fields(data, func(k string, value json.RawMessage) bool {
		if k == key {
			found = value
		}
		return true
	})
	return found
}

// Items calls yield for each item of an array in order, until it returns false. data must be valid
// JSON; it returns false when data is not an array. The items share data's memory.
func Items(data []byte, yield func(item json.RawMessage) bool) bool {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '[' {
		return false
	}
	for i++; ; i++ {
		i = skipSpace(data, i)
		if i >= len(data) || data[i] == ']' {
			return true
		}
		end := skipValue(data, i)
		if !yield(json.RawMessage(data[i:end])) {
			return true
		}
		if i = skipSpace(data, end); i >= len(data) || data[i] != ',' {
			return true
		}
	}
}

// Text returns the string that data holds, and whether it is a string.
func Text(data []byte) (string, bool) {
	data = bytes.TrimSpace(data)
	if len(data) < 2 || data[0] != '"' {
		return "", false
	}
	return text(data), true
}

// AppendText appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for len(s) > 0 {
		plain := 0
		for plain < len(s) && s[plain] >= ' ' && s[plain] < utf8.RuneSelf && s[plain] != '"' && s[plain] != '\\' {
			plain++
		}
		dst = append(dst, s[:plain]...)
		if s = s[plain:]; s == "" {
			break
		}
		size := 1
		switch c := s[0]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(s)
			dst = utf8.AppendRune(dst, r)
		}
		s = s[size:]
	}
	return append(dst, '"')
}

// name decodes the name of a member. The names that every message has cost no memory.
func name(quoted []byte) string {
	switch string(quoted) {
	case `"jsonrpc"`:
		return "jsonrpc"
	case `"id"`:
		return "id"
	case `"result"`:
		return "result"
	case `"content"`:
		return "content"
	case `"type"`:
		return "type"
	case `"text"`:
		return "text"
	case `"resultType"`:
		return "resultType"
	case `"_meta"`:
		return "_meta"
	}
	return text(quoted)
}

// text decodes a string with its quotes.
func text(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return string(inner)
	}
	return s
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that starts at i.
func skipString(data []byte, i int) int {
	quote := i
	for i++; i <= len(data); {
		if quote < i { // else it is still the next one
			n := bytes.IndexByte(data[i:], '"')
			if n < 0 {
				break
			}
			quote = i + n
		}
		slash := bytes.IndexByte(data[i:quote], '\\')
		if slash < 0 {
			return quote + 1
		}
		i += slash + 2
	}
	return len(data)
}

// skipValue returns the index after the value that starts at i.
func skipValue(data []byte, i int) int {
	if i >= len(data) {
		return i
	}
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{', '[':
		for level := 0; i < len(data); i++ {
			switch data[i] {
			case '"':
				i = skipString(data, i) - 1
			case '{', '[':
				level++
			case '}', ']':
				if level--; level == 0 {
					return i + 1
				}
			}
		}
		return len(data)
	}
	for i < len(data) && bytes.IndexByte([]byte(" \t\r\n,]}"), data[i]) < 0 {
		i++
	}
	return i
}
