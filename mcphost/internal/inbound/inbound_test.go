//lint:file-ignore SA1019 servers of the older revisions know roots, sampling and logging, and nothing in their place

package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/audit"
)

// refused checks that an error is one for the server, and says want.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var e *jsonrpc.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, want) {
		t.Errorf("refused with %v, want %q", err, want)
	}
}

// asked is a caller whose user answers by a function.
func asked(actor string, answer func(context.Context, Elicitation) (ElicitationAnswer, error)) Caller {
	return Caller{Tool: "t", Actor: actor, Request: "r", Elicit: answer}
}

func accepts(content string) func(context.Context, Elicitation) (ElicitationAnswer, error) {
	return func(context.Context, Elicitation) (ElicitationAnswer, error) {
		return ElicitationAnswer{Action: Accept, Content: json.RawMessage(content)}, nil
	}
}

const nameForm = `{"message":"Who?","requestedSchema":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"age":{"type":"integer","default":42}}}}`

func begin(t *testing.T, h *Handlers, c Caller) (context.Context, *Call) {
	t.Helper()
	ctx, call := h.Begin(t.Context(), c, Time{Silent: time.Minute}, errors.New("too late"))
	t.Cleanup(call.End)
	return ctx, call
}

func TestCapabilitiesAreWhatIsOn(t *testing.T) {
	declared := func(o Options) string {
		data, err := json.Marshal(New(o).Capabilities())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got := declared(Options{}); got != `{"extensions":{"io.modelcontextprotocol/tasks":{}},"roots":{}}` { // the library's field for older code, which it leaves out
		t.Errorf("of nothing: %s", got)
	}
	if c := New(Options{}).Capabilities(); c.RootsV2 != nil || c.Sampling != nil || c.Elicitation != nil {
		t.Errorf("of nothing: %+v", c)
	}
	if c := New(Options{Forms: true, Roots: func() []Root { return nil }}).Capabilities(); !c.RootsV2.ListChanged || c.Elicitation.Form == nil || c.Elicitation.URL != nil {
		t.Errorf("of forms and roots: %+v", c)
	}
	if c := New(Options{URLs: true, Sampler: &fakeModel{}}).Capabilities(); c.Elicitation.Form != nil || c.Elicitation.URL == nil || c.Sampling.Tools == nil {
		t.Errorf("of addresses and sampling: %+v", c)
	}
}

func TestWhatIsOff(t *testing.T) {
	h := New(Options{})
	for method, want := range map[string]string{
		MethodRoots: "roots are turned off", MethodElicit: "elicitation is turned off", MethodSample: "sampling is not allowed", "x/y": `does not answer "x/y"`,
	} {
		_, err := h.Answer(t.Context(), method, nil)
		refused(t, err, want)
	}
	_, err := New(Options{Forms: true}).Answer(t.Context(), MethodElicit, json.RawMessage(`{"mode":"url","url":"https://a.b"}`))
	refused(t, err, `the mode "url" is turned off`)
	_, err = New(Options{URLs: true}).Answer(t.Context(), MethodElicit, json.RawMessage(nameForm))
	refused(t, err, `the mode "form" is turned off`)
}

func TestRoots(t *testing.T) {
	h := New(Options{Roots: func() []Root { return []Root{{Path: "/a b/ü", Name: "x"}, {Path: "C:/d"}} }})
	got, err := h.Answer(t.Context(), MethodRoots, json.RawMessage(`{"_meta":{}}`))
	if want := `{"roots":[{"uri":"file:///a%20b/%C3%BC","name":"x"},{"uri":"file:///C:/d"}]}`; err != nil || string(got) != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
	h = New(Options{Roots: func() []Root { return make([]Root, 2*maxRoots) }})
	if got, _ = h.Answer(t.Context(), MethodRoots, nil); strings.Count(string(got), "uri") != maxRoots {
		t.Errorf("%d roots", strings.Count(string(got), "uri"))
	}
}

func TestElicit(t *testing.T) {
	var records []audit.Record
	h := New(Options{Server: "s", Forms: true, URLs: true, Record: func(r audit.Record) { records = append(records, r) }})
	var last Elicitation
	begin(t, h, asked("ann", func(_ context.Context, e Elicitation) (ElicitationAnswer, error) {
		last = e
		return ElicitationAnswer{Action: Accept, Content: json.RawMessage(`{"name":"Ann"}`)}, nil
	}))
	got, err := h.Answer(t.Context(), MethodElicit, json.RawMessage(nameForm))
	if err != nil || string(got) != `{"action":"accept","content":{"name":"Ann","age":42}}` {
		t.Errorf("form: %s %v", got, err)
	}
	if last.Server != "s" || last.Tool != "t" || last.Mode != ModeForm || last.Message != "Who?" || !strings.HasPrefix(string(last.Schema), `{"type":"object","required"`) {
		t.Errorf("asked %+v", last)
	}
	got, err = h.Answer(t.Context(), MethodElicit, json.RawMessage(`{"mode":"url","message":"a\u001b[31m\u202eb","url":"https://a.b/c?d=e","elicitationId":"7"}`))
	if err != nil || string(got) != `{"action":"accept"}` || last.URL != "https://a.b/c?d=e" || last.ElicitationID != "7" || last.Message != "a[31mb" {
		t.Errorf("url: %s %v %+v", got, err, last)
	}
	if len(records) != 2 || records[0].Kind != audit.KindElicitation || records[0].Decision != Accept || records[0].Actor != "ann" || records[0].Note != "form" ||
		records[1].Note != "url https://a.b/c?d=e" || !records[1].Success || strings.Contains(fmt.Sprint(records), "Ann") {
		t.Errorf("records %+v", records)
	}
}

func TestElicitRefuses(t *testing.T) {
	h := New(Options{Forms: true, URLs: true})
	begin(t, h, asked("", func(context.Context, Elicitation) (ElicitationAnswer, error) {
		t.Error("a person was asked")
		return ElicitationAnswer{}, nil
	}))
	deep := strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100)
	for params, want := range map[string]string{
		`{"mode":"video"}`:                     `"video" is not known`,
		`{"message":1}`:                        "cannot unmarshal",
		`{"mode":"a","mode":"b"}`:              "given twice",
		`{"x":` + deep + `}`:                   "too deep",
		`{`:                                    "unexpected end",
		`{"requestedSchema":{"type":"array"}}`: "type object",
		`{"requestedSchema":{"properties":{"a":{"type":"object"}}}}`:      "forms are flat",
		`{"requestedSchema":{"x":"` + strings.Repeat("x", 65<<10) + `"}}`: "larger than",
		`{"x":"` + strings.Repeat("x", maxParams) + `"}`:                  "larger than",
		`{"mode":"url"}`: "http:// or https://",
		`{"mode":"url","url":"javascript:alert(1)"}`:                           "http:// or https://",
		`{"mode":"url","url":"file:///etc/passwd"}`:                            "http:// or https://",
		`{"mode":"url","url":"HTTPS:opaque"}`:                                  "names no host",
		`{"mode":"url","url":"https:///x"}`:                                    "names no host",
		`{"mode":"url","url":"https://bank.example@evil.example/"}`:            "user name",
		`{"mode":"url","url":"https://a.b/\u202egnp.exe"}`:                     "not a URL",
		`{"mode":"url","url":"https://a.b\n/"}`:                                "not a URL",
		`{"mode":"url","url":"https:\\\\a.b"}`:                                 "not a URL",
		`{"mode":"url","url":"https://a.b/` + strings.Repeat("x", 5000) + `"}`: "longer than",
	} {
		_, err := h.Answer(t.Context(), MethodElicit, json.RawMessage(params))
		refused(t, err, want)
	}
}

