package inference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/engine/enginetest"
	"github.com/toolserve/toolserve/internal/prompt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// template is a chat template in Go: the roles and texts of the messages, after the names of the tools.
type template func(*chat.Request) (prompt.Prompt, error)

func (f template) Render(req *chat.Request) (prompt.Prompt, error) { return f(req) }

func plainTemplate(req *chat.Request) (prompt.Prompt, error) {
	var b strings.Builder
	for _, t := range req.Tools {
		fmt.Fprintf(&b, "[%s]", t.Name)
	}
	for _, m := range req.Messages {
		fmt.Fprintf(&b, "%s: %s\n", m.Role, m.Text())
	}
	return prompt.Prompt{Text: b.String()}, nil
}

// world is a Model over a fake engine that writes reply.
type world struct {
	*Model
	prompts []string             // what the engine was given
	grammar []*constrain.Grammar // what it was asked to hold to
}

func newWorld(t *testing.T, reply string, change func(*Options, *enginetest.Options)) *world {
	t.Helper()
	w := &world{}
	backend := enginetest.Options{
		Specials: []string{"<|im_start|>", "<tool_call>"},
		Reply:    func(prompt string) string { w.prompts = append(w.prompts, prompt); return reply },
		Constrain: func(g *constrain.Grammar) (engine.Constraint, error) {
			w.grammar = append(w.grammar, g)
			return anything{}, nil
		},
	}
	opts := Options{Template: template(plainTemplate), NewID: func() string { return "call_ID" }}
	if change != nil {
		change(&opts, &backend)
	}
	e := engine.New(enginetest.New(backend), engine.Options{})
	t.Cleanup(func() { e.Close() })
	opts.Engine = e
	m, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.Model = m
	return w
}

// anything is a constraint that allows every token.
type anything struct{}

func (anything) Allowed(ids []int32, ok []bool) error {
	for i := range ids {
		ok[i] = true
	}
	return nil
}
func (anything) Accept(int32) error { return nil }
func (anything) Close()             {}

func ask(text string) *chat.Request {
	return &chat.Request{Messages: []chat.Message{{Role: chat.RoleUser, Content: chat.Text(text)}}}
}

func withTools(req *chat.Request, names ...string) *chat.Request {
	for _, name := range names {
		req.Tools = append(req.Tools, chat.Tool{Name: name, Parameters: json.RawMessage(`{"type":"object"}`)})
	}
	return req
}

// transcript is a generation in a few words.
type transcript struct {
	content, reasoning string
	calls              []string // NAME(ARGUMENTS), with "!" for one that broke off
	warnings           int
	reason             chat.FinishReason
	usage              chat.Usage
	logprobs           []string
	err                error
}

func (w *world) run(req *chat.Request) (out transcript) {
	for ev, err := range w.Generate(context.Background(), req) {
		if err != nil {
			out.err = err
			return out
		}
		switch ev.Kind {
		case chat.ContentDelta:
			out.content += ev.Text
			for _, p := range ev.Logprobs {
				out.logprobs = append(out.logprobs, p.Token)
			}
		case chat.ReasoningDelta:
			out.reasoning += ev.Text
		case chat.CallStart:
			out.calls = append(out.calls, ev.Name+"(")
		case chat.CallDelta:
			out.calls[ev.Index] += ev.Text
		case chat.CallEnd:
			if out.calls[ev.Index] += ")"; ev.Incomplete {
				out.calls[ev.Index] += "!"
			}
		case chat.Warning:
			out.warnings++
		case chat.Finish:
			out.reason, out.usage = ev.Reason, ev.Usage
		}
	}
	return out
}

const oneCall = `<tool_call>` + "\n" + `{"name": "f", "arguments": {"x": 1}}` + "\n" + `</tool_call>`

