package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/form"
)

// The modes of an elicitation.
const (
	ModeForm = "form"
	ModeURL  = "url"
)

// The actions of an answer (MCP, client/elicitation).
const (
	Accept  = "accept"  // the person agreed; for a form, with content
	Decline = "decline" // the person said no
	Cancel  = "cancel"  // the person went away without a decision
)

const (
	maxMessage = 8 << 10 // bytes of the text that goes with a question
	maxURL     = 4 << 10
	maxID      = 256
)

// Elicitation is what a server asks a person. Its texts are the server's and not to be trusted.
type Elicitation struct {
	// Server is the server's name, Tool the tool that runs.
	Server, Tool string
	// Mode is ModeForm or ModeURL.
	Mode string
	// Message says why, at most 8 KiB, without characters that cannot be seen.
	Message string
	// Schema is the form's JSON Schema as the server sent it, and Form what it says; for ModeForm.
	Schema json.RawMessage
	Form   *form.Form
	// URL is what the person should open, http or https, for ModeURL. Nobody opens it by itself.
	// ElicitationID is the server's name for it, or "".
	URL, ElicitationID string
}

// Check holds an answer against what was asked and returns it as it is sent: an accepted form with the
// defaults of the fields that were left out.
func (e *Elicitation) Check(answer ElicitationAnswer) (ElicitationAnswer, error) {
	switch answer.Action {
	case Decline, Cancel:
		answer.Content = nil
		return answer, nil
	case Accept:
	default:
		return answer, errors.New("the action must be \"accept\", \"decline\" or \"cancel\"")
	}
	if e.Mode != ModeForm {
		answer.Content = nil
		return answer, nil
	}
	content, err := e.Form.Complete(answer.Content)
	answer.Content = content
	return answer, err
}

// ElicitationAnswer is what a person answered.
type ElicitationAnswer struct {
	// Action is Accept, Decline or Cancel.
	Action string `json:"action"`
	// Content is a JSON object with the fields of an accepted form.
	Content json.RawMessage `json:"content,omitempty"`
}

func (h *Handlers) elicit(ctx context.Context, params json.RawMessage) (any, error) {
	ask, err := h.readElicitation(params)
	if err != nil {
		return nil, err
	}
	call, err := h.askedCall(ctx)
	if err != nil {
		return nil, err
	}
	if !call.take(&call.asked, perCallAsked) {
		return nil, refusal(codeLimit, "a tool call may ask its user at most %d times", perCallAsked)
	}
	ask.Tool = call.Tool
	answer, err := h.ask(ctx, call, ask)
	record := audit.Record{
		Kind: audit.KindElicitation, Server: h.opts.Server, Tool: call.Tool, Actor: call.Actor, Request: call.Request,
		Success: err == nil, Note: ask.Mode,
	}
	if ask.Mode == ModeURL {
		record.Note += " " + h.opts.Hide(ask.URL)
	}
	if err != nil {
		record.Error = h.opts.Hide(err.Error())
	} else {
		record.Decision = answer.Action
	}
	h.opts.Record(record)
	return answer, err
}

// ask puts the question to the caller and checks the answer. A person who does not answer in time, or
// leaves, has cancelled.
func (h *Handlers) ask(ctx context.Context, call *Call, ask Elicitation) (ElicitationAnswer, error) {
	ctx, end := during(ctx, call, h.opts.AskTimeout)
	defer end()
	answer, err := call.Elicit(ctx, ask)
	switch {
	case err != nil && ctx.Err() != nil:
		return ElicitationAnswer{Action: Cancel}, nil
	case err != nil:
		return ElicitationAnswer{}, refusal(jsonrpc.CodeInternalError, "the user could not be asked: %s", clip(err.Error(), 500))
	}
	if answer, err = ask.Check(answer); err != nil {
		return answer, refusal(jsonrpc.CodeInternalError, "the user's answer does not fit: %s", clip(err.Error(), 500))
	}
	return answer, nil
}

func (h *Handlers) readElicitation(params json.RawMessage) (Elicitation, error) {
	var p struct {
		Mode            string          `json:"mode"`
		Message         string          `json:"message"`
		RequestedSchema json.RawMessage `json:"requestedSchema"`
		URL             string          `json:"url"`
		ElicitationID   string          `json:"elicitationId"`
	}
	if err := decode(params, &p); err != nil {
		return Elicitation{}, err
	}
	ask := Elicitation{
		Server: h.opts.Server, Mode: p.Mode, Message: clip(clean(p.Message), maxMessage),
		ElicitationID: clip(p.ElicitationID, maxID),
	}
	if ask.Mode == "" {
		ask.Mode = ModeForm
	}
	switch {
	case !h.opts.Forms && !h.opts.URLs:
		return ask, refusal(jsonrpc.CodeMethodNotFound, "elicitation is turned off: this client has nobody to ask, or its configuration says so")
	case ask.Mode == ModeForm && !h.opts.Forms, ask.Mode == ModeURL && !h.opts.URLs:
		return ask, refusal(jsonrpc.CodeInvalidParams, "elicitation in the mode %q is turned off for this server", ask.Mode)
	case ask.Mode == ModeForm:
		if len(p.RequestedSchema) == 0 {
			p.RequestedSchema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		parsed, err := form.Parse(p.RequestedSchema)
		if err != nil {
			return ask, refusal(jsonrpc.CodeInvalidParams, "%v", err)
		}
		ask.Schema, ask.Form = p.RequestedSchema, parsed
	case ask.Mode == ModeURL:
		if err := checkURL(p.URL); err != nil {
			return ask, refusal(jsonrpc.CodeInvalidParams, "%v", err)
		}
		ask.URL = p.URL
	default:
		return ask, refusal(jsonrpc.CodeInvalidParams, "the elicitation mode %q is not known; use \"form\" or \"url\"", clip(p.Mode, 50))
	}
	return ask, nil
}

// checkURL judges an address that a person is asked to open: http or https, with a host, nothing in it
// that is not seen, and no name and password, which make one host look like another.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case len(raw) > maxURL:
		return errors.New("the address to open is longer than 4096 bytes")
	case err != nil || strings.ContainsFunc(raw, func(r rune) bool { return hidden(r) || r == ' ' || r == '\\' }):
		return errors.New("the address to open is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the address to open must be http:// or https://")
	case u.Hostname() == "":
		return errors.New("the address to open names no host")
	case u.User != nil:
		return errors.New("the address to open must not hold a user name or password")
	}
	return nil
}
