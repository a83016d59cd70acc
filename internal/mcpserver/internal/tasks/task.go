package tasks

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/policy/screen"
)

// Task is a call in the background. Its methods are safe for concurrent use.
type Task struct {
	// ID names the task; it cannot be guessed.
	ID    string
	Owner Owner
	// Messages are those of its [Call].
	Messages <-chan []byte

	store   *Store
	cancel  func()
	number  int // orders the tasks of a store
	created time.Time
	ttl     time.Duration
	timer   *time.Timer
	done    chan struct{} // closed when the task has ended

	// The rest is guarded by the store's mutex.
	status, text string
	updated      time.Time
	asked        int // questions so far: each has a key of its own
	questions    map[string]question
	waiting      int // questions that are put in another way
	result       json.RawMessage
	toolFailed   bool
	err          *rpc.Error
	fetched      bool // the owner knows what came of it
	watchers     map[int]func(json.RawMessage)
	watched      int
}

// question is something that the client is to answer.
type question struct {
	method string
	params json.RawMessage
	reply  func(json.RawMessage)
}

// Done is closed when the task has ended.
func (t *Task) Done() <-chan struct{} { return t.done }

// Say notes what the task does now. The text is the server's.
func (t *Task) Say(text string) {
	if len(text) > maxText {
		text = text[:maxText]
		for !utf8.ValidString(text) && text != "" {
			text = text[:len(text)-1]
		}
	}
	text = screen.Visible(text)
	t.store.mu.Lock()
	known := t.text == text
	t.store.mu.Unlock()
	if !known {
		t.change(func() { t.text = text })
	}
}

// Ask has the client answer a question with the next tasks/update, and returns what takes it back. reply is
// called with the answer, once, and must not block.
func (t *Task) Ask(method string, params json.RawMessage, reply func(json.RawMessage)) (takeBack func()) {
	var key string
	t.change(func() {
		t.asked++
		key = "toolserve_" + strconv.Itoa(t.asked)
		if t.questions == nil {
			t.questions = map[string]question{}
		}
		t.questions[key] = question{method, params, reply}
	})
	return func() { t.change(func() { delete(t.questions, key) }) }
}

// Answer hands on what the client answers. A key that nothing was asked with is passed over.
func (t *Task) Answer(responses map[string]json.RawMessage) {
	t.change(func() {
		for key, value := range responses {
			if q, open := t.questions[key]; open {
				delete(t.questions, key)
				q.reply(value)
			}
		}
	})
}

// Wait notes that a question was put to the client in another way, until answered is called.
func (t *Task) Wait() (answered func()) {
	t.change(func() { t.waiting++ })
	return func() { t.change(func() { t.waiting-- }) }
}

// change changes a task that has not ended, and tells those who watch.
func (t *Task) change(f func()) {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if t.ended() {
		return
	}
	f()
	switch {
	case t.ended(): // f did that
	case len(t.questions) > 0 || t.waiting > 0:
		t.status = inputRequired
	default:
		t.status = working
	}
	t.tell()
}

// tell tells those who watch. The store's mutex is held.
func (t *Task) tell() {
	t.updated = t.store.opts.Now()
	if len(t.watchers) == 0 {
		return
	}
	now := t.detailed()
	for _, f := range t.watchers {
		f(now)
	}
}

func (t *Task) ended() bool {
	return t.status == completed || t.status == failed || t.status == cancelled
}

// end ends a task that runs. The store's mutex is held.
func (t *Task) end(status string) {
	if t.ended() {
		return
	}
	t.status, t.questions, t.waiting = status, nil, 0
	t.cancel()
	t.tell()
	close(t.done)
}

// Finish notes what came of the task: a result, which a tool that failed has too, or an error. A result that
// there is no room for is not kept.
func (t *Task) Finish(result json.RawMessage, toolFailed bool, err *rpc.Error) {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.ended() {
		return
	}
	used := s.keys[t.Owner.Key]
	for used.bytes+len(result) > s.opts.Bytes {
		if !s.makeRoom(t.Owner.Key) {
			err = rpc.Errorf(rpc.CodeUnavailable, "the result, of %d bytes, cannot be kept: the results of one key may have %d bytes; ask for those of other tasks first", len(result), s.opts.Bytes)
			result = nil
		}
	}
	used.bytes += len(result)
	t.result, t.toolFailed, t.err = result, toolFailed, err
	if err != nil {
		t.text = fmt.Sprintf("%.*s", maxText, screen.Visible(err.Message))
		t.end(failed)
		return
	}
	t.end(completed)
}