func TestGenerate(t *testing.T) {
	tests := []struct {
		name, reply string
		req         *chat.Request
		want        transcript
	}{
		{"text", "Héllo", ask("hi"), transcript{content: "Héllo", reason: chat.FinishStop}},
		{"nothing", "", ask("hi"), transcript{reason: chat.FinishStop}},
		{"special tokens do not leak", "a<|im_start|>b", ask("hi"), transcript{content: "ab", reason: chat.FinishStop}},
		{"call", "Look: " + oneCall, withTools(ask("hi"), "f"),
			transcript{content: "Look:", calls: []string{`f({"x": 1})`}, reason: chat.FinishToolCalls}},
		{"two calls", oneCall + oneCall, withTools(ask("hi"), "f"),
			transcript{calls: []string{`f({"x": 1})`, `f({"x": 1})`}, reason: chat.FinishToolCalls}},
		{"single call", oneCall + oneCall, single(withTools(ask("hi"), "f")),
			transcript{calls: []string{`f({"x": 1})`}, reason: chat.FinishToolCalls}},
		{"no tools, no calls", `{"name": "f", "arguments": {}}`, ask("hi"),
			transcript{content: `{"name": "f", "arguments": {}}`, reason: chat.FinishStop}},
		{"reasoning", "<think>\nhm\n</think>\n\nyes", ask("hi"),
			transcript{reasoning: "hm", content: "yes", reason: chat.FinishStop}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := newWorld(t, test.reply, nil).run(test.req)
			got.usage = chat.Usage{}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func single(req *chat.Request) *chat.Request {
	req.SingleToolCall = true
	return req
}

func TestLimits(t *testing.T) {
	w := newWorld(t, "0123456789", func(o *Options, _ *enginetest.Options) { o.MaxTokens = 7 })
	for _, test := range []struct {
		max  int
		want string
	}{{0, "0123456"}, {3, "012"}} {
		req := ask("hi")
		req.MaxTokens = test.max
		if got := w.run(req); got.content != test.want || got.reason != chat.FinishLength || got.usage.CompletionTokens != len(test.want) {
			t.Errorf("max %d: %+v", test.max, got)
		}
	}
}

func TestBrokenCall(t *testing.T) {
	w := newWorld(t, oneCall+`<tool_call>{"name": "f", "arguments": {"path": "/tmp/x`, nil)
	got := w.run(withTools(ask("hi"), "f"))
	if len(got.calls) != 2 || got.calls[0] != `f({"x": 1})` || !strings.HasSuffix(got.calls[1], "!") || got.reason != chat.FinishLength {
		t.Errorf("got %+v", got)
	}
}

func TestStop(t *testing.T) {
	tests := []struct {
		name, reply string
		stop        []string
		want        string
	}{
		{"none", "abc", nil, "abc"},
		{"across tokens", "one STOP two", []string{"STOP"}, "one "},
		{"at the end", "one STOP", []string{"STOP"}, "one "},
		{"at the start", "STOP", []string{"STOP"}, ""},
		{"never complete", "one STO", []string{"STOP"}, "one STO"},
		{"false starts", "SSTSTOSTOP!", []string{"STOP"}, "SSTSTO"},
		{"self-overlapping", "aaab", []string{"aab"}, "a"},
		{"the first to end wins", "xabcd", []string{"abcd", "bc"}, "xa"},
		{"the longest of those that end together", "xabcd", []string{"c", "abc"}, "x"},
		{"not ASCII", "naïve öl", []string{"ö"}, "naïve "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := ask("hi")
			req.Stop = test.stop
			if got := newWorld(t, test.reply, nil).run(req); got.content != test.want || got.reason != chat.FinishStop {
				t.Errorf("got %q, %s; want %q", got.content, got.reason, test.want)
			}
			// The same cut in every way that one cut can be.
			for cut := range test.reply {
				f := newStopFilter(test.stop)
				got := f.write(test.reply[:cut]) + f.write(test.reply[cut:])
				if !f.hit {
					got += f.flush()
				}
				if got != test.want {
					t.Errorf("cut at %d: %q", cut, got)
				}
			}
		})
	}
}

func TestStopSparesReasoningAndCalls(t *testing.T) {
	const call = `<tool_call>{"name": "f", "arguments": {"x": "STOP"}}</tool_call>`
	req := withTools(ask("hi"), "f")
	req.Stop = []string{"STOP"}
	got := newWorld(t, "<think>STOP</think>ST"+call, nil).run(req)
	want := transcript{reasoning: "STOP", content: "ST", calls: []string{`f({"x": "STOP"})`}, reason: chat.FinishToolCalls}
	got.usage = chat.Usage{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestUsage(t *testing.T) {
	w := newWorld(t, "<think>\nhmm\n</think>\n\nyes", nil)
	first := w.run(ask("hi")).usage
	if first.PromptTokens != len("user: hi\n") || first.CachedTokens != 0 {
		t.Errorf("usage is %+v", first)
	}
	if all := len("<think>\nhmm\n</think>\n\nyes") + 1; first.CompletionTokens != all {
		t.Errorf("%d completion tokens, want %d", first.CompletionTokens, all)
	}
	if first.ReasoningTokens < len("hmm") || first.ReasoningTokens > len("\nhmm\n</think>\n\n") {
		t.Errorf("%d reasoning tokens of %+v", first.ReasoningTokens, first)
	}
	if second := w.run(ask("hi")).usage; second.CachedTokens == 0 {
		t.Errorf("the second time, usage is %+v", second)
	}
}

func TestToolChoice(t *testing.T) {
	tests := []struct {
		name     string
		fallback chat.ToolChoiceMode
		choice   chat.ToolChoice
		tools    []string
		shown    string // what the template sees of the tools
		forced   bool
		calls    int // of the two that the model writes
	}{
		{"not given", "", chat.ToolChoice{}, []string{"f"}, "[f]", false, 2},
		{"not given, default none", chat.ToolNone, chat.ToolChoice{}, []string{"f"}, "", false, 0},
		{"not given, default required", chat.ToolRequired, chat.ToolChoice{}, []string{"f"}, "[f]", true, 1},
		{"no tools, default required", chat.ToolRequired, chat.ToolChoice{}, nil, "", false, 0},
		{"auto, default required", chat.ToolRequired, chat.ToolChoice{Mode: chat.ToolAuto}, []string{"f"}, "[f]", false, 2},
		{"none", "", chat.ToolChoice{Mode: chat.ToolNone}, []string{"f"}, "", false, 0},
		{"required", "", chat.ToolChoice{Mode: chat.ToolRequired}, []string{"f", "g"}, "[f][g]", true, 2},
		{"named", "", chat.ToolChoice{Mode: chat.ToolNamed, Name: "g"}, []string{"f", "g"}, "[f][g]", true, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, oneCall+oneCall, func(o *Options, _ *enginetest.Options) { o.DefaultToolChoice = test.fallback })
			req := withTools(ask("hi"), test.tools...)
			req.ToolChoice = test.choice
			before := *req
			got := w.run(req)
			if got.err != nil {
				t.Fatal(got.err)
			}
			if want := test.shown + "user: hi\n"; len(w.prompts) != 1 || w.prompts[0] != want {
				t.Errorf("the prompt is %q, want %q", w.prompts, want)
			}
			if forced := len(w.grammar) == 1; forced != test.forced {
				t.Errorf("forced: %v, want %v", forced, test.forced)
			}
			if len(got.calls) != test.calls {
				t.Errorf("calls are %q, want %d", got.calls, test.calls)
			}
			if !reflect.DeepEqual(*req, before) {
				t.Errorf("the request was changed to %+v", *req)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	// Nothing in the text of a string is a marker.
	const reply = `{"a":"<think>x</think><tool_call>"}`
	w := newWorld(t, reply, func(_ *Options, o *enginetest.Options) { o.Specials = nil })
	req := ask("hi")
	req.ResponseFormat.JSON = true
	if got := w.run(req); got.content != reply || len(w.grammar) != 1 {
		t.Errorf("got %+v, %d grammars", got, len(w.grammar))
	}
}

// A text is gone on with as it is: no template, no markers, no tools.
func TestPrompt(t *testing.T) {
	const reply = "<think>x</think><tool_call>"
	w := newWorld(t, reply, func(o *Options, b *enginetest.Options) {
		o.DefaultToolChoice, b.Specials = chat.ToolRequired, nil
	})
	if got := w.run(&chat.Request{Prompt: "Once"}); got.content != reply || w.prompts[0] != "Once" || len(w.grammar) != 0 {
		t.Errorf("got %+v after %q", got, w.prompts)
	}
}

func TestReasoningAsContent(t *testing.T) {
	w := newWorld(t, "<think>\nhm\n</think>\n\nyes", func(o *Options, _ *enginetest.Options) { o.ReasoningAsContent = true })
	if got := w.run(ask("hi")); got.reasoning != "" || !strings.Contains(got.content, "hm") || !strings.HasSuffix(got.content, "yes") {
		t.Errorf("got %+v", got)
	}
}

func TestLogprobs(t *testing.T) {
	const call = `<tool_call>{"name": "f", "arguments": {}}</tool_call>`
	req := withTools(ask("hi"), "f")
	req.Logprobs, req.TopLogprobs = true, 2
	got := newWorld(t, "<think>no</think>\n\nyes é"+call, nil).run(req)
	// Each token of the fake is a byte; the two of é come together in the second one's text.
	if joined := strings.Join(got.logprobs, ""); joined != got.content || got.content != "yes é" {
		t.Errorf("tokens are %q, content %q", got.logprobs, got.content)
	}
	if len(got.logprobs) != len("yes é") {
		t.Errorf("%d tokens: %q", len(got.logprobs), got.logprobs)
	}
}

func TestAlignerSplitsTokens(t *testing.T) {
	var a aligner
	for _, text := range []string{"<think>", ">Hello wor", "", "ld", "</x>", "!"} {
		a.add(&engine.Token{Text: text})
	}
	var got [][]string
	for _, piece := range []string{"Hel", "lo", " world", "!"} {
		var tokens []string
		for _, p := range a.take(piece) {
			tokens = append(tokens, p.Token)
		}
		got = append(got, tokens)
	}
	want := [][]string{{">Hello wor"}, nil, {"", "ld"}, {"!"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("pieces have the tokens %q, want %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	image := ask("hi")
	image.Messages[0].Content = append(image.Messages[0].Content, chat.Part{Type: chat.PartImage})
	named := withTools(ask("hi"), "f")
	named.ToolChoice = chat.ToolChoice{Mode: chat.ToolNamed, Name: "g"}
	both := withTools(ask("hi"), "f")
	both.ResponseFormat.JSON = true
	tests := []struct {
		name   string
		req    *chat.Request
		render error
		kind   chat.ErrorKind
		param  string
		text   string
	}{
		{"image", image, nil, chat.KindInvalid, "messages[0].content[1]", "reads text only"},
		{"unknown tool", named, nil, chat.KindInvalid, "tool_choice", `"g"`},
		{"JSON and tools", both, nil, chat.KindInvalid, "response_format", "cannot be combined"},
		{"too long", ask(strings.Repeat("x", 60)), nil, chat.KindInvalid, "messages", "67 tokens and the context holds 64"},
		{"text too long", &chat.Request{Prompt: strings.Repeat("x", 64)}, nil, chat.KindInvalid, "prompt", "64 tokens and the context holds 64"},
		{"template refuses", ask("hi"), &prompt.RequestError{Message: "roles must alternate"}, chat.KindInvalid, "messages", "roles must alternate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "x", func(o *Options, b *enginetest.Options) {
				b.ContextSize = 64
				if test.render != nil {
					o.Template = template(func(*chat.Request) (prompt.Prompt, error) { return prompt.Prompt{}, test.render })
				}
			})
			var known *chat.Error
			err := w.run(test.req).err
			if !errors.As(err, &known) || known.Kind != test.kind || known.Param != test.param || !strings.Contains(known.Message, test.text) {
				t.Errorf("error is %#v, want kind %d, param %s, %q", err, test.kind, test.param, test.text)
			}
		})
	}
}

func TestEngineFails(t *testing.T) {
	for _, test := range []struct {
		err  error
		kind chat.ErrorKind
	}{
		{engine.ErrEngineDead, chat.KindUnavailable}, {errors.New("decode failed"), chat.KindInternal},
	} {
		w := newWorld(t, "abc", func(_ *Options, b *enginetest.Options) {
			b.OnDecode = func(n int, _ []engine.Row) error {
				if n == 2 {
					return test.err
				}
				return nil
			}
		})
		got := w.run(ask("hi"))
		var known *chat.Error
		if kind := chat.KindInternal; !errors.Is(got.err, test.err) || got.content != "a" ||
			errors.As(got.err, &known) && known.Kind != test.kind || known == nil && test.kind != kind {
			t.Errorf("got %+v, want %v of kind %d", got, test.err, test.kind)
		}
	}
}

func TestContextEnds(t *testing.T) {
	w := newWorld(t, strings.Repeat("x", 1000), nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	for ev, err := range w.Generate(ctx, ask("hi")) {
		if last = err; ev.Kind == chat.ContentDelta {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the last error is %v", last)
	}
}

// Leaving the range frees the engine for the next request.
func TestReaderLeaves(t *testing.T) {
	w := newWorld(t, oneCall+strings.Repeat("x", 100), nil)
	for range w.Generate(context.Background(), withTools(ask("hi"), "f")) {
		break
	}
	if got := w.run(ask("again")); got.err != nil || got.reason != chat.FinishStop {
		t.Errorf("the next request got %+v", got)
	}
}

func TestNewRefuses(t *testing.T) {
	e := engine.New(enginetest.New(enginetest.Options{}), engine.Options{})
	defer e.Close()
	for _, opts := range []Options{
		{}, {Engine: e}, {Template: template(plainTemplate)},
		{Engine: e, Template: template(plainTemplate), DefaultToolChoice: chat.ToolNamed},
	} {
		if _, err := New(opts); err == nil {
			t.Errorf("%+v was accepted", opts)
		}
	}
}

// naiveStop is what the stop texts mean: the output ends before the one that is complete first, and before
// the longest of those that are complete at the same place.
func naiveStop(text string, stops []string) string {
	for end := range len(text) + 1 {
		longest := ""
		for _, stop := range stops {
			if stop != "" && strings.HasSuffix(text[:end], stop) && len(stop) > len(longest) {
				longest = stop
			}
		}
		if longest != "" {
			return text[:end-len(longest)]
		}
	}
	return text
}

// FuzzStop checks the filter against the definition, whatever the pieces are.
func FuzzStop(f *testing.F) {
	f.Add("aabaabaaab", "aab", "abaaa", uint8(3))
	f.Add("one STOP", "STOP", "", uint8(1))
	f.Fuzz(func(t *testing.T, text, stop1, stop2 string, size uint8) {
		stops := []string{stop1, stop2}
		filter := newStopFilter(stops)
		var got string
		for rest := text; rest != ""; {
			n := min(len(rest), int(size%7)+1)
			got += filter.write(rest[:n])
			rest = rest[n:]
			if !strings.HasPrefix(text, got) {
				t.Fatalf("%q shown of %q", got, text)
			}
		}
		if !filter.hit {
			got += filter.flush()
		}
		if want := naiveStop(text, stops); got != want {
			t.Errorf("%q with the stops %q gives %q, want %q", text, stops, got, want)
		}
	})
}

func BenchmarkStop(b *testing.B) {
	f := newStopFilter([]string{"\nUser:", "<|endoftext|>", "###", strings.Repeat("a", 1000) + "b"})
	b.ReportAllocs()
	for b.Loop() {
		f.write(" some words")
		f.write("aaaa")
	}
}
