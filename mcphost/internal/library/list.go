package library

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/toolserve/toolserve/policy/screen"
)

const (
	// refreshPause is the least time between two readings of a list that keeps changing.
	refreshPause = 250 * time.Millisecond
	// retryPause is how long a list that could not be read is not tried again.
	retryPause = 5 * time.Second
	// leastTTL bounds how often a list is read again because its time is up, and defaultTTL is how long
	// one is good of a server that neither says so nor tells of changes.
	leastTTL, defaultTTL = time.Second, time.Minute
	// maxSearched bounds how much of one list is searched for phrases, in bytes.
	maxSearched = 512 << 10
)

// entry is what lists are made of.
type entry interface {
	key() string
	definition() json.RawMessage
	screen(*screen.Screener)
	findings() *[]string
}

func (r *Resource) key() string                 { return r.URI }
func (r *Resource) definition() json.RawMessage { return r.Raw }
func (r *Resource) findings() *[]string         { return &r.Findings }
func (r *Template) key() string                 { return r.URITemplate }
func (r *Template) definition() json.RawMessage { return r.Raw }
func (r *Template) findings() *[]string         { return &r.Findings }
func (p *Prompt) key() string                   { return p.Name }
func (p *Prompt) definition() json.RawMessage   { return p.Raw }
func (p *Prompt) findings() *[]string           { return &p.Findings }

// Listing is what is known of a list. It is not changed once it is built.
type Listing[T any] struct {
	// Items are in the server's order. They must not be changed.
	Items []T
	// Supported says that the server offers such things at all.
	Supported bool
	// Notes say what was left out and why.
	Notes []string
	// Err says why the last reading failed, and Items are then those of the one before; or it is nil.
	Err error
	// ReadAt is when Items were read; zero where they never were.
	ReadAt time.Time
	// TTL is how long the server says that they are good, from ReadAt on, or 0, and Scope for whom:
	// "public", "private" or "".
	TTL   time.Duration
	Scope string
}

// kind is what makes one list different from another.
type kind[T entry] struct {
	what string
	// method asks for the list, and member is its name in the answer.
	method, member string
	parse          func(server string, raw json.RawMessage) (T, error)
}

// list is one list of one server: what was read, and who reads it now.
type list[T entry] struct {
	kind[T]
	server string

	mu      sync.Mutex
	link    *Link // nil while there is no connection
	now     Listing[T]
	tells   bool // the server says when the list changes
	dirty   bool // it said so after the last reading began
	reading bool // a goroutine reads, or is about to
	// done is closed at the end of the reading that is under way or comes next. It is not nil while reading.
	done chan struct{}
	// notBefore is when a list that could not be read may be tried again.
	notBefore time.Time
}

// attach takes a new connection and, where the server offers the list, begins to read it.
func (l *list[T]) attach(link *Link, supported, tells bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave()
	l.link, l.tells, l.dirty, l.notBefore = link, tells, false, time.Time{}
	l.now = Listing[T]{Supported: supported}
	if supported {
		l.start()
	}
}

func (l *list[T]) detach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave()
}

// leave forgets the connection. Who reads from it finds that out, who waits need not wait on. The caller
// holds mu.
func (l *list[T]) leave() {
	if l.reading {
		close(l.done)
	}
	l.link, l.reading, l.done = nil, false, nil
}

func (l *list[T]) changed() {
	l.mu.Lock()
	l.dirty = true
	l.mu.Unlock()
}

// refresh reads the list anew where the server said that it changed.
func (l *list[T]) refresh() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != nil && l.now.Supported && l.dirty {
		l.start()
	}
}

// get returns what is known of the list. Where that is not fresh it is read, and get waits for the end of
// the reading or of ctx.
func (l *list[T]) get(ctx context.Context) Listing[T] {
	l.mu.Lock()
	if l.link == nil || !l.now.Supported || !l.stale(l.link.Now()) {
		defer l.mu.Unlock()
		return l.now
	}
	l.start()
	done := l.done
	l.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
	now := l.known()
	if ctx.Err() != nil && now.Err == nil && now.ReadAt.IsZero() {
		now.Err = fmt.Errorf("its list of %s is still being read", l.what)
	}
	return now
}

