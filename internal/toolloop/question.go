package toolloop

import (
	"context"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/agent"
	"github.com/toolserve/toolserve/mcphost"
)

// noQuestions is why a server cannot ask the user of a chat request, and what to do.
const noQuestions = "a chat request answers no questions unless its tool of type \"mcp\" has \"elicitation\": true; " +
	"else run the tool with toolserve chat, toolserve mcp call, or POST /v1/mcp/execute and \"Accept: text/event-stream\""

// mayAsk lets the server ask the user while a call runs, where the client answers that.
func (r *run) mayAsk(ctx context.Context, t *tool, call *mcphost.Call) {
	if !t.asks || r.loop.opts.Questions == nil {
		call.NoElicit = noQuestions
		return
	}
	call.Elicit = func(asking context.Context, ask mcphost.Elicitation) (mcphost.ElicitationAnswer, error) {
		return r.ask(ctx, asking, t, ask)
	}
}

// ask puts a question into the stream of the answer, and waits until the client has brought the user's word
// with another request. running is the context of the call, and asking that of the question. It is called by
// several goroutines at once.
func (r *run) ask(running, asking context.Context, t *tool, ask mcphost.Elicitation) (mcphost.ElicitationAnswer, error) {
	question := chat.Question{Mode: ask.Mode, Message: ask.Message, Schema: ask.Schema, URL: ask.URL}
	it := chat.Item{Type: chat.ItemQuestion, Server: t.label, Name: t.Name, Status: chat.ItemInProgress, Question: &question}
	answer, err := r.loop.opts.Questions.Ask(asking, r.caller.Actor, ask, func(id string) error {
		it.ID = id
		begun := it
		return agent.Tell(running, chat.Event{Kind: chat.ItemStart, Item: &begun})
	})
	if it.ID == "" {
		return answer, err
	}
	done, answered := it, question
	if done.Status, done.Question = chat.ItemIncomplete, &answered; err == nil {
		done.Status, answered.Action = chat.ItemCompleted, answer.Action
	}
	if told := agent.Tell(running, chat.Event{Kind: chat.ItemEnd, Item: &done}); told != nil && err == nil {
		err = told
	}
	return answer, err
}
