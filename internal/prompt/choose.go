package prompt

import "slices"

// The names of a model's templates, as transformers knows them.
const (
	defaultName = "default"
	toolUseName = "tool_use"
)

// Choose picks the template of a model that comes with several, as transformers does: tool_use for a
// request with tools, else default. A model without either takes its only template, or the first in
// order of names. ok is false if there is none.
func Choose(templates map[string]string, hasTools bool) (name, source string, ok bool) {
	wanted := []string{defaultName, ""}
	if hasTools {
		wanted = []string{toolUseName, defaultName, ""}
	}
	for _, name := range wanted {
		if source, ok := templates[name]; ok {
			return name, source, true
		}
	}
	names := make([]string, 0, len(templates))
	for name := range templates {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "", "", false
	}
	slices.Sort(names)
	return names[0], templates[names[0]], true
}
