package toolloop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/agent"
	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/policy"
)

// run is one request on its way. All of it but Execute happens in the goroutine that ranges over the
// events.
type run struct {
	loop   *Loop
	caller Caller
	yield  func(chat.Event, error) bool

	req   chat.Request
	tools map[string]*tool     // those that are run here, by full name
	names map[[2]string]string // their full names, by label and own name
	// about is what the request says of its servers, by label.
	about    map[string]string
	deferral deferral
	// only are the tools of the first turn where the tool choice is a whole server.
	only    []chat.Tool
	servers []server        // those that the request names
	guests  []*mcphost.Host // for the servers that it brings along
	listed  map[string]bool // those whose tools the conversation lists already
	// decisions are what the client decided on open calls, by the call's id.
	decisions map[string]decision
	// rounds are the turns with calls that the run had before it stopped.
	rounds int

	begun   int // the messages before the first turn of this request
	started bool
	text    textJoin
	reason  chat.FinishReason
	items   map[string]*chat.Item // calls that run, by the call's id
	waiting []waiting
	answers map[string]string // results of calls that the client approved, by the id of the request
}

// server is a server that the request names.
type server struct {
	label string
	tools []*tool
}

// waiting is a call that the client has to answer. approval says that it asks for consent.
type waiting struct {
	call     chat.ToolCall
	approval bool
	open     string // its id in the client's message, or the beginning of it
}

// Approve decides on a call: the client's own functions and what wants consent are left to the client. What
// the policy refuses passes here, and is refused and recorded where it would be run.
func (r *run) Approve(_ context.Context, call chat.ToolCall) (agent.Verdict, error) {
	if call.Name == r.deferral.name {
		return agent.Verdict{Allowed: true, Free: true}, nil
	}
	t := r.tools[call.Name]
	if t == nil {
		return agent.Verdict{Deferred: true}, nil
	}
	if d, ok := r.decided(call.ID); ok {
		if d.approve {
			return agent.Verdict{Allowed: true}, nil
		}
		t.host.Refuse(r.hostCall(t, call), d.reason)
		return agent.Verdict{Reason: d.refusal(call.Name)}, nil
	}
	judged, err := t.host.Decide(r.hostCall(t, call))
	wanted := err == nil && (judged.Action == policy.Ask || judged.Action == policy.Allow && t.needsConsent())
	return agent.Verdict{Allowed: !wanted, Deferred: wanted}, nil
}

// Execute runs a call on its server. It is called by several goroutines at once.
func (r *run) Execute(ctx context.Context, call chat.ToolCall) (agent.Result, error) {
	if call.Name == r.deferral.name {
		return r.deferral.search(call)
	}
	t := r.tools[call.Name]
	request := r.hostCall(t, call)
	d, _ := r.decided(call.ID)
	request.Approved = d.approve
	request.OnProgress = func(p mcphost.Progress) { agent.Report(ctx, agent.Progress(p)) }
	r.mayAsk(ctx, t, &request)
	result, err := t.host.Execute(ctx, request)
	if err != nil {
		return agent.Result{}, err
	}
	reads := r.loop.opts.Reads
	parts := result.Parts(reads(chat.PartImage), reads(chat.PartAudio))
	return agent.Result{Content: joinTexts(parts), IsError: result.IsError}, nil
}

// joinTexts makes one part of texts that follow each other, a line break between them: a prompt has none
// between parts.
func joinTexts(parts []chat.Part) []chat.Part {
	var out []chat.Part
	for _, p := range parts {
		if last := len(out) - 1; last >= 0 && p.Type == chat.PartText && out[last].Type == chat.PartText {
			out[last].Text = strings.TrimSuffix(out[last].Text, "\n") + "\n" + p.Text
			continue
		}
		out = append(out, p)
	}
	return out
}

// decided returns what the client decided on a call. That holds for the calls that the run goes on with and
// no longer: some models choose the ids of their calls, and could take one that was approved before.
func (r *run) decided(id string) (decision, bool) {
	if r.started {
		return decision{}, false
	}
	d, ok := r.decisions[id]
	return d, ok
}

