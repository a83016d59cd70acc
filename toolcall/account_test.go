package toolcall

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/toolcall/internal/notation"
)

// The accounting knows nothing of how the parser works. It compares the text that went in with the text
// that came out, in both directions: every word of the input that is no markup comes out as often as it
// went in, so that nothing is lost; and what comes out stands in the input, in its order and no more
// often, so that nothing is made up or said twice.

// TestAccount takes stock of every case, of mutations of it and of many places where it may end.
func TestAccount(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for family, cases := range readCases(t) {
		f, ok := Lookup(family)
		if !ok {
			continue
		}
		b := newBooks(f)
		for _, c := range cases {
			c.opts.Special = nil // special tokens that mean nothing are dropped, as they should be
			r := rand.New(rand.NewPCG(uint64(len(c.raw)), 7))
			texts := []string{c.raw}
			for range rounds {
				texts = append(texts, mutate(r, b, c.raw))
			}
			for i := 1 + r.IntN(3); i < len(c.raw); i += 3 {
				texts = append(texts, c.raw[:i])
			}
			for _, text := range texts {
				if fault := b.check(text, c.run(t, f, text)); fault != "" {
					t.Errorf("%s/%s: %s: of %q\nthe parser reads\n%s", family, c.name, fault, text, c.run(t, f, text))
					break
				}
			}
		}
	}
}

// mutate changes a text in a few places, as models and other programs might.
func mutate(r *rand.Rand, b *books, text string) string {
	for range 1 + r.IntN(3) {
		i := r.IntN(len(text) + 1)
		j := min(len(text), i+1+r.IntN(12))
		switch r.IntN(5) {
		case 0:
			text = text[:i] + text[j:]
		case 1:
			text = text[:j] + text[i:j] + text[j:]
		case 2:
			text = text[:i] + b.markers[r.IntN(len(b.markers))] + text[i:]
		case 3:
			text = text[:i] + string("{}[]\"'\\<>:,x1 \n`("[r.IntN(17)]) + text[i:]
		case 4:
			text = text[:i] + "Quokka " + text[i:]
		}
	}
	return text
}

// books is what the accounting knows of a family: which text is markup.
type books struct {
	// named says that the calls behind a header say the name again; python that arguments may stand without
	// their names.
	named, python bool
	header        bool // calls stand in messages with headers
	markers       []string
	strip         *strings.Replacer
	inner         *strings.Replacer // for markers that may stand in tags
	// headers and tags are markup but for the names and values in them.
	headers, tags *regexp.Regexp
}

var (
	escapes  = regexp.MustCompile(`\\+(u[0-9a-f]{4}|x[0-9a-f]{2}|[a-z])?`)
	wordText = regexp.MustCompile(`[\p{L}\p{N}]+`)
	// named finds the names in headers and tags.
	named = regexp.MustCompile(`(?:name|key|tool)=["']?([^"'<>]*)|to=(?:functions\.)?([^\s<]*)|functions\.([^:<{]*)|tool_call:name\|>([^<]*)`)
	// callID is the id of a call, which is replaced where it is not fit for one.
	callID = regexp.MustCompile(`["']id["']\s*:\s*["'][^"']*["']|call_id["']\s*:\s*["'][^"']*["']`)
	// envelope are the words around name and arguments that are no part of them.
	envelope = strings.Fields(`name tool function arguments parameters args id call calls type null none json all user assistant
		to self functions`)
)

func newBooks(f *Family) *books {
	b := &books{}
	var headers, tags []string
	inner := slices.Concat(f.format.Wrappers, f.format.Ends)
	for _, fm := range f.format.Forms {
		inner = append(inner, fm.Close...)
		b.markers = slices.Concat(b.markers, fm.Open, fm.Close, fm.Body.Literals())
		switch body := fm.Body.(type) {
		case notation.Header:
			starts := alternatives(append(slices.Clone(fm.Open), body.Starts...))
			b.header = true
			headers = append(headers, starts+`[^\x00]{0,200}?`+alternatives(body.Ends))
			b.named = b.named || len(f.format.Forms) > 1 && fm.Open != nil && len(f.format.Forms[0].Open) > 0 && !f.format.Forms[0].Header
		case notation.Tagged:
			end := body.TagEnd
			if end == "" {
				end = ">"
			}
			if body.Attr != "" {
				tags = append(tags, alternatives(slices.Concat(body.NameOpen, body.Key))+`[^\x00]*?`+regexp.QuoteMeta(end))
			}
			if body.CDATA {
				b.markers = append(b.markers, "<![CDATA[", "]]>")
			}
			if body.SkipName {
				headers = append(headers, alternatives(body.Lead)+`+[^<]*`)
			}
		case notation.Named:
			b.markers = append(b.markers, body.Style.Quote)
			if body.Split != nil {
				headers = append(headers, alternatives(fm.Open)+`[^{]*?`+alternatives(append([]string{"{"}, body.Seps...)))
			}
		case notation.Python:
			b.python = true
		case notation.Nested:
			tags = append(tags, regexp.QuoteMeta(body.Mark)+`</[^>]*>|`+regexp.QuoteMeta(body.Mark)+"<(?:invoke|item)[^>]*>")
		}
	}
	for _, s := range f.format.Reasoning {
		b.markers = append(b.markers, s.Open, s.Close)
		inner = append(inner, s.Close)
	}
	b.markers = slices.Concat(b.markers, f.format.Wrappers, f.format.Ends, f.format.Breaks)
	b.markers = slices.DeleteFunc(b.markers, func(s string) bool { return strings.TrimSpace(s) == "" })
	slices.SortFunc(b.markers, func(x, y string) int { return len(y) - len(x) })
	b.inner = blanks(inner)
	var lower []string
	for _, m := range b.markers {
		lower = append(lower, strings.ToLower(m))
	}
	b.strip = blanks(lower)
	b.headers, b.tags = anyOf(headers), anyOf(tags)
	return b
}

