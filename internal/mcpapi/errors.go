package mcpapi

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/toolserve/toolserve/mcphost"
)

// statusClientGone is what servers log for a request whose client left.
const statusClientGone = 499

// errorBody is OpenAI's error object, with what MCP clients look for beside it. Result and Content are the
// message too: who hands the result on to a model without a look at the status tells it what went wrong.
type errorBody struct {
	Error   errorObject `json:"error"`
	IsError bool        `json:"is_error"`
	Message string      `json:"error_message"`
	Result  string      `json:"result"`
	Content string      `json:"content"`
	Server  string      `json:"server,omitempty"`
	Tool    string      `json:"tool,omitempty"`
}

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// StatusOf is the table from what went wrong to HTTP.
func StatusOf(kind mcphost.Kind) (status int, errorType string) {
	switch kind {
	case mcphost.BadArguments:
		return http.StatusBadRequest, "invalid_request_error"
	case mcphost.PolicyDenied:
		return http.StatusForbidden, "permission_error"
	case mcphost.Unknown:
		return http.StatusNotFound, "invalid_request_error"
	case mcphost.NeedsApproval:
		return http.StatusConflict, "permission_error"
	case mcphost.NeedsInput:
		return http.StatusConflict, "invalid_request_error"
	case mcphost.RateLimited:
		return http.StatusTooManyRequests, "rate_limit_error"
	case mcphost.ServerFailed:
		return http.StatusBadGateway, "server_error"
	case mcphost.NotConnected, mcphost.MCPOff:
		return http.StatusServiceUnavailable, "service_unavailable_error"
	case mcphost.TimedOut:
		return http.StatusGatewayTimeout, "timeout_error"
	case mcphost.Canceled:
		return statusClientGone, "invalid_request_error"
	}
	return http.StatusInternalServerError, "server_error"
}

// writeError answers with an error.
func (h *Handler) writeError(w http.ResponseWriter, err error) {
	status, body, retryAfter := describe(err)
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	h.write(w, status, body)
}

// describe is the status and the body of an error, and after how many seconds to try again, or 0.
func describe(err error) (status int, body errorBody, retryAfter int) {
	status, body = http.StatusInternalServerError, errorBody{IsError: true}
	body.Error = errorObject{Message: err.Error(), Type: "server_error", Code: "internal_error"}
	var request *requestError
	var call *mcphost.Error
	switch {
	case errors.As(err, &request):
		status = request.status
		body.Error.Type, body.Error.Code = "invalid_request_error", "invalid_request"
		body.Error.Param = orNull(request.param)
	case errors.As(err, &call):
		status, body.Error.Type = StatusOf(call.Kind)
		body.Error.Code, body.Error.Param = string(call.Kind), orNull(call.Param)
		body.Server, body.Tool = call.Server, call.Tool
		if call.RetryAfter > 0 {
			retryAfter = int(math.Ceil(call.RetryAfter.Seconds()))
		}
	}
	body.Message, body.Result, body.Content = body.Error.Message, body.Error.Message, body.Error.Message
	return status, body, retryAfter
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
