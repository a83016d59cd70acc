package trust

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/policy/screen"
)

const (
	// maxChanges bounds the changes of one diff, maxDiff its texts together, in bytes.
	maxChanges, maxDiff = 200, 64 << 10
	// maxShown bounds one side of a change, in bytes before escapes; keptAround is how much of what two
	// texts have in common is shown around their difference.
	maxShown, keptAround = 8 << 10, 40
)

// Change is one place where two definitions differ. Old and New are JSON texts in which every character
// that is not seen is an escape; of long strings, what they have in common is left out for "...".
type Change struct {
	// Path leads to the place, such as inputSchema.properties.path.enum[2]; "" is the whole.
	Path string `json:"path"`
	// Old is nil for what was added, New for what was removed.
	Old *string `json:"old,omitempty"`
	New *string `json:"new,omitempty"`
}

// Size is the length of the change's texts in bytes.
func (c Change) Size() int {
	n := len(c.Path)
	for _, side := range []*string{c.Old, c.New} {
		if side != nil {
			n += len(*side)
		}
	}
	return n
}

// Diff returns where two definitions differ, in the order of their members. A nil definition is one that
// is not known. complete is false when there is more than is shown.
func Diff(old, updated json.RawMessage) (changes []Change, complete bool) {
	d := differ{complete: true}
	switch a, errA := decode(old); {
	case len(old) == 0 || errA != nil:
		d.side("", nil, valueOf(updated))
		d.complete = len(updated) > 0 && d.complete
	default:
		if b := valueOf(updated); b != nil {
			d.compare("", a, *b)
		} else {
			d.complete = false
		}
	}
	return d.changes, d.complete
}

func valueOf(data json.RawMessage) *value {
	v, err := decode(data)
	if len(data) == 0 || err != nil {
		return nil
	}
	return &v
}

type differ struct {
	changes  []Change
	size     int
	complete bool
}

func (d *differ) compare(path string, a, b value) {
	switch {
	case string(a.append(nil)) == string(b.append(nil)):
	case a.kind == '{' && b.kind == '{' && unique(a) && unique(b):
		d.objects(path, a, b)
	case a.kind == '[' && b.kind == '[':
		for i := range max(len(a.items), len(b.items)) {
			at := fmt.Sprintf("%s[%d]", path, i)
			switch {
			case i >= len(a.items):
				d.side(at, nil, &b.items[i])
			case i >= len(b.items):
				d.side(at, &a.items[i], nil)
			default:
				d.compare(at, a.items[i], b.items[i])
			}
		}
	case a.kind == '"' && b.kind == '"':
		d.texts(path, a.text, b.text)
	default:
		d.side(path, &a, &b)
	}
}

// unique reports whether an object gives no key twice. Its members are sorted.
func unique(v value) bool {
	for i := 1; i < len(v.members); i++ {
		if v.members[i].key == v.members[i-1].key {
			return false
		}
	}
	return true
}

func (d *differ) objects(path string, a, b value) {
	for i, j := 0, 0; i < len(a.members) || j < len(b.members); {
		switch {
		case j == len(b.members) || i < len(a.members) && a.members[i].key < b.members[j].key:
			d.side(join(path, a.members[i].key), &a.members[i].value, nil)
			i++
		case i == len(a.members) || b.members[j].key < a.members[i].key:
			d.side(join(path, b.members[j].key), nil, &b.members[j].value)
			j++
		default:
			d.compare(join(path, a.members[i].key), a.members[i].value, b.members[j].value)
			i, j = i+1, j+1
		}
	}
}

func join(path, key string) string {
	key, _ = shorten(screen.Visible(key), 200)
	if strings.ContainsAny(key, ".[]\n\t\r ") || key == "" {
		key = screen.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// texts shows where two strings differ, with a little of what is around.
func (d *differ) texts(path, a, b string) {
	x, y := []rune(a), []rune(b)
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	old, updated := d.middle(x, head, tail), d.middle(y, head, tail)
	d.add(Change{Path: path, Old: &old, New: &updated})
}

func (d *differ) middle(text []rune, head, tail int) string {
	from, to := max(head-keptAround, 0), min(len(text)-tail+keptAround, len(text))
	short, whole := shorten(string(text[from:to]), maxShown)
	d.complete = d.complete && whole
	shown := screen.Quote(short)
	if from > 0 {
		shown = "..." + shown
	}
	if to < len(text) || !whole {
		shown += "..."
	}
	return shown
}

// side shows a value that only one definition has, or that has another type in each.
func (d *differ) side(path string, a, b *value) {
	d.add(Change{Path: path, Old: d.show(a), New: d.show(b)})
}

func (d *differ) show(v *value) *string {
	if v == nil {
		return nil
	}
	text, whole := shorten(string(v.append(nil)), maxShown)
	d.complete = d.complete && whole
	if v.kind == '"' && whole {
		text = screen.Quote(v.text)
	} else {
		text = screen.Visible(text)
	}
	if !whole {
		text += "..."
	}
	return &text
}

func (d *differ) add(c Change) {
	d.size += c.Size()
	if len(d.changes) == maxChanges || d.size > maxDiff {
		d.complete = false
		return
	}
	d.changes = append(d.changes, c)
}

// shorten cuts s to at most n bytes without splitting a character.
func shorten(s string, n int) (short string, whole bool) {
	if len(s) <= n {
		return s, true
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], false
}

// Paths returns the places of some changes, at most n, for one line.
func Paths(changes []Change, n int) string {
	var paths []string
	for _, c := range changes {
		path := c.Path
		if path == "" {
			path = "all of it"
		}
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
		if len(paths) == n && len(changes) > n {
			return strings.Join(paths, ", ") + fmt.Sprintf(" and %d more", len(changes)-n)
		}
	}
	return strings.Join(paths, ", ")
}

// Parts returns the outermost members that some changes are in, for one line. Of a tool these are the
// members that the protocol names, so that nothing of what a server wrote is among them.
func Parts(changes []Change) string {
	var parts []string
	for _, c := range changes {
		part := c.Path
		if i := strings.IndexAny(part, ".["); i > 0 {
			part = part[:i]
		}
		if part == "" {
			part = "all of it"
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}
