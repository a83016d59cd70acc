// Package inbound answers what MCP servers ask of their client: its roots, a form or an address for a
// person (elicitation), a word of the served model (sampling). It works on raw JSON, so that it serves
// requests that come over a connection as well as those that a result of revision 2026-07-28 carries
// (resultType input_required). Each feature that is off is refused with the reason, and only what is on
// is declared.
//
// What a server sends is hostile until checked: requests are counted and bounded in size, forms and
// addresses are judged before anybody sees them.
package inbound

//lint:file-ignore SA1019 servers of the older revisions know roots, sampling and logging, and nothing in their place

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
)

// The methods that Answer knows.
const (
	MethodRoots  = "roots/list"
	MethodElicit = "elicitation/create"
	MethodSample = "sampling/createMessage"
)

const (
	// maxParams bounds the parameters of a request in bytes.
	maxParams = 4 << 20
	// maxDepth bounds their nesting.
	maxDepth = 64
	// perMinute bounds the requests of a server, refused ones included.
	perMinute = 600
	// atOnce bounds the requests of a server that are being answered.
	atOnce = 32
)

// Options say what a server may ask for. The zero value refuses all.
type Options struct {
	// Server is the server's name in the configuration.
	Server string
	// Roots returns the folders that the server is told of; nil turns roots off.
	Roots func() []Root
	// Forms and URLs allow the two modes of elicitation.
	Forms, URLs bool
	// AskTimeout bounds the wait for a person; 0 means 5 min.
	AskTimeout time.Duration
	// Sampler answers sampling requests; nil turns sampling off.
	Sampler Sampler
	// Sampling bounds them.
	Sampling SamplingLimits
	// CallerSamples says that there are callers who answer what the server asks a model: see [Caller.Sample].
	CallerSamples bool
	// Record writes to the audit log; nil records nothing.
	Record func(audit.Record)
	// Hide takes secrets out of a text; nil leaves it.
	Hide func(string) string
	// Logger is told what the server asks and logs; nil is silent.
	Logger *slog.Logger
	// LogLevel is the least level of the server's own log lines that are passed on to Logger, in words of
	// MCP; "" is all, "off" none.
	LogLevel string
	// Now is the clock of the limits; nil is time.Now.
	Now func() time.Time
}

// Handlers answer one server's requests. They are safe for concurrent use.
type Handlers struct {
	opts     Options
	slots    chan struct{} // a token for each request that is being answered
	requests window        // all requests
	samples  window        // samplings that no call is known for
	lines    window        // log lines for the logger

	mu     sync.Mutex
	calls  map[*Call]struct{}       // the calls under way
	tasks  map[string]*Call         // the tasks that they wait for
	own    []*ownTask               // what the server wants answered in the background
	visits map[string]chan struct{} // see awaitVisit
	begun  uint64                   // how many calls there were
}

