package mcpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

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
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.opts.MaxBody))
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
	h.write(w, http.StatusOK, answerOf(result))
}

func answerOf(result mcphost.Result) executeBody {
	value := result.Value()
	answer := executeBody{
		Server: result.Server, Tool: result.Tool, ToolName: result.FullName,
		Result: value, Content: value, Structured: result.Structured, IsError: result.IsError,
		DurationMS: milliseconds(result.Duration), Truncated: result.Truncated, Warnings: result.Warnings,
	}
	if result.IsError {
		answer.Error = &result.ErrorMessage
	}
	return answer
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
	var seconds float64
	targets := []struct {
		key  string
		to   any
		want string
	}{
		{"server", &call.Server, "a string"}, {"tool", &call.Tool, "a string"}, {"tool_name", &toolName, "a string"},
		{"approved", &call.Approved, "true or false"}, {"timeout", &seconds, "a number of seconds"},
	}
	for _, t := range targets {
		if raw, ok := fields[t.key]; ok && json.Unmarshal(raw, t.to) != nil {
			return call, badRequest(t.key, "%q must be %s", t.key, t.want)
		}
	}
	for wrong, right := range map[string]string{"name": "tool", "args": "arguments", "parameters": "arguments", "input": "arguments"} {
		if _, ok := fields[wrong]; ok && fields[right] == nil {
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

// readObject reads the members of one JSON object, each key once.
func readObject(body []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return nil, badRequest("", "the body must be a JSON object such as {\"server\":\"...\",\"tool\":\"...\",\"arguments\":{}}")
	}
	fields := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, badRequest("", "the body is not valid JSON: %v", err)
		}
		if _, twice := fields[key]; twice {
			return nil, badRequest(key, "the key %q is given twice", key)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, badRequest(key, "the body is not valid JSON: %v", err)
		}
		fields[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, badRequest("", "the body is not valid JSON: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, badRequest("", "the body holds more than one JSON value")
	}
	return fields, nil
}
