package toolloop

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/toolserve/toolserve/chat"
)

func TestWarm(t *testing.T) {
	model := &scriptedModel{turns: []turn{{"x", []string{`files__read {}`}}}}
	host := newHost()
	if n, err := New(Options{Model: model, Host: host}).Warm(t.Context()); n != 0 || err != nil || len(model.asked) != 0 {
		t.Errorf("without AutoTools %d tokens were read, %v", n, err)
	}
	n, err := New(Options{Model: model, Host: host, AutoTools: true}).Warm(t.Context())
	if n != 10 || err != nil || len(model.asked) != 1 || len(model.asked[0].Tools) != 3 || model.asked[0].MaxTokens != 1 || len(host.ran) != 0 {
		t.Errorf("%d tokens, %v; asked %+v", n, err, model.asked)
	}
	host.tools = nil
	if n, err := New(Options{Model: model, Host: host, AutoTools: true}).Warm(t.Context()); n != 0 || err != nil || len(model.asked) != 1 {
		t.Errorf("without tools %d tokens were read, %v", n, err)
	}
}

// slowModel reads its first prompt until its context ends, and answers the next ones.
type slowModel struct{ reading chan struct{} }

func (m *slowModel) Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		if req.MaxTokens == 1 {
			close(m.reading)
			<-ctx.Done()
			yield(chat.Event{}, ctx.Err())
			return
		}
		yield(chat.Event{Kind: chat.Finish, Reason: chat.FinishStop}, nil)
	}
}

func TestARequestEndsTheWarming(t *testing.T) {
	model := &slowModel{reading: make(chan struct{})}
	l := New(Options{Model: model, Host: newHost(), AutoTools: true})
	ended := make(chan error)
	go func() {
		_, err := l.Warm(t.Context())
		ended <- err
	}()
	<-model.reading
	for _, err := range l.Generate(t.Context(), &chat.Request{Messages: []chat.Message{{Role: chat.RoleUser}}}) {
		if err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the warming ended with %v", err)
	}
}
