package rawjson

import (
	"encoding/json"
	"unicode/utf8"
)

// Value returns what data holds, as [encoding/json] decodes it into an any, with numbers as [json.Number]. data
// must be valid JSON; each level of it is one of recursion.
func Value(data []byte) any {
	v, _ := value(data, skipSpace(data, 0))
	return v
}

// value returns the value that starts at i, and the index after it.
func value(data []byte, i int) (any, int) {
	switch data[i] {
	case '{':
		return object(data, i)
	case '[':
		array := []any{}
		for i = skipSpace(data, i+1); data[i] != ']'; i = nextMember(data, i) {
			var v any
			v, i = value(data, i)
			array = append(array, v)
		}
		return array, i + 1
	case '"':
		end := skipString(data, i)
		return wellFormed(text(data[i:end]), data[i:end]), end
	}
	end := skipValue(data, i)
	switch data[i] {
	case 't', 'f':
		return data[i] == 't', end
	case 'n':
		return nil, end
	}
	return json.Number(data[i:end]), end
}

func object(data []byte, i int) (map[string]any, int) {
	members := map[string]any{}
	for i = skipSpace(data, i+1); data[i] != '}'; i = nextMember(data, i) {
		end := skipString(data, i)
		key := wellFormed(name(data[i:end]), data[i:end])
		i = skipSpace(data, end) + 1 // past the colon
		members[key], i = value(data, skipSpace(data, i))
	}
	return members, i + 1
}

// nextMember returns the index of what follows a value that ends at i: the next one, or the closing bracket.
func nextMember(data []byte, i int) int {
	if i = skipSpace(data, i); data[i] == ',' {
		i = skipSpace(data, i+1)
	}
	return i
}

// wellFormed returns the text of a quoted string with U+FFFD in the place of each byte that is no UTF-8.
func wellFormed(text string, quoted []byte) string {
	if !utf8.ValidString(text) {
		_ = json.Unmarshal(quoted, &text) // a string in quotes
	}
	return text
}