// New returns the handlers of a server.
func New(opts Options) *Handlers {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Record == nil {
		opts.Record = func(audit.Record) {}
	}
	if opts.Hide == nil {
		opts.Hide = func(s string) string { return s }
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.AskTimeout <= 0 {
		opts.AskTimeout = 5 * time.Minute
	}
	opts.Sampling = opts.Sampling.orDefaults()
	return &Handlers{opts: opts, slots: make(chan struct{}, atOnce), calls: map[*Call]struct{}{}, tasks: map[string]*Call{}, visits: map[string]chan struct{}{}}
}

// Capabilities are what is declared to the server: what is on, and nothing else.
func (h *Handlers) Capabilities() *mcp.ClientCapabilities {
	c := &mcp.ClientCapabilities{}
	if h.opts.Roots != nil {
		c.RootsV2 = &mcp.RootCapabilities{ListChanged: true}
	}
	if h.opts.Forms || h.opts.URLs {
		c.Elicitation = &mcp.ElicitationCapabilities{}
		if h.opts.Forms {
			c.Elicitation.Form = &mcp.FormElicitationCapabilities{}
		}
		if h.opts.URLs {
			c.Elicitation.URL = &mcp.URLElicitationCapabilities{}
		}
	}
	if h.opts.Sampler != nil || h.opts.CallerSamples {
		c.Sampling = &mcp.SamplingCapabilities{Tools: &mcp.SamplingToolsCapabilities{}}
	}
	c.AddExtension(TasksExtension, nil)
	return c
}

// TasksExtension lets servers of 2026-07-28 answer a call with a task. It is the only one that is declared.
const TasksExtension = "io.modelcontextprotocol/tasks"

// Judge says what is wrong with a request of the server that somebody else answers.
func (h *Handlers) Judge(method string, params json.RawMessage) error {
	if err := checkParams(params); err != nil || method != MethodElicit {
		return err
	}
	_, err := h.readElicitation(params)
	return err
}

// Answers reports whether a method is one that Answer knows.
func Answers(method string) bool {
	return method == MethodRoots || method == MethodElicit || method == MethodSample
}

// Answer answers a request of the server and returns the result as the protocol wants it. An error is a
// [*jsonrpc.Error] with what to tell the server. The call that the request belongs to is the one that ctx
// comes from (see [Handlers.Begin]), else the one that is under way; see [Handlers.callOf].
func (h *Handlers) Answer(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	if !h.requests.allow(h.opts.Now(), perMinute) {
		return nil, refusal(codeLimit, "too many requests: a server may ask %d times in a minute", perMinute)
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return nil, refusal(codeLimit, "too many requests at a time: at most %d wait for an answer", atOnce)
	}
	if err := checkParams(params); err != nil {
		return nil, err
	}
	ctx = h.ofTask(ctx, params)
	var result any
	var err error
	switch method {
	case MethodRoots:
		result, err = h.listRoots()
	case MethodElicit:
		result, err = h.elicit(ctx, params)
	case MethodSample:
		result, err = h.sample(ctx, params)
	default:
		err = refusal(jsonrpc.CodeMethodNotFound, "toolserve does not answer %q", clip(method, 100))
	}
	if err != nil {
		h.opts.Logger.Debug("a request of an MCP server was refused", "method", clip(method, 100), "reason", err)
		return nil, wireError(err)
	}
	return json.Marshal(result)
}

// codeLimit is the code of a refusal for a limit, in the range that JSON-RPC leaves to servers.
const codeLimit = -32000

// refusal is an error that the server is told.
func refusal(code int64, format string, args ...any) *jsonrpc.Error {
	return &jsonrpc.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// wireError makes any error one that may go to the server.
func wireError(err error) error {
	var e *jsonrpc.Error
	if errors.As(err, &e) {
		return e
	}
	return refusal(jsonrpc.CodeInternalError, "%s", clip(err.Error(), 1000))
}

// window counts what happens in a minute.
type window struct {
	mu    sync.Mutex
	since time.Time
	count int
}

// allow counts one more and reports whether it is within the limit.
func (w *window) allow(now time.Time, limit int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.since) >= time.Minute || now.Before(w.since) {
		w.since, w.count = now, 0
	}
	w.count++
	return w.count <= limit
}

// Handles reports whether the protocol library is to leave a request of this method to Handle.
func (h *Handlers) Handles(method string) bool {
	switch method {
	case methodTaskGet, methodTaskResult, methodTaskCancel, methodTaskList:
		return true
	}
	return Answers(method)
}

// Handle answers a request that came over a connection: at once, or, where the server wants a task of it,
// in the background.
func (h *Handlers) Handle(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	var result any
	var err error
	if ttl, background := asTask(method, params); background {
		result, err = h.begin(ctx, method, params, ttl)
	} else if Answers(method) {
		return h.Answer(ctx, method, params)
	} else {
		result, err = h.task(ctx, method, params)
	}
	if err != nil {
		return nil, wireError(err)
	}
	return json.Marshal(result)
}

// Notify takes log messages, and the word that a visit is complete.
func (h *Handlers) Notify(ctx context.Context, method string, params json.RawMessage) bool {
	switch method {
	case "notifications/message":
		h.Log(ctx, params)
	case notificationVisited:
		h.visited(params)
	default:
		return false
	}
	return true
}
