package value

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// DecodeJSON reads one JSON text into values. Objects become dicts in the order of the text; of a key
// that comes twice the last value counts, in the first one's place. Integers of any size stay integers,
// and numbers with a fraction or an exponent become floats.
func DecodeJSON(data []byte) (Value, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("JSON text is not valid UTF-8")
	}
	d := decoder{s: string(data), slab: min(max(len(data)/32, 4), maxSlab)}
	d.space()
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	if d.space(); d.i < len(d.s) {
		return nil, d.errorf("text after the JSON value")
	}
	return v, nil
}

type decoder struct {
	s string
	i int
	// entries and items hold what is read of the objects and arrays around, so that each is made in its
	// final size.
	entries []entry
	items   []Value
	// The slabs are memory for several objects and arrays at once: they live and die together. Each has
	// so many elements, fewer for a short text.
	slab      int
	entrySlab []entry
	itemSlab  []Value
	dictSlab  []Dict
}

// maxSlab is how many elements a slab has at most.
const maxSlab = 64

// take cuts n elements from a slab, and starts another of the size where they do not fit.
func take[T any](slab *[]T, n, size int) []T {
	if n > len(*slab) {
		if n > size/4 {
			return make([]T, n)
		}
		*slab = make([]T, size)
	}
	part := (*slab)[:n:n]
	*slab = (*slab)[n:]
	return part
}

func (d *decoder) errorf(format string, args ...any) error {
	return fmt.Errorf("JSON at byte %d: %s", d.i, fmt.Sprintf(format, args...))
}

func (d *decoder) space() {
	for d.i < len(d.s) {
		switch d.s[d.i] {
		case ' ', '\n', '\t', '\r':
			d.i++
		default:
			return
		}
	}
}

func (d *decoder) value(depth int) (Value, error) {
	if depth > MaxNesting {
		return nil, d.errorf("nested more than %d deep", MaxNesting)
	}
	if d.i >= len(d.s) {
		return nil, d.errorf("unexpected end")
	}
	switch c := d.s[d.i]; {
	case c == '"':
		s, err := d.text()
		return String(s), err
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	for _, word := range [...]struct {
		text string
		v    Value
	}{{"null", None{}}, {"true", Bool(true)}, {"false", Bool(false)}} {
		if strings.HasPrefix(d.s[d.i:], word.text) {
			d.i += len(word.text)
			return word.v, nil
		}
	}
	return nil, d.errorf("unexpected %q", d.s[d.i])
}

func (d *decoder) object(depth int) (Value, error) {
	d.i++
	d.space()
	if d.skip('}') {
		return &Dict{}, nil
	}
	start := len(d.entries)
	for {
		if d.i >= len(d.s) || d.s[d.i] != '"' {
			return nil, d.errorf("expected a key in quotes")
		}
		key, err := d.text()
		if err != nil {
			return nil, err
		}
		d.space()
		if !d.skip(':') {
			return nil, d.errorf("expected ':' after the key %q", key)
		}
		d.space()
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d.entries = append(d.entries, entry{key, v})
		d.space()
		if d.skip('}') {
			return d.closeObject(start), nil
		}
		if !d.skip(',') {
			return nil, d.errorf("expected ',' or '}' in an object")
		}
		d.space()
	}
}

func (d *decoder) closeObject(start int) *Dict {
	dict := &take(&d.dictSlab, 1, d.slab)[0]
	dict.entries = take(&d.entrySlab, len(d.entries)-start, d.slab)[:0]
	for _, e := range d.entries[start:] {
		dict.Set(e.name, e.value)
	}
	d.entries = d.entries[:start]
	return dict
}

func (d *decoder) array(depth int) (Value, error) {
	d.i++
	d.space()
	if d.skip(']') {
		return &List{}, nil
	}
	start := len(d.items)
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d.items = append(d.items, v)
		d.space()
		if d.skip(']') {
			list := &List{Items: take(&d.itemSlab, len(d.items)-start, d.slab)}
			copy(list.Items, d.items[start:])
			d.items = d.items[:start]
			return list, nil
		}
		if !d.skip(',') {
			return nil, d.errorf("expected ',' or ']' in an array")
		}
		d.space()
	}
}