func TestAnswersOfPeople(t *testing.T) {
	for _, test := range []struct {
		answer  ElicitationAnswer
		err     error
		want    string
		refusal string
	}{
		{ElicitationAnswer{Action: Decline, Content: json.RawMessage(`{"name":"x"}`)}, nil, `{"action":"decline"}`, ""},
		{ElicitationAnswer{Action: Cancel}, nil, `{"action":"cancel"}`, ""},
		{ElicitationAnswer{Action: "perhaps"}, nil, "", "the action must be"},
		{ElicitationAnswer{}, nil, "", "the action must be"},
		{ElicitationAnswer{Action: Accept}, nil, "", `"name" is required`},
		{ElicitationAnswer{Action: Accept, Content: json.RawMessage(`{"name":"x","y":1}`)}, nil, "", `no field "y"`},
		{ElicitationAnswer{}, errors.New("the terminal is gone"), "", "the terminal is gone"},
	} {
		h := New(Options{Forms: true})
		_, call := begin(t, h, asked("", func(context.Context, Elicitation) (ElicitationAnswer, error) { return test.answer, test.err }))
		got, err := h.Answer(t.Context(), MethodElicit, json.RawMessage(nameForm))
		if test.refusal != "" {
			refused(t, err, test.refusal)
		} else if err != nil || string(got) != test.want {
			t.Errorf("%+v: %s %v", test.answer, got, err)
		}
		call.End()
	}
}

