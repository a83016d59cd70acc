package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/screen"
)

// origin is how the audit log names what comes through here.
const origin = "mcp"

// callTool answers tools/call.
func (h *Handler) callTool(j *job) (json.RawMessage, *rpc.Error) {
	call := mcphost.Call{Server: j.x.view.server, Origin: origin, Actor: j.x.actor, Request: j.x.request, Conversation: j.x.conversation}
	err := rpc.Fields(j.params, func(key string, value json.RawMessage) error {
		switch key {
		case "name":
			return json.Unmarshal(value, &call.Tool)
		case "arguments":
			call.Arguments = value
		}
		return nil
	})
	if err != nil || call.Tool == "" {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "the params need a \"name\", a string")
	}
	j.listen(&call)
	call.Relay = j.relay()
	result, err := h.opts.Tools.Execute(j.ctx, call)
	if failed := (*mcphost.Error)(nil); errors.As(err, &failed) && failed.Kind == mcphost.NeedsApproval && j.approve(call, failed) {
		call.Approved = true
		result, err = h.opts.Tools.Execute(j.ctx, call)
	}
	if err != nil {
		return failure(err)
	}
	if result.Input != nil {
		return asked(result.Input), nil
	}
	t, _ := find(h.lists.toolsOf(j.x.view), call.Tool)
	if j.x.session != nil {
		result = withObject(result)
	}
	return writeResult(result, t.output), nil
}

// listen has the call tell the client what happens, and ask its user, as far as the client wants that.
func (j *job) listen(call *mcphost.Call) {
	if j.meta.token != nil {
		call.OnProgress = j.progress
	}
	if j.x.logLevel != "" {
		call.OnLog = j.log
	}
	if j.x.client.forms || j.x.client.urls {
		call.Elicit = j.elicit
	}
	if j.x.client.sampling {
		call.Sample = j.sample
	}
}

// relay is what the client sends along for the server, in the revision that has such.
func (j *job) relay() *mcphost.Relay {
	if j.x.session != nil {
		return nil
	}
	in := readInput(j.params)
	return &mcphost.Relay{Capabilities: j.x.client.raw, Responses: in.raw, State: in.state}
}

// asked is a result that asks the client something, with what makes it known as one in front.
func asked(raw json.RawMessage) json.RawMessage {
	b := json.RawMessage(`{"resultType":"input_required"`)
	_ = rpc.Fields(raw, func(key string, value json.RawMessage) error { // the host has read it
		if key != "resultType" {
			b = append(append(append(append(b, ','), rpc.Encode(key)...), ':'), value...)
		}
		return nil
	})
	return append(b, '}')
}

// sample has the client's model answer a server.
func (j *job) sample(ctx context.Context, params json.RawMessage) (json.RawMessage, error) {
	return j.ask(ctx, "sampling/createMessage", params)
}

// progress hands a notification of progress on, with the client's own token.
func (j *job) progress(p mcphost.Progress) {
	token := *j.token.Load()
	if token == nil {
		return
	}
	params := struct {
		Token    json.RawMessage `json:"progressToken"`
		Progress float64         `json:"progress"`
		Total    float64         `json:"total,omitempty"`
		Message  string          `json:"message,omitempty"`
	}{token, p.Progress, p.Total, p.Message}
	j.notify("notifications/progress", rpc.Encode(params))
}

// log hands a line of a server's log on, if it is as severe as the client wants.
func (j *job) log(m mcphost.LogMessage) {
	order := levels()
	if slices.Index(order, m.Level) >= slices.Index(order, j.x.logLevel) {
		j.notify("notifications/message", rpc.Encode(m))
	}
}

// elicit asks the client's user what a server wants to know.
func (j *job) elicit(ctx context.Context, e mcphost.Elicitation) (mcphost.ElicitationAnswer, error) {
	var answer mcphost.ElicitationAnswer
	params := map[string]any{"message": e.Message}
	switch {
	case e.Mode == mcphost.ModeURL && !j.x.client.urls, e.Mode != mcphost.ModeURL && !j.x.client.forms:
		return answer, fmt.Errorf("the client cannot ask its user by %s", e.Mode)
	case e.Mode == mcphost.ModeURL:
		params["mode"], params["url"], params["elicitationId"] = "url", e.URL, e.ElicitationID
	default:
		params["requestedSchema"] = e.Schema
	}
	raw, err := j.ask(ctx, "elicitation/create", rpc.Encode(params))
	if err != nil {
		return answer, err
	}
	err = rpc.Fields(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "action":
			return json.Unmarshal(value, &answer.Action)
		case "content":
			answer.Content = value
		}
		return nil
	})
	return answer, err
}

