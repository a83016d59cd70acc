package mcphost

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/reach"
)

// run keeps the server connected until ctx ends or trying again is of no use.
func (s *server) run(ctx context.Context) {
	defer s.settle()
	for failures := 0; ; failures++ {
		up, err := s.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errIdle) {
			failures = -1
			continue
		}
		if isHeld(err) {
			s.hold(err, ctx.Done())
			continue
		}
		if login := (loginError{}); errors.As(err, &login) {
			s.awaitLogin(ctx, login)
			continue
		}
		if permanent := (permanentError{}); errors.As(err, &permanent) {
			s.fail(err)
			return
		}
		if up >= steady {
			failures = 0
		}
		delay := s.host.opts.backoff(failures)
		if refused := (*reach.Error)(nil); errors.As(err, &refused) {
			delay = max(delay, refused.After)
		}
		s.retry(err, delay)
		s.settle()
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// backoff is the wait before attempt n+1: doubling from a quarter of a second to a minute, with a
// quarter of it left to chance so that servers that fell together do not rise together.
func (o *Options) backoff(n int) time.Duration {
	least, most := o.RetryMin, o.RetryMax
	if least <= 0 {
		least = 250 * time.Millisecond
	}
	if most <= 0 {
		most = time.Minute
	}
	d := min(least<<min(n, 16), most)
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// once takes the server up and waits for its end. It returns how long it was up and why it ended.
func (s *server) once(ctx context.Context) (up time.Duration, err error) {
	var custom mcp.Transport
	if s.host.opts.Transport != nil {
		custom = s.host.opts.Transport(*s.cfg())
	}
	if err := s.mayStart(custom); err != nil {
		return 0, err
	}
	if s.cfg().Lazy {
		s.rest(ctx)
		if err := s.mayStart(custom); err != nil { // much may have changed
			return 0, err
		}
	}
	l, err := s.connect(ctx, custom)
	if err != nil {
		return 0, err
	}
	listCtx, cancel := context.WithTimeout(l.ctx, s.connectTimeout())
	read := s.news.Begin()
	c, err := catalog.Read(listCtx, s.name, l.session)
	cancel()
	if err != nil {
		err = fmt.Errorf("cannot list its tools: %w", l.loginProblem(s.explainEnd(l, err)))
		s.teardown(l, err)
		return 0, err
	}
	err = s.packagesTrusted(custom != nil, true)
	if err == nil {
		err = s.notItself(c)
	}
	if err == nil {
		err = s.reviewer.Review(s.trusted(), c, l.instructions())
	}
	read()
	if err != nil {
		s.teardown(l, err)
		return 0, err
	}
	since := s.host.now()
	s.setLogLevel(l.ctx, l)
	s.connected(l)
	err = l.loginProblem(s.watch(ctx, l))
	s.disconnected(err)
	s.teardown(l, err)
	return s.host.now().Sub(since), err
}

func (s *server) disconnected(err error) {
	s.shelf.Detach()
	s.mu.Lock()
	s.link = nil
	if errors.Is(err, errIdle) {
		s.setLocked(StateIdle, "") // a call that comes while it ends has it started again
	} else { // what comes of it is settled when its process has ended
		s.setLocked(StateRetrying, s.host.redactor.Hide(err.Error()))
	}
	s.mu.Unlock()
	s.host.changes.add(allLists())
}

// mayStart asks the launch rules, and whether what is started was approved. Over a custom transport nothing
// is launched.
func (s *server) mayStart(custom mcp.Transport) error {
	if custom == nil {
		if err := s.allowed(); err != nil {
			return err
		}
	}
	if err := s.reviewer.Launch(s.trusted()); err != nil {
		return err
	}
	return s.packagesTrusted(custom != nil, false)
}

// allowed asks the launch rules. It runs before every start, since files and rules may have changed.
func (s *server) allowed() error {
	verdict := s.host.launch().CheckServer(s.cfg().Spec())
	for _, warning := range verdict.Warnings {
		s.logger.Warn("launch rules", "warning", warning)
	}
	if !verdict.Allowed {
		s.host.record(audit.Record{
			Kind: audit.KindServer, Server: s.name, Decision: "deny",
			Code: string(verdict.Code), Reason: verdict.Reason, Error: verdict.Reason,
		})
		return permanentError{errors.New(verdict.Reason)}
	}
	return nil
}

// watch returns when the connection has ended, with the reason, reading the tools anew when they change.
func (s *server) watch(ctx context.Context, l *link) error {
	var exited <-chan struct{}
	if l.process != nil {
		exited = l.process.Exited()
	}
	idle, stopIdle := s.idleCheck()
	defer stopIdle()
	ill, stopHealth := s.health(l)
	defer stopHealth()
	stale := time.NewTimer(mostFresh)
	defer stale.Stop()
	var timed *catalog.Catalog // whose time stale is set to
	for {
		if list, fresh := s.freshness(); list != timed {
			timed = list
			stale.Reset(fresh)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-idle:
			if err := s.unused(); err != nil {
				s.logger.Info("MCP server is ended until it is called", "reason", err)
				return err
			}
		case err := <-ill:
			return err
		case <-stale.C:
			timed = nil // also where it cannot be read now
			notify(s.changed)
		case <-exited:
			return s.explainEnd(l, errors.New("the connection was closed"))
		case <-l.gone:
			return s.explainEnd(l, errors.New("the connection was closed"))
		case <-s.broken:
			return s.explainEnd(l, errors.New("the connection failed"))
		case <-s.shelf.Woken():
			s.shelf.Refresh()
		case <-s.changed:
			s.refresh(l)
			waitFor(l.ctx.Done(), refreshPause)
		}
	}
}

// refresh reads the list of tools anew; when that fails the old one stays.
func (s *server) refresh(l *link) {
	ctx, cancel := context.WithTimeout(l.ctx, s.connectTimeout())
	defer cancel()
	defer s.news.Begin()()
	c, err := catalog.Read(ctx, s.name, l.session)
	if err != nil {
		s.logger.Warn("cannot list the tools again", "error", err)
		return
	}
	if s.notItself(c) != nil {
		notify(s.broken) // what it says once more when it is connected again is its end
		return
	}
	if c.Indirect {
		return // the library's cache is older than what is there already
	}
	if err := s.reviewer.Review(s.trusted(), c, l.instructions()); err != nil {
		s.logger.Warn("the changed tools are not taken up", "error", err)
		return
	}
	s.logger.Info("the tools changed", "tools", len(c.Tools))
}

// explainEnd says why a connection ended: how its process ended, where it has one.
func (s *server) explainEnd(l *link, err error) error {
	if l.process == nil || !waitFor(l.process.Exited(), 300*time.Millisecond) {
		return err
	}
	return withStderr(fmt.Errorf("the process ended (%s)", l.process.ExitText()), l.process)
}

// teardown ends a connection and everything that belongs to it.
func (s *server) teardown(l *link, reason error) {
	l.cancel(reason)
	defer s.news.Begin()() // the next connection reads it anyway
	if l.process != nil {
		l.process.Stop(s.host.ladder())
		s.keepStderr(l.process)
	}
	l.session.Close()
	<-l.gone
	s.asks.Disconnected()
}
