package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai/insert"
	"github.com/toolserve/toolserve/internal/openai/internal/jsontext"
)

// The values of an error's type.
const (
	typeInvalid     = "invalid_request_error"
	typeAuth        = "authentication_error"
	typePermission  = "permission_error"
	typeRate        = "rate_limit_error"
	typeTimeout     = "timeout_error"
	typeUnavailable = "service_unavailable_error"
	typeServer      = "server_error"
)

// apiError is an error as the API tells it.
type apiError struct {
	status     int
	kind       string // the body's type
	code       string
	param      string
	message    string
	retryAfter time.Duration
}

func (e *apiError) Error() string { return e.message }

// body returns the error object: {"error":{...}}. Absent code and param are null, as in OpenAI's.
func (e *apiError) body() []byte {
	b := append([]byte(nil), `{"error":{"message":`...)
	b = jsontext.AppendString(b, e.message)
	b = append(b, `,"type":`...)
	b = jsontext.AppendString(b, e.kind)
	b = append(b, `,"param":`...)
	b = jsontext.AppendStringOrNull(b, e.param)
	b = append(b, `,"code":`...)
	b = jsontext.AppendStringOrNull(b, e.code)
	return append(b, `}}`...)
}

func (e *apiError) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.retryAfter.Seconds()))))
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(append(e.body(), '\n')) // a client that left needs no answer
}

// WriteError answers with an OpenAI error object. The object's type follows from the status; code and
// param may be empty.
func WriteError(w http.ResponseWriter, status int, code, param, message string) {
	e := apiError{status: status, kind: typeOf(status), code: code, param: param, message: message}
	e.write(w)
}

func typeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return typeAuth
	case http.StatusForbidden:
		return typePermission
	case http.StatusTooManyRequests:
		return typeRate
	case http.StatusGatewayTimeout:
		return typeTimeout
	case http.StatusServiceUnavailable:
		return typeUnavailable
	}
	if status >= 500 {
		return typeServer
	}
	return typeInvalid
}

// invalid is a 400 for a field of the request.
func invalid(param, code, format string, args ...any) *apiError {
	return &apiError{
		status: http.StatusBadRequest, kind: typeInvalid, code: code, param: param,
		message: fmt.Sprintf(format, args...),
	}
}

// failure maps a generation's error to the answer; nil means that the client has left and gets none. It
// is the one table from errors to statuses.
func failure(ctx context.Context, err error) *apiError {
	if ctx.Err() != nil {
		err = context.Cause(ctx) // says more than err, which is at best a consequence
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return status(http.StatusGatewayTimeout, "timeout", err.Error())
		case err == context.Canceled: // net/http: the connection is gone
			return nil
		}
		return status(http.StatusServiceUnavailable, "stopping", err.Error())
	}
	var missing *insert.Error
	if errors.As(err, &missing) {
		return contextFailure(missing)
	}
	var known *chat.Error
	if !errors.As(err, &known) {
		return status(http.StatusInternalServerError, "internal_error", "the generation failed: "+err.Error())
	}
	code := http.StatusInternalServerError
	switch known.Kind {
	case chat.KindInvalid:
		code = http.StatusBadRequest
	case chat.KindForbidden:
		code = http.StatusForbidden
	case chat.KindBusy, chat.KindUnavailable:
		code = http.StatusServiceUnavailable
	}
	e := status(code, known.Code, known.Message)
	e.param, e.retryAfter = known.Param, known.RetryAfter
	return e
}

func status(code int, name, message string) *apiError {
	return &apiError{status: code, kind: typeOf(code), code: name, message: message}
}

// readFailure maps an error of reading a request's body.
func readFailure(ctx context.Context, err error) *apiError {
	if ctx.Err() != nil {
		return failure(ctx, err)
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return status(http.StatusRequestEntityTooLarge, "request_too_large",
			fmt.Sprintf("the body has more than the %d bytes that this server takes", large.Limit))
	}
	return invalid("", "unreadable_body", "the body could not be read to its end: %v", err)
}

// syntaxFailure says where a body is not JSON.
func syntaxFailure(body []byte) *apiError {
	if len(body) == 0 {
		return invalid("", "invalid_json", "the body is empty; send a JSON object")
	}
	err := json.Unmarshal(body, new(json.RawMessage))
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return invalid("", "invalid_json", "the body is not JSON: %v (byte %d of %d)", syntax, syntax.Offset, len(body))
	}
	return invalid("", "invalid_json", "the body is not JSON: %v", err)
}
