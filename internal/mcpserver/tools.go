package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
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
	if j.promised != nil || j.task.Load() != nil {
		call.OnTask = j.promise
	}
	result, err := h.opts.Tools.Execute(j.ctx, call)
	if failed := (*mcphost.Error)(nil); errors.As(err, &failed) && failed.Kind == mcphost.NeedsApproval && j.approve(call, failed) {
		call.Approved = true
		result, err = h.opts.Tools.Execute(j.ctx, call)
	}
	j.failed = err != nil || result.IsError
	if err != nil {
		return results.Failure(err)
	}
	if result.Input != nil {
		return results.Asked(result.Input), nil
	}
	t, _ := h.lists.Find(j.x.view.server, call.Tool)
	if j.x.session != nil {
		result = results.WithObject(result)
	}
	return results.Of(result, t.Output), nil
}

// listen has the call tell the client what happens, and ask its user, as far as the client wants that.
func (j *job) listen(call *mcphost.Call) {
	if j.meta.Token != nil || j.task.Load() != nil {
		call.OnProgress = j.progress
	}
	if j.x.logLevel != "" {
		call.OnLog = j.log
	}
	if j.x.client.Forms || j.x.client.URLs {
		call.Elicit = j.elicit
	}
	if j.x.client.Sampling {
		call.Sample = j.sample
	}
}

// relay is what the client sends along for the server, in the revision that has such.
func (j *job) relay() *mcphost.Relay {
	if j.x.session != nil {
		return nil
	}
	in := incoming.ReadInput(j.params)
	return &mcphost.Relay{Capabilities: j.x.client.Raw, Responses: in.Raw, State: in.State}
}

// sample has the client's model answer a server.
func (j *job) sample(ctx context.Context, params json.RawMessage) (json.RawMessage, error) {
	return j.ask(ctx, "sampling/createMessage", params)
}

// progress hands a notification of progress on, with the client's own token.
func (j *job) progress(p mcphost.Progress) {
	if t := j.task.Load(); t != nil && p.Message != "" {
		t.Say(p.Message)
	}
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
	case e.Mode == mcphost.ModeURL && !j.x.client.URLs, e.Mode != mcphost.ModeURL && !j.x.client.Forms:
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
	if !j.x.client.Forms {
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
