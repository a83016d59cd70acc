package mcpserver

import (
	"context"
	"net/http"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/replay"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/streams"
	"github.com/toolserve/toolserve/internal/sse"
)

const (
	headerLastEvent = "Last-Event-Id"
	// retry is how long clients are to wait before they come back.
	retry = time.Second
	// maxKept bounds the events that are kept of all sessions, in bytes.
	maxKept = 128 << 20
)

// opening is what a stream of a session begins with. Revisions before 2025-11-25 know no event without data.
type opening struct {
	session *session
	id      string
}

// Opening is that.
func (o opening) Opening() (id string, wait time.Duration) {
	if o.session.revision != revision202511 {
		return "", 0
	}
	return o.id, retry
}

// Opening begins the stream of a call, as far as its client can come back to it.
func (j *job) Opening() (id string, wait time.Duration) {
	return opening{j.x.session, j.stream().Beginning()}.Opening()
}

// stream is the stream of a session's call, which begins with its first event.
func (j *job) stream() *replay.Stream {
	j.begin.Do(func() { j.kept.Store(j.x.session.events.Open(j.cancel)) })
	return j.kept.Load()
}

// say sends what a job says on the connection of its request.
func (j *job) say(out *sse.Writer, message []byte) {
	if message = results.OneLine(message); j.x.session == nil {
		_ = out.Event("message", message) // a client that left ends the request
		return
	}
	_ = out.Numbered(j.stream().Add(message), "message", message) // as above
}

// left lets the job of a session go on whose connection broke, for a client that comes back in time, and
// reports whether there can be one: one that knows the stream. What comes of the job is kept then.
func (x *exchange) left(m *rpc.Message, j *job) bool {
	kept := j.kept.Load()
	if kept == nil || !kept.Leave() {
		return false
	}
	x.h.running.Go(func() {
		defer x.session.done(m.ID)
		defer j.cancel()
		for {
			select {
			case message := <-j.out:
				kept.Add(results.OneLine(message))
				continue
			case <-x.h.ctx.Done():
				j.cancel()
				<-j.done
			case o := <-j.done:
				for len(j.out) > 0 {
					kept.Add(results.OneLine(<-j.out))
				}
				kept.Add(results.OneLine(x.encode(m, o)))
			}
			kept.End()
			return
		}
	})
	return true
}

// resume sends a stream to a client that came back, or its session's own to one that came: what is behind an
// event of a number, and what comes. first is what it begins with, or nil.
func (h *Handler) resume(ctx context.Context, w http.ResponseWriter, kept *replay.Stream, number int, first sse.Opener) {
	out := sse.NewWriter(w)
	defer out.Stop()
	out.Open(first)
	if out.Comment("open") != nil {
		return
	}
	out.KeepAlive(keepAlive)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	kept.Copy(ctx, number, func(e replay.Event) error { return out.Numbered(e.ID, "message", e.Data) })
}

// serveOwn sends a session's own stream, from the event behind the last one that its client has: "" where it
// does not come back.
func (h *Handler) serveOwn(ctx context.Context, w http.ResponseWriter, s *session, one *streams.Stream, last string) {
	kept, newest := s.events.Own()
	if last == "" {
		h.resume(ctx, w, kept, newest, opening{s, kept.ID()})
	} else {
		if known, number := s.events.Find(last); known != nil {
			newest = number
		}
		for _, c := range streams.Changes(s.sawUpTo(), h.opts.Catalogue.Versions()) {
			one.Changed(c)
		}
		h.resume(ctx, w, kept, newest, nil)
	}
	s.saw(h.opts.Catalogue.Versions())
}
