package mcphost

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// Kind says what kept a call from running, or from ending well.
type Kind string

// The kinds of an [Error], with the HTTP status that each one is.
const (
	BadArguments  Kind = "bad_arguments"   // 400: the arguments do not fit, or the names conflict
	PolicyDenied  Kind = "policy_denied"   // 403: a rule forbids the call
	Unknown       Kind = "not_found"       // 404: no such server or tool
	NeedsApproval Kind = "needs_approval"  // 409: a person has to agree first
	NeedsInput    Kind = "needs_input"     // 409: the tool asks for something that nobody here can tell it
	RateLimited   Kind = "rate_limited"    // 429: too many calls; see RetryAfter
	ServerFailed  Kind = "server_failed"   // 502: the server broke during the call
	NotConnected  Kind = "not_connected"   // 503: the server is not there now
	TimedOut      Kind = "timed_out"       // 504: no answer in time
	Canceled      Kind = "canceled"        // 499: the caller went away
	MCPOff        Kind = "mcp_unavailable" // 503: there is no host, or it is closed
)

// Error says why a call has no result. Server and Tool are what is known of them, or "".
type Error struct {
	Kind         Kind
	Server, Tool string
	// Message names the thing, the reason and, where there is one, the mend.
	Message string
	// Param is the part of the call at fault, such as "arguments.path", or "".
	Param string
	// RetryAfter says when to try again; 0 where unknown.
	RetryAfter time.Duration
	// Code and Data are those of the error that the server itself answered with, as JSON-RPC has them; Code
	// is 0 where it did not. Secrets of the configuration are hidden in Data, which is nil where it was
	// larger than 16 KiB.
	Code int64
	Data json.RawMessage
	// Err is the cause, or nil.
	Err error
}

// maxErrorData bounds what is kept of the data of a server's error.
const maxErrorData = 16 << 10

// answered notes what a server answered in the place of a result.
func (e *Error) answered(protocol *jsonrpc.Error, hide func(string) string) {
	e.Code = protocol.Code
	if len(protocol.Data) > maxErrorData {
		return
	}
	if data := []byte(hide(string(protocol.Data))); json.Valid(data) {
		e.Data = data
	}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func errorf(kind Kind, server, tool, format string, args ...any) *Error {
	return &Error{Kind: kind, Server: server, Tool: tool, Message: fmt.Sprintf(format, args...)}
}
