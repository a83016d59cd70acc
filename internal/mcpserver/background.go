package mcpserver

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/listing"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/streams"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/tasks"
	"github.com/toolserve/toolserve/internal/sse"
)

// relatedTask is the member of "_meta" that revision 2025-11-25 gives whatever belongs to a task.
const relatedTask = "io.modelcontextprotocol/related-task"

// hasTasks reports whether the session's revision has tasks. Revision 2026-07-28 has them as an extension.
func (x *exchange) hasTasks() bool { return x.session != nil && x.session.revision == revision202511 }

// owner is whom the tasks of a request belong to.
func (x *exchange) owner() tasks.Owner {
	o := tasks.Owner{Key: x.actor, View: x.view.server}
	if x.session != nil {
		o.Session = x.session.id
	}
	return o
}

// promise notes that the server runs the call as a task, and what it says of it.
func (j *job) promise(status string) {
	if t := j.task.Load(); t != nil {
		t.Say(status)
		return
	}
	select {
	case j.promised <- status:
	default: // the request will make a task of it, or waits for the result because there is no room
	}
}

// related is params with the task that they belong to, where there is one.
func related(t *tasks.Task, params json.RawMessage) json.RawMessage {
	if t == nil {
		return params
	}
	return results.AddMeta(params, relatedTask, rpc.Encode(map[string]string{"taskId": t.ID}))
}

// leave lets a job that asks something go on without its request: as a task where it is one, else until the
// client calls again. The answer says so; it is nil where neither may be.
func (x *exchange) leave(j *job, first *question) json.RawMessage {
	select {
	case status := <-j.promised:
		if result := x.becomeTask(j, status, first); result != nil {
			return result
		}
	default:
	}
	return x.park(j, first)
}

// becomeTask lets a job that the server runs as a task go on without its request, and returns the answer that
// says so. It is nil where there is no room; the request then waits. first is what the job asks already, or nil.
func (x *exchange) becomeTask(j *job, status string, first *question) json.RawMessage {
	t, err := x.h.tasks.Add(j.x.owner(), tasks.Call{Cancel: j.cancel})
	if err != nil {
		return nil
	}
	j.task.Store(t)
	t.Say(status)
	if first != nil {
		first.putTo(t)
	}
	created := results.Task(t.Created())
	x.h.running.Go(func() { j.tend(t) })
	return created
}

// startTask runs a call as a task because its client, of revision 2025-11-25, wants it. ttl is in milliseconds.
func (x *exchange) startTask(ctx context.Context, m *rpc.Message, run task, ttl float64) {
	j := x.newJob(context.WithoutCancel(ctx), m.Params, x.meta)
	keep := time.Duration(min(max(ttl, 0), float64(time.Hour.Milliseconds()))) * time.Millisecond
	t, err := x.h.tasks.Add(x.owner(), tasks.Call{TTL: keep, Cancel: j.cancel, Messages: j.out})
	if err != nil {
		j.cancel()
		x.send(nil, m, outcome{err: rpc.Errorf(rpc.CodeUnavailable, "%v", err)})
		return
	}
	if x.session.ended() { // meanwhile, and its tasks with it
		x.h.tasks.EndSession(x.session.id)
	}
	j.task.Store(t)
	release := x.h.sessions.hold(x.session)
	x.h.running.Go(func() { j.run(run) })
	x.h.running.Go(func() {
		defer release()
		j.tend(t)
	})
	x.send(nil, m, outcome{result: append(append(json.RawMessage(`{"task":`), t.Summary()...), '}')})
}

// tend brings what a job asks to its task, and what comes of it.
func (j *job) tend(t *tasks.Task) {
	out := j.out
	if j.x.session != nil {
		out = nil // tasks/result takes it
	}
	for {
		select {
		case <-out: // said before the task was known, or as it became so
		case q := <-j.asks:
			q.putTo(t)
		case o := <-j.done:
			if o.result != nil && j.x.session == nil {
				o.result = results.Complete(o.result, "", j.x.h.identity)
			}
			t.Finish(o.result, j.failed, o.err)
			return
		}
	}
}

// putTo has the client of a task answer the question.
func (q *question) putTo(t *tasks.Task) {
	takeBack := t.Ask(q.method, q.params, func(value json.RawMessage) { q.reply <- answer{result: value} })
	context.AfterFunc(q.ctx, takeBack)
}