func (d *decoder) skip(c byte) bool {
	if d.i < len(d.s) && d.s[d.i] == c {
		d.i++
		return true
	}
	return false
}

// text reads a string. One without escapes shares the memory of the input.
func (d *decoder) text() (string, error) {
	start := d.i + 1
	for i := start; i < len(d.s); i++ {
		switch c := d.s[i]; {
		case c == '"':
			d.i = i + 1
			return d.s[start:i], nil
		case c == '\\':
			return d.escaped(start, i)
		case c < ' ':
			d.i = i
			return "", d.errorf("a control character in a string")
		}
	}
	return "", d.errorf("a string without end")
}

// escaped reads a string that begins at start and has its first escape at i.
func (d *decoder) escaped(start, i int) (string, error) {
	b := append(make([]byte, 0, 2*(i-start)+16), d.s[start:i]...)
	for i < len(d.s) {
		c := d.s[i]
		switch {
		case c == '"':
			d.i = i + 1
			return string(b), nil
		case c < ' ':
			d.i = i
			return "", d.errorf("a control character in a string")
		case c != '\\':
			b = append(b, c)
			i++
			continue
		}
		d.i = i
		if i+1 >= len(d.s) {
			break
		}
		if at := strings.IndexByte(`"\/bfnrt`, d.s[i+1]); at >= 0 {
			b = append(b, "\"\\/\b\f\n\r\t"[at])
			i += 2
			continue
		}
		r, n := d.unicode(i)
		if n == 0 {
			return "", d.errorf("a bad escape in a string")
		}
		b = utf8.AppendRune(b, r)
		i += n
	}
	return "", d.errorf("a string without end")
}

// unicode reads a \u escape or a surrogate pair of them at i; a lone surrogate becomes U+FFFD.
func (d *decoder) unicode(i int) (r rune, size int) {
	hi, ok := d.hex(i)
	if !ok {
		return 0, 0
	}
	if hi >= 0xd800 && hi < 0xdc00 {
		if lo, ok := d.hex(i + 6); ok && lo >= 0xdc00 && lo < 0xe000 {
			return (hi-0xd800)<<10 + (lo - 0xdc00) + 0x10000, 12
		}
	}
	if hi >= 0xd800 && hi < 0xe000 {
		return utf8.RuneError, 6
	}
	return hi, 6
}

func (d *decoder) hex(i int) (rune, bool) {
	if i+6 > len(d.s) || d.s[i] != '\\' || d.s[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(d.s[i+2:i+6], 16, 16)
	return rune(n), err == nil
}

func (d *decoder) number() (Value, error) {
	start := d.i
	d.skip('-')
	if !d.skip('0') && !d.digits() {
		return nil, d.errorf("a bad number")
	}
	whole := true
	if d.skip('.') {
		if whole = false; !d.digits() {
			return nil, d.errorf("a bad number")
		}
	}
	if d.skip('e') || d.skip('E') {
		whole = false
		if !d.skip('+') {
			d.skip('-')
		}
		if !d.digits() {
			return nil, d.errorf("a bad number")
		}
	}
	text := d.s[start:d.i]
	if !whole {
		f, _ := strconv.ParseFloat(text, 64) // out of range is infinity, as in Python
		return Float(f), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Int(n), nil
	}
	return d.bigNumber(text)
}

// maxDigits is the length from which Python refuses to read an integer.
const maxDigits = 4300

func (d *decoder) bigNumber(text string) (Value, error) {
	if len(text) > maxDigits {
		return nil, d.errorf("an integer of more than %d digits", maxDigits)
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, d.errorf("a bad number")
	}
	return Big{n}, nil
}

func (d *decoder) digits() bool {
	start := d.i
	for d.i < len(d.s) && d.s[d.i] >= '0' && d.s[d.i] <= '9' {
		d.i++
	}
	return d.i > start
}
