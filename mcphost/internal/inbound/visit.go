package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// codeVisitFirst is the error of a call whose user has to open an address first (2025-11-25,
// client/elicitation, URL elicitation required).
const codeVisitFirst = -32042

const (
	// maxVisits bounds the addresses that one error names.
	maxVisits = 8
	// visitWait is how long the server's word is waited for that a visit is complete. Not every server
	// gives it: afterwards the call is tried all the same.
	visitWait = 5 * time.Second
)

const notificationVisited = "notifications/elicitation/complete"

// visit is an address that a person was asked to open.
type visit struct {
	Mode string `json:"mode"`
	ID   string `json:"elicitationId"`
	raw  json.RawMessage
}

// VisitFirst reports whether an error of a call says that its user has to open an address first.
func VisitFirst(err error) (data json.RawMessage, ok bool) {
	var e *jsonrpc.Error
	if !errors.As(err, &e) || e.Code != codeVisitFirst {
		return nil, false
	}
	return e.Data, true
}

// Visit asks the user of the call that ctx comes from to open the addresses that the data of such an error
// names, and waits a while for the server to say that this was done. It returns nil where the call may be
// tried again.
func (h *Handlers) Visit(ctx context.Context, data json.RawMessage) error {
	visits, err := readVisits(data)
	if err != nil {
		return err
	}
	var waits []chan struct{}
	for _, v := range visits {
		// The word may come before the answer does.
		done, forget := h.awaitVisit(v.ID)
		defer forget()
		waits = append(waits, done)
	}
	for _, v := range visits {
		raw, err := h.Answer(ctx, MethodElicit, v.raw)
		if err != nil {
			return err
		}
		var answer ElicitationAnswer
		if err := json.Unmarshal(raw, &answer); err != nil {
			return err
		}
		if answer.Action != Accept {
			return errors.New("its user did not agree to open the address that the server wants to be visited first")
		}
	}
	timer := time.NewTimer(visitWait)
	defer timer.Stop()
	for _, done := range waits {
		select {
		case <-done:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func readVisits(data json.RawMessage) ([]visit, error) {
	if err := checkParams(data); err != nil || len(data) == 0 {
		return nil, errors.New("the server does not say which address to visit")
	}
	var visits []visit
	rawjson.Items(rawjson.Member(data, "elicitations"), func(item json.RawMessage) bool {
		v := visit{raw: item}
		if json.Unmarshal(item, &v) != nil {
			v.Mode = ""
		}
		visits = append(visits, v)
		return len(visits) <= maxVisits
	})
	if len(visits) == 0 || len(visits) > maxVisits {
		return nil, errors.New("the server names no address to visit, or too many")
	}
	for _, v := range visits {
		if v.Mode != ModeURL {
			return nil, errors.New("the server wants something else than an address to be visited")
		}
	}
	return visits, nil
}

// awaitVisit returns what is closed when the server says that a visit is complete.
func (h *Handlers) awaitVisit(id string) (done chan struct{}, forget func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	done = make(chan struct{})
	h.visits[id] = done
	return done, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.visits[id] == done {
			delete(h.visits, id)
		}
	}
}

// visited takes the server's word that a visit is complete.
func (h *Handlers) visited(params json.RawMessage) {
	if checkParams(params) != nil {
		return
	}
	var p struct {
		ID string `json:"elicitationId"`
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if done := h.visits[p.ID]; done != nil {
		close(done)
		delete(h.visits, p.ID)
	}
}