// known returns what is known of the list now.
func (l *list[T]) known() Listing[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// stale reports whether the list should be read again before it is shown.
func (l *list[T]) stale(now time.Time) bool {
	switch {
	case l.reading && (l.dirty || l.now.ReadAt.IsZero()):
		return true
	case now.Before(l.notBefore):
		return false
	case l.dirty || l.now.Err != nil || l.now.ReadAt.IsZero():
		return true
	case l.now.TTL > 0:
		return now.Sub(l.now.ReadAt) >= max(l.now.TTL, leastTTL)
	}
	return !l.tells && now.Sub(l.now.ReadAt) >= defaultTTL
}

// start begins to read the list, unless it is being read. The caller holds mu.
func (l *list[T]) start() {
	if l.reading {
		return
	}
	l.reading, l.done = true, make(chan struct{})
	link := l.link
	link.Spawn(func() { l.run(link) })
}

// run reads the list until it is as the server last said.
func (l *list[T]) run(link *Link) {
	for l.begin(link) {
		began := time.Now()
		fresh := l.read(link)
		pause := max(refreshPause, 4*time.Since(began))
		report, again := l.finish(link, fresh)
		if report != nil {
			link.OnRead(*report)
		}
		if !again {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-link.Ctx.Done():
			timer.Stop()
		}
	}
}

// begin says that a reading begins: what the server says from now on asks for another one. It reports
// whether the connection is still in use.
func (l *list[T]) begin(link *Link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != link {
		return false
	}
	l.dirty = false
	return true
}

// finish takes up what was read, and says what came of it and whether it has to be read again.
func (l *list[T]) finish(link *Link, fresh Listing[T]) (report *Report, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != link {
		return nil, false
	}
	old := l.now
	if fresh.Err != nil {
		old.Err = fresh.Err
		fresh = old
		l.notBefore = link.Now().Add(retryPause)
	}
	l.now = fresh
	close(l.done)
	again = l.dirty && link.Ctx.Err() == nil && fresh.Err == nil
	l.reading, l.done = again, nil
	if again {
		l.done = make(chan struct{})
	}
	same := func(a, b T) bool { return bytes.Equal(a.definition(), b.definition()) }
	return &Report{
		What: l.what, Count: len(fresh.Items), Notes: fresh.Notes, Findings: allFindings(fresh.Items), Err: fresh.Err,
		Changed: !slices.EqualFunc(old.Items, fresh.Items, same),
	}, again
}

// read reads the list once.
func (l *list[T]) read(link *Link) Listing[T] {
	ctx, cancel := context.WithTimeoutCause(link.Ctx, link.Timeout, fmt.Errorf("no end of it within %s", link.Timeout))
	defer cancel()
	r, err := readAll(l.what, func(cursor string) (page, error) { return ask(ctx, link.Asker, l.method, l.member, cursor) })
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return Listing[T]{Supported: true, Err: fmt.Errorf("cannot read its list of %s: %w", l.what, err)}
	}
	return l.build(link, r)
}

// build makes entries of definitions. One that did not change is the same as before.
func (l *list[T]) build(link *Link, r *reading) Listing[T] {
	known := map[string]T{}
	for _, e := range l.known().Items {
		known[e.key()] = e
	}
	taken := make(map[string]bool, len(r.items))
	items := make([]T, 0, len(r.items))
	room := maxSearched
	for _, raw := range r.items {
		e, err := l.parse(l.server, raw)
		if err == nil && taken[e.key()] {
			err = errors.New("there are two of it")
		}
		if err != nil {
			r.note("one of the %s is left out: %v", l.what, err)
			continue
		}
		taken[e.key()] = true
		if old, ok := known[e.key()]; ok && bytes.Equal(old.definition(), raw) {
			e = old
		} else if link.Screen != screen.Off {
			*e.findings() = look(e, &room)
		}
		if link.Screen == screen.Hold && len(*e.findings()) > 0 {
			r.note("%s of the %s is left out, because screen is \"hold\": %s", screen.Quote(e.key()), l.what, (*e.findings())[0])
			continue
		}
		items = append(items, e)
	}
	return Listing[T]{Supported: true, Items: items, Notes: r.notes, ReadAt: link.Now(), TTL: r.ttl, Scope: r.scope}
}

// look screens the texts of an entry. room is how many bytes may still be searched.
func look(e entry, room *int) []string {
	s := screen.Screener{Limit: min(*room, screen.DefaultLimit)}
	if *room <= 0 {
		s.Limit = -1
	}
	e.screen(&s)
	*room -= s.Searched()
	return Texts(s.Findings())
}

// Texts returns findings as lines.
func Texts(findings []screen.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.String())
	}
	return out
}

// allFindings gathers the findings of a list, with what they are about, at most maxNotes.
func allFindings[T entry](items []T) []string {
	var out []string
	for _, e := range items {
		for _, f := range *e.findings() {
			if len(out) == maxNotes {
				return out
			}
			out = append(out, screen.Quote(e.key())+": "+f)
		}
	}
	return out
}