// Cancel cancels the task and reports whether it ran.
func (t *Task) Cancel() bool {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if t.ended() {
		return false
	}
	t.end(cancelled)
	return true
}

func (t *Task) expire() {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	t.store.forget(t)
}

// Outcome is what came of a task that has ended.
func (t *Task) Outcome() Outcome {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	t.fetched = t.ended()
	return Outcome{t.result, t.err}
}

// maxWatchers bounds who watches one task: each may hold a copy of the result.
const maxWatchers = 4

// Watch has f called with the task as [Task.Detailed] shows it, at once and each time that it changes, until
// stop is called. f must not block, nor call the task. Where too many watch, stop is nil.
func (t *Task) Watch(f func(json.RawMessage)) (stop func()) {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if len(t.watchers) == maxWatchers {
		return nil
	}
	f(t.detailed())
	t.watched++
	number := t.watched
	if t.watchers == nil {
		t.watchers = map[int]func(json.RawMessage){}
	}
	t.watchers[number] = f
	return func() {
		t.store.mu.Lock()
		defer t.store.mu.Unlock()
		delete(t.watchers, number)
	}
}

// shown is a task as it is sent, of either revision.
type shown struct {
	ID      string    `json:"taskId"`
	Status  string    `json:"status"`
	Text    string    `json:"statusMessage,omitempty"`
	Created time.Time `json:"createdAt"`
	Updated time.Time `json:"lastUpdatedAt"`
	// The times are in milliseconds: the first pair is of 2026-07-28, the second of 2025-11-25.
	TTLMs  int64 `json:"ttlMs,omitempty"`
	PollMs int64 `json:"pollIntervalMs,omitempty"`
	TTL    int64 `json:"ttl,omitempty"`
	Poll   int64 `json:"pollInterval,omitempty"`
	// What follows is of tasks/get in 2026-07-28.
	Requests map[string]shownQuestion `json:"inputRequests,omitempty"`
	Result   json.RawMessage          `json:"result,omitempty"`
	Err      *rpc.Error               `json:"error,omitempty"`
}

type shownQuestion struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
}

func (t *Task) shown() shown {
	return shown{ID: t.ID, Status: t.status, Text: t.text, Created: t.created.UTC(), Updated: t.updated.UTC()}
}

// Created is the task as 2026-07-28 answers the call that became it: the members of an object, without the
// brace in front.
func (t *Task) Created() json.RawMessage {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	out := t.shown()
	out.Status, out.TTLMs, out.PollMs = working, t.ttl.Milliseconds(), poll.Milliseconds()
	return rpc.Encode(out)[1:]
}

// Detailed is the task as 2026-07-28 has it, with what it asks or what came of it.
func (t *Task) Detailed() json.RawMessage {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	t.fetched = t.ended()
	return t.detailed()
}

func (t *Task) detailed() json.RawMessage {
	out := t.shown()
	out.TTLMs, out.PollMs, out.Result, out.Err = t.ttl.Milliseconds(), poll.Milliseconds(), t.result, t.err
	if len(t.questions) > 0 {
		out.Requests = map[string]shownQuestion{}
		for _, key := range slices.Sorted(maps.Keys(t.questions)) {
			out.Requests[key] = shownQuestion{t.questions[key].method, t.questions[key].params}
		}
	}
	return rpc.Encode(out)
}

// Summary is the task as 2025-11-25 has it, where a tool that failed makes a task that failed.
func (t *Task) Summary() json.RawMessage {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	out := t.shown()
	if out.TTL, out.Poll = t.ttl.Milliseconds(), poll.Milliseconds(); t.toolFailed && t.status == completed {
		out.Status = failed
	}
	return rpc.Encode(out)
}