func (r *run) hostCall(t *tool, call chat.ToolCall) mcphost.Call {
	return mcphost.Call{
		Server: t.Server, Tool: t.Name, Arguments: json.RawMessage(call.Arguments),
		Origin: "loop", Actor: r.caller.Actor, Request: r.caller.Request,
		Conversation: conversation(r.req.Messages),
	}
}

// conversation tells conversations apart by what the user said first, which later requests of the same one
// repeat. "" is that there is nothing to tell them by.
func conversation(messages []chat.Message) string {
	for _, m := range messages {
		if m.Role != chat.RoleUser {
			continue
		}
		h := sha256.New()
		for _, p := range m.Content {
			fmt.Fprintf(h, "%d %s\n", len(p.Text), p.Text)
		}
		return "conversation " + hex.EncodeToString(h.Sum(nil)[:16])
	}
	return ""
}

// event hands on what an event of the agent amounts to; false when the reader has left.
func (r *run) event(e *agent.Event) bool {
	switch e.Kind {
	case agent.RoundStart:
		if !r.started {
			r.started, r.begun = true, len(r.req.Messages)
		} else {
			r.loadFound()
		}
		r.text.turn()
	case agent.ModelEvent:
		return r.modelEvent(&e.Model)
	case agent.CallRun:
		return r.callRun(e.Call)
	case agent.CallProgress:
		return r.callProgress(e)
	case agent.CallNote:
		return r.yield(e.Note.(chat.Event), nil) // see ask
	case agent.CallEnd:
		return r.callEnd(e)
	case agent.Finish:
		return r.finish(e)
	}
	return true
}

// modelEvent hands on what the model writes, but for its calls: whose they are is known at their end.
func (r *run) modelEvent(e *chat.Event) bool {
	switch e.Kind {
	case chat.CallStart, chat.CallDelta, chat.CallEnd:
		return true
	case chat.Finish:
		r.reason = e.Reason
		return true
	case chat.ContentDelta:
		if gap := r.text.gap(e.Text); gap != "" && !r.yield(chat.Event{Kind: chat.ContentDelta, Text: gap}, nil) {
			return false
		}
	}
	return r.yield(*e, nil)
}

func (r *run) callRun(call chat.ToolCall) bool {
	it := r.newItem(call)
	if it == nil {
		return true
	}
	if r.items == nil {
		r.items = map[string]*chat.Item{}
	}
	r.items[call.ID] = it
	return r.yield(chat.Event{Kind: chat.ItemStart, Item: it}, nil)
}

func (r *run) callProgress(e *agent.Event) bool {
	it := r.items[e.Call.ID]
	if it == nil {
		return true
	}
	now := *it
	now.Progress = &chat.Progress{Progress: e.Progress.Progress, Total: e.Progress.Total, Message: e.Progress.Message}
	return r.yield(chat.Event{Kind: chat.ItemProgress, Item: &now}, nil)
}

// newItem is the item of a call that is run here, or nil.
func (r *run) newItem(call chat.ToolCall) *chat.Item {
	if call.Name == r.deferral.name {
		return &chat.Item{ID: "tsc_" + r.loop.opts.NewID(), Type: chat.ItemSearch, Arguments: call.Arguments, Status: chat.ItemInProgress}
	}
	t := r.tools[call.Name]
	if t == nil {
		return nil
	}
	d, _ := r.decided(call.ID)
	return &chat.Item{
		ID: "mcp_" + r.loop.opts.NewID(), Type: chat.ItemCall, Server: t.label, Name: t.Name,
		Arguments: call.Arguments, Status: chat.ItemInProgress, Approval: d.id,
	}
}

func (r *run) callEnd(e *agent.Event) bool {
	if e.Outcome == agent.Deferred {
		r.waiting = append(r.waiting, waiting{call: e.Call, approval: r.tools[e.Call.Name] != nil})
		return true
	}
	it := r.items[e.Call.ID]
	if it == nil { // it was not run
		if it = r.newItem(e.Call); it == nil {
			return true
		}
		if !r.yield(chat.Event{Kind: chat.ItemStart, Item: it}, nil) {
			return false
		}
	}
	delete(r.items, e.Call.ID)
	done := *it
	if done.Type == chat.ItemSearch {
		return r.searchEnd(&done, e)
	}
	text := shown(e.Result.Content)
	if done.Status = chat.ItemCompleted; e.Outcome == agent.Ran && !e.Result.IsError {
		done.Output = text
	} else {
		done.Status, done.Ran, done.Error = chat.ItemFailed, e.Outcome == agent.Ran, strings.TrimPrefix(text, "Error: ")
	}
	if done.Approval != "" {
		if r.answers == nil {
			r.answers = map[string]string{}
		}
		r.answers[done.Approval] = text
	}
	return r.yield(chat.Event{Kind: chat.ItemEnd, Item: &done}, nil)
}

