package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// maxDepth is how deep a definition may nest.
const maxDepth = 128

var errDepth = errors.New("nested deeper than 128 levels")

// Canonical returns one spelling for all JSON texts of one meaning: no white space, the members of
// objects in the order of their keys' bytes, each character of a string as itself where JSON allows it.
// Numbers keep their spelling, lists their order, and a key given twice stays twice, since readers
// differ in which one they take.
func Canonical(data []byte) ([]byte, error) {
	v, err := decode(data)
	if err != nil {
		return nil, err
	}
	return v.append(nil), nil
}

// value is a JSON value that keeps what maps would lose.
type value struct {
	kind    byte   // '{', '[', '"', or 0 for a number, true, false and null
	text    string // of a string or a literal
	items   []value
	members []member
}

type member struct {
	key   string
	value value
}

func decode(data []byte) (value, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := decodeValue(dec, 0)
	if err != nil {
		return value{}, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return value{}, errors.New("more than one JSON value")
	}
	return v, nil
}

func decodeValue(dec *json.Decoder, depth int) (value, error) {
	token, err := dec.Token()
	if err != nil {
		return value{}, err
	}
	switch token := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return value{}, errDepth
		}
		return decodeNested(dec, byte(token), depth)
	case string:
		return value{kind: '"', text: token}, nil
	case json.Number:
		return value{text: token.String()}, nil
	case bool:
		if token {
			return value{text: "true"}, nil
		}
		return value{text: "false"}, nil
	}
	return value{text: "null"}, nil
}

func decodeNested(dec *json.Decoder, kind byte, depth int) (value, error) {
	v := value{kind: kind}
	for dec.More() {
		var m member
		if kind == '{' {
			token, err := dec.Token()
			if err != nil {
				return value{}, err
			}
			m.key, _ = token.(string)
		}
		var err error
		if m.value, err = decodeValue(dec, depth+1); err != nil {
			return value{}, err
		}
		if kind == '{' {
			v.members = append(v.members, m)
		} else {
			v.items = append(v.items, m.value)
		}
	}
	slices.SortStableFunc(v.members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	_, err := dec.Token()
	return v, err
}

func (v value) append(b []byte) []byte {
	switch v.kind {
	case '{':
		b = append(b, '{')
		for i, m := range v.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.key), ':')
			b = m.value.append(b)
		}
		return append(b, '}')
	case '[':
		b = append(b, '[')
		for i, item := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.append(b)
		}
		return append(b, ']')
	case '"':
		return appendString(b, v.text)
	}
	return append(b, v.text...)
}

// appendString writes a JSON string that escapes what must be and nothing else.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
