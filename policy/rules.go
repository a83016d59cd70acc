package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/argv"
)

// CallRule is a rule of the operator about calls of a tool, or about one of their arguments.
type CallRule struct {
	// Action is what happens to a call that the rule is about. Allow lifts a question, of AskTools or of
	// HighRisk, and no refusal.
	Action Action
	// Server and Tool are names or globs; "" is every one. Case does not matter where the rule denies or asks.
	Server, Tool string
	// Argument is the place of an argument: names joined by '.', "*" for any name. Elements of a list are
	// at the place of the list. "" is a rule about the tool, whatever its arguments.
	Argument string
	// Matches is a regular expression (RE2) for the value as text; "" is every value. Deny and Ask hold
	// when one value at the place matches, Allow when there is one and all match.
	Matches string
	// Reason is told with a question or a refusal.
	Reason string
}

// callRule is a CallRule ready for use.
type callRule struct {
	CallRule
	place   []string
	matches *regexp.Regexp
}

func compileRules(rules []CallRule) ([]callRule, error) {
	out := make([]callRule, 0, len(rules))
	for i, r := range rules {
		c := callRule{CallRule: r}
		switch r.Action {
		case Allow, Ask, Deny:
		default:
			return nil, fmt.Errorf("rule %d: action %q is unknown: use allow, ask or deny", i+1, r.Action)
		}
		if r.Argument == "" && r.Matches != "" {
			return nil, fmt.Errorf("rule %d: matches %q has no argument to look at", i+1, r.Matches)
		}
		if r.Argument != "" {
			c.place = strings.Split(r.Argument, ".")
		}
		if r.Matches != "" {
			var err error
			if c.matches, err = regexp.Compile(r.Matches); err != nil {
				return nil, fmt.Errorf("rule %d: %w", i+1, err)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// ruled returns the first rule of the operator that is about a call, or nil.
func (g *Gate) ruled(c *Call) *callRule {
	var arguments any
	read := false
	for i := range g.calls {
		r := &g.calls[i]
		fold := r.Action != Allow
		full := c.Server + "__" + c.Tool
		if r.Server != "" && !matches(r.Server, c.Server, fold) || r.Tool != "" && !matches(r.Tool, c.Tool, fold) && !matches(r.Tool, full, fold) {
			continue
		}
		if r.place == nil {
			return r
		}
		if !read {
			read = true
			decoder := json.NewDecoder(bytes.NewReader(c.Arguments))
			decoder.UseNumber()
			if decoder.Decode(&arguments) != nil {
				arguments = nil // there are none: what is no JSON was refused before
			}
		}
		if r.about(arguments) {
			return r
		}
	}
	return nil
}

// about reports whether the rule is about the values at its place.
func (r *callRule) about(arguments any) bool {
	found, all := 0, true
	eachAt(arguments, r.place, func(value any) {
		if r.matches == nil || r.matches.MatchString(asText(value)) {
			found++
		} else {
			all = false
		}
	})
	return found > 0 && (all || r.Action != Allow)
}

// eachAt calls f with the values at a place.
func eachAt(value any, place []string, f func(any)) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			eachAt(element, place, f)
		}
		return
	case map[string]any:
		if len(place) == 0 {
			break
		}
		for name, member := range v {
			if place[0] == "*" || strings.EqualFold(place[0], name) {
				eachAt(member, place[1:], f)
			}
		}
		return
	}
	if len(place) == 0 {
		f(value)
	}
}

func asText(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	b, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(b)
}

// say is the reason for what the rule does to a call.
func (r *callRule) say(c *Call) string {
	verb := "is refused by a rule of the configuration"
	if r.Action == Ask {
		verb = "wants approval by a rule of the configuration"
	}
	text := "Tool '" + argv.Quote(c.Tool) + "' of server '" + argv.Quote(c.Server) + "' " + verb
	if r.Argument != "" {
		text += " about '" + argv.Quote(r.Argument) + "'"
	}
	if r.Reason != "" {
		text += ": " + argv.Quote(r.Reason)
	}
	return text
}
