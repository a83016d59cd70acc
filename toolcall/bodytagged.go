package toolcall

import (
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/toolcall/internal/lenient"
)

// maxGap bounds the white space behind a closing tag that is looked through for the next tag.
const maxGap = 64

// taggedBody is a call as tags: one for the name, one for each argument, whose text stands between them
// without any escapes. The types of the arguments come from the schema, or from the tags themselves.
type taggedBody struct {
	// lead are markers and words that may stand before the name's tag, any number of them.
	lead []string
	// nameOpen are the beginnings of the tag that holds the name, the first as the family writes it.
	// Without any, the name stands by itself.
	nameOpen []string
	// nameEnd ends a name that stands by itself, besides the first argument and the end of the call.
	nameEnd []string
	// attr is the attribute that holds the name in its tag; empty where the tag's text is the name.
	attr string
	// key is the tag that holds the key of an argument; keyAttr is like attr.
	key     []string
	keyAttr string
	// tagEnd ends the tags of name and key: ">" where empty. keyEnd is another end for the key.
	tagEnd, keyEnd string
	// valOpen stands before a value; valClose ends it.
	valOpen  string
	valClose []string
	// end ends the call; where empty the closing marker of the form does.
	end []string
	// trim takes one newline off both ends of a value.
	trim bool
	// wireType is the attribute of the key's tag that says what the value is: wireString for a
	// string, anything else for JSON.
	wireType, wireString string
	// known accepts only the names of tools, for tags that may stand in prose.
	known bool
	// gap is the white space that the family writes between tags.
	gap string
	// skipName says that the name stands before its tag too.
	skipName bool
	// cdata says that a string may stand between <![CDATA[ and ]]>.
	cdata bool
	// block says that the family writes all its calls into one span.
	block bool
}

func (b taggedBody) literals() []string {
	out := []string{b.tagEnd, b.keyEnd, b.valOpen}
	for _, l := range [][]string{b.lead, b.nameOpen, b.nameEnd, b.key, b.valClose, b.end} {
		out = append(out, l...)
	}
	return out
}

func (b taggedBody) nameTagEnd() string {
	if b.tagEnd == "" {
		return ">"
	}
	return b.tagEnd
}

func (b taggedBody) keyTagEnd() string {
	if b.keyEnd == "" {
		return b.nameTagEnd()
	}
	return b.keyEnd
}

// lineStarts are the beginnings of a call that stands without its opening marker.
func (b taggedBody) lineStarts() ([]string, bool) {
	if b.known {
		return b.nameOpen, false
	}
	return nil, false
}

func (b taggedBody) start(p *Parser, text string) match {
	for {
		n, got := anyPrefix(text, b.lead, p.final)
		if got == matchPart {
			return matchPart
		}
		if got == matchNo {
			break
		}
		text = text[n:]
		text = text[leadingSpace(text):]
	}
	if b.skipName {
		text = text[b.skipped(text):]
	}
	if text == "" {
		return matchPart
	}
	if len(b.nameOpen) > 0 {
		n, got := anyPrefix(text, b.nameOpen, p.final)
		if got != matchYes || !b.known {
			return got
		}
		return b.startKnown(p, text[n:])
	}
	if !isNameByte(text[0]) {
		return matchNo
	}
	name, n, got := b.bareName(p, text)
	if got == matchYes && b.known && (n == len(name) && n == len(text) || p.tool(name) == nil && !p.opts.AllowUnknownTools) {
		return matchNo
	}
	return got
}

// skipped returns the length of the name that stands before its tag.
func (b taggedBody) skipped(text string) int {
	window := text[:min(len(text), maxHeader)]
	if i := strings.IndexByte(window, '<'); i >= 0 {
		return i
	}
	return len(window)
}

// startKnown looks whether text, behind the beginning of the name's tag, names a tool and goes on as a call.
func (b taggedBody) startKnown(p *Parser, text string) match {
	window := text[:min(len(text), maxHeader)]
	end := strings.Index(window, b.nameTagEnd())
	if line := strings.IndexByte(window, '\n'); line >= 0 && (end < 0 || line < end) {
		return matchNo
	}
	if end < 0 {
		if len(window) == maxHeader {
			return matchNo
		}
		return matchPart
	}
	name := b.tagValue(text[:end], b.attr)
	if p.tool(name) == nil && !p.opts.AllowUnknownTools {
		return matchNo
	}
	rest := text[end+len(b.nameTagEnd()):]
	rest = rest[leadingSpace(rest):]
	if rest == "" {
		return matchPart
	}
	_, got := anyPrefix(rest, append(append([]string{}, b.key...), b.end...), p.final)
	return got
}