// approvalSchema is the form in which a call is approved.
const approvalSchema = `{"type":"object","properties":{"approve":{"type":"boolean","title":"Allow this call","default":false}},"required":["approve"]}`

// maxShown bounds the arguments that are shown to whoever approves a call.
const maxShown = 2000

// approve asks the client's user whether a call that the policy asks about may run. What waits for the
// operator's approval is not the user's to decide. The reason of a refusal that stays says what to do.
func (j *job) approve(call mcphost.Call, refused *mcphost.Error) bool {
	decision, err := j.x.h.opts.Tools.Decide(call)
	if err != nil || decision.Action != policy.Ask {
		return false
	}
	if !j.x.client.forms {
		refused.Message += "; approve it with a client that lets its user be asked (elicitation), or call POST /v1/mcp/execute with \"approved\": true"
		return false
	}
	shown := string(call.Arguments)
	if len(shown) > maxShown {
		shown = shown[:maxShown] + "..."
	}
	message := fmt.Sprintf("Allow toolserve to call the tool '%s' of the MCP server '%s'? %s. The arguments: %s",
		refused.Tool, refused.Server, decision.Reason, shown)
	answer, err := j.elicit(j.ctx, mcphost.Elicitation{Mode: mcphost.ModeForm, Message: screen.Visible(message), Schema: json.RawMessage(approvalSchema)})
	if err != nil || answer.Action != mcphost.ElicitationAccept {
		refused.Message = fmt.Sprintf("the user did not allow the call of tool '%s' of the server '%s'", refused.Tool, refused.Server)
		return false
	}
	var form struct{ Approve bool }
	if json.Unmarshal(answer.Content, &form) != nil || !form.Approve {
		refused.Message = fmt.Sprintf("the user refused the call of tool '%s' of the server '%s'", refused.Tool, refused.Server)
		return false
	}
	return true
}

// failure is what a client is told of a call that did not run, or not to its end: what the caller of the
// protocol did wrong, and what the server itself said, is an error; what a model can learn from, a result
// (server/tools, "Error handling").
func failure(err error) (json.RawMessage, *rpc.Error) {
	var e *mcphost.Error
	if !errors.As(err, &e) {
		return nil, rpc.Errorf(rpc.CodeInternal, "%v", err)
	}
	switch {
	case e.Code != 0:
		return nil, &rpc.Error{Code: e.Code, Message: e.Message, Data: e.Data}
	case e.Kind == mcphost.Unknown:
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "%s", e.Message)
	case e.Kind == mcphost.Canceled:
		return nil, rpc.Errorf(rpc.CodeInternal, "%s", e.Message)
	}
	text := e.Message
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (try again in %.0f s)", max(e.RetryAfter.Seconds(), 1))
	}
	result := rpc.Encode(map[string]any{"content": []any{map[string]string{"type": "text", "text": text}}, "isError": true})
	return withMeta(result, map[string]any{"io.toolserve/error": e.Kind}), nil
}

// withObject is a result as the revisions with sessions have it: a structured result that is no object is
// text there.
func withObject(r mcphost.Result) mcphost.Result {
	if r.Structured == nil || r.Structured[0] == '{' {
		return r
	}
	if len(r.Content) == 0 {
		r.Content = []mcphost.Content{{Text: string(r.Structured)}}
	}
	r.Structured = nil
	return r
}

// writeResult writes a result as MCP does. What the server sent keeps its bytes.
func writeResult(r mcphost.Result, promised bool) json.RawMessage {
	b := []byte(`{"content":[`)
	for i, c := range r.Content {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, rawItem(c)...)
	}
	b = append(b, ']')
	if r.Structured != nil {
		b = append(append(b, `,"structuredContent":`...), r.Structured...)
	}
	// A client that holds results against the output schema would call the rest of a cut one broken.
	if r.IsError || r.Truncated && promised && r.Structured == nil {
		b = append(b, `,"isError":true`...)
	}
	b = append(b, '}')
	if len(r.Warnings) > 0 {
		return withMeta(b, map[string]any{"io.toolserve/warnings": r.Warnings})
	}
	return b
}

func rawItem(c mcphost.Content) json.RawMessage {
	if c.Raw != nil {
		return c.Raw
	}
	return rpc.Encode(map[string]string{"type": "text", "text": c.Text})
}
