package library

import (
	"fmt"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

// maxSuggestions bounds the names that an unknown one is compared with.
const maxSuggestions = 1000

// NameAll puts copies with full names, by the rule for tools, in the place of prompts.
func NameAll(prompts []*Prompt) {
	taken := make(map[string]bool, len(prompts))
	for i, p := range prompts {
		named := *p
		for hexLen := 0; ; hexLen += 8 {
			named.FullName = catalog.FullName(p.Server, p.Name, hexLen)
			if !taken[named.FullName] {
				break
			}
		}
		taken[named.FullName] = true
		prompts[i] = &named
	}
}

// FindPrompt returns the prompts that a name means: the one with that full name, or all that have it as
// their own.
func FindPrompt(prompts []*Prompt, name string) []*Prompt {
	var own []*Prompt
	for _, p := range prompts {
		if p.FullName == name {
			return []*Prompt{p}
		}
		if p.Name == name {
			own = append(own, p)
		}
	}
	return own
}

// NearPrompt is the name nearest to an unknown one, as words to put behind a message, or "".
func NearPrompt(prompts []*Prompt, name string) string {
	if len(prompts) > maxSuggestions {
		return "" // comparing with that many names would cost more than the hint is worth
	}
	var known []string
	for _, p := range prompts {
		known = append(known, p.FullName, p.Name)
	}
	slices.Sort(known)
	if near := jsonc.Nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean '%s'?", near)
	}
	return ""
}

// Missing returns the names of the required arguments that are not given, and of the given ones that the
// prompt does not know, sorted.
func (p *Prompt) Missing(given map[string]string) (missing, unknown []string) {
	known := map[string]bool{}
	for _, a := range p.Arguments {
		known[a.Name] = true
		if _, ok := given[a.Name]; a.Required && !ok {
			missing = append(missing, a.Name)
		}
	}
	for name := range given {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return missing, unknown
}

// Owners returns the servers whose list holds the URI or, where none does, those with a template that
// the URI may come from, sorted.
func Owners(resources []*Resource, templates []*Template, uri string) []string {
	var names []string
	for _, r := range resources {
		if r.URI == uri {
			names = append(names, r.Server)
		}
	}
	if names == nil {
		for _, t := range templates {
			if fits(t.URITemplate, uri) {
				names = append(names, t.Server)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TemplateOwners returns the servers that have a URI template.
func TemplateOwners(templates []*Template, template string) []string {
	var names []string
	for _, t := range templates {
		if t.URITemplate == template {
			names = append(names, t.Server)
		}
	}
	return names
}

// fits reports whether a URI may come from a template: what stands outside of the expressions stands in
// the URI in the same order. It is a question of which server to ask, which then judges by itself.
func fits(template, uri string) bool {
	for first := true; ; first = false {
		literal, rest, more := strings.Cut(template, "{")
		at := strings.Index(uri, literal)
		if at < 0 || first && at > 0 {
			return false
		}
		uri = uri[at+len(literal):]
		if !more {
			return literal != "" && uri == "" || literal == "" && !first
		}
		if _, template, more = strings.Cut(rest, "}"); !more {
			return false
		}
	}
}
