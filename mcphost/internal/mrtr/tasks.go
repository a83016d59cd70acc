package mrtr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"golang.org/x/sync/errgroup"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// The pause between two looks at a task, where the server names none, and its bounds.
const (
	usualPoll = time.Second
	leastPoll = 50 * time.Millisecond
	mostPoll  = 5 * time.Second
)

const (
	maxTaskID     = 1 << 10
	maxStatusText = 1 << 10
	// cancelWait bounds the telling of a server that nobody waits for a task any more.
	cancelWait = 2 * time.Second
)

// The states of a task.
const (
	taskWorking       = "working"
	taskInputRequired = "input_required"
	taskCompleted     = "completed"
	taskFailed        = "failed"
	taskCancelled     = "cancelled"
)

// Tasks waits for the result of a request that the server answered with a task: as revision 2025-11-25 has
// them (basic/utilities/tasks), where tasks/result gives the result, and as the extension
// io.modelcontextprotocol/tasks of 2026-07-28 has them (SEP-2663), where tasks/get does.
type Tasks struct {
	// Send sends a request and returns its result as the server sent it.
	Send func(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error)
	// Answer answers what the server asks in a task of 2026-07-28. Calls come at the same time.
	Answer func(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error)
	// OnTask, unless nil, is told the task's id when it is known.
	OnTask func(id string)
	// OnStatus, unless nil, is told what the server says of the task when it says something new.
	OnStatus func(text string)
}

// task is the state of a task, of either revision.
type task struct {
	id, status, text string
	poll             time.Duration
	extension        bool            // it is one of 2026-07-28
	result           json.RawMessage // of a task that is completed
	failure          json.RawMessage // the JSON-RPC error of one that failed
	asks             []ask
}

// IsTask reports whether a result is the promise of one.
func IsTask(result json.RawMessage) bool {
	_, ok := readPromise(result)
	return ok
}

// Result waits for the result of the task that promise speaks of, until ctx ends; then the task is
// cancelled. The errors are those of Send, a [*jsonrpc.Error] that the task failed with, and an
// [*UnansweredError].
func (x Tasks) Result(ctx context.Context, promise json.RawMessage) (json.RawMessage, error) {
	t, ok := readPromise(promise)
	if !ok {
		return nil, errors.New("the server's task cannot be read")
	}
	if x.OnTask != nil {
		x.OnTask(t.id)
	}
	result, err := x.follow(ctx, t)
	if err != nil && ctx.Err() != nil {
		x.cancel(ctx, t.id)
		return nil, ctx.Err()
	}
	return result, err
}

func (x Tasks) follow(ctx context.Context, t *task) (json.RawMessage, error) {
	answered := map[string]bool{}
	params := append(rawjson.AppendText([]byte(`{"taskId":`), t.id), '}')
	for said := ""; ; {
		if t.text != "" && t.text != said && x.OnStatus != nil {
			said = t.text
			x.OnStatus(said)
		}
		switch {
		case t.status == taskCancelled:
			return nil, errors.New("the server cancelled the task")
		case !t.extension && t.status != taskWorking:
			// tasks/result waits for the end, and what the task asks for comes while it waits.
			return x.Send(ctx, "tasks/result", params)
		case t.status == taskCompleted && t.result != nil:
			return t.result, nil
		case t.status == taskFailed && t.failure != nil:
			return nil, readFailure(t.failure)
		case t.status == taskInputRequired:
			if err := x.update(ctx, t, answered); err != nil {
				return nil, err
			}
		}
		if err := wait(ctx, t.poll); err != nil {
			return nil, err
		}
		raw, err := x.Send(ctx, "tasks/get", params)
		if err != nil {
			return nil, err
		}
		now := &task{extension: t.extension}
		if err := now.read(raw); err != nil {
			return nil, err
		}
		if now.ended() && now.extension && now.result == nil && now.failure == nil && now.status != taskCancelled {
			return nil, fmt.Errorf("the task is %s, and the server gives no result", now.status)
		}
		now.id, t = t.id, now
	}
}

func (t *task) ended() bool {
	return t.status == taskCompleted || t.status == taskFailed || t.status == taskCancelled
}

