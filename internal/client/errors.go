package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxErrorBody bounds how much of an error answer is read.
const maxErrorBody = 1 << 20

// UnreachableError says that nothing answered at the server's address.
type UnreachableError struct {
	URL string
	Err error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no toolserve answers at %s (%v); start one with `toolserve serve`, or name it with --url", e.URL, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Error is an error that the server answered with.
type Error struct {
	// Status is the HTTP status; 0 for an error that came in the middle of a stream.
	Status int
	// Message, Type, Code and Param are OpenAI's.
	Message, Type, Code, Param string
	// RetryAfter is how long the server asks to wait, 0 where it does not say.
	RetryAfter time.Duration
	// Body is the answer as it came, or nil where it is no JSON.
	Body json.RawMessage
}

func (e *Error) Error() string {
	message := e.Message
	if message == "" {
		message = http.StatusText(e.Status)
	}
	switch e.Status {
	case 0:
		return message
	case http.StatusUnauthorized, http.StatusForbidden:
		if e.Status == http.StatusUnauthorized {
			message += " (give the server's key with --api-key or TOOLSERVE_API_KEY)"
		}
	}
	return fmt.Sprintf("%s (HTTP %d)", message, e.Status)
}

// errorBody is OpenAI's error object. Code is a string or, from some servers, a number.
type errorBody struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    any    `json:"code"`
	Param   any    `json:"param"`
}

func (b errorBody) error(status int) *Error {
	return &Error{Status: status, Message: b.Message, Type: b.Type, Code: text(b.Code), Param: text(b.Param)}
}

func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// readError turns an answer that is no 200 into an error.
func readError(resp *http.Response) *Error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came is enough to go on
	var body struct {
		Error errorBody `json:"error"`
	}
	e := &Error{Status: resp.StatusCode}
	if err := json.Unmarshal(data, &body); err == nil {
		e = body.Error.error(resp.StatusCode)
		e.Body = data
	}
	if e.Message == "" {
		e.Message = describe(resp, data)
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// describe says in words what an answer without an error object is.
func describe(resp *http.Response, data []byte) string {
	if location := resp.Header.Get("Location"); location != "" && resp.StatusCode/100 == 3 {
		return fmt.Sprintf("the server points to %q: name that address with --url", location)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	if len(line) > 200 {
		line = line[:200] + "..."
	}
	if line == "" {
		return http.StatusText(resp.StatusCode)
	}
	return strings.ToValidUTF8(line, "?")
}
