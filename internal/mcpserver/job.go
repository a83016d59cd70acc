package mcpserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/replay"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/tasks"
)

// task answers a request in its own time.
type task func(j *job) (json.RawMessage, *rpc.Error)

// job is a request that may take its time.
type job struct {
	x      *exchange
	params json.RawMessage
	meta   incoming.Meta
	// ctx ends when nobody waits for the answer.
	ctx    context.Context
	cancel context.CancelFunc
	// token is the client's for notifications of progress; nil wants none. It comes with each request.
	token atomic.Pointer[json.RawMessage]
	// mute says that nobody hears what the job says before its answer.
	mute bool
	// out holds what is to be sent before the answer, and asks what the client is to be asked where there
	// is no session. The job sends, the request that follows it receives. done takes the outcome, once.
	out  chan []byte
	asks chan *question
	done chan outcome
	// promised, nil for a client that takes no tasks, takes what the server says of the task that it runs the
	// call as, until there is one of ours: task. failed, set before done, says that the tool reports an error.
	promised chan string
	task     atomic.Pointer[tasks.Task]
	failed   bool
	// kept is the stream of a session's call, for a client that comes back, from its beginning on.
	kept  atomic.Pointer[replay.Stream]
	begin sync.Once
}

// question is something that a client is asked.
type question struct {
	method string
	params json.RawMessage
	reply  chan answer     // takes one
	ctx    context.Context // ends when nobody waits for the reply
}

func (x *exchange) newJob(ctx context.Context, params json.RawMessage, m incoming.Meta) *job {
	j := &job{x: x, params: params, meta: m,
		out: make(chan []byte, 64), asks: make(chan *question), done: make(chan outcome, 1)}
	j.ctx, j.cancel = context.WithCancel(ctx)
	j.token.Store(&j.meta.Token)
	if x.session == nil && x.client.Tasks {
		j.promised = make(chan string, 1)
	}
	return j
}

func (j *job) run(t task) {
	result, err := t(j)
	j.done <- outcome{result, err}
}

// notify tells the client something. What comes faster than the client takes it is lost.
func (j *job) notify(name string, params json.RawMessage) {
	t := j.task.Load()
	if j.mute || t != nil && j.x.session == nil { // the extension has no messages for tasks
		return
	}
	select {
	case j.out <- rpc.Request(nil, name, related(t, params)):
	default:
	}
}

// errNotAsked is the error of a question that could not be put.
var errNotAsked = errors.New("the client is not there to be asked")

// ask asks the client and waits for its answer.
func (j *job) ask(ctx context.Context, name string, params json.RawMessage) (json.RawMessage, error) {
	if j.mute {
		return nil, errNotAsked
	}
	ctx, cancel := context.WithTimeout(ctx, j.x.h.opts.AskTimeout)
	defer cancel()
	q := &question{method: name, params: params, reply: make(chan answer, 1), ctx: ctx}
	reply := (<-chan answer)(q.reply)
	if s := j.x.session; s != nil {
		id, ch, forget := s.ask()
		defer forget()
		reply = ch
		t := j.task.Load()
		if t != nil {
			defer t.Wait()()
		}
		select {
		case j.out <- rpc.Request(id, name, related(t, params)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	} else {
		select {
		case j.asks <- q:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	select {
	case a := <-reply:
		if a.err != nil {
			return nil, a.err
		}
		return a.result, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-j.ctx.Done():
		return nil, j.ctx.Err()
	}
}

const (
	// maxParked bounds the calls of one key that wait for an answer that comes with another request.
	maxParked = 32
	// statePrefix begins a request state of ours; what follows are a name of this process and the call's.
	statePrefix = "toolserve/"
)

// parked are the calls that wait for an answer that comes with another request: in revision 2026-07-28 a
// server does not ask, it answers that it needs input, and the client calls again with that.
type parked struct {
	perKey int

	mu    sync.Mutex // guards the rest
	jobs  map[string]*parkedJob
	keys  map[string]int
	ended bool // takes no more
}

type parkedJob struct {
	job   *job
	asked map[string]*question
	timer *time.Timer
}

// park lets a job wait for the client's next request, and returns the answer that says what is wanted. It
// is nil where the job may not wait; the question is then refused.
func (x *exchange) park(j *job, first *question) json.RawMessage {
	asked := map[string]*question{"toolserve_1": first}
	requests := map[string]any{"toolserve_1": map[string]any{"method": first.method, "params": first.params}}
	id := x.h.parked.add(j, asked, x.h.opts.AskTimeout)
	if id == "" {
		first.reply <- answer{err: rpc.Errorf(rpc.CodeUnavailable, "too many calls wait for an answer of their user")}
		return nil
	}
	b := append(json.RawMessage(`{"resultType":"input_required","inputRequests":`), rpc.Encode(requests)...)
	b = append(append(b, `,"requestState":`...), rpc.Encode(x.h.statePrefix()+id)...)
	return append(b, '}')
}

// add keeps a job and returns its name, or "" where its key has too many.
func (p *parked) add(j *job, asked map[string]*question, patience time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jobs == nil {
		p.jobs, p.keys = map[string]*parkedJob{}, map[string]int{}
	}
	actor := j.x.actor
	if p.ended || p.keys[actor] >= p.perKey || len(p.jobs) >= allKeys*p.perKey {
		return ""
	}
	id := rand.Text()
	p.keys[actor]++
	p.jobs[id] = &parkedJob{job: j, asked: asked, timer: time.AfterFunc(patience, func() {
		if one := p.take(id, nil); one != nil {
			one.job.cancel()
		}
	})}
	return id
}

// take removes a job that fits, and returns it, or nil.
func (p *parked) take(id string, fits func(*job) bool) *parkedJob {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.jobs[id]
	if one == nil || fits != nil && !fits(one.job) {
		return nil
	}
	one.timer.Stop()
	delete(p.jobs, id)
	if actor := one.job.x.actor; p.keys[actor] > 1 {
		p.keys[actor]--
	} else {
		delete(p.keys, actor)
	}
	return one
}

// end cancels all that waits; nothing may wait any more.
func (p *parked) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.jobs {
		one.timer.Stop()
		one.job.cancel()
	}
	p.jobs, p.keys, p.ended = nil, nil, true
}

// statePrefix begins the request states of this process. Others are the upstream server's, which made them.
func (h *Handler) statePrefix() string { return statePrefix + h.process + "/" }

// resume finds the job that a request goes on with, and gives it the answers. Without a state of ours
// there is none. The outcome is an error, or what is still wanted.
func (x *exchange) resume(j *job) (*job, *outcome) {
	if x.session != nil {
		return nil, nil
	}
	in := incoming.ReadInput(j.params)
	id, ours := strings.CutPrefix(in.State, x.h.statePrefix())
	if !ours {
		return nil, nil
	}
	target := incoming.Target(j.params)
	one := x.h.parked.take(id, func(other *job) bool {
		return other.x.actor == x.actor && other.x.view == x.view && target == incoming.Target(other.params)
	})
	if one == nil {
		return nil, &outcome{err: rpc.Errorf(rpc.CodeInvalidParams, "the requestState is not one that was given for this request, or its time is over; call again without it")}
	}
	one.job.token.Store(&j.meta.Token)
	for key, q := range one.asked {
		given, ok := in.Responses[key]
		if !ok { // the specification wants it asked for again, not refused
			if again := x.park(one.job, q); again != nil {
				return nil, &outcome{result: again}
			}
			continue
		}
		q.reply <- answer{result: given}
	}
	return one.job, nil
}
