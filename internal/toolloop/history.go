package toolloop

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/agent"
)

// What the model reads as the result of a call whose own is not known any more.
const (
	approvedText   = "[The user approved this call and it was run. Its result is not shown again.]"
	unansweredText = "Error: this call was not answered."
)

// unfolding is the way from the messages of a request to those that the model has to see.
type unfolding struct {
	run  *run
	out  []chat.Message
	last int // the place of the last assistant message; what it asked for may still be open
	all  int // the number of messages
	// states are what the messages carry, by place, and results what approved calls returned, by the id of
	// the approval request.
	states  map[int]*carried
	results map[string]string
}

// unfold returns the conversation with the turns that were taken here: from the ids of its calls, or from
// the items that the client sent back. The calls that the client has just decided on are left without an
// answer, and the decisions are noted.
func (r *run) unfold(messages []chat.Message) ([]chat.Message, error) {
	r.decisions = map[string]decision{}
	u := unfolding{run: r, all: len(messages), last: -1, states: map[int]*carried{}, results: map[string]string{}}
	size := 0
	for i := range messages {
		if messages[i].Role == chat.RoleAssistant {
			u.last = i
			size += u.learn(i, &messages[i])
		}
		if size > maxInflatedAll {
			return nil, invalid(fmt.Sprintf("messages[%d]", i), "too_long", "the calls of the messages carry more than %d bytes; begin a new conversation", maxInflatedAll)
		}
	}
	for i := 0; i < len(messages); {
		end := i + 1
		for end < len(messages) && messages[end].Role == chat.RoleTool {
			end++
		}
		if messages[i].Role != chat.RoleAssistant {
			if messages[i].Role == chat.RoleUser {
				r.rounds = 0 // a new question
			}
			u.out, i = append(u.out, messages[i]), i+1
			continue
		}
		if err := u.turn(i, &messages[i], messages[i+1:end]); err != nil {
			return nil, err
		}
		i = end
	}
	return u.out, nil
}

// learn reads what a message carries, and returns how much that is.
func (u *unfolding) learn(i int, m *chat.Message) (size int) {
	for _, it := range m.Items {
		if it.Approval != "" {
			u.results[it.Approval] = outputOf(&it)
		}
	}
	for _, call := range m.ToolCalls {
		if _, state := cutCarrier(call.ID); state != "" {
			c, n, err := decodeCarried(state)
			if size += n; err != nil || size > maxInflatedAll {
				continue
			}
			u.states[i] = c
			for id, text := range c.Answers {
				u.results[id] = text
			}
		}
	}
	return size
}

func outputOf(it *chat.Item) string {
	if it.Error != "" {
		return "Error: " + it.Error
	}
	return it.Output
}

// turn puts one message of the assistant and the answers to its calls into the conversation.
func (u *unfolding) turn(i int, m *chat.Message, answers []chat.Message) error {
	c := u.states[i]
	if c == nil {
		return u.plain(i, m, answers)
	}
	if i == u.last && c.Run != "" {
		u.run.caller.Request = c.Run
	}
	for _, t := range c.Turns[:len(c.Turns)-1] {
		u.carried(&t)
	}
	open := c.Turns[len(c.Turns)-1]
	u.carried(&open)
	first := len(u.out) // the answers stand in the order of the calls, as they did when the run made them
	for u.out[first-1].Role == chat.RoleTool {
		first--
	}
	_, state := cutCarrier(m.ToolCalls[slices.IndexFunc(m.ToolCalls, func(call chat.ToolCall) bool {
		_, state := cutCarrier(call.ID)
		return state != ""
	})].ID)
	for k := range open.Calls {
		if open.Calls[k].Open != "" {
			if err := u.openCall(i, m, &open.Calls[k], state, answers); err != nil {
				return err
			}
		}
	}
	place := func(m chat.Message) int {
		return slices.IndexFunc(open.Calls, func(call carriedCall) bool { return call.ID == m.ToolCallID })
	}
	slices.SortStableFunc(u.out[first:], func(a, b chat.Message) int { return place(a) - place(b) })
	return u.checkKnown(i, m, &open)
}