// blanks returns what puts a space for each marker.
func blanks(markers []string) *strings.Replacer {
	var pairs []string
	for _, m := range markers {
		pairs = append(pairs, m, " ")
	}
	return strings.NewReplacer(pairs...)
}

func alternatives(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, regexp.QuoteMeta(s))
	}
	return "(?:" + strings.Join(out, "|") + ")"
}

func anyOf(patterns []string) *regexp.Regexp {
	if len(patterns) == 0 {
		return regexp.MustCompile(`$^`)
	}
	return regexp.MustCompile(strings.Join(patterns, "|"))
}

// words returns the words of the input that must come out.
func (b *books) words(raw string) []string {
	values := func(s string) string {
		var out []string
		if b.header && (strings.Count(s, "to=") > 1 || strings.Count(s, "<") > 3 || len(s) > 120) {
			return " " // a header in disorder
		}
		for _, m := range named.FindAllStringSubmatch(s, 1) {
			switch {
			case m[2] != "" && b.named:
			case b.header:
				out = append(out, m[1], m[2])
			default:
				out = append(out, m[1:]...)
			}
		}
		return " " + strings.Join(out, " ") + " "
	}
	// A marker in which the output ends is markup too.
	if i := strings.LastIndexAny(raw, "<[]"); i >= 0 && !slices.Contains(b.markers, strings.TrimSpace(raw[i:])) &&
		slices.ContainsFunc(b.markers, func(m string) bool { return strings.HasPrefix(m, strings.TrimSpace(raw[i:])) }) {
		raw = raw[:i]
	}
	raw = callID.ReplaceAllString(raw, " ")
	raw = b.inner.Replace(raw)
	raw = b.headers.ReplaceAllStringFunc(raw, values)
	raw = b.tags.ReplaceAllStringFunc(raw, values)
	raw = escapes.ReplaceAllString(b.strip.Replace(strings.ToLower(raw)), " ")
	raw = strings.NewReplacer("null", " ", "none", " ").Replace(raw)
	return slices.DeleteFunc(wordText.FindAllString(raw, -1), func(w string) bool { return slices.Contains(envelope, w) })
}

// check returns what is wrong with the outcome of an output, or nothing.
func (b *books) check(raw string, o *outcome) string {
	raw = valid(raw)
	content, reasoning := o.content.String(), o.reasoning.String()
	in := []string{content, reasoning}
	said := letters(content) + letters(reasoning)
	var args []string
	for _, c := range o.calls {
		values := flat(c.args.String())
		in = append(in, c.name, c.id, values)
		if !b.python {
			args = append(args, values)
		}
		said += letters(c.name)
		if !b.python {
			said += letters(values)
		}
	}
	// What could not be used stands in a warning, cut off where it is long; a key that comes twice and a
	// call too many are named only.
	warnings := strings.Join(o.warnings, "\n")
	if !strings.Contains(warnings, `..."`) && !strings.Contains(warnings, "came twice") && !strings.Contains(warnings, "was dropped: the request") {
		out := escapes.ReplaceAllString(strings.ToLower(strings.Join(append(in, warnings), "\n")), " ")
		count := map[string]int{}
		for _, w := range b.words(raw) {
			count[w]++
			if strings.Count(out, w) < count[w] {
				return "lost: " + w
			}
		}
	}
	return made(raw, content, reasoning, args, said)
}

// made returns what came out that did not go in.
func made(raw, content, reasoning string, args []string, said string) string {
	if !within(strings.Join(strings.Fields(content), ""), raw) {
		return "content that was not in the output"
	}
	if !within(strings.Join(strings.Fields(reasoning), ""), raw) {
		return "reasoning that was not in the output"
	}
	if strings.Contains(raw, `\u`) || strings.Contains(raw, `\x`) {
		return "" // escaped letters cannot be compared
	}
	for _, a := range args {
		if !within(letters(a), letters(raw)) {
			return "arguments that were not in the output: " + letters(a)
		}
	}
	if len(said) > len(letters(raw)) {
		return "more came out than went in"
	}
	return ""
}

// within reports whether the characters of part stand in whole in their order.
func within(part, whole string) bool {
	rest := []rune(part)
	for _, r := range whole {
		if len(rest) > 0 && rest[0] == r {
			rest = rest[1:]
		}
	}
	return len(rest) == 0
}

// letters returns the plain letters and digits of text, without zeros: .5 becomes 0.5.
func letters(text string) string {
	text = escapes.ReplaceAllString(strings.ToLower(text), "")
	text = strings.ReplaceAll(text, "none", "null")
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '1' <= r && r <= '9' {
			return r
		}
		return -1
	}, text)
}

// flat returns the keys and values of JSON text in their order, strings as what they mean.
func flat(text string) string {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var b strings.Builder
	for {
		token, err := d.Token()
		switch v := token.(type) {
		case string:
			b.WriteString(v)
		case json.Number:
			b.WriteString(v.String())
		case bool:
			b.WriteString(map[bool]string{true: "true", false: "false"}[v])
		case nil:
			if err == nil {
				b.WriteString("null")
			}
		}
		if err == io.EOF || err != nil {
			return b.String()
		}
		b.WriteByte(' ')
	}
}

// valid puts U+FFFD for each invalid byte.
func valid(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteRune(r)
	}
	return b.String()
}