// bareName returns the name that stands by itself at the beginning of text, and the length of it with
// what ends it.
func (b taggedBody) bareName(p *Parser, text string) (string, int, match) {
	i := 0
	for i < len(text) && isNameByte(text[i]) {
		i++
	}
	rest := text[i:]
	rest = rest[leadingSpace(rest):]
	if i > maxName {
		return "", 0, matchNo
	}
	if rest == "" {
		if p.final {
			return text[:i], i, matchYes
		}
		return "", 0, matchPart
	}
	n, got := anyPrefix(rest, b.nameEnd, p.final)
	if got == matchYes {
		return text[:i], len(text) - len(rest) + n, matchYes
	}
	_, stop := anyPrefix(rest, b.key, p.final)
	if closed := p.closingAny(rest); got == matchPart || stop == matchPart || closed == matchPart {
		return "", 0, matchPart
	} else if stop == matchYes || closed == matchYes {
		return text[:i], len(text) - len(rest), matchYes
	}
	return "", 0, matchNo
}

// closingAny reports whether a closing marker of the possible forms begins text.
func (p *Parser) closingAny(text string) match {
	got := matchNo
	for _, f := range p.call.forms {
		_, m := anyPrefix(text, f.close, p.final)
		got = max(got, m)
	}
	return got
}

// tagValue returns the text of a tag or the value of one of its attributes, without quotes.
func (b taggedBody) tagValue(tag, attr string) string {
	if attr == "" {
		return strings.Trim(strings.TrimSpace(tag), `"'`)
	}
	value, _ := attribute(tag, attr)
	return value
}

// attribute returns the value of an attribute in the text of a tag. It may be in either quotes or none.
func attribute(tag, name string) (string, bool) {
	for tag = strings.TrimSpace(tag); tag != ""; tag = strings.TrimSpace(tag) {
		key, rest, ok := strings.Cut(tag, "=")
		if !ok {
			return "", false
		}
		rest = strings.TrimSpace(rest)
		var value string
		if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
			value, tag, ok = strings.Cut(rest[1:], rest[:1])
			if !ok {
				value, tag = rest[1:], ""
			}
		} else if i := strings.IndexAny(rest, whiteSpace); i >= 0 {
			value, tag = rest[:i], rest[i:]
		} else {
			value, tag = rest, ""
		}
		if strings.TrimSpace(key) == name {
			return value, true
		}
	}
	return "", false
}

func (b taggedBody) open(p *Parser) machine { return &taggedMachine{body: b, form: p.call.form} }

func (b taggedBody) grammar(g *grammarBuilder, fm *form, tools []chat.Tool) (constrain.Expr, error) {
	call, err := g.eachTool(tools, func(t chat.Tool) (constrain.Expr, error) {
		head := strings.Join(b.lead, "")
		switch {
		case len(b.nameOpen) == 0:
			head += t.Name + first(b.nameEnd)
		case b.attr != "":
			head += fmt.Sprintf(`%s %s="%s"%s`, strings.TrimRight(b.nameOpen[0], " "), b.attr, t.Name, b.nameTagEnd())
		default:
			head += b.nameOpen[0] + t.Name + b.nameTagEnd()
		}
		params, err := g.parameters(t, b.parameter)
		return constrain.Seq{constrain.Lit(head + b.gap), params, constrain.Lit(first(b.end))}, err
	})
	if err != nil {
		return nil, err
	}
	if b.block {
		return fm.span(g.several(call, fm.join)), nil
	}
	return g.several(fm.span(call), fm.join), nil
}

// parameter returns the expression of one argument.
func (b taggedBody) parameter(key string, value constrain.Expr) constrain.Expr {
	newline := ""
	if b.trim {
		newline = "\n"
	}
	isString := value == nil
	if isString {
		value = constrain.Until{Stops: b.valClose[:1]}
	}
	tag := b.key[0] + key + b.keyTagEnd()
	if b.keyAttr != "" {
		tag = fmt.Sprintf(`%s %s="%s"`, strings.TrimRight(b.key[0], " "), b.keyAttr, key)
		if b.wireType != "" {
			kind := b.wireString
			if !isString {
				kind = map[string]string{"true": "false", "string": "object"}[b.wireString]
			}
			tag += fmt.Sprintf(` %s="%s"`, b.wireType, kind)
		}
		tag += b.keyTagEnd()
	}
	if b.valOpen != "" {
		tag += b.gap
	}
	return constrain.Seq{constrain.Lit(tag + b.valOpen + newline), value, constrain.Lit(newline + b.valClose[0] + b.gap)}
}

// quoteInto hands on a piece of a string argument.
func quoteInto(p *Parser, text string) {
	if p.call.mode == callStarted {
		p.args(lenient.AppendString(nil, text))
	}
}
