package replay

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func ids(events []Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.ID+"="+string(e.Data))
	}
	return strings.Join(all, " ")
}

func TestGoingOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(time.Minute, NewBudget(1<<20))
		defer l.End()
		var abandoned atomic.Int32
		first, second := l.Open(func() { abandoned.Add(1) }), l.Open(func() { abandoned.Add(1) })
		if first.Beginning() != "1_0" || first.Add([]byte("a")) != "1_1" || second.Add([]byte("x")) != "2_1" || first.Add([]byte("b")) != "1_2" {
			t.Fatalf("the ids are %s and %s", first.ID(), second.ID())
		}
		for _, id := range []string{"", "1", "1_", "_1", "1_3", "3_0", "1_-1", "x_1", "1_1_1", "1_99999999999999999999", strings.Repeat("1", 50) + "_1"} {
			if s, _ := l.Find(id); s != nil {
				t.Errorf("%q is found", id)
			}
		}
		s, from := l.Find("1_1")
		if s != first || from != 1 {
			t.Fatalf("found %v at %d", s, from)
		}
		if !first.Leave() || !second.Leave() {
			t.Error("a client cannot come back")
		}
		time.Sleep(50 * time.Second)
		var got []Event
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			first.Copy(ctx, 1, func(e Event) error { got = append(got, e); return nil })
		}()
		synctest.Wait()
		first.Add([]byte("c"))
		synctest.Wait()
		time.Sleep(50 * time.Second) // the second is over by now, the first has a connection
		if ids(got) != "1_2=b 1_3=c" || abandoned.Load() != 1 {
			t.Errorf("the client got %s, and %d streams were given up", ids(got), abandoned.Load())
		}
		if s, _ := l.Find("2_0"); s != nil {
			t.Error("a stream is kept for too long")
		}
		cancel()
		<-done
		first.Add([]byte("d"))
		first.End()
		time.Sleep(50 * time.Second)
		got = nil
		first.Copy(t.Context(), 3, func(e Event) error { got = append(got, e); return nil })
		if ids(got) != "1_4=d" {
			t.Errorf("after the end the client got %s", ids(got))
		}
		time.Sleep(2 * time.Minute)
		if s, _ := l.Find("1_4"); s != nil || abandoned.Load() != 1 {
			t.Errorf("the end is kept, and %d streams were given up", abandoned.Load())
		}
	})
}

func TestOneComesAfterAnother(t *testing.T) {
	l := New(time.Minute, NewBudget(1<<20))
	defer l.End()
	s := l.Open(func() {})
	s.Leave()
	began, done := make(chan struct{}), make(chan struct{})
	s.Add([]byte("a"))
	go func() {
		defer close(done)
		s.Copy(context.Background(), 0, func(Event) error { close(began); return nil })
	}()
	<-began
	err := fmt.Errorf("enough")
	s.Copy(context.Background(), 0, func(Event) error { return err })
	<-done // the second took its place
}

func TestOwnStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(time.Minute, NewBudget(1<<20))
		defer l.End()
		l.Tell([]byte("before"))
		own, _ := l.Own()
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			own.Copy(ctx, 0, func(Event) error { return nil })
		}()
		synctest.Wait()
		l.Tell([]byte("a"))
		leave()
		<-done
		l.Tell([]byte("b"))
		s, from := l.Find("0_1")
		if events, last, _ := s.After(from); s != own || ids(events) != "0_2=b" || last || !IsOwn("0_1") || IsOwn("10_1") {
			t.Errorf("missed: %s", ids(events))
		}
		time.Sleep(2 * time.Minute)
		l.Tell([]byte("c"))
		if s, _ := l.Find("0_2"); s != nil {
			t.Error("the stream is kept for too long")
		}
		own, newest := l.Own()
		if id := own.Add([]byte("d")); id != "0_3" || newest != 2 { // no id is given twice
			t.Errorf("the next event is %s", id)
		}
	})
}

func TestRoom(t *testing.T) {
	budget := NewBudget(20 << 20)
	l := New(time.Hour, budget)
	s := l.Open(func() {})
	for i := range maxEvents + 10 {
		s.Add(fmt.Appendf(nil, "%d", i))
	}
	if events, _, _ := s.After(0); len(events) != maxEvents || events[0].ID != "1_11" {
		t.Errorf("%d events are kept, from %s on", len(events), events[0].ID)
	}
	big := make([]byte, maxBytes-10)
	s.Add(big)
	if events, _, _ := s.After(0); len(events) != 2 && len(events) != 3 && len(events) != 4 || l.bytes > maxBytes {
		t.Errorf("%d events of %d bytes are kept", len(events), l.bytes)
	}
	other := New(time.Hour, budget)
	o := other.Open(func() {})
	o.Add(big)
	if events, _, _ := o.After(0); len(events) != 0 {
		t.Error("the sessions together keep more than they may")
	}
	l.End()
	if used := budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are lost", used)
	}
	o.Add(big)
	if events, _, _ := o.After(0); len(events) != 1 {
		t.Error("there is room and it is not used")
	}
	other.End()
	late := other.Open(func() {})
	if late.Add([]byte("x")); late.Leave() {
		t.Error("a stream goes on after the end of its session")
	}
	many := New(time.Hour, budget)
	defer many.End()
	for range maxStreams + 1 {
		many.Open(func() {})
	}
	if many.Open(func() {}).Leave() {
		t.Error("too many streams are kept")
	}
	if own, _ := many.Own(); own.gone {
		t.Error("there is no room for the session's own stream")
	}
}
