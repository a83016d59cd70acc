package jsonc

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// indent is one level of it, where the text shows none.
const indent = "  "

// Insert returns the document's text with a member more in the object n, before its first one. value is JSON on
// one line or more, without indentation of its own beyond the first level. Comments and the rest of the text
// stay as they are.
func (n Node) Insert(key string, value []byte) ([]byte, error) {
	members, err := n.Members()
	if err != nil {
		return nil, err
	}
	start := n.value.StartOffset
	outer := lineIndent(n.src, start)
	inner := outer + indent
	if len(members) > 0 {
		at := members[0].At.value.StartOffset
		if lineStart(n.src, at) > start {
			inner = lineIndent(n.src, at)
		}
	}
	name, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	member := fmt.Sprintf("\n%s%s: %s", inner, name, bytes.ReplaceAll(value, []byte("\n"), []byte("\n"+inner)))
	rest := n.src[start+1:]
	switch {
	case len(members) > 0:
		member += ","
		if at := members[0].At.value.StartOffset; lineStart(n.src, at) <= start {
			member += "\n" + inner // the first member stood on the line of the brace
			rest = bytes.TrimLeft(rest, " \t")
		}
	case bytes.IndexByte(n.src[start:n.value.EndOffset], '\n') < 0:
		member += "\n" + outer
		rest = bytes.TrimLeft(rest, " \t")
	}
	return bytes.Join([][]byte{n.src[:start+1], []byte(member), rest}, nil), nil
}

// Remove returns the document's text without a member of the object n, and without the comma that it needs no
// more. ok is false where there is no such member.
func (n Node) Remove(key string) (text []byte, ok bool) {
	members, err := n.Members()
	if err != nil {
		return nil, false
	}
	for i, m := range members {
		if m.Key != key {
			continue
		}
		from, to := m.At.value.StartOffset, m.Value.value.EndOffset
		comma := commaAfter(n.src, to)
		if comma >= 0 {
			to = comma + 1
		}
		if begin := lineStart(n.src, from); len(bytes.TrimSpace(n.src[begin:from])) == 0 {
			end := bytes.IndexByte(n.src[to:], '\n')
			if end >= 0 && len(bytes.TrimSpace(n.src[to:to+end])) == 0 {
				from, to = begin, to+end+1
			}
		}
		text = bytes.Join([][]byte{n.src[:from], n.src[to:]}, nil)
		if i > 0 && comma < 0 { // it was the last one, and the one before it is now
			if at := commaAfter(n.src, members[i-1].Value.value.EndOffset); at >= 0 {
				text = bytes.Join([][]byte{n.src[:at], text[at+1:]}, nil)
			}
		}
		return text, true
	}
	return nil, false
}

// commaAfter returns the offset of the comma that follows a value, comments between, or -1.
func commaAfter(src []byte, at int) int {
	for ; at < len(src); at++ {
		switch src[at] {
		case ' ', '\t', '\r', '\n':
		case ',':
			return at
		case '/':
			at = skipComment(src, at)
		default:
			return -1
		}
	}
	return -1
}

func lineStart(src []byte, at int) int { return bytes.LastIndexByte(src[:at], '\n') + 1 }

// lineIndent returns the white space that the line of an offset begins with.
func lineIndent(src []byte, at int) string {
	line := src[lineStart(src, at):at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}
