package openai

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// This file reads fields out of JSON that is known to be valid. encoding/json is not used for objects,
// because it takes "Role" for "role", the last of two equal keys, and says of a wrong type neither where
// in a list it is nor what it should have been; and because key order must be kept.

// fields is a JSON object: its members in order, values still as text.
type fields struct {
	path    string // where the object stands in the request, such as "messages[2]"; empty for the request
	raw     []byte // the whole object
	members []member
	err     *apiError // the first error; the getters do nothing after it
}

type member struct {
	key   string
	value []byte
}

// object reads an object's members. A key that comes twice is an error: two readers would disagree on it.
func object(raw []byte, path string) *fields {
	f := &fields{path: path, raw: raw}
	if len(raw) == 0 || raw[0] != '{' {
		f.err = wrongType(path, "an object", raw)
		return f
	}
	seen := map[string]bool{}
	for rest := space(raw[1:]); rest[0] != '}'; {
		n := skip(rest)
		key := text(rest[:n])
		rest = space(space(rest[n:])[1:]) // the colon
		n = skip(rest)
		if seen[key] {
			f.err = invalid(f.at(key), "duplicate_key", "%s is given twice; send it once", f.at(key))
			return f
		}
		seen[key] = true
		f.members = append(f.members, member{key, rest[:n]})
		if rest = space(rest[n:]); rest[0] == ',' {
			rest = space(rest[1:])
		}
	}
	return f
}

// list reads an array's items.
func list(raw []byte, path string) ([][]byte, *apiError) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, wrongType(path, "a list", raw)
	}
	var items [][]byte
	for rest := space(raw[1:]); rest[0] != ']'; {
		n := skip(rest)
		items = append(items, rest[:n])
		if rest = space(rest[n:]); rest[0] == ',' {
			rest = space(rest[1:])
		}
	}
	return items, nil
}

// space returns b without leading white space.
func space(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// skip returns the length of the value that b begins with.
func skip(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringLen(b[i:]) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(b)
}

// stringLen returns the length of the string that b begins with, with its quotes.
func stringLen(b []byte) int {
	for i := 1; ; {
		end := bytes.IndexByte(b[i:], '"') + i
		slashes := 0
		for b[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
		i = end + 1
	}
}

// text decodes a JSON string.
func text(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it is a valid string
	return s
}

// wrongType says what stands where something else should.
func wrongType(path, want string, raw []byte) *apiError {
	if path == "" {
		return invalid("", "invalid_type", "the body must be %s, not %s", want, describe(raw))
	}
	return invalid(path, "invalid_type", "%s must be %s, not %s", path, want, describe(raw))
}

func describe(raw []byte) string {
	if len(raw) == 0 {
		return "missing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "the string " + quote(text(raw))
	}
	return quoteNumber(raw)
}

// quoteNumber shows a number, true, false or null; numbers can be long.
func quoteNumber(raw []byte) string {
	if len(raw) > 40 {
		return string(raw[:40]) + "…"
	}
	return string(raw)
}

// at is the path of a member.
func (f *fields) at(key string) string {
	if f.path == "" {
		return key
	}
	return f.path + "." + key
}

// item is the path of an item of a list.
func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// fail remembers the first error.
func (f *fields) fail(err *apiError) {
	if f.err == nil {
		f.err = err
	}
}

// get returns a member's value; nil when it is absent or null, which mean the same throughout the API.
func (f *fields) get(key string) []byte {
	if f.err != nil {
		return nil
	}
	for _, m := range f.members {
		if m.key == key {
			if m.value[0] == 'n' {
				return nil
			}
			return m.value
		}
	}
	return nil
}

func (f *fields) has(key string) bool { return f.get(key) != nil }

// str returns a string member, and whether it was there.
func (f *fields) str(key string) (string, bool) {
	raw := f.get(key)
	if raw == nil {
		return "", false
	}
	if raw[0] != '"' {
		f.fail(wrongType(f.at(key), "a string", raw))
		return "", false
	}
	return text(raw), true
}

// word returns a string member that must be one of the words; absent is "".
func (f *fields) word(key string, words ...string) string {
	s, ok := f.str(key)
	if !ok {
		return ""
	}
	for _, w := range words {
		if s == w {
			return s
		}
	}
	f.fail(invalid(f.at(key), "invalid_value", "%s is %s; it must be %s", f.at(key), quote(s), alternatives(words)))
	return ""
}

// flag returns a boolean member, nil when absent.
func (f *fields) flag(key string) *bool {
	raw := f.get(key)
	if raw == nil {
		return nil
	}
	if raw[0] != 't' && raw[0] != 'f' {
		f.fail(wrongType(f.at(key), "true or false", raw))
		return nil
	}
	value := raw[0] == 't'
	return &value
}

// on is flag with absent as false.
func (f *fields) on(key string) bool {
	value := f.flag(key)
	return value != nil && *value
}

// number returns a number within [low, high], and whether it was there.
func (f *fields) number(key string, low, high float64) (float64, bool) {
	raw := f.get(key)
	if raw == nil {
		return 0, false
	}
	n, ok := parseNumber(raw)
	if !ok {
		f.fail(wrongType(f.at(key), "a number", raw))
		return 0, false
	}
	if !(n >= low && n <= high) {
		f.fail(invalid(f.at(key), "out_of_range", "%s is %s; it must be from %s to %s", f.at(key), quoteNumber(raw), short(low), short(high)))
		return 0, false
	}
	return n, true
}

// integer returns a whole number within [low, high], and whether it was there. 5.0 is one.
func (f *fields) integer(key string, low, high int64) (int64, bool) {
	raw := f.get(key)
	if raw == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		float, ok := parseNumber(raw)
		if !ok || float != math.Trunc(float) {
			f.fail(wrongType(f.at(key), "a whole number", raw))
			return 0, false
		}
		n = int64(max(min(float, 1<<62), -(1 << 62))) // beyond that no caller's range reaches
	}
	if n < low || n > high {
		f.fail(invalid(f.at(key), "out_of_range", "%s is %s; it must be a whole number from %d to %d", f.at(key), quoteNumber(raw), low, high))
		return 0, false
	}
	return n, true
}

func parseNumber(raw []byte) (float64, bool) {
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	return n, err == nil || math.IsInf(n, 0)
}

func short(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }

// child returns an object member, nil when absent.
func (f *fields) child(key string) *fields {
	raw := f.get(key)
	if raw == nil {
		return nil
	}
	child := object(raw, f.at(key))
	f.fail(child.err)
	return child
}

// items returns a list member, nil when absent.
func (f *fields) items(key string) [][]byte {
	raw := f.get(key)
	if raw == nil {
		return nil
	}
	items, err := list(raw, f.at(key))
	f.fail(err)
	return items
}

// alternatives joins words for a message: one of "a", "b" or "c".
func alternatives(words []string) string {
	var b []byte
	for i, w := range words {
		switch {
		case i == 0 && len(words) > 1:
			b = append(b, "one of "...)
		case i == 0:
		case i == len(words)-1:
			b = append(b, " or "...)
		default:
			b = append(b, ", "...)
		}
		b = strconv.AppendQuote(b, w)
	}
	return string(b)
}