// searchEnd sends the items of a search for tools and of what it found.
func (r *run) searchEnd(done *chat.Item, e *agent.Event) bool {
	if e.Outcome != agent.Ran {
		done.Status = chat.ItemIncomplete
		return r.yield(chat.Event{Kind: chat.ItemEnd, Item: done}, nil)
	}
	done.Status = chat.ItemCompleted
	found := r.foundItem(e.Call)
	return r.yield(chat.Event{Kind: chat.ItemEnd, Item: done}, nil) &&
		r.yield(chat.Event{Kind: chat.ItemStart, Item: found}, nil) && r.yield(chat.Event{Kind: chat.ItemEnd, Item: found}, nil)
}

// loadFound shows the model what the searches of its last turn found.
func (r *run) loadFound() {
	for i := len(r.req.Messages) - 1; i >= 0; i-- {
		if r.req.Messages[i].Role == chat.RoleAssistant {
			r.load(r.req.Messages[i].ToolCalls)
			return
		}
	}
}

// shown is the text of a result, with a word for what is not text.
func shown(content []chat.Part) string {
	var out strings.Builder
	for _, p := range content {
		if p.Type == chat.PartText {
			out.WriteString(p.Text)
		} else {
			out.WriteString("[" + string(p.Type) + "]")
		}
	}
	return out.String()
}

// finish hands the calls on that the client has to answer, and ends the answer.
func (r *run) finish(e *agent.Event) bool {
	reason := r.reason
	if e.Stop == agent.StopDeferred {
		calls, err := r.handOver()
		if err != nil {
			return r.yield(chat.Event{}, err)
		}
		for i, call := range calls {
			if !r.askApproval(&r.waiting[i], call.ID) || !r.sendCall(i, call) {
				return false
			}
		}
		reason = chat.FinishToolCalls
	}
	r.loop.log.Debug("a run with tools ended", "stop", e.Stop, "rounds", e.Round, "waiting", len(r.waiting),
		"prompt", e.Usage.PromptTokens, "cached", e.Usage.CachedTokens, "completion", e.Usage.CompletionTokens)
	return r.yield(chat.Event{Kind: chat.Finish, Reason: reason, Usage: e.Usage}, nil)
}

// listTools shows what the named servers offer, but for those whose list the conversation has already.
func (r *run) listTools() bool {
	for _, s := range r.servers {
		if r.listed[s.label] {
			continue
		}
		begun := chat.Item{ID: "mcpl_" + r.loop.opts.NewID(), Type: chat.ItemTools, Server: s.label}
		done := begun
		for _, t := range s.tools {
			done.Tools = append(done.Tools, chat.ListedTool{
				Name: t.Name, FullName: t.FullName, Description: t.Description, Schema: t.Parameters, Annotations: t.Annotations,
			})
		}
		if !r.yield(chat.Event{Kind: chat.ItemStart, Item: &begun}, nil) || !r.yield(chat.Event{Kind: chat.ItemEnd, Item: &done}, nil) {
			return false
		}
	}
	return true
}

// textJoin keeps the texts of several turns apart in one message.
type textJoin struct {
	any     bool // something was written
	newline bool // its end is a line break
	fresh   bool // a turn has begun and nothing of it was written
}

func (j *textJoin) turn() { j.fresh = true }

// gap returns what goes before the next piece of text.
func (j *textJoin) gap(text string) string {
	if text == "" {
		return ""
	}
	gap := ""
	if j.fresh && j.any && !j.newline {
		gap = "\n\n"
	}
	j.any, j.fresh, j.newline = true, false, strings.HasSuffix(text, "\n")
	return gap
}
