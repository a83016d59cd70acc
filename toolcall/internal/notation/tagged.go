package notation

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// maxGap bounds the white space behind a closing tag that is looked through for the next tag.
const maxGap = 64

// Tagged is a call as tags: one for the name, one for each argument, whose text stands between them
// without any escapes. The types of the arguments come from the schema, or from the tags themselves.
type Tagged struct {
	// Lead are markers and words that may stand before the name's tag, any number of them.
	Lead []string
	// NameOpen are the beginnings of the tag that holds the name, the first as the family writes it.
	// Without any, the name stands by itself.
	NameOpen []string
	// NameEnd ends a name that stands by itself, besides the first argument and the end of the call.
	NameEnd []string
	// Attr is the attribute that holds the name in its tag; empty where the tag's text is the name.
	Attr string
	// Key is the tag that holds the key of an argument; keyAttr is like attr.
	Key     []string
	KeyAttr string
	// TagEnd ends the tags of name and key: ">" where empty. keyEnd is another end for the key.
	TagEnd, KeyEnd string
	// ValOpen stands before a value; valClose ends it.
	ValOpen  string
	ValClose []string
	// End ends the call; where empty the closing marker of the form does.
	End []string
	// Trim takes one newline off both ends of a value.
	Trim bool
	// WireType is the attribute of the key's tag that says what the value is: wireString for a
	// string, anything else for JSON.
	WireType, WireString string
	// Known accepts only the names of tools, for tags that may stand in prose.
	Known bool
	// Gap is the white space that the family writes between tags.
	Gap string
	// SkipName says that the name stands before its tag too.
	SkipName bool
	// CDATA says that a string may stand between <![CDATA[ and ]]>.
	CDATA bool
	// Block says that the family writes all its calls into one span.
	Block bool
}

func (b Tagged) Literals() []string {
	out := []string{b.TagEnd, b.KeyEnd, b.ValOpen}
	for _, l := range [][]string{b.Lead, b.NameOpen, b.NameEnd, b.Key, b.ValClose, b.End} {
		out = append(out, l...)
	}
	return out
}

func (b Tagged) nameTagEnd() string {
	if b.TagEnd == "" {
		return ">"
	}
	return b.TagEnd
}

func (b Tagged) keyTagEnd() string {
	if b.KeyEnd == "" {
		return b.nameTagEnd()
	}
	return b.KeyEnd
}

// LineStarts are the beginnings of a call that stands without its opening marker.
func (b Tagged) LineStarts() ([]string, bool) {
	if b.Known {
		return b.NameOpen, false
	}
	return nil, false
}

func (b Tagged) Start(p *stream.Parser, text string) stream.Match {
	for {
		n, got := stream.AnyPrefix(text, b.Lead, p.Final)
		if got == stream.Part {
			return stream.Part
		}
		if got == stream.No {
			break
		}
		text = text[n:]
		text = text[stream.LeadingSpace(text):]
	}
	if b.SkipName {
		text = text[b.skipped(text):]
	}
	if text == "" {
		return stream.Part
	}
	if len(b.NameOpen) > 0 {
		n, got := stream.AnyPrefix(text, b.NameOpen, p.Final)
		if got != stream.Yes || !b.Known {
			return got
		}
		return b.startKnown(p, text[n:])
	}
	if !isNameByte(text[0]) {
		return stream.No
	}
	name, n, got := b.bareName(p, text)
	if got == stream.Yes && b.Known && (n == len(name) && n == len(text) || !p.Knows(name)) {
		return stream.No
	}
	return got
}

// skipped returns the length of the name that stands before its tag.
func (b Tagged) skipped(text string) int {
	window := text[:min(len(text), maxHeader)]
	if i := strings.IndexByte(window, '<'); i >= 0 {
		return i
	}
	return len(window)
}

// startKnown looks whether text, behind the beginning of the name's tag, names a tool and goes on as a call.
func (b Tagged) startKnown(p *stream.Parser, text string) stream.Match {
	window := text[:min(len(text), maxHeader)]
	end := strings.Index(window, b.nameTagEnd())
	if line := strings.IndexByte(window, '\n'); line >= 0 && (end < 0 || line < end) {
		return stream.No
	}
	if end < 0 {
		if len(window) == maxHeader {
			return stream.No
		}
		return stream.Part
	}
	name := b.tagValue(text[:end], b.Attr)
	if !p.Knows(name) {
		return stream.No
	}
	rest := text[end+len(b.nameTagEnd()):]
	rest = rest[stream.LeadingSpace(rest):]
	if rest == "" {
		return stream.Part
	}
	_, got := stream.AnyPrefix(rest, append(append([]string{}, b.Key...), b.End...), p.Final)
	return got
}

