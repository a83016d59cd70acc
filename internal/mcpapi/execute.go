package mcpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost"
)

// executeBody is the answer of POST /v1/mcp/execute for a call that ran. Result and Content are equal.
type executeBody struct {
	Server     string          `json:"server"`
	Tool       string          `json:"tool"`
	ToolName   string          `json:"tool_name"`
	Result     json.RawMessage `json:"result"`
	Content    json.RawMessage `json:"content"`
	Structured json.RawMessage `json:"structured_content"`
	IsError    bool            `json:"is_error"`
	Error      *string         `json:"error_message"`
	DurationMS float64         `json:"duration_ms"`
	Truncated  bool            `json:"truncated,omitempty"`
	Warnings   []string        `json:"warnings,omitempty"`
}

// Execute runs one call, with a stream of events where the client takes one.
func (h *Handler) Execute(w http.ResponseWriter, r *http.Request) {
	body, err := h.readBody(w, r)
	if err != nil {
		h.writeError(w, readFailure(err))
		return
	}
	call, bad := readCall(body)
	if bad != nil {
		h.writeError(w, bad)
		return
	}
	if h.opts.Host == nil {
		h.writeError(w, &mcphost.Error{Kind: mcphost.MCPOff, Server: call.Server, Tool: call.Tool, Message: offReason})
		return
	}
	call.Origin, call.Request = "execute", r.Header.Get("X-Request-Id")
	if h.opts.Actor != nil {
		call.Actor = h.opts.Actor(r)
	}
	if wantsEvents(r) {
		h.stream(w, r, call)
		return
	}
	result, err := h.opts.Host.Execute(r.Context(), call)
	if err != nil {
		h.writeError(w, err)
		return
	}
	answer := answerOf(result)
	h.reply(w, http.StatusOK, answer.appendTo(make([]byte, 0, answer.size())))
}

func answerOf(result mcphost.Result) executeBody {
	value := result.Value()
	answer := executeBody{
		Server: result.Server, Tool: result.Tool, ToolName: result.FullName,
		Result: value, Content: value, Structured: result.Structured, IsError: result.IsError,
		DurationMS: milliseconds(result.Duration), Truncated: result.Truncated, Warnings: result.Warnings,
	}
	if result.IsError {
		message := result.ErrorMessage
		answer.Error = &message
	}
	return answer
}

// size is about how many bytes the answer takes as JSON.
func (a executeBody) size() int { return len(a.Result) + len(a.Content) + len(a.Structured) + 512 }

// appendTo appends the answer as JSON, the large parts as they are: they are JSON, and may be megabytes.
func (a executeBody) appendTo(dst []byte) []byte {
	dst = rawjson.AppendText(append(dst, `{"server":`...), a.Server)
	dst = rawjson.AppendText(append(dst, `,"tool":`...), a.Tool)
	dst = rawjson.AppendText(append(dst, `,"tool_name":`...), a.ToolName)
	dst = appendJSON(append(dst, `,"result":`...), a.Result)
	dst = appendJSON(append(dst, `,"content":`...), a.Content)
	dst = appendJSON(append(dst, `,"structured_content":`...), a.Structured)
	dst = strconv.AppendBool(append(dst, `,"is_error":`...), a.IsError)
	dst = append(dst, `,"error_message":`...)
	if a.Error != nil {
		dst = rawjson.AppendText(dst, *a.Error)
	} else {
		dst = append(dst, "null"...)
	}
	dst = strconv.AppendFloat(append(dst, `,"duration_ms":`...), a.DurationMS, 'f', -1, 64)
	if a.Truncated {
		dst = append(dst, `,"truncated":true`...)
	}
	for i, warning := range a.Warnings {
		if i == 0 {
			dst = append(dst, `,"warnings":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendText(dst, warning)
	}
	if len(a.Warnings) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendJSON appends a value that is JSON, or null.
func appendJSON(dst []byte, value json.RawMessage) []byte {
	if value == nil {
		return append(dst, "null"...)
	}
	return append(dst, value...)
}

// requestError is a body that is no call.
type requestError struct {
	status         int
	message, param string
}

func (e *requestError) Error() string { return e.message }

func badRequest(param, format string, args ...any) *requestError {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...), param}
}

func readFailure(err error) *requestError {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit), ""}
	}
	return badRequest("", "the body could not be read: %v", err)
}

// readCall reads {"server"?, "tool" | "tool_name", "arguments"?, "approved"?, "timeout"?}. Keys are
// compared exactly and may be given once. Other keys are ignored, but for those that are surely meant
// to be one of these.
func readCall(body []byte) (mcphost.Call, error) {
	var call mcphost.Call
	fields, err := readObject(body)
	if err != nil {
		return call, err
	}
	var toolName string
	for _, t := range [...]struct {
		key string
		to  *string
	}{{"server", &call.Server}, {"tool", &call.Tool}, {"tool_name", &toolName}} {
		if raw := fields[t.key]; raw != nil && !readText(raw, t.to) {
			return call, badRequest(t.key, "%q must be a string", t.key)
		}
	}
	var seconds float64
	if raw := fields["approved"]; raw != nil && json.Unmarshal(raw, &call.Approved) != nil {
		return call, badRequest("approved", "\"approved\" must be true or false")
	}
	if raw := fields["timeout"]; raw != nil && json.Unmarshal(raw, &seconds) != nil {
		return call, badRequest("timeout", "\"timeout\" must be a number of seconds")
	}
	for _, slip := range [...][2]string{{"name", "tool"}, {"args", "arguments"}, {"parameters", "arguments"}, {"input", "arguments"}} {
		if wrong, right := slip[0], slip[1]; fields[wrong] != nil && fields[right] == nil {
			return call, badRequest(wrong, "the key %q is not known; did you mean %q?", wrong, right)
		}
	}
	switch {
	case call.Tool == "":
		call.Tool = toolName
	case toolName != "" && toolName != call.Tool:
		return call, badRequest("tool_name", "\"tool\" is %q and \"tool_name\" is %q; give one of them", call.Tool, toolName)
	}
	if call.Tool == "" {
		return call, badRequest("tool", "the call names no tool; give \"tool\"")
	}
	if call.Timeout, err = timeoutOf(seconds); err != nil {
		return call, err
	}
	call.Arguments = fields["arguments"]
	return call, nil
}
