package mcphost

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
	"github.com/toolserve/toolserve/mcphost/internal/mrtr"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
)

// withTasks is the revision whose servers are told with the call that it may become a task. Later ones decide
// by themselves.
const withTasks = "2025-11-25"

// taskTTL is how long a server is asked to keep a task: the wait for a person may be part of it.
const taskTTL = time.Hour

// callParams are the params of a call. A tool that runs as a task only is asked for one, and one that may for
// a caller who waits for long.
func (s *server) callParams(l *link, t *catalog.Tool, arguments json.RawMessage, long bool) json.RawMessage {
	params := callParams(t.Name, arguments)
	asTask := t.TaskSupport == "required" || long && t.TaskSupport == "optional"
	if init := l.session.InitializeResult(); !asTask || init == nil || init.ProtocolVersion != withTasks {
		return params
	}
	params = append(params[:len(params)-1], `,"task":{"ttl":`...)
	return append(strconv.AppendInt(params, taskTTL.Milliseconds(), 10), "}}"...)
}

// taskTime gives a call that became a task an hour, for a caller who waits for long, where nobody has set
// another time.
func (s *server) taskTime(call *Call, asks *inbound.Call) {
	if call.OnTask != nil && call.Timeout == 0 && s.cfg().Timeout == 0 && s.host.cfg().DefaultTimeout == 0 {
		asks.Extend(inbound.Time{Silent: taskTTL})
	}
}

// maxVisited bounds how often one call is tried again because its user has to open an address first.
const maxVisited = 2

// rounds sends a call until its result is there, asking its user to open an address where the server wants
// that first.
func (s *server) rounds(ctx context.Context, exchange mrtr.Exchange, params json.RawMessage) (json.RawMessage, error) {
	for tried := 0; ; tried++ {
		raw, err := exchange.Do(ctx, params)
		data, visitFirst := inbound.VisitFirst(err)
		if !visitFirst || tried == maxVisited {
			return raw, err
		}
		if err := s.asks.Visit(ctx, data); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, &mrtr.UnansweredError{Method: inbound.MethodElicit, Err: err}
		}
	}
}

// await waits for the result of a call that became a task. What the server says of it is passed on as
// progress.
func (s *server) await(ctx context.Context, l *link, steps *steps, promise json.RawMessage, call *Call) (json.RawMessage, error) {
	var id string
	tasks := mrtr.Tasks{
		Answer: s.asks.Answer,
		OnTask: func(task string) {
			id = task
			steps.asks.Owns(task)
			if call.OnTask != nil {
				call.OnTask("")
			}
		},
		Send: func(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
			return l.requests.Do(ctx, wire.Request{Method: method, Params: params, Name: id})
		},
		OnStatus: func(text string) {
			if call.OnTask != nil {
				call.OnTask(text)
			}
			steps.said(text)
		},
	}
	return tasks.Result(ctx, promise)
}
