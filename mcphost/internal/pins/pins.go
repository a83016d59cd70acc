package pins

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/policy/trust"
)

// ErrNothing is the error of an approval for which nothing waits.
var ErrNothing = errors.New("nothing waits for this approval")

// FirstUse is who approved what was recorded when it was first seen.
const FirstUse = "first use"

// Outcome is what became of an item, with what the record says of it.
type Outcome struct {
	trust.Verdict
	Item trust.Item
	// Approved is the digest that is on record, "" where none is; Old is its definition, or nil.
	Approved string
	Old      json.RawMessage
	// Since is when the item was first seen to wait, for Report and Suspend.
	Since time.Time
}

// Review judges items of one server against the record, and records what is new. list says that items
// are the server's whole list of tools, so that what comes later is new to it.
func (s *Store) Review(server string, rules trust.Rules, items []trust.Item, list bool, now time.Time) ([]Outcome, error) {
	if rules.Mode == trust.Off {
		return unjudged(rules, items), nil
	}
	server, items = key(server), keyed(items)
	var out []Outcome
	stale := false
	err := s.view(func(f *File) { out, stale = review(f.Servers[server], rules, items, list, now, nil) })
	if err != nil || !stale {
		return out, err
	}
	err = s.update(func(f *File) bool {
		entry := f.Servers[server]
		if entry == nil {
			entry = &Server{}
			f.Servers[server] = entry
		}
		var changed bool
		out, changed = review(entry, rules, items, list, now, entry)
		return changed
	})
	return out, err
}