// update answers what the task asks and was not told yet, all of it at the same time.
func (x Tasks) update(ctx context.Context, t *task, answered map[string]bool) error {
	fresh := slices.DeleteFunc(t.asks, func(a ask) bool { return answered[a.key] })
	if len(fresh) == 0 {
		return nil
	}
	if len(answered)+len(fresh) > maxRounds*maxAsks {
		return errors.New("the task asks for more than it may")
	}
	given, err := x.answers(ctx, fresh)
	if err != nil {
		return err
	}
	params := append(rawjson.AppendText([]byte(`{"taskId":`), t.id), `,"inputResponses":{`...)
	for i, a := range fresh {
		answered[a.key] = true
		if i > 0 {
			params = append(params, ',')
		}
		params = append(append(rawjson.AppendText(params, a.key), ':'), given[i]...)
	}
	_, err = x.Send(ctx, "tasks/update", append(params, "}}"...))
	return err
}

// answers answers questions at the same time. What one is not answered with ends the others.
func (x Tasks) answers(ctx context.Context, asks []ask) ([]json.RawMessage, error) {
	given := make([]json.RawMessage, len(asks))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, a := range asks {
		group.Go(func() (err error) {
			if given[i], err = x.Answer(groupCtx, a.method, a.params); err != nil {
				return &UnansweredError{Method: name(a.method), Err: err}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return given, nil
}

// cancel tells the server that nobody waits any more. It does not wait for the server.
func (x Tasks) cancel(ctx context.Context, id string) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), cancelWait)
	go func() {
		defer end()
		_, _ = x.Send(ctx, "tasks/cancel", append(rawjson.AppendText([]byte(`{"taskId":`), id), '}')) // nobody is there to hear of it
	}()
}

// readPromise reads {"task": {...}} of 2025-11-25 and the flat form of the extension, whose result and
// questions do not count here.
func readPromise(result json.RawMessage) (*task, bool) {
	var nested, kind json.RawMessage
	rawjson.Fields(result, func(key string, value json.RawMessage) bool {
		switch key {
		case "task":
			nested = value
		case "resultType":
			kind = value
		}
		return true
	})
	extension := string(kind) == `"task"`
	if !extension {
		if result = nested; nested == nil || kind != nil && string(kind) != `"complete"` {
			return nil, false
		}
	}
	t := &task{extension: extension}
	if t.read(result) != nil || t.id == "" {
		return nil, false
	}
	t.result, t.failure, t.asks = nil, nil, nil
	if t.extension {
		t.status = taskWorking // what came of it is asked for
	}
	return t, true
}

// read reads the members of a task.
func (t *task) read(raw json.RawMessage) error {
	if err := rawjson.Check(raw, maxDepth); err != nil {
		return fmt.Errorf("what the server says of the task cannot be read: %w", err)
	}
	var requests json.RawMessage
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "taskId":
			t.id, _ = rawjson.Text(value)
		case "status":
			t.status, _ = rawjson.Text(value)
		case "statusMessage":
			t.text, _ = rawjson.Text(value)
		case "pollInterval", "pollIntervalMs":
			t.poll = milliseconds(value)
		case "result":
			t.result = value
		case "error":
			t.failure = value
		case "inputRequests":
			requests = value
		}
		return true
	})
	t.text = t.text[:min(len(t.text), maxStatusText)]
	t.poll = min(max(cmp.Or(t.poll, usualPoll), leastPoll), mostPoll)
	if t.status == "" || len(t.id) > maxTaskID {
		return errors.New("what the server says of the task is none: it has no status, or too long an id")
	}
	var err error
	t.asks, err = readAsks(requests)
	return err
}

func milliseconds(value json.RawMessage) time.Duration {
	var n float64
	if json.Unmarshal(value, &n) != nil || n <= 0 {
		return 0
	}
	return time.Duration(min(n, 1e9)) * time.Millisecond
}

func readFailure(raw json.RawMessage) error {
	var e jsonrpc.Error
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("the task failed, and the server does not say why: %w", err)
	}
	return &e
}
