package toolloop

import "github.com/toolserve/toolserve/chat"

// handOver returns the calls that wait as the client gets them. The first one carries what was done before.
func (r *run) handOver() ([]chat.ToolCall, error) {
	for i := range r.waiting {
		if w := &r.waiting[i]; w.approval {
			w.open = r.loop.seal.open()
		} else {
			w.open = w.call.ID
		}
	}
	state, err := r.state()
	if err != nil {
		return nil, err
	}
	calls := make([]chat.ToolCall, len(r.waiting))
	for i, w := range r.waiting {
		calls[i] = w.call
		if w.approval {
			calls[i].ID = r.loop.seal.approvalID(w.open, r.caller.Actor, r.tools[w.call.Name].identity, state, w.call)
		}
		if i == 0 && state != "" {
			calls[i].ID += carrierMark + state
		}
	}
	return calls, nil
}

// state is what the first of the calls that wait has to carry; "" where the client's message says it all.
func (r *run) state() (string, error) {
	c := carried{Run: r.caller.Request, Answers: r.answers}
	needed := len(c.Answers) > 0
	for _, m := range r.req.Messages[r.begun:] {
		if m.Role == chat.RoleAssistant {
			needed = needed || len(c.Turns) > 0
			t := carriedTurn{Text: m.Text(), Reasoning: m.Reasoning}
			for _, call := range m.ToolCalls {
				t.Calls = append(t.Calls, carriedCall{ID: call.ID, Name: call.Name, Arguments: call.Arguments})
			}
			c.Turns = append(c.Turns, t)
			continue
		}
		if call := c.lastCall(m.ToolCallID); call != nil {
			call.Result, needed = shown(m.Content), true
		}
	}
	for _, w := range r.waiting {
		if call := c.lastCall(w.call.ID); call != nil {
			call.Open = w.open
		}
		needed = needed || w.approval
	}
	if !needed {
		return "", nil
	}
	return c.encode()
}

// askApproval sends the item of a call that wants consent.
func (r *run) askApproval(w *waiting, callID string) bool {
	if !w.approval {
		return true
	}
	id, _ := cutCarrier(callID)
	t := r.tools[w.call.Name]
	it := &chat.Item{ID: id, Type: chat.ItemApproval, Server: t.label, Name: t.Name, Arguments: w.call.Arguments}
	return r.yield(chat.Event{Kind: chat.ItemStart, Item: it}, nil) && r.yield(chat.Event{Kind: chat.ItemEnd, Item: it}, nil)
}

func (r *run) sendCall(i int, call chat.ToolCall) bool {
	return r.yield(chat.Event{Kind: chat.CallStart, Index: i, ID: call.ID, Name: call.Name}, nil) &&
		r.yield(chat.Event{Kind: chat.CallDelta, Index: i, Text: call.Arguments}, nil) &&
		r.yield(chat.Event{Kind: chat.CallEnd, Index: i}, nil)
}
