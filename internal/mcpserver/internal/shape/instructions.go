package shape

import (
	"strings"

	"github.com/toolserve/toolserve/policy/screen"
)

const (
	// maxInstructions bounds what clients are told, and maxOfOne one server's part where there are several,
	// in bytes.
	maxInstructions = 32 << 10
	maxOfOne        = 8 << 10
)

// Instructions is what clients are told of how to use what several servers offer: the servers' own texts in
// the order of names, each under its server's name and with a mark before each line, so that no server can
// speak as another. What cannot be seen is written out. "" is nothing.
func Instructions(names []string, of func(name string) string) string {
	var b strings.Builder
	for _, name := range names {
		text := Instruction(of(name), maxOfOne)
		if text == "" {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("Tools and prompts are named server__name. These are the servers' own instructions, each under its server's name.\n")
		}
		part := "\n# " + name + "\n\n> " + strings.ReplaceAll(text, "\n", "\n> ") + "\n"
		if b.Len()+len(part) > maxInstructions {
			b.WriteString("\nThe instructions of other servers are left out: they are too long.\n")
			break
		}
		b.WriteString(part)
	}
	return b.String()
}

// Instruction is what one server says, for the endpoint that is this server alone. limit 0 is the most.
func Instruction(text string, limit int) string {
	if limit == 0 {
		limit = maxInstructions
	}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n", "\v", "\n", "\f", "\n").Replace(text)
	text = screen.Visible(strings.ToValidUTF8(strings.TrimSpace(text), "\uFFFD"))
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "... [cut by toolserve]"
}
