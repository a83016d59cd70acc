package everything

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// tasksExtension lets a call be answered with a task (SEP-2663). The library knows nothing of it, so that
// [Tasks] answers in front of it.
const tasksExtension = "io.modelcontextprotocol/tasks"

// job is a tool that runs as a task.
type job struct {
	// lasts is how long it runs, and asks what it asks before it ends, by key.
	lasts time.Duration
	asks  map[string]string
	// result or failure is what comes of it.
	result  func(answers map[string]json.RawMessage) *mcp.CallToolResult
	failure *jsonrpc.Error
}

// newJob returns what a call runs as a task, nil where it is none, or what is asked before it is known.
func newJob(tool string, arguments json.RawMessage, answers map[string]json.RawMessage) (j *job, first any) {
	var in struct{ Seconds float64 }
	_ = json.Unmarshal(arguments, &in) // without seconds it takes none
	said := func(text string) func(map[string]json.RawMessage) *mcp.CallToolResult {
		return func(map[string]json.RawMessage) *mcp.CallToolResult { return says("%s", text) }
	}
	switch tool {
	case "slow_compute":
		return &job{lasts: time.Duration(in.Seconds * float64(time.Second)), result: said("computed")}, nil
	case "failing_job":
		return &job{lasts: time.Second, result: func(map[string]json.RawMessage) *mcp.CallToolResult {
			result := says("the job failed, as it always does")
			result.IsError = true
			return result
		}}, nil
	case "protocol_error_job":
		return &job{failure: &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the job broke, as it always does"}}, nil
	case "confirm_delete":
		return &job{asks: map[string]string{"confirm": agreeForm}, result: said("deleted")}, nil
	case "multi_input":
		return &job{asks: map[string]string{"one": agreeForm, "two": agreeForm}, result: said("both are known")}, nil
	case "test_tool_with_task":
		answer, told := answers["user_name"]
		if !told {
			return nil, map[string]any{"resultType": "input_required", "inputRequests": map[string]any{"user_name": asksFor("What is your name?", nameForm)}}
		}
		return &job{lasts: 100 * time.Millisecond, result: said("Hello, " + string(answer))}, nil
	}
	return nil, nil
}

const agreeForm = `{"type":"object","properties":{"name":{"type":"string"},"confirm":{"type":"boolean"}},"required":["confirm"]}`

func asksFor(message, schema string) any {
	return map[string]any{"method": "elicitation/create", "params": map[string]any{"message": message, "requestedSchema": json.RawMessage(schema)}}
}

// addTasks adds the tools for clients that take no tasks.
func addTasks(s *mcp.Server) {
	add(s, "greet", `{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		var in struct{ Name string }
		err := json.Unmarshal(req.Params.Arguments, &in)
		return says("Hello, %s!", in.Name), err
	})
	for _, name := range []string{"slow_compute", "confirm_delete", "multi_input", "protocol_error_job"} {
		add(s, name, anything, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return says("done without a task"), nil
		})
	}
	for _, name := range []string{"failing_job", "test_tool_with_task"} {
		add(s, name, anything, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return nil, &jsonrpc.Error{Code: mcp.CodeMissingRequiredClientCapabilities, Message: "the tool runs as a task only",
				Data: json.RawMessage(`{"requiredCapabilities":{"extensions":{"` + tasksExtension + `":{}}}}`)}
		})
	}
}

// Tasks is a transport whose server runs some tools as tasks, for clients that take them.
func Tasks(t mcp.Transport) mcp.Transport { return taskTransport{t} }

type taskTransport struct{ mcp.Transport }

func (t taskTransport) Connect(ctx context.Context) (mcp.Connection, error) {
	conn, err := t.Transport.Connect(ctx)
	return &taskConn{Connection: conn, tasks: map[string]*runningJob{}}, err
}

type taskConn struct {
	mcp.Connection

	mu    sync.Mutex // guards the rest
	tasks map[string]*runningJob
}

// runningJob is a job that was begun. Whether it has ended is seen when somebody asks.
type runningJob struct {
	*job
	id        string
	begun     time.Time
	cancelled bool
	answers   map[string]json.RawMessage
}

// Read returns the next message that is not about tasks.
func (c *taskConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		msg, err := c.Connection.Read(ctx)
		req, ok := msg.(*jsonrpc.Request)
		if err != nil || !ok || !req.IsCall() {
			return msg, err
		}
		result, failure := c.answer(req)
		if result == nil && failure == nil {
			return msg, nil
		}
		resp := &jsonrpc.Response{ID: req.ID}
		if failure != nil {
			resp.Error = failure
		} else if resp.Result, err = json.Marshal(result); err != nil {
			return nil, err
		}
		if err := c.Write(ctx, resp); err != nil {
			return nil, err
		}
	}
}

// answer answers a request that is about tasks; both are nil where it is not.
func (c *taskConn) answer(req *jsonrpc.Request) (result any, failure error) {
	var p struct {
		Meta struct {
			Capabilities struct {
				Extensions map[string]json.RawMessage `json:"extensions"`
			} `json:"io.modelcontextprotocol/clientCapabilities"`
		} `json:"_meta"`
		Name           string                     `json:"name"`
		Arguments      json.RawMessage            `json:"arguments"`
		TaskID         string                     `json:"taskId"`
		InputResponses map[string]json.RawMessage `json:"inputResponses"`
	}
	declared := false
	if json.Unmarshal(req.Params, &p) == nil {
		_, declared = p.Meta.Capabilities.Extensions[tasksExtension]
	}
	if !declared {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tasks[p.TaskID]
	switch req.Method {
	case "tools/call":
		return c.begin(p.Name, p.Arguments, p.InputResponses)
	case "tasks/get", "tasks/update", "tasks/cancel":
		if t == nil {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "there is no such task"}
		}
	default:
		return nil, nil
	}
	switch req.Method {
	case "tasks/update":
		maps.Copy(t.answers, p.InputResponses)
	case "tasks/cancel":
		t.cancelled = true
	default:
		return t.detailed(), nil
	}
	return map[string]any{"resultType": "complete"}, nil
}

func (c *taskConn) begin(tool string, arguments json.RawMessage, answers map[string]json.RawMessage) (any, error) {
	j, first := newJob(tool, arguments, answers)
	switch {
	case first != nil:
		return first, nil
	case j == nil || j.lasts == 0 && j.asks == nil && j.failure == nil: // it may as well be answered at once
		return nil, nil
	}
	t := &runningJob{job: j, id: "job-" + strconv.Itoa(len(c.tasks)+1), begun: time.Now(), answers: map[string]json.RawMessage{}}
	c.tasks[t.id] = t
	shown := t.shown("working")
	shown["resultType"] = "task"
	return shown, nil
}

func (t *runningJob) shown(status string) map[string]any {
	stamp := t.begun.UTC().Format(time.RFC3339)
	return map[string]any{"taskId": t.id, "status": status, "statusMessage": fmt.Sprintf("the job is %s", status),
		"createdAt": stamp, "lastUpdatedAt": stamp, "ttlMs": 60000, "pollIntervalMs": 50}
}

// detailed is the task as tasks/get shows it.
func (t *runningJob) detailed() any {
	open := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(t.asks)) {
		if t.answers[key] == nil {
			open[key] = asksFor("Please answer "+key, t.asks[key])
		}
	}
	var shown map[string]any
	switch {
	case t.cancelled:
		shown = t.shown("cancelled")
	case len(open) > 0:
		shown = t.shown("input_required")
		shown["inputRequests"] = open
	case time.Since(t.begun) < t.lasts:
		shown = t.shown("working")
	case t.failure != nil:
		shown = t.shown("failed")
		shown["error"] = t.failure
	default:
		shown = t.shown("completed")
		shown["result"] = t.result(t.answers)
	}
	shown["resultType"] = "complete"
	return shown
}
