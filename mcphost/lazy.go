package mcphost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
)

// DefaultIdleTimeout is how long a server that is started by its first call stays without one.
const DefaultIdleTimeout = 5 * time.Minute

// errIdle is why a server that nobody used was ended.
var errIdle = errors.New("nobody used it")

// A server that is started lazily rests, as [StateIdle], while nobody calls it. Its tools are offered all the
// same: those of its last list, or before the first one those that are on record as approved. Where there is
// neither, it is started once to be asked.

// rest waits until a server that is started lazily is wanted. It returns at once for others, and where the
// tools are not known yet.
func (s *server) rest(ctx context.Context) {
	if !s.cfg().Lazy || !s.known() {
		return
	}
	s.set(StateIdle, "")
	s.settle()
	s.host.changes.add(allLists())
	select {
	case <-s.wake:
		s.set(StateConnecting, "")
	case <-ctx.Done():
	}
}

// known reports whether the tools are known, from a list or from what was approved.
func (s *server) known() bool {
	s.mu.Lock()
	listed := s.listed
	s.mu.Unlock()
	if listed {
		return true
	}
	recalled, err := s.reviewer.Recall(s.trusted())
	if err != nil {
		s.logger.Warn("the approved tools cannot be read: the server is started to be asked for them", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = recalled
	return recalled
}

// awake starts a server that rests and waits until it is connected, or until that failed. It reports
// whether the server had to be started.
func (s *server) awake(ctx context.Context) (started bool, e *Error) {
	s.used()
	if !s.cfg().Lazy {
		return false, nil
	}
	patience := 2*s.connectTimeout() + 10*time.Second // the handshake, the list, and the end of what fails
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		s.mu.Lock()
		state, up, moved := s.state, s.link != nil, s.moved
		waits := !up && (state == StateIdle || state == StateConnecting)
		if waits || !up && state == StateRetrying {
			notify(s.wake) // with s.mu held, so that no wish is left over once it is connected
		}
		s.mu.Unlock()
		if !waits {
			return started, nil
		}
		started = true
		select {
		case <-moved:
		case <-timer.C:
			return started, errorf(TimedOut, s.name, "", "Server '%s' did not start within %s", s.name, patience)
		case <-ctx.Done():
			return started, errorf(Canceled, s.name, "", "the call was given up by its caller while server '%s' was started", s.name)
		}
	}
}

// awaken starts the server of a tool where it rests. What it offers then may not be what was judged before.
func (h *Host) awaken(ctx context.Context, s *server, t *catalog.Tool) *Error {
	started, e := s.awake(ctx)
	if e != nil {
		e.Tool = t.Name
		return e
	}
	if !started {
		return nil
	}
	now, e := h.resolve(t.Server, t.Name)
	if e == nil && now.Item.Digest != t.Item.Digest {
		e = errorf(NotConnected, t.Server, t.Name, "Tool '%s' changed when its server was started for the call; call it again", t.Full)
		e.RetryAfter = time.Second
	}
	return e
}

// ready returns the connection, starting the server where it rests, or why there is none.
func (s *server) ready(ctx context.Context) (*link, *Error) {
	if _, e := s.awake(ctx); e != nil {
		return nil, e
	}
	return s.current()
}

// used puts off the end of a server that is started lazily.
func (s *server) used() { s.lastUsed.Store(time.Now().UnixNano()) }

func (s *server) idleTimeout() time.Duration {
	if d := s.cfg().IdleTimeout; d > 0 {
		return d
	}
	return DefaultIdleTimeout
}

// idleCheck ticks for a server that is started lazily, when it should be looked at whether it is used; for
// others it is nil. stop ends it.
func (s *server) idleCheck() (tick <-chan time.Time, stop func()) {
	if !s.cfg().Lazy {
		return nil, func() {}
	}
	s.used()
	ticker := time.NewTicker(max(s.idleTimeout()/4, 10*time.Millisecond))
	return ticker.C, ticker.Stop
}

// unused returns why the server may be ended, or nil while it is used.
func (s *server) unused() error {
	idle := time.Duration(time.Now().UnixNano() - s.lastUsed.Load())
	if s.turns.Ahead() > 0 || idle < s.idleTimeout() {
		return nil
	}
	return fmt.Errorf("%w for %s", errIdle, s.idleTimeout())
}

// offering reports whether the server's tools may be called: it is connected, or a call starts it. s.mu is
// held.
func (s *server) offering() bool {
	return s.link != nil || s.cfg().Lazy && s.listed && (s.state == StateIdle || s.state == StateConnecting)
}
