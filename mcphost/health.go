package mcphost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
)

const (
	// healthEvery is how often a remote server is asked whether it is there, illAfter how often in a row it
	// must not be before it is given up.
	healthEvery = 30 * time.Second
	illAfter    = 3
	// statelessVersion is the revision from which there is no ping.
	statelessVersion = "2026-07-28"
	// leastFresh and mostFresh bound how long a list counts as good that says so itself (ttlMs).
	leastFresh, mostFresh = 30 * time.Second, 24 * time.Hour
)

// health asks a remote server now and then whether it is there: by a ping, or where the revision has none by
// server/discover. Any answer will do, a refusal too, so that a server which does not know the question is not
// given up for it. ill gets the reason when there was none several times in a row. stop ends the asking.
func (s *server) health(l *link) (ill <-chan error, stop func()) {
	if l.process != nil || l.requests == nil {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(l.ctx)
	told, ended := make(chan error, 1), make(chan struct{}) // the asking goroutine sends once
	go func() {
		defer close(ended)
		if err := s.askHealth(ctx, l); err != nil {
			told <- err
		}
	}()
	return told, func() {
		cancel()
		<-ended
	}
}

// askHealth returns when ctx ends, with nil, or when the server is not there.
func (s *server) askHealth(ctx context.Context, l *link) error {
	every := s.host.opts.HealthEvery
	if every <= 0 {
		every = healthEvery
	}
	question := wire.Request{Method: "ping", Params: json.RawMessage("{}")}
	if init := l.session.InitializeResult(); init != nil && init.ProtocolVersion >= statelessVersion {
		question.Method = "server/discover"
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		asking, cancel := context.WithTimeout(ctx, every/2)
		_, err := l.requests.Do(asking, question)
		cancel()
		if !absent(err) {
			failures = 0
			continue
		}
		if failures++; failures == illAfter && ctx.Err() == nil {
			return fmt.Errorf("it did not answer %d questions in a row whether it is there: %w", illAfter, err)
		}
	}
}

// absent reports whether an error says that nobody answered.
func absent(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, wire.ErrEnded) || errors.As(err, &network)
}

// freshness returns the list of tools in use, and how long it counts as good.
func (s *server) freshness() (*catalog.Catalog, time.Duration) {
	s.mu.Lock()
	list := s.catalog
	s.mu.Unlock()
	if list.TTL <= 0 {
		return list, mostFresh
	}
	least := s.host.opts.FreshMin
	if least <= 0 {
		least = leastFresh
	}
	return list, min(max(list.TTL, least), mostFresh)
}
