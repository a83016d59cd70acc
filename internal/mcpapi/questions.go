package mcpapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/toolserve/toolserve/mcphost"
)

// maxQuestions bounds the elicitations that wait for an answer, of all calls.
const maxQuestions = 1024

// questions are the elicitations of the calls under way. One is kept until its call ends, so that an answer
// that comes twice or late is told what became of it.
type questions struct {
	mu   sync.Mutex
	byID map[string]*question
}

// question is one elicitation.
type question struct {
	id    string
	call  *outbox // whose events it is among; nil for one that [Handler.Ask] shows elsewhere
	actor string  // whose key the call came with: only the same key may answer
	ask   mcphost.Elicitation
	// answer takes the answer; it is sent to by the request that brings it, once.
	answer chan mcphost.ElicitationAnswer
	closed bool // answered, or nobody waits any more; guarded by questions.mu
}

// questionEvent is the data of the event elicitation.
type questionEvent struct {
	ID      string          `json:"id"`
	Server  string          `json:"server"`
	Tool    string          `json:"tool"`
	Mode    string          `json:"mode"`
	Message string          `json:"message"`
	Schema  json.RawMessage `json:"schema,omitempty"`
	URL     string          `json:"url,omitempty"`
}

func (q *question) event() questionEvent {
	return questionEvent{
		ID: q.id, Server: q.ask.Server, Tool: q.ask.Tool, Mode: q.ask.Mode, Message: q.ask.Message,
		Schema: q.ask.Schema, URL: q.ask.URL,
	}
}

func (s *questions) add(call *outbox, actor string, ask mcphost.Elicitation) (*question, error) {
	q := &question{id: "elicit_" + rand.Text(), call: call, actor: actor, ask: ask, answer: make(chan mcphost.ElicitationAnswer, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= maxQuestions {
		return nil, errors.New("too many questions wait for an answer")
	}
	if s.byID == nil {
		s.byID = map[string]*question{}
	}
	s.byID[q.id] = q
	return q, nil
}

// Ask puts a question to the clients of an actor: it calls show with the id by which one of them can answer
// (see [Handler.Answer]), and waits for that or for the end of ctx.
func (h *Handler) Ask(ctx context.Context, actor string, ask mcphost.Elicitation, show func(id string) error) (mcphost.ElicitationAnswer, error) {
	q, err := h.questions.add(nil, actor, ask)
	if err != nil {
		return mcphost.ElicitationAnswer{}, err
	}
	defer h.questions.drop(q)
	if err := show(q.id); err != nil {
		return mcphost.ElicitationAnswer{}, err
	}
	return h.questions.wait(ctx, q)
}

// wait returns the answer, or the context's error.
func (s *questions) wait(ctx context.Context, q *question) (mcphost.ElicitationAnswer, error) {
	select {
	case answer := <-q.answer:
		return answer, nil
	case <-ctx.Done():
		s.mu.Lock()
		q.closed = true
		s.mu.Unlock()
		return mcphost.ElicitationAnswer{}, ctx.Err()
	}
}

// forget drops the questions of a call that is over.
func (s *questions) forget(call *outbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, q := range s.byID {
		if q.call == call {
			delete(s.byID, id)
		}
	}
}

// drop drops one question.
func (s *questions) drop(q *question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, q.id)
}

// take hands an answer to the question that it is for. It changes nothing unless it returns nil.
func (s *questions) take(id, actor string, answer mcphost.ElicitationAnswer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byID[id]
	if q == nil || q.actor != actor {
		return &requestError{http.StatusNotFound, "there is no such elicitation: its call is over, or it belongs to another key", "id"}
	}
	if q.closed {
		return &requestError{http.StatusConflict, "the elicitation was answered already, or took too long", "id"}
	}
	checked, err := q.ask.Check(answer)
	if err != nil {
		param := "content"
		if answer.Action != mcphost.ElicitationAccept {
			param = "action"
		}
		return badRequest(param, "%v", err)
	}
	q.closed = true
	q.answer <- checked
	return nil
}

// maxAnswer bounds the body of an answer in bytes.
const maxAnswer = 128 << 10

// Answer takes a person's answer to an elicitation: {"action": "accept" | "decline" | "cancel", "content"?}.
func (h *Handler) Answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
	if err != nil {
		h.writeError(w, readFailure(err))
		return
	}
	fields, err := readObject(body)
	if err != nil {
		h.writeError(w, err)
		return
	}
	var answer mcphost.ElicitationAnswer
	if raw, ok := fields["action"]; !ok || json.Unmarshal(raw, &answer.Action) != nil {
		h.writeError(w, badRequest("action", "\"action\" must be \"accept\", \"decline\" or \"cancel\""))
		return
	}
	answer.Content = fields["content"]
	actor, id := "", r.PathValue("id")
	if h.opts.Actor != nil {
		actor = h.opts.Actor(r)
	}
	if err := h.questions.take(id, actor, answer); err != nil {
		h.writeError(w, err)
		return
	}
	h.write(w, http.StatusOK, struct {
		ID     string `json:"id"`
		Action string `json:"action"`
	}{id, answer.Action})
}
