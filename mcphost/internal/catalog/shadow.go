package catalog

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/toolserve/toolserve/policy/screen"
)

const (
	// maxNamed bounds the names in one note, maxMentions the text that is searched for names.
	maxNamed, maxMentions = 5, 16 << 10
)

// Shadows finds what the tools of different servers have to do with one another: equal names, names that
// look alike, and descriptions that speak of another server's tool. It returns notes by server.
func Shadows(tools []*Tool) map[string][]string {
	byName, byShape := map[string][]*Tool{}, map[string][]*Tool{}
	servers := map[string]bool{}
	for _, t := range tools {
		byName[t.Name] = append(byName[t.Name], t)
		shape := screen.Skeleton(t.Name)
		byShape[shape] = append(byShape[shape], t)
		servers[t.Server] = true
	}
	g := &gathering{}
	for _, t := range tools {
		for _, other := range byName[t.Name] {
			if other.Server != t.Server {
				g.add(t.Server, "has the same tools as the server '"+other.Server+"'", t.Name)
			}
		}
		for _, other := range byShape[screen.Skeleton(t.Name)] {
			switch pair := screen.Quote(t.Name) + " like " + screen.Quote(other.Name); {
			case other.Name == t.Name:
			case other.Server != t.Server:
				g.add(t.Server, "has tools whose names look like those of the server '"+other.Server+"'", pair)
			case other.Name < t.Name: // each pair of its own once
				g.add(t.Server, "has tools whose names look alike", pair)
			}
		}
		if prefix, _, ok := strings.Cut(t.Name, Separator); ok && prefix != t.Server && servers[prefix] {
			g.add(t.Server, "has tools that are named as if they were of the server '"+prefix+"'", t.Name)
		}
		for _, word := range mentions(t, byName) {
			g.add(t.Server, "describes its tools by speaking of those of the server '"+byName[word][0].Server+"'", t.Name+" speaks of "+word)
		}
	}
	return g.notes()
}

// mentions returns the names of other servers' tools that a description speaks of. Only names that are no
// plain words count.
func mentions(t *Tool, byName map[string][]*Tool) []string {
	var found []string
	text := Cut(t.Description, maxMentions)
	isNot := func(r rune) bool { return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	for _, word := range strings.FieldsFunc(text, isNot) {
		if !strings.ContainsAny(word, "_-") || slices.Contains(found, word) {
			continue
		}
		own := func(o *Tool) bool { return o.Server == t.Server }
		if others := byName[word]; len(others) > 0 && !slices.ContainsFunc(others, own) {
			found = append(found, word)
		}
	}
	return found
}

// gathering collects what is said of a server, with the names that it is said of.
type gathering struct {
	keys  []said
	named map[said][]string
}

type said struct{ server, text string }

func (g *gathering) add(server, text, name string) {
	if g.named == nil {
		g.named = map[said][]string{}
	}
	key := said{server, text}
	if g.named[key] == nil {
		g.keys = append(g.keys, key)
	}
	if !slices.Contains(g.named[key], name) {
		g.named[key] = append(g.named[key], name)
	}
}

func (g *gathering) notes() map[string][]string {
	out := map[string][]string{}
	for _, key := range g.keys {
		named := g.named[key]
		list := strings.Join(named[:min(len(named), maxNamed)], ", ")
		if more := len(named) - maxNamed; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		if len(out[key.server]) < maxNotes {
			out[key.server] = append(out[key.server], key.text+": "+list)
		}
	}
	return out
}
