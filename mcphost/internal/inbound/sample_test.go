package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/chat"
)

// fakeModel answers with what it holds and keeps the last request.
type fakeModel struct {
	mu     sync.Mutex
	last   SampleRequest
	result SampleResult
	err    error
	wait   bool // for the end of the context
}

func (m *fakeModel) Sample(ctx context.Context, req SampleRequest) (SampleResult, error) {
	m.mu.Lock()
	m.last = req
	m.mu.Unlock()
	if m.wait {
		<-ctx.Done()
		return SampleResult{}, ctx.Err()
	}
	return m.result, m.err
}

const oneMessage = `{"messages":[{"role":"user","content":{"type":"text","text":"2+2?"}}],"maxTokens":100}`

func TestSample(t *testing.T) {
	var records []audit.Record
	model := &fakeModel{result: SampleResult{Model: "m", Text: "4", Reason: chat.FinishStop}}
	h := New(Options{Server: "s", Sampler: model, Record: func(r audit.Record) { records = append(records, r) }})
	begin(t, h, Caller{Tool: "t", Actor: "ann", Request: "r"})
	got, err := h.Answer(t.Context(), MethodSample, json.RawMessage(oneMessage))
	if want := `{"role":"assistant","content":{"type":"text","text":"4"},"model":"m","stopReason":"endTurn"}`; err != nil || string(got) != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
	if r := model.last; r.Server != "s" || r.Tool != "t" || r.Actor != "ann" || r.Request != "r" || r.Chat.MaxTokens != 100 ||
		r.Chat.Sampling.TopK != chat.DefaultSampling().TopK || r.Chat.Model != "default" {
		t.Errorf("the model was asked %+v", r)
	}
	if len(records) != 1 || records[0].Kind != audit.KindSampling || records[0].Note != "2+2?" || records[0].Result != "4" || !records[0].Success || records[0].Tool != "t" {
		t.Errorf("records %+v", records)
	}
}

func TestSampleWithTools(t *testing.T) {
	model := &fakeModel{result: SampleResult{
		Model: "m", Text: "Let me see.", Reason: chat.FinishToolCalls,
		Calls: []chat.ToolCall{{ID: "c1", Name: "add", Arguments: `{"a":1}`}, {ID: "c2", Name: "now"}},
	}}
	h := New(Options{Sampler: model})
	got, err := h.Answer(t.Context(), MethodSample, json.RawMessage(`{"systemPrompt":"Be brief.","temperature":0,"stopSequences":["X"],"messages":[
		{"role":"user","content":[{"type":"text","text":"look"},{"type":"image","data":"aGk=","mimeType":"image/png"},{"type":"audio","data":"aGk=","mimeType":"audio/wav"}]},
		{"role":"assistant","content":{"type":"tool_use","id":"c0","name":"add","input":{"a":0}}},
		{"role":"user","content":[{"type":"tool_result","toolUseId":"c0","content":[{"type":"text","text":"0"}]},{"type":"tool_result","toolUseId":"c9","structuredContent":{"x":1}}]}],
		"tools":[{"name":"add","description":"adds","inputSchema":{"z":1,"a":2}}],"toolChoice":{"mode":"required"}}`))
	want := `{"role":"assistant","content":[{"type":"text","text":"Let me see."},{"type":"tool_use","id":"c1","name":"add","input":{"a":1}},{"type":"tool_use","id":"c2","name":"now","input":{}}],"model":"m","stopReason":"toolUse"}`
	if err != nil || string(got) != want {
		t.Errorf("%s %v\nwant %s", got, err, want)
	}
	r := model.last.Chat
	if r.MaxTokens != 1024 || r.Sampling.Temperature != 0 || r.Stop[0] != "X" || r.ToolChoice.Mode != chat.ToolRequired || string(r.Tools[0].Parameters) != `{"z":1,"a":2}` {
		t.Errorf("the request is %+v", r)
	}
	var roles []string
	for _, m := range r.Messages {
		roles = append(roles, string(m.Role))
	}
	if strings.Join(roles, " ") != "system user assistant tool tool" {
		t.Errorf("the messages are by %v", roles)
	}
	if p := r.Messages[1].Content; p[1].URL != "data:image/png;base64,aGk=" || p[2].Format != "wav" {
		t.Errorf("the parts are %+v", p)
	}
	if r.Messages[2].ToolCalls[0] != (chat.ToolCall{ID: "c0", Name: "add", Arguments: `{"a":0}`}) || r.Messages[3].Text() != "0" || r.Messages[4].Text() != `{"x":1}` {
		t.Errorf("the calls are %+v", r.Messages[2:])
	}
}