// bareName returns the name that stands by itself at the beginning of text, and the length of it with
// what ends it.
func (b Tagged) bareName(p *stream.Parser, text string) (string, int, stream.Match) {
	i := 0
	for i < len(text) && isNameByte(text[i]) {
		i++
	}
	rest := text[i:]
	rest = rest[stream.LeadingSpace(rest):]
	if i > stream.MaxName {
		return "", 0, stream.No
	}
	if rest == "" {
		switch {
		case !p.Final:
			return "", 0, stream.Part
		case strings.HasSuffix(text[:i], "."):
			return "", 0, stream.No
		}
		return text[:i], i, stream.Yes
	}
	n, got := stream.AnyPrefix(rest, b.NameEnd, p.Final)
	if got == stream.Yes {
		return text[:i], len(text) - len(rest) + n, stream.Yes
	}
	_, stop := stream.AnyPrefix(rest, b.Key, p.Final)
	if closed := p.ClosingAny(rest); got == stream.Part || stop == stream.Part || closed == stream.Part {
		return "", 0, stream.Part
	} else if stop == stream.Yes || closed == stream.Yes {
		return text[:i], len(text) - len(rest), stream.Yes
	}
	return "", 0, stream.No
}

// tagValue returns the text of a tag or the value of one of its attributes, without quotes.
func (b Tagged) tagValue(tag, attr string) string {
	if attr == "" {
		return strings.Trim(strings.TrimSpace(tag), `"'`)
	}
	value, _ := attribute(tag, attr)
	return value
}

// attribute returns the value of an attribute in the text of a tag. It may be in either quotes or none.
// It finds none where the text is more than attributes.
func attribute(tag, name string) (string, bool) {
	found, value := false, ""
	for tag = strings.TrimSpace(tag); tag != ""; tag = strings.TrimSpace(tag) {
		key, rest, ok := strings.Cut(tag, "=")
		key, rest = strings.TrimSpace(key), strings.TrimSpace(rest)
		if !ok || key == "" || strings.ContainsAny(key, " \n\t\r<>\"',") {
			return "", false
		}
		var v string
		if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
			if v, tag, ok = strings.Cut(rest[1:], rest[:1]); !ok {
				return "", false
			}
		} else {
			end := strings.IndexAny(rest, stream.WhiteSpace)
			if end < 0 {
				end = len(rest)
			}
			v, tag = rest[:end], rest[end:]
			if strings.ContainsAny(v, "<>\"'") {
				return "", false
			}
		}
		if key == name && !found {
			found, value = true, v
		}
	}
	return value, found
}

func (b Tagged) Open(p *stream.Parser) stream.Machine { return &taggedMachine{body: b, form: p.Form()} }

func (b Tagged) Grammar(g *Builder, fm *stream.Form, tools []chat.Tool) (constrain.Expr, error) {
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		head := strings.Join(b.Lead, "")
		switch {
		case len(b.NameOpen) == 0:
			head += t.Name + first(b.NameEnd)
		case b.Attr != "":
			head += fmt.Sprintf(`%s %s="%s"%s`, strings.TrimRight(b.NameOpen[0], " "), b.Attr, t.Name, b.nameTagEnd())
		default:
			head += b.NameOpen[0] + t.Name + b.nameTagEnd()
		}
		params, err := g.parameters(t, b.parameter)
		return constrain.Seq{constrain.Lit(head + b.Gap), params, constrain.Lit(first(b.End))}, err
	})
	if err != nil {
		return nil, err
	}
	if b.Block {
		return span(fm, g.several(call, fm.Join)), nil
	}
	return g.several(span(fm, call), fm.Join), nil
}

// parameter returns the expression of one argument.
func (b Tagged) parameter(key string, value constrain.Expr) constrain.Expr {
	newline := ""
	if b.Trim {
		newline = "\n"
	}
	isString := value == nil
	if isString {
		value = constrain.Until{Stops: b.ValClose[:1]}
	}
	tag := b.Key[0] + key + b.keyTagEnd()
	if b.KeyAttr != "" {
		tag = fmt.Sprintf(`%s %s="%s"`, strings.TrimRight(b.Key[0], " "), b.KeyAttr, key)
		if b.WireType != "" {
			kind := b.WireString
			if !isString {
				kind = map[string]string{"true": "false", "string": "object"}[b.WireString]
			}
			tag += fmt.Sprintf(` %s="%s"`, b.WireType, kind)
		}
		tag += b.keyTagEnd()
	}
	if b.ValOpen != "" {
		tag += b.Gap
	}
	return constrain.Seq{constrain.Lit(tag + b.ValOpen + newline), value, constrain.Lit(newline + b.ValClose[0] + b.Gap)}
}

// quoter hands on pieces of string arguments.
type quoter struct{ buf []byte }

func (q *quoter) write(p *stream.Parser, text string) {
	if p.Started() {
		q.buf = lenient.AppendString(q.buf[:0], text)
		p.Args(q.buf)
	}
}
