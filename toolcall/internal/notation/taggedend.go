package notation

import (
	"strings"

	"github.com/toolserve/toolserve/toolcall/internal/stream"
)

// ends reports whether the value ends at text[i], and the length of the tag that ends it. A closing tag
// counts only where another tag of the notation follows; without one the value ends before such a tag
// if that is beyond doubt. The beginning of a tag at the end of output is no part of the value.
func (m *taggedMachine) ends(p *stream.Parser, text string, i int) (int, stream.Match) {
	at := text[i:]
	n, got := stream.AnyPrefix(at, m.closers, false)
	switch got {
	case stream.Part:
		return 0, stream.Part
	case stream.Yes:
		return n, m.follows(p, at[n:], true)
	}
	got = m.missing(p, at)
	return 0, got
}

// follows reports whether behind a closing tag the markup of the call goes on.
func (m *taggedMachine) follows(p *stream.Parser, rest string, key bool) stream.Match {
	space := stream.LeadingSpace(rest)
	rest = rest[space:]
	switch {
	case rest == "" && !p.Final && space <= maxGap:
		return stream.Part
	case rest == "" || space > maxGap:
		return stream.Yes
	}
	n, best := stream.AnyPrefix(rest, m.form.Close, false)
	if best == stream.Yes && len(m.body.End) > 0 && key {
		best = m.atOutputEnd(p, rest[n:])
	}
	lists := [][]string{m.body.NameOpen}
	if key {
		lists = append(lists, m.body.Key, m.body.End, m.body.ValClose)
	}
	for _, list := range lists {
		_, got := stream.AnyPrefix(rest, list, false)
		best = max(best, got)
	}
	return last(p, best)
}

// missing reports whether the value ends at text though its closing tag is missing: before the end of
// the call, or before an argument that the schema names and that has not come yet.
func (m *taggedMachine) missing(p *stream.Parser, text string) stream.Match {
	ends := m.body.End
	if len(ends) == 0 {
		ends = m.form.Close
	}
	n, got := stream.AnyPrefix(text, ends, false)
	switch {
	case got == stream.Part:
		return stream.Part
	case got == stream.Yes && len(m.body.End) > 0:
		return m.follows(p, text[n:], false)
	case got == stream.Yes:
		return m.atOutputEnd(p, text[n:])
	}
	n, got = stream.AnyPrefix(text, m.body.Key, false)
	if got != stream.Yes {
		return got
	}
	window := text[n:min(len(text), n+maxHeader)]
	end := strings.Index(window, m.body.keyTagEnd())
	if line := strings.IndexByte(window, '\n'); line >= 0 && (end < 0 || line < end) {
		return stream.No
	}
	if end < 0 {
		if len(window) == maxHeader {
			return stream.No
		}
		return stream.Part
	}
	key := m.body.tagValue(text[n:n+end], m.body.KeyAttr)
	if _, known := m.tool.Param(key); known && !m.seen[key] {
		return stream.Yes
	}
	return stream.No
}

// atOutputEnd reports whether behind a closing marker the output ends or another call begins.
func (m *taggedMachine) atOutputEnd(p *stream.Parser, rest string) stream.Match {
	space := stream.LeadingSpace(rest)
	rest = rest[space:]
	switch {
	case space > maxGap || rest == "" && p.Final:
		return stream.Yes
	case rest == "":
		return stream.Part
	}
	_, got := stream.AnyPrefix(rest, m.form.Open, false)
	return last(p, got)
}

// last decides at the end of output: what may be the beginning of a tag behind a whole one is it.
func last(p *stream.Parser, got stream.Match) stream.Match {
	if got == stream.Part && p.Final {
		return stream.Yes
	}
	return got
}
