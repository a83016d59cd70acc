package audit

import "strings"

// literals finds any of a set of texts of at least minSecret bytes in one pass.
type literals struct {
	// heads has a bit for the hash of the first bytes of each text, so that nearly every place is
	// passed without a look into byHead, which holds the texts with that beginning, longest first.
	heads  [1 << 8]uint64
	byHead map[[minSecret]byte][]string
}

// newLiterals takes texts of at least minSecret bytes, longest first.
func newLiterals(texts []string) *literals {
	l := &literals{byHead: make(map[[minSecret]byte][]string)}
	for _, t := range texts {
		head := [minSecret]byte([]byte(t[:minSecret]))
		l.byHead[head] = append(l.byHead[head], t)
		bit := headBit(t)
		l.heads[bit>>6] |= 1 << (bit & 63)
	}
	return l
}

// headBit hashes the first four bytes of s to 14 bits.
func headBit(s string) uint32 {
	v := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
	return v * 2654435761 >> 18
}

// hide replaces every text of the set in s. Without one, s comes back as it is.
func (l *literals) hide(s string) string {
	var out []byte
	done := 0
	for i := 0; i+minSecret <= len(s); {
		bit := headBit(s[i:])
		if l.heads[bit>>6]&(1<<(bit&63)) == 0 {
			i++
			continue
		}
		n := l.at(s[i:])
		if n == 0 {
			i++
			continue
		}
		out = append(append(out, s[done:i]...), Redacted...)
		i += n
		done = i
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

// at returns the length of the longest text that s begins with, or 0.
func (l *literals) at(s string) int {
	for _, t := range l.byHead[[minSecret]byte([]byte(s[:minSecret]))] {
		if strings.HasPrefix(s, t) {
			return len(t)
		}
	}
	return 0
}
