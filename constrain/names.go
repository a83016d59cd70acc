package constrain

import (
	"strconv"
	"strings"
)

// unique turns a hint into a rule name of lower-case ASCII letters, digits and dashes that no other
// rule has.
func (b *Builder) unique(hint string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, hint)
	if len(name) > 40 {
		name = name[:40]
	}
	name = strings.Trim(name, "-")
	if name == "" {
		name = "rule"
	}
	b.names[name]++
	if n := b.names[name]; n > 1 {
		return b.unique(name + "-" + strconv.Itoa(n))
	}
	return name
}