func TestOneCallAsksSoOften(t *testing.T) {
	h := New(Options{Forms: true})
	begin(t, h, asked("", accepts(`{"name":"a"}`)))
	for range perCallAsked {
		if _, err := h.Answer(t.Context(), MethodElicit, json.RawMessage(nameForm)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.Answer(t.Context(), MethodElicit, json.RawMessage(nameForm))
	refused(t, err, "at most 16 times")
}

// TestWhoIsAsked pins the rule for requests that do not say which call they belong to.
func TestWhoIsAsked(t *testing.T) {
	h := New(Options{Forms: true})
	ask := func(ctx context.Context) (string, error) {
		got, err := h.Answer(ctx, MethodElicit, json.RawMessage(nameForm))
		return string(got), err
	}
	_, err := ask(t.Context())
	refused(t, err, "no tool call of this server is under way")

	ctx1, call1 := begin(t, h, asked("ann", accepts(`{"name":"first"}`)))
	_, call2 := begin(t, h, asked("ann", accepts(`{"name":"second"}`)))
	_, mute := begin(t, h, Caller{Tool: "t", Actor: "ann"})
	if got, err := ask(t.Context()); err != nil || !strings.Contains(got, "second") {
		t.Errorf("of two, the newest: %s %v", got, err)
	}
	if got, err := ask(ctx1); err != nil || !strings.Contains(got, "first") {
		t.Errorf("the one whose stream it came on: %s %v", got, err)
	}
	ctx3, call3 := begin(t, h, asked("bob", accepts(`{"name":"third"}`)))
	_, err = ask(t.Context())
	refused(t, err, "calls of different users")
	if got, err := ask(ctx3); err != nil || !strings.Contains(got, "third") {
		t.Errorf("the one whose stream it came on: %s %v", got, err)
	}
	call3.End()
	_, err = ask(ctx3)
	refused(t, err, "has ended")
	call1.End()
	call2.End()
	_, err = ask(t.Context())
	refused(t, err, "text/event-stream")
	mute.End()
	_, err = ask(t.Context())
	refused(t, err, "no tool call")
}

func TestPeopleTakeTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Forms: true, AskTimeout: time.Minute})
		tooLate := errors.New("too late")
		ctx, call := h.Begin(t.Context(), asked("", func(ctx context.Context, _ Elicitation) (ElicitationAnswer, error) {
			<-ctx.Done()
			return ElicitationAnswer{}, ctx.Err()
		}), Time{Silent: 10 * time.Second}, tooLate)
		defer call.End()
		time.Sleep(4 * time.Second)
		got, err := h.Answer(t.Context(), MethodElicit, json.RawMessage(nameForm))
		if err != nil || string(got) != `{"action":"cancel"}` {
			t.Errorf("%s %v", got, err)
		}
		if ctx.Err() != nil {
			t.Error("the call's time ran while its user was asked")
		}
		time.Sleep(5 * time.Second)
		if ctx.Err() != nil {
			t.Error("the call's time ran while its user was asked")
		}
		time.Sleep(2 * time.Second)
		if context.Cause(ctx) != tooLate {
			t.Errorf("the call goes on: %v", context.Cause(ctx))
		}
	})
}

func TestServersAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	h := New(Options{Roots: func() []Root { return nil }, Now: func() time.Time { return now }})
	for range perMinute {
		if _, err := h.Answer(t.Context(), MethodRoots, nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.Answer(t.Context(), MethodRoots, nil)
	refused(t, err, "600 times in a minute")
	now = now.Add(time.Minute)
	if _, err := h.Answer(t.Context(), MethodRoots, nil); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestAtOnce(t *testing.T) {
	h := New(Options{Forms: true})
	var waiting, done sync.WaitGroup
	goOn := make(chan struct{})
	for range atOnce / perCallAsked {
		ctx, _ := begin(t, h, asked("", func(context.Context, Elicitation) (ElicitationAnswer, error) {
			waiting.Done()
			<-goOn
			return ElicitationAnswer{Action: Decline}, nil
		}))
		for range perCallAsked {
			waiting.Add(1)
			done.Go(func() {
				if _, err := h.Answer(ctx, MethodElicit, json.RawMessage(nameForm)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	waiting.Wait()
	_, err := h.Answer(t.Context(), MethodElicit, json.RawMessage(nameForm))
	refused(t, err, "too many requests at a time")
	close(goOn)
	done.Wait()
}

// FuzzAnswer holds the handlers against whatever a server may send.
func FuzzAnswer(f *testing.F) {
	f.Add(1, []byte(nameForm))
	f.Add(1, []byte(`{"mode":"url","url":"https://a.b"}`))
	f.Add(2, []byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","toolUseId":"1","content":[]}]}],"maxTokens":9,"tools":[{"name":"a"}],"toolChoice":{"mode":"auto"}}`))
	f.Add(0, []byte(`{}`))
	methods := []string{MethodRoots, MethodElicit, MethodSample, "x"}
	f.Fuzz(func(t *testing.T, method int, params []byte) {
		h := New(Options{Roots: func() []Root { return nil }, Forms: true, URLs: true, Sampler: &fakeModel{}})
		_, call := h.Begin(t.Context(), asked("", accepts(`{}`)), Time{Silent: time.Minute}, nil)
		defer call.End()
		result, err := h.Answer(t.Context(), methods[uint(method)%4], params)
		var e *jsonrpc.Error
		if err != nil && !errors.As(err, &e) || err == nil && !json.Valid(result) {
			t.Fatalf("%s %v", result, err)
		}
		h.Log(t.Context(), params)
	})
}