// plain is a message that carries nothing.
func (u *unfolding) plain(i int, m *chat.Message, answers []chat.Message) error {
	for k := range m.Items {
		switch it := &m.Items[k]; {
		case it.Type == chat.ItemCall && it.Approval == "":
			u.item(it)
		case it.Type == chat.ItemSearch && u.run.deferral.name != "":
			u.search(it)
		}
	}
	message := *m
	message.Items = nil
	u.out = append(u.out, message)
	given := map[string]bool{}
	for _, a := range answers {
		if name, _ := cutCarrier(a.ToolCallID); isCarrier(name) {
			if i == u.last {
				return u.unknown(i, m.ToolCalls, a.ToolCallID)
			}
			text := cmp.Or(u.results[name], approvedText)
			if response, is, err := readApproval(a.Text(), a.ToolCallID); err == nil && is && !response.approve {
				text = "Error: " + response.refusal(a.Name)
			}
			a.Content = chat.Text(text)
		}
		given[a.ToolCallID] = true
		u.out = append(u.out, a)
	}
	if i != u.last {
		return nil
	}
	for _, call := range m.ToolCalls { // a run would take an open call for one to go on with
		if !given[call.ID] {
			u.answer(call.ID, call.Name, chat.Text(unansweredText))
		}
	}
	return nil
}

// unknown is the error for an approval request that this server did not make.
func (u *unfolding) unknown(i int, calls []chat.ToolCall, id string) error {
	k := slices.IndexFunc(calls, func(call chat.ToolCall) bool { return call.ID == id })
	param := fmt.Sprintf("messages[%d].tool_calls[%d]", i, max(k, 0))
	return invalid(param, "unknown_approval_request",
		"%s is not the call that approval was asked for: it was altered, asked of somebody else, or asked before the server was started again; send the call back as it came, or ask the model again", param)
}

// item puts a call that a client sent back as an item into the conversation.
func (u *unfolding) item(it *chat.Item) {
	name, known := u.run.names[[2]string{it.Server, it.Name}]
	if !known {
		name = it.Server + "__" + it.Name
	}
	call := chat.ToolCall{ID: it.ID, Name: name, Arguments: it.Arguments}
	u.out = append(u.out, chat.Message{Role: chat.RoleAssistant, ToolCalls: []chat.ToolCall{call}})
	u.answer(it.ID, name, chat.Text(outputOf(it)))
}

// search puts a search for tools into the conversation. What it finds is always the same.
func (u *unfolding) search(it *chat.Item) {
	d := &u.run.deferral
	call := chat.ToolCall{ID: it.ID, Name: d.name, Arguments: it.Arguments}
	if found, ok := d.again(call); ok {
		u.out = append(u.out, chat.Message{Role: chat.RoleAssistant, ToolCalls: []chat.ToolCall{call}})
		u.answer(it.ID, d.name, chat.Text(d.describe(found)))
	}
}

func (u *unfolding) answer(id, name string, content []chat.Part) {
	u.out = append(u.out, chat.Message{Role: chat.RoleTool, Name: name, ToolCallID: id, Content: content})
}

// carried puts a turn into the conversation, with the answers that it has.
func (u *unfolding) carried(t *carriedTurn) {
	u.run.rounds++
	m := chat.Message{Role: chat.RoleAssistant, Reasoning: t.Reasoning}
	if t.Text != "" {
		m.Content = chat.Text(t.Text)
	}
	for _, call := range t.Calls {
		m.ToolCalls = append(m.ToolCalls, chat.ToolCall{ID: call.ID, Name: call.Name, Arguments: call.Arguments})
	}
	u.out = append(u.out, m)
	for _, call := range t.Calls {
		if call.Open == "" {
			u.answer(call.ID, call.Name, chat.Text(call.Result))
		}
	}
}

