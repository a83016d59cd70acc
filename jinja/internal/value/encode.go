package value

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSONStyle says how JSON is written, in the words of Python's json.dumps.
type JSONStyle struct {
	// ASCII escapes every other character.
	ASCII bool
	// SortKeys writes the keys of objects in order.
	SortKeys bool
	// Lines puts every element on its own line, indented by Indent once a level.
	Lines  bool
	Indent string
	// Item and Key are the separators; empty means ", " and ": ".
	Item, Key string
}

// EncodeJSON appends the JSON text of v; it fails for a value that JSON cannot say.
func EncodeJSON(b *Buffer, v Value, style *JSONStyle) {
	w := writer{b: b, style: style}
	w.value(v, 0)
}

type writer struct {
	b     *Buffer
	style *JSONStyle
}

func (w *writer) value(v Value, depth int) {
	w.b.budget.Spend(1)
	if depth > MaxNesting {
		FailLimit("values are nested more than %d deep", MaxNesting)
	}
	switch x := v.(type) {
	case String:
		w.text(string(x))
	case Safe:
		w.text(string(x))
	case *Dict:
		w.object(x, depth)
	case *List:
		if x.Kind > Group {
			Fail("Object of type %s is not JSON serializable", v.Type())
		}
		w.array(x.Items, depth)
	default:
		w.b.WriteString(w.scalar(v))
	}
}

// scalar is the text of what is neither a string nor a container.
func (w *writer) scalar(v Value) string {
	switch x := v.(type) {
	case None:
		return "null"
	case Bool:
		return strconv.FormatBool(bool(x))
	case Int:
		return strconv.FormatInt(int64(x), 10)
	case Big:
		return FormatInt(x, 10, w.b.budget)
	case Float:
		switch f := float64(x); {
		case math.IsNaN(f):
			return "NaN"
		case math.IsInf(f, 1):
			return "Infinity"
		case math.IsInf(f, -1):
			return "-Infinity"
		default:
			return FormatFloat(f)
		}
	}
	Fail("Object of type %s is not JSON serializable", v.Type())
	return ""
}

func (w *writer) array(items []Value, depth int) {
	if len(items) == 0 {
		w.b.WriteString("[]")
		return
	}
	_ = w.b.WriteByte('[')
	for i, v := range items {
		w.separate(i, depth+1)
		w.value(v, depth+1)
	}
	w.newline(depth)
	_ = w.b.WriteByte(']')
}

func (w *writer) object(d *Dict, depth int) {
	if d.Len() == 0 {
		w.b.WriteString("{}")
		return
	}
	_ = w.b.WriteByte('{')
	if w.style.SortKeys {
		d = d.sorted(w.b.budget)
	}
	for i := range d.entries {
		w.separate(i, depth+1)
		if d.isName(i) {
			w.text(d.entries[i].name)
		} else {
			w.key(d.keys[i])
		}
		w.b.WriteString(w.style.Key)
		w.value(d.entries[i].value, depth+1)
	}
	w.newline(depth)
	_ = w.b.WriteByte('}')
}

// key writes a key that is no string.
func (w *writer) key(key Value) {
	switch key.(type) {
	case None, Bool, Int, Big, Float:
		_ = w.b.WriteByte('"')
		w.b.WriteString(w.scalar(key))
		_ = w.b.WriteByte('"')
	default:
		Fail("keys must be str, int, float, bool or None, not %s", key.Type())
	}
}

func (w *writer) separate(i, depth int) {
	if i > 0 {
		w.b.WriteString(w.style.Item)
	}
	w.newline(depth)
}

func (w *writer) newline(depth int) {
	if w.style.Lines {
		_ = w.b.WriteByte('\n')
		w.b.Pad(w.style.Indent, depth)
	}
}

func (w *writer) text(s string) {
	_ = w.b.WriteByte('"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' || c >= 0x7f && !w.style.ASCII {
			i++
			continue
		}
		w.b.WriteString(s[start:i])
		i += w.escape(s[i:])
		start = i
	}
	w.b.WriteString(s[start:])
	_ = w.b.WriteByte('"')
}

// escape writes the first character of s as an escape and returns its length.
func (w *writer) escape(s string) int {
	w.b.budget.Spend(1)
	if at := strings.IndexByte("\"\\\n\r\t\b\f", s[0]); at >= 0 {
		_ = w.b.WriteByte('\\')
		_ = w.b.WriteByte(`"\nrtbf`[at])
		return 1
	}
	r, n := utf8.DecodeRuneInString(s)
	if r > 0xffff {
		r -= 0x10000
		w.b.WriteString(`\u`)
		writeHex(w.b, 0xd800+r>>10, 4)
		r = 0xdc00 + r&0x3ff
	}
	w.b.WriteString(`\u`)
	writeHex(w.b, r, 4)
	return n
}

// sorted returns a copy of d in the order of its keys.
func (d *Dict) sorted(budget *Budget) *Dict {
	budget.AllocItems(6 * d.Len())
	order := d.Items()
	slices.SortStableFunc(order, func(a, b Value) int {
		return compareKeys(a.(*List).Items[0], b.(*List).Items[0], budget)
	})
	c := NewDict(d.Len())
	for _, item := range order {
		kv := item.(*List).Items
		c.Put(kv[0], kv[1])
	}
	return c
}

func compareKeys(a, b Value, budget *Budget) int { return order(a, b, "<", budget) }