func TestSampleRefuses(t *testing.T) {
	h := New(Options{Sampler: &fakeModel{err: errors.New("must not be asked")}})
	message := func(s string) string { return `{"messages":[` + s + `]}` }
	for params, want := range map[string]string{
		`{}`: "1 to 256 messages",
		message(strings.Repeat(`{"role":"user","content":[]},`, 256) + `{"role":"user","content":[]}`):                  "1 to 256 messages",
		message(`{"role":"system","content":[]}`):                                                                       "must be \"user\"",
		message(`{"role":"user","content":{"type":"video"}}`):                                                           `"video" is not known`,
		message(`{"role":"user","content":3}`):                                                                          "messages[0]",
		message(`{"role":"user"}`):                                                                                      "messages[0]",
		`{"messages":[{"role":"user","content":[]}],"temperature":9}`:                                                   "temperature",
		`{"messages":[{"role":"user","content":[]}],"maxTokens":-1}`:                                                    "maxTokens",
		`{"messages":[{"role":"user","content":[]}],"toolChoice":{"mode":"maybe"}}`:                                     "tool choice",
		`{"messages":[{"role":"user","content":[]}],"stopSequences":[` + strings.Repeat(`"a",`, 16) + `"a"]}`:           "stopSequences",
		`{"messages":[{"role":"user","content":[]}],"tools":[` + strings.Repeat(`{"name":"a"},`, 64) + `{"name":"a"}]}`: "at most 64 tools",
	} {
		_, err := h.Answer(t.Context(), MethodSample, json.RawMessage(params))
		refused(t, err, want)
	}
}

// TestSamplingLoops ends a server that keeps asking.
func TestSamplingLoops(t *testing.T) {
	now := time.Unix(0, 0)
	h := New(Options{Sampler: &fakeModel{}, Sampling: SamplingLimits{MaxRequests: 3}, Now: func() time.Time { return now }})
	ask := func() error {
		_, err := h.Answer(t.Context(), MethodSample, json.RawMessage(oneMessage))
		return err
	}
	ctx, call := begin(t, h, Caller{})
	for range 3 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, ask(), "at most 3 times")
	call.End()
	_, err := h.Answer(ctx, MethodSample, json.RawMessage(oneMessage))
	refused(t, err, "has ended")
	for range 3 { // apart from any call, by the minute
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, ask(), "at most 3 times in a minute")
	now = now.Add(time.Minute)
	if err := ask(); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestSampleFails(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("the key is hunter2"), "the model could not answer"},
		{&chat.Error{Kind: chat.KindInvalid, Message: "the prompt is too long"}, "the prompt is too long"},
		{&chat.Error{Kind: chat.KindBusy, Message: "queue full"}, "the model is busy"},
	} {
		_, err := New(Options{Sampler: &fakeModel{err: test.err}}).Answer(t.Context(), MethodSample, json.RawMessage(oneMessage))
		refused(t, err, test.want)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the server is told %v", err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		_, err := New(Options{Sampler: &fakeModel{wait: true}}).Answer(t.Context(), MethodSample, json.RawMessage(oneMessage))
		refused(t, err, "did not answer within 2m0s")
	})
	h := New(Options{Sampler: &fakeModel{wait: true}})
	callerLeft, leave := context.WithCancel(t.Context())
	_, call := h.Begin(callerLeft, Caller{}, Time{Silent: time.Minute}, nil)
	defer call.End()
	leave()
	_, err := h.Answer(t.Context(), MethodSample, json.RawMessage(oneMessage))
	refused(t, err, "was given up")
}