// openCall answers a call that was open when its message was sent, or notes what the client decided.
func (u *unfolding) openCall(i int, m *chat.Message, call *carriedCall, state string, answers []chat.Message) error {
	var sent *chat.ToolCall
	var got *chat.Message
	for k := range m.ToolCalls {
		if name, _ := cutCarrier(m.ToolCalls[k].ID); call.opens(name) {
			sent = &m.ToolCalls[k]
		}
	}
	place := 0
	for k := range answers {
		if sent != nil && answers[k].ToolCallID == sent.ID {
			if got != nil {
				return invalid(fmt.Sprintf("messages[%d]", i+1+k), "duplicate_answer", "messages[%d] answers the call that messages[%d] answers too; send one of them", i+1+k, i+1+place)
			}
			got, place = &answers[k], k
		}
	}
	asked := isCarrier(call.Open)
	switch {
	case got == nil && i == u.last && (len(answers) > 0 || i == u.all-1):
		return invalid(fmt.Sprintf("messages[%d]", i), "missing_answer",
			"messages[%d] has calls without an answer; send a tool message for each of them: %s", i, approvalForm)
	case got == nil:
		u.answer(call.ID, call.Name, chat.Text(unansweredText))
	case !asked:
		u.answer(call.ID, call.Name, got.Content)
	case i == u.last:
		return u.decide(i, place, m, call, sent, state, got)
	default:
		u.decided(call, got)
	}
	return nil
}

// approvalForm tells how consent is given.
const approvalForm = `for one that waits for approval its content is {"type":"mcp_approval_response","approval_request_id":"...","approve":true}`

// decide notes the client's decision on a call, after making sure that it is about that call.
func (u *unfolding) decide(i, place int, m *chat.Message, call *carriedCall, sent *chat.ToolCall, state string, got *chat.Message) error {
	id, _ := cutCarrier(sent.ID)
	t := u.run.tools[call.Name]
	if t == nil {
		param := fmt.Sprintf("messages[%d]", i+1+place)
		return invalid(param, "unknown_tool", "%s answers the request for approval of %q, which is none of the request's tools; send the same tools again", param, call.Name)
	}
	original := chat.ToolCall{Name: call.Name, Arguments: call.Arguments}
	if sent.Name != call.Name || !agent.SameArguments(sent.Arguments, call.Arguments) || !u.run.loop.seal.made(id, u.run.caller.Actor, t.identity, state, original) {
		return u.unknown(i, m.ToolCalls, sent.ID)
	}
	response, is, err := readApproval(got.Text(), sent.ID)
	switch {
	case err != nil:
		param := fmt.Sprintf("messages[%d].content", i+1+place)
		return invalid(param, "invalid_approval", "%s: %v", param, err)
	case !is: // the client has dealt with the call in its own way
		u.answer(call.ID, call.Name, got.Content)
	default:
		response.id = id
		u.run.decisions[call.ID] = response
	}
	return nil
}

// decided answers a call that was decided on in an earlier request.
func (u *unfolding) decided(call *carriedCall, got *chat.Message) {
	response, is, err := readApproval(got.Text(), got.ToolCallID)
	content := got.Content
	switch {
	case err != nil || !is:
	case response.approve:
		content = chat.Text(approvedText)
		id, _ := cutCarrier(got.ToolCallID)
		if text, ok := u.results[id]; ok {
			content = chat.Text(text)
		}
	default:
		content = chat.Text("Error: " + response.refusal(call.Name))
	}
	u.answer(call.ID, call.Name, content)
}

// checkKnown refuses calls of the last message that were not open when it was sent.
func (u *unfolding) checkKnown(i int, m *chat.Message, open *carriedTurn) error {
	if i != u.last {
		return nil
	}
	for _, sent := range m.ToolCalls {
		name, _ := cutCarrier(sent.ID)
		if !slices.ContainsFunc(open.Calls, func(call carriedCall) bool { return call.opens(name) }) {
			return u.unknown(i, m.ToolCalls, sent.ID)
		}
	}
	return nil
}