// key is a name as the file can hold it: what is no UTF-8 would be another name when it is read again.
func key(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

func keyed(items []trust.Item) []trust.Item {
	out := slices.Clone(items)
	for i := range out {
		out[i].Name = key(out[i].Name)
	}
	return out
}

func unjudged(rules trust.Rules, items []trust.Item) []Outcome {
	out := make([]Outcome, len(items))
	for i, item := range items {
		out[i] = Outcome{Verdict: rules.Judge(item, trust.Pin{}), Item: item}
	}
	return out
}

// review judges the items. With a target, it writes what changes into it; without, it says whether
// anything would.
func review(s *Server, rules trust.Rules, items []trust.Item, list bool, now time.Time, target *Server) (out []Outcome, changes bool) {
	if s == nil {
		s = &Server{}
	}
	known := s.Tools != nil
	if list && !known {
		changes = true
		if target != nil {
			target.Tools = map[string]*Entry{}
		}
	}
	room := maxServer - s.size()
	for _, item := range items {
		e := s.entry(item.Kind, item.Name)
		pin := trust.Pin{Known: known}
		o := Outcome{Item: item}
		if e != nil {
			pin.Digest = e.Digest
			o.Approved, o.Old = e.Digest, e.Definition
		}
		o.Verdict = rules.Judge(item, pin)
		next := e.after(o, now, &room)
		if next != nil {
			changes = true
			if target != nil {
				target.put(item.Kind, item.Name, next)
			}
			e = next
		}
		if e != nil && e.Pending != nil {
			o.Since = e.Pending.Since
		}
		out = append(out, o)
	}
	return out, changes
}

// after returns the entry as it is after an outcome, or nil where it stays as it is.
func (e *Entry) after(o Outcome, now time.Time, room *int) *Entry {
	next := &Entry{}
	if e != nil {
		*next = *e
	}
	switch o.Action {
	case trust.Keep:
		if e == nil || e.Pending == nil {
			return nil
		}
		next.Pending = nil // it went back to what was approved
	case trust.Record:
		return &Entry{Digest: o.Item.Digest, Definition: fitting(o.Item.Definition, room), Since: now.UTC(), By: FirstUse}
	default:
		if e != nil && e.Pending != nil && e.Pending.Digest == o.Item.Digest {
			return nil
		}
		next.Pending = &Pending{Digest: o.Item.Digest, Definition: fitting(o.Item.Definition, room), Since: now.UTC()}
	}
	return next
}

// fitting returns the definition where it is small enough to be kept, and such that the file with it in
// can be read again: a key given twice would be an error there.
func fitting(definition json.RawMessage, room *int) json.RawMessage {
	if len(definition) > maxDefinition || len(definition) > *room || rawjson.Check(definition, trustDepth) != nil {
		return nil
	}
	*room -= len(definition)
	return definition
}

// size is how many bytes of definitions are kept of a server.
func (s *Server) size() int {
	n := s.Launch.size() + s.Instructions.size()
	for _, entries := range []map[string]*Entry{s.Tools, s.Packages} {
		for _, e := range entries {
			n += e.size()
		}
	}
	return n
}

func (e *Entry) size() int {
	switch {
	case e == nil:
		return 0
	case e.Pending == nil:
		return len(e.Definition)
	}
	return len(e.Definition) + len(e.Pending.Definition)
}

// Approve records an item as approved, by whom. What is approved is this very item, whatever the record
// says is waiting.
func (s *Store) Approve(server string, item trust.Item, by string, now time.Time) error {
	server, item.Name = key(server), key(item.Name)
	return s.update(func(f *File) bool {
		entry := f.Servers[server]
		if entry == nil {
			entry = &Server{}
			f.Servers[server] = entry
		}
		room := maxServer - entry.size()
		entry.put(item.Kind, item.Name, &Entry{
			Digest: item.Digest, Definition: fitting(item.Definition, &room), Since: now.UTC(), By: by,
		})
		return true
	})
}

// Waiting returns what the record says is waiting for approval on a server, in the order of kind and
// name.
func (s *Store) Waiting(server string) ([]Outcome, error) {
	var out []Outcome
	err := s.view(func(f *File) {
		entry := f.Servers[key(server)]
		if entry == nil {
			return
		}
		add := func(kind trust.Kind, name string, e *Entry) {
			if e == nil || e.Pending == nil {
				return
			}
			item := trust.Item{Kind: kind, Name: name, Definition: e.Pending.Definition, Digest: e.Pending.Digest}
			out = append(out, Outcome{Item: item, Approved: e.Digest, Old: e.Definition, Since: e.Pending.Since})
		}
		add(trust.KindLaunch, "", entry.Launch)
		add(trust.KindInstructions, "", entry.Instructions)
		named := func(kind trust.Kind, entries map[string]*Entry) {
			from := len(out)
			for name, e := range entries {
				add(kind, name, e)
			}
			slices.SortFunc(out[from:], func(a, b Outcome) int { return strings.Compare(a.Item.Name, b.Item.Name) })
		}
		named(trust.KindPackage, entry.Packages)
		named(trust.KindTool, entry.Tools)
	})
	return out, err
}

// Record is what is on record as approved of a server.
type Record struct {
	// Launch is the digest of its launch, or "".
	Launch string
	// Tools are the definitions of its tools, in the order of their names. They may hold tools that the server
	// has since ceased to offer.
	Tools []json.RawMessage
	// Instructions is its text for models.
	Instructions string
	// Complete says that the list of tools was recorded, that every definition was kept, and that nothing waits
	// for approval.
	Complete bool
}

// Approved returns what is on record as approved of a server.
func (s *Store) Approved(server string) (Record, error) {
	var out Record
	err := s.view(func(f *File) {
		entry := f.Servers[key(server)]
		if entry == nil || entry.Launch == nil || entry.Tools == nil {
			return
		}
		settled := func(e *Entry) bool { return e.Pending == nil && e.Digest != "" && e.Definition != nil }
		out.Launch, out.Complete = entry.Launch.Digest, entry.Launch.Pending == nil
		if e := entry.Instructions; e != nil {
			out.Complete = out.Complete && settled(e) && json.Unmarshal(e.Definition, &out.Instructions) == nil
		}
		for _, name := range slices.Sorted(maps.Keys(entry.Tools)) {
			e := entry.Tools[name]
			out.Complete = out.Complete && settled(e)
			out.Tools = append(out.Tools, e.Definition)
		}
	})
	return out, err
}

// Peek judges an item without recording anything.
func (s *Store) Peek(server string, rules trust.Rules, item trust.Item) (Outcome, error) {
	var out []Outcome
	err := s.view(func(f *File) {
		out, _ = review(f.Servers[key(server)], rules, keyed([]trust.Item{item}), false, time.Time{}, nil)
	})
	if err != nil {
		return Outcome{}, err
	}
	return out[0], nil
}
