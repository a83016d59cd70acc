package inbound

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// The methods by which a server of 2025-11-25 asks after what it asked for as a task.
const (
	methodTaskGet    = "tasks/get"
	methodTaskResult = "tasks/result"
	methodTaskCancel = "tasks/cancel"
	methodTaskList   = "tasks/list"
)

const (
	// maxOwnTasks bounds the tasks that a server has with us.
	maxOwnTasks = 64
	// maxTTL bounds how long the result of one is kept, usualTTL is it where the server says nothing.
	maxTTL, usualTTL = time.Hour, 10 * time.Minute
	// ownPoll is how often we ask to be asked, in milliseconds.
	ownPoll = 500
)

// The states of a task.
const (
	taskWorking   = "working"
	taskCompleted = "completed"
	taskFailed    = "failed"
	taskCancelled = "cancelled"
)

// ownTask is a request that the server wants answered in the background (2025-11-25,
// basic/utilities/tasks). It is not changed once done is closed; before, only with the handlers' mutex.
type ownTask struct {
	ID        string    `json:"taskId"`
	Status    string    `json:"status"`
	Message   string    `json:"statusMessage,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"lastUpdatedAt"`
	TTL       int64     `json:"ttl"`          // milliseconds
	Poll      int       `json:"pollInterval"` // milliseconds

	cancel context.CancelFunc
	done   chan struct{} // closed when result and err are there
	result json.RawMessage
	err    error
}

// taskCapability is the member "tasks" of the capabilities of a client that takes tasks for what is on, or
// nil for none.
func (h *Handlers) taskCapability() json.RawMessage {
	requests := map[string]any{}
	if h.opts.Forms || h.opts.URLs {
		requests["elicitation"] = map[string]any{"create": struct{}{}}
	}
	if h.opts.Sampler != nil {
		requests["sampling"] = map[string]any{"createMessage": struct{}{}}
	}
	if len(requests) == 0 {
		return nil
	}
	data, err := json.Marshal(map[string]any{"list": struct{}{}, "cancel": struct{}{}, "requests": requests})
	if err != nil {
		return nil
	}
	return data
}

// Declare adds to the params of initialize what the protocol library has no word for: tasks.
func (h *Handlers) Declare(params json.RawMessage) json.RawMessage {
	tasks := h.taskCapability()
	if tasks == nil {
		return params
	}
	var all, capabilities map[string]json.RawMessage
	if json.Unmarshal(params, &all) != nil || json.Unmarshal(all["capabilities"], &capabilities) != nil {
		return params
	}
	var version string
	if json.Unmarshal(all["protocolVersion"], &version) != nil || version != "2025-11-25" {
		return params
	}
	var err error
	capabilities["tasks"] = tasks
	if all["capabilities"], err = json.Marshal(capabilities); err != nil {
		return params
	}
	out, err := json.Marshal(all)
	if err != nil {
		return params
	}
	return out
}

// asTask reports whether a request is to be answered in the background, and how long its result is to be
// kept.
func asTask(method string, params json.RawMessage) (ttl time.Duration, ok bool) {
	if method != MethodElicit && method != MethodSample || rawjson.Check(params, maxDepth) != nil {
		return 0, false
	}
	ttl = usualTTL
	rawjson.Fields(params, func(key string, value json.RawMessage) bool {
		if key != "task" {
			return true
		}
		var p struct {
			TTL float64 `json:"ttl"`
		}
		if ok = json.Unmarshal(value, &p) == nil; ok && p.TTL > 0 {
			ttl = time.Duration(min(p.TTL, float64(maxTTL.Milliseconds()))) * time.Millisecond
		}
		return false
	})
	return ttl, ok
}

// begin answers a request in the background and returns the task that stands for it.
func (h *Handlers) begin(ctx context.Context, method string, params json.RawMessage, ttl time.Duration) (any, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	now := h.opts.Now()
	t := &ownTask{
		ID: rand.Text(), Status: taskWorking, CreatedAt: now, UpdatedAt: now, TTL: ttl.Milliseconds(), Poll: ownPoll,
		cancel: cancel, done: make(chan struct{}),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.own = slices.DeleteFunc(h.own, func(t *ownTask) bool { return t.over(now) })
	if len(h.own) >= maxOwnTasks {
		cancel()
		return nil, refusal(codeLimit, "too many tasks: at most %d at a time", maxOwnTasks)
	}
	h.own = append(h.own, t)
	go func() {
		defer cancel()
		result, err := h.Answer(ctx, method, params)
		h.mu.Lock()
		defer h.mu.Unlock()
		t.result, t.err, t.UpdatedAt = result, err, h.opts.Now()
		switch {
		case t.Status == taskCancelled:
		case err != nil:
			t.Status, t.Message = taskFailed, err.Error()
		default:
			t.Status = taskCompleted
		}
		close(t.done)
	}()
	return map[string]ownTask{"task": *t}, nil
}

// Disconnected ends the tasks of a server whose connection has ended: nobody will ask for their results.
func (h *Handlers) Disconnected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.own {
		t.cancel()
	}
	h.own = nil
}

// over reports whether a task's time is up. One that still runs has its own bounds.
func (t *ownTask) over(now time.Time) bool {
	return t.Status != taskWorking && now.Sub(t.CreatedAt) > time.Duration(t.TTL)*time.Millisecond
}

// task answers what the server asks about its tasks.
func (h *Handlers) task(ctx context.Context, method string, params json.RawMessage) (any, error) {
	if !h.requests.allow(h.opts.Now(), perMinute) {
		return nil, refusal(codeLimit, "too many requests: a server may ask %d times in a minute", perMinute)
	}
	if err := checkParams(params); err != nil {
		return nil, err
	}
	if method == methodTaskList {
		return h.listTasks(), nil
	}
	var p struct {
		TaskID string `json:"taskId"`
	}
	if err := decode(params, &p); err != nil {
		return nil, err
	}
	h.mu.Lock()
	i := slices.IndexFunc(h.own, func(t *ownTask) bool { return t.ID == p.TaskID && !t.over(h.opts.Now()) })
	if i < 0 {
		h.mu.Unlock()
		return nil, refusal(jsonrpc.CodeInvalidParams, "there is no such task, or its time is up")
	}
	t := h.own[i]
	if method == methodTaskCancel && t.Status == taskWorking {
		t.Status, t.UpdatedAt = taskCancelled, h.opts.Now()
		t.cancel()
	} else if method == methodTaskCancel {
		h.mu.Unlock()
		return nil, refusal(jsonrpc.CodeInvalidParams, "the task is %s and cannot be cancelled", t.Status)
	}
	state := *t
	h.mu.Unlock()
	if method != methodTaskResult {
		return state, nil
	}
	return t.wait(ctx)
}

// wait returns what came of the task, once it is there.
func (t *ownTask) wait(ctx context.Context) (any, error) {
	select {
	case <-t.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if t.err != nil {
		return nil, t.err
	}
	var result map[string]json.RawMessage
	if err := json.Unmarshal(t.result, &result); err != nil {
		return nil, err
	}
	related, err := json.Marshal(map[string]any{relatedTask: map[string]string{"taskId": t.ID}})
	result["_meta"] = related
	return result, err
}

func (h *Handlers) listTasks() any {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []ownTask{}
	for _, t := range h.own {
		if !t.over(h.opts.Now()) {
			list = append(list, *t)
		}
	}
	return map[string][]ownTask{"tasks": list}
}
