package stream

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// sink collects events. Neighbouring deltas of one kind become one event; a delta that consists of a
// single piece keeps the memory of the text it was cut from.
type sink struct {
	events []chat.Event
	kind   chat.EventKind
	index  int
	first  string
	buf    []byte
	// arena is memory for the texts of many small deltas. What was written to it never changes.
	arena strings.Builder
}

// arenaSize is how much memory is taken for small deltas at once.
const arenaSize = 2048

// text adds a delta of kind.
func (s *sink) text(kind chat.EventKind, text string) {
	if text == "" {
		return
	}
	if kind != s.kind {
		s.flush()
		s.kind = kind
	}
	if s.first == "" && len(s.buf) == 0 {
		s.first = text
		return
	}
	s.buf = append(append(s.buf, s.first...), text...)
	s.first = ""
}

// bytes adds a delta of kind, which it copies.
func (s *sink) bytes(kind chat.EventKind, text []byte) {
	if len(text) == 0 {
		return
	}
	if kind != s.kind {
		s.flush()
		s.kind = kind
	}
	if len(text) > arenaSize && s.first == "" && len(s.buf) == 0 {
		s.first = string(text)
		return
	}
	s.buf = append(append(s.buf, s.first...), text...)
	s.first = ""
}

// event adds an event that is no delta.
func (s *sink) event(e chat.Event) {
	s.flush()
	s.events = append(s.events, e)
}

// flush ends the delta being collected.
func (s *sink) flush() {
	text := s.first
	if len(s.buf) > 0 {
		text = s.keep(s.buf)
	}
	if text != "" {
		e := chat.Event{Kind: s.kind, Text: text}
		if s.kind == chat.CallDelta {
			e.Index = s.index
		}
		s.events = append(s.events, e)
	}
	s.kind, s.first, s.buf = 0, "", s.buf[:0]
}

// keep returns a copy of text.
func (s *sink) keep(text []byte) string {
	if len(text) > arenaSize/8 {
		return string(text)
	}
	if s.arena.Cap()-s.arena.Len() < len(text) {
		s.arena.Reset()
		s.arena.Grow(arenaSize)
	}
	start := s.arena.Len()
	s.arena.Write(text)
	return s.arena.String()[start:]
}
