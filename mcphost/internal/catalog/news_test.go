package catalog

import (
	"context"
	"testing"
	"time"
)

func TestNews(t *testing.T) {
	var n News
	if n.Wait(t.Context(), time.Hour) {
		t.Error("a call waits although nothing was said")
	}
	before := n.Begin()
	n.Say() // after that reading began: it may not have seen the change
	waited := make(chan bool)
	go func() { waited <- n.Wait(t.Context(), time.Hour) }()
	before()
	select {
	case <-waited:
		t.Fatal("a reading that began before the change was enough")
	case <-time.After(20 * time.Millisecond):
	}
	n.Begin()()
	if !<-waited {
		t.Error("it did not say that it waited")
	}
	if n.Wait(t.Context(), time.Hour) {
		t.Error("a call waits after the list was read")
	}
}

// TestNewsNobodyReads has a server whose list cannot be read in time: one call waits, the next do not.
func TestNewsNobodyReads(t *testing.T) {
	var n News
	n.Say()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if !n.Wait(ctx, time.Hour) {
		t.Error("the call of a caller that left did not wait")
	}
	if !n.Wait(t.Context(), time.Millisecond) {
		t.Error("what a caller did not wait for counts as read")
	}
	if n.Wait(t.Context(), time.Hour) {
		t.Error("it is waited for twice")
	}
}