// ofTask returns what answers a method about tasks, or nil: those of the extension, or of a session.
func (x *exchange) ofTask(name string) method {
	switch {
	case x.session == nil && (name == "tasks/get" || name == "tasks/update" || name == "tasks/cancel"):
		if !x.client.Tasks {
			return func(context.Context, *exchange, json.RawMessage) (json.RawMessage, *rpc.Error) {
				return nil, needsTasks()
			}
		}
	case !x.hasTasks():
		return nil
	}
	switch {
	case name == "tasks/get":
		return withTask(func(x *exchange, t *tasks.Task, _ json.RawMessage) (json.RawMessage, *rpc.Error) {
			if x.session == nil {
				return t.Detailed(), nil
			}
			return t.Summary(), nil
		})
	case name == "tasks/cancel":
		return withTask(cancelTask)
	case name == "tasks/update" && x.session == nil:
		return withTask(func(_ *exchange, t *tasks.Task, params json.RawMessage) (json.RawMessage, *rpc.Error) {
			t.Answer(incoming.ReadInput(params).Responses)
			return json.RawMessage("{}"), nil
		})
	case name == "tasks/list" && x.session != nil:
		return listTasks
	}
	return nil
}

// needsTasks is the error of a request by a client that does not declare the extension.
func needsTasks() *rpc.Error {
	e := rpc.Errorf(rpc.CodeMissingCapability, "the client does not declare the extension %s, which this needs", incoming.Tasks)
	e.Data = json.RawMessage(`{"requiredCapabilities":{"extensions":{"` + incoming.Tasks + `":{}}}}`)
	return e
}

// withTask is a method about one task of the client's.
func withTask(f func(*exchange, *tasks.Task, json.RawMessage) (json.RawMessage, *rpc.Error)) method {
	return func(_ context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
		t, err := x.findTask(params)
		if err != nil {
			return nil, err
		}
		return f(x, t, params)
	}
}

func (x *exchange) findTask(params json.RawMessage) (*tasks.Task, *rpc.Error) {
	id, bad := incoming.Text(params, "taskId")
	if bad != nil {
		return nil, bad
	}
	t := x.h.tasks.Find(x.owner(), id)
	if t == nil {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "there is no such task, or its time is over")
	}
	return t, nil
}

// cancelTask answers tasks/cancel. In revision 2025-11-25 a task that has ended cannot be cancelled.
func cancelTask(x *exchange, t *tasks.Task, _ json.RawMessage) (json.RawMessage, *rpc.Error) {
	ran := t.Cancel()
	switch {
	case x.session == nil:
		return json.RawMessage("{}"), nil
	case !ran:
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "the task has ended; it cannot be cancelled")
	}
	return t.Summary(), nil
}

// listTasks answers tasks/list.
func listTasks(_ context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	var items []json.RawMessage
	for _, t := range x.h.tasks.List(x.owner()) {
		items = append(items, t.Summary())
	}
	return listing.Page("tasks", items, params)
}

// taskResult answers tasks/result: it waits for the end of the task, and hands on what it says and asks
// meanwhile. A client that leaves does not end the task.
func (x *exchange) taskResult(ctx context.Context, m *rpc.Message) {
	t, bad := x.findTask(m.Params)
	if bad != nil {
		x.send(nil, m, outcome{err: bad})
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := x.session.begin(m.ID, cancel); err != nil {
		x.h.fail(x.w, http.StatusTooManyRequests, m.ID, err)
		return
	}
	defer x.session.done(m.ID)
	out := sse.NewWriter(x.w)
	defer out.Stop()
	out.KeepAlive(x.h.opts.Quiet)
	for {
		select {
		case message := <-t.Messages:
			_ = out.Event("message", results.OneLine(message)) // a client that left ends ctx
			continue
		case <-ctx.Done():
			return
		case <-t.Done():
		}
		break
	}
	for more := true; more; {
		select { // who asks for the same result at the same time may take the last one
		case message := <-t.Messages:
			_ = out.Event("message", results.OneLine(message)) // as above
		default:
			more = false
		}
	}
	end := t.Outcome()
	switch {
	case end.Err != nil:
		x.send(out, m, outcome{err: end.Err})
	case end.Result == nil:
		x.send(out, m, outcome{err: rpc.Errorf(rpc.CodeInvalidRequest, "the task was cancelled; it has no result")})
	default:
		x.send(out, m, outcome{result: related(t, end.Result)})
	}
}

// tasksOf returns those of a client's tasks that it names.
func (x *exchange) tasksOf(ids []string) map[string]*tasks.Task {
	known := map[string]*tasks.Task{}
	for _, id := range ids {
		if t := x.h.tasks.Find(x.owner(), id); t != nil {
			known[id] = t
		}
	}
	return known
}

// watchTasks has a stream told of tasks.
func watchTasks(known map[string]*tasks.Task, one *streams.Stream, id json.RawMessage) (stop func()) {
	var stops []func()
	for _, t := range known {
		end := t.Watch(func(now json.RawMessage) {
			one.Say(rpc.Request(nil, "notifications/tasks", results.AddMeta(now, incoming.MetaSubscription, id)))
		})
		if end != nil {
			stops = append(stops, end)
		}
	}
	return func() {
		for _, end := range stops {
			end()
		}
	}
}
