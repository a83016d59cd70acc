package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/sse"
)

// Progress is what a tool says while it runs.
type Progress struct {
	Progress float64 `json:"progress"`
	// Total is where Progress ends; 0 where that is not known.
	Total   float64 `json:"total"`
	Message string  `json:"message"`
}

// LogLine is a line that an MCP server logs.
type LogLine struct {
	Level  string          `json:"level"`
	Logger string          `json:"logger"`
	Data   json.RawMessage `json:"data"`
}

// Question is what an MCP server asks the user during a call. Its texts are the MCP server's own.
type Question struct {
	ID     string `json:"id"`
	Server string `json:"server"`
	Tool   string `json:"tool"`
	// Mode is "form", which Schema describes, or "url" for an address to open.
	Mode    string          `json:"mode"`
	Message string          `json:"message"`
	Schema  json.RawMessage `json:"schema"`
	URL     string          `json:"url"`
}

// Answer is what the user says to a Question.
type Answer struct {
	// Action is "accept", "decline" or "cancel".
	Action string `json:"action"`
	// Content is a JSON object with the fields of an accepted form.
	Content json.RawMessage `json:"content,omitempty"`
}

// Watcher is told what happens during a call, one thing at a time. Its zero value declines all questions.
type Watcher struct {
	// Progress and Log may be nil.
	Progress func(Progress)
	Log      func(LogLine)
	// Ask answers a question; nil declines. An error gives the call up.
	Ask func(context.Context, Question) (Answer, error)
}

// MCPWatch executes a tool as [Client.MCPCall] does, and lets the Watcher see what happens meanwhile.
func (c *Client) MCPWatch(ctx context.Context, call Call, w Watcher) (*CallResult, error) {
	result := &CallResult{}
	raw, err := c.watched(ctx, "/v1/mcp/execute", call, w, result)
	if raw == nil && err != nil {
		return nil, err
	}
	result.Raw = raw
	return result, err
}

// watched posts a body and returns the answer as it came, decoded into result. The Watcher sees what happens
// meanwhile, where the server tells.
func (c *Client) watched(ctx context.Context, path string, body any, w Watcher, result any) (json.RawMessage, error) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	resp, err := c.sendAccepting(ctx, http.MethodPost, path, nil, body, "text/event-stream, application/json")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		return c.decode(resp, http.MethodPost+" "+path, result)
	}
	events := sse.NewReaderSize(resp.Body, maxBody)
	for {
		event, err := events.Next()
		if err != nil {
			return nil, c.brokenOff(ctx, err)
		}
		if event.Name == "result" {
			raw := append(json.RawMessage(nil), event.Data...)
			return raw, json.Unmarshal(raw, result)
		}
		if err := c.watch(ctx, event, w); err != nil {
			return nil, err
		}
	}
}

// brokenOff is the error of a call whose stream ended before its result.
func (c *Client) brokenOff(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) {
		return ErrBroken
	}
	return fmt.Errorf("%w: %w", ErrBroken, err)
}

// watch takes one event before the result. An error is the last one.
func (c *Client) watch(ctx context.Context, event sse.Event, w Watcher) error {
	data := event.Data
	switch event.Name {
	case "progress":
		var p Progress
		if json.Unmarshal(data, &p) == nil && w.Progress != nil {
			w.Progress(p)
		}
	case "log":
		var l LogLine
		if json.Unmarshal(data, &l) == nil && w.Log != nil {
			w.Log(l)
		}
	case "elicitation":
		var q Question
		if err := json.Unmarshal(data, &q); err != nil {
			return fmt.Errorf("the server's question cannot be read: %w", err)
		}
		return c.ask(ctx, q, w)
	case "error":
		var body struct {
			Error      errorBody `json:"error"`
			Status     int       `json:"status"`
			RetryAfter int       `json:"retry_after"`
		}
		if err := json.Unmarshal(data, &body); err != nil {
			return fmt.Errorf("the server's error cannot be read: %w", err)
		}
		failed := body.Error.error(body.Status)
		failed.RetryAfter = time.Duration(body.RetryAfter) * time.Second
		failed.Body = append(json.RawMessage(nil), data...)
		return failed
	}
	return nil
}

// ask has the question answered. One that is no longer open when the answer comes is no failure: the call
// goes on and says what came of it.
func (c *Client) ask(ctx context.Context, q Question, w Watcher) error {
	if q.ID == "" || strings.ContainsAny(q.ID, "/?#.") {
		return errors.New("the server's question has an id that is none")
	}
	answer := Answer{Action: "decline"}
	if w.Ask != nil {
		var err error
		if answer, err = w.Ask(ctx, q); err != nil {
			return err
		}
	}
	_, err := c.call(ctx, http.MethodPost, "/v1/mcp/elicitations/"+q.ID, nil, answer, &struct{}{})
	var late *Error
	if errors.As(err, &late) && (late.Status == http.StatusNotFound || late.Status == http.StatusConflict) {
		return nil
	}
	return err
}
