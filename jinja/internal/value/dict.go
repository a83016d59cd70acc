package value

import (
	"fmt"
	"math"
	"strconv"
)

// Dict maps keys to values in the order in which the keys were first set. The zero value is empty.
// Reading it from several goroutines at once is safe.
type Dict struct {
	entries []entry
	// keys are the keys that are no strings, by entry; nil while all are.
	keys []Value
	// names indexes the string keys once there are more than a few, and others the other keys.
	names  map[string]int32
	others map[string]int32
}

// entry is a string key and its value; the name of another key is empty.
type entry struct {
	name  string
	value Value
}

// indexFrom is the number of entries from which a map is faster than a search.
const indexFrom = 16

// NewDict returns an empty dict with room for n entries.
func NewDict(n int) *Dict { return &Dict{entries: make([]entry, 0, n)} }

// Len is the number of entries.
func (d *Dict) Len() int { return len(d.entries) }

// Lookup returns the value under a string key.
func (d *Dict) Lookup(name string) (Value, bool) {
	if i := d.find(name); i >= 0 {
		return d.entries[i].value, true
	}
	return nil, false
}

// Set stores v under a string key; a key that is there keeps its place.
func (d *Dict) Set(name string, v Value) {
	if i := d.find(name); i >= 0 {
		d.entries[i].value = v
		return
	}
	d.entries = append(d.entries, entry{name, v})
	if d.keys != nil {
		d.keys = append(d.keys, nil)
	}
	if d.names != nil {
		d.names[name] = int32(len(d.entries) - 1)
	} else if len(d.entries) >= indexFrom {
		d.index()
	}
}

// Get returns the value under any key; it fails for a key that cannot be hashed.
func (d *Dict) Get(key Value) (Value, bool) {
	if s, ok := Text(key); ok {
		return d.Lookup(s)
	}
	h := hash(key)
	if i, ok := d.others[h]; ok {
		return d.entries[i].value, true
	}
	return nil, false
}

// Put stores v under any key; it fails for a key that cannot be hashed.
func (d *Dict) Put(key, v Value) {
	if s, ok := Text(key); ok {
		d.Set(s, v)
		return
	}
	h := hash(key)
	if i, ok := d.others[h]; ok {
		d.entries[i].value = v
		return
	}
	if d.others == nil {
		d.others = map[string]int32{}
	}
	d.others[h] = int32(len(d.entries))
	if d.keys == nil {
		d.keys = make([]Value, len(d.entries), len(d.entries)+4)
	}
	d.keys = append(d.keys, key)
	d.entries = append(d.entries, entry{value: v})
}

// At returns the i-th entry.
func (d *Dict) At(i int) (key, v Value) {
	if d.keys != nil && d.keys[i] != nil {
		return d.keys[i], d.entries[i].value
	}
	return String(d.entries[i].name), d.entries[i].value
}

// Keys returns the keys in order.
func (d *Dict) Keys() []Value {
	keys := make([]Value, len(d.entries))
	for i := range d.entries {
		keys[i], _ = d.At(i)
	}
	return keys
}

// Values returns the values in order.
func (d *Dict) Values() []Value {
	values := make([]Value, len(d.entries))
	for i := range d.entries {
		values[i] = d.entries[i].value
	}
	return values
}

// Items returns the entries in order as tuples of key and value.
func (d *Dict) Items() []Value {
	n := len(d.entries)
	items, tuples, cells := make([]Value, n), make([]List, n), make([]Value, 2*n)
	for i := range d.entries {
		pair := cells[2*i : 2*i+2 : 2*i+2]
		pair[0], pair[1] = d.At(i)
		tuples[i] = List{Items: pair, Kind: Tuple}
		items[i] = &tuples[i]
	}
	return items
}

// Merge stores every entry of other.
func (d *Dict) Merge(other *Dict) {
	for i := range other.entries {
		if e := &other.entries[i]; other.isName(i) {
			d.Set(e.name, e.value)
		} else {
			d.Put(other.keys[i], e.value)
		}
	}
}

// Copy returns a dict with the same entries.
func (d *Dict) Copy() *Dict {
	c := NewDict(len(d.entries))
	c.Merge(d)
	return c
}

func (d *Dict) find(name string) int {
	if d.names != nil {
		if i, ok := d.names[name]; ok {
			return int(i)
		}
		return -1
	}
	for i := range d.entries {
		if d.entries[i].name == name && d.isName(i) {
			return i
		}
	}
	return -1
}

// isName reports whether the i-th key is a string.
func (d *Dict) isName(i int) bool { return d.keys == nil || d.keys[i] == nil }

func (d *Dict) index() {
	d.names = make(map[string]int32, 2*len(d.entries))
	for i := range d.entries {
		if d.isName(i) {
			d.names[d.entries[i].name] = int32(i)
		}
	}
}

// maxHash bounds the text that stands for a key which is not a string.
const maxHash = 1 << 12

// hash returns a text that is equal for keys that are equal in Python, where 1, 1.0 and True are.
func hash(key Value) string { return string(appendHash(nil, key)) }

func appendHash(h []byte, key Value) []byte {
	if len(h) > maxHash {
		FailLimit("a key of a dict is too large")
	}
	switch x := key.(type) {
	case None:
		return append(h, 'n')
	case Bool, Int:
		n, _ := Int64(x)
		return strconv.AppendInt(append(h, 'i'), n, 10)
	case Big:
		return x.V.Append(append(h, 'i'), 10)
	case Float:
		if f := float64(x); f == math.Trunc(f) && math.Abs(f) < 1<<62 {
			return strconv.AppendInt(append(h, 'i'), int64(f), 10)
		}
		return strconv.AppendUint(append(h, 'f'), math.Float64bits(float64(x)), 16)
	case String, Safe:
		s, _ := Text(key)
		if len(s) > maxHash {
			FailLimit("a key of a dict is too large")
		}
		return strconv.AppendQuote(append(h, 's'), s)
	case *Undefined:
		return append(h, 'u')
	case *List:
		if x.Kind == Tuple || x.Kind == Group {
			h = append(h, '(')
			for _, v := range x.Items {
				h = append(appendHash(h, v), ',')
			}
			return append(h, ')')
		}
	case *Dict:
	default:
		return fmt.Appendf(h, "p%p", key)
	}
	Fail("unhashable type: '%s'", key.Type())
	return nil
}

// Hashable reports whether v may be a key of a dict.
func Hashable(v Value) bool {
	switch x := v.(type) {
	case *Dict:
		return false
	case *List:
		if x.Kind != Tuple && x.Kind != Group {
			return false
		}
		for _, item := range x.Items {
			if l, ok := item.(*List); ok && l.Kind == Plain {
				return false
			}
		}
	}
	return true
}
