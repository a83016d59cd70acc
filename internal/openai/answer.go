package openai

import (
	"math"
	"strconv"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai/internal/jsontext"
)

// answer collects the events of one generation.
type answer struct {
	content, reasoning []byte
	calls              []collectedCall
	logprobs           []chat.Logprob
	warnings           []string
	items              []*chat.Item
	reason             chat.FinishReason // empty until Finish
	usage              chat.Usage
}

type collectedCall struct {
	id, name  string
	arguments []byte
	complete  bool
}

func (a *answer) add(ev *chat.Event) {
	switch ev.Kind {
	case chat.ReasoningDelta:
		a.reasoning = append(a.reasoning, ev.Text...)
	case chat.ContentDelta:
		a.content = append(a.content, ev.Text...)
		a.logprobs = append(a.logprobs, ev.Logprobs...)
	case chat.CallStart:
		a.calls = append(a.calls, collectedCall{id: ev.ID, name: ev.Name})
	case chat.CallDelta:
		if ev.Index < len(a.calls) {
			a.calls[ev.Index].arguments = append(a.calls[ev.Index].arguments, ev.Text...)
		}
	case chat.CallEnd:
		if ev.Index < len(a.calls) {
			a.calls[ev.Index].complete = !ev.Incomplete
		}
	case chat.Warning:
		if len(a.warnings) < maxWarnings {
			a.warnings = append(a.warnings, ev.Text)
		}
	case chat.ItemEnd:
		a.items = append(a.items, ev.Item)
	case chat.Finish:
		a.reason, a.usage = ev.Reason, ev.Usage
	}
}

// encode returns the completion object. A call that broke off is left out: a client that does not
// look at the finish reason would execute it.
func (a *answer) encode(h head, req *wireRequest) []byte {
	b := h.append(make([]byte, 0, 1024+len(a.content)+len(a.reasoning)))
	if req.Prompt != "" {
		b = append(b, `"choices":[{"index":0,"text":`...)
		b = jsontext.AppendString(b, string(a.content))
	} else {
		b = append(b, `"choices":[{"index":0,"message":`...)
		b = a.appendMessage(b, req.legacy)
	}
	b = append(b, `,"logprobs":`...)
	b = appendLogprobs(b, a.logprobs)
	b = append(b, `,"finish_reason":`...)
	b = jsontext.AppendString(b, finishReason(a.reason, req.legacy))
	b = append(b, `}],"usage":`...)
	b = appendUsage(b, a.usage)
	b = appendWarnings(b, a.warnings)
	return append(b, "}\n"...)
}

func (a *answer) appendMessage(b []byte, legacy bool) []byte {
	calls := 0
	for _, c := range a.calls {
		if c.complete {
			calls++
		}
	}
	b = append(b, `{"role":"assistant","content":`...)
	if calls > 0 {
		b = jsontext.AppendStringOrNull(b, string(a.content))
	} else {
		b = jsontext.AppendString(b, string(a.content))
	}
	b = append(b, `,"refusal":null`...)
	if len(a.reasoning) > 0 {
		b = append(b, `,"reasoning_content":`...)
		b = jsontext.AppendString(b, string(a.reasoning))
	}
	if calls > 0 {
		b = a.appendCalls(b, legacy)
	}
	return append(appendItems(b, a.items), '}')
}

func (a *answer) appendCalls(b []byte, legacy bool) []byte {
	if legacy {
		b = append(b, `,"function_call":`...)
	} else {
		b = append(b, `,"tool_calls":[`...)
	}
	first := true
	for _, c := range a.calls {
		if !c.complete {
			continue
		}
		if legacy {
			return append(appendFunction(b, c), '}')
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, `{"id":`...)
		b = jsontext.AppendString(b, c.id)
		b = append(b, `,"type":"function","function":`...)
		b = append(appendFunction(b, c), `}}`...)
	}
	return append(b, ']')
}

// appendFunction leaves the object open.
func appendFunction(b []byte, c collectedCall) []byte {
	b = append(b, `{"name":`...)
	b = jsontext.AppendString(b, c.name)
	b = append(b, `,"arguments":`...)
	return jsontext.AppendString(b, string(c.arguments))
}

func appendUsage(b []byte, u chat.Usage) []byte {
	b = append(b, `{"prompt_tokens":`...)
	b = jsontext.AppendInt(b, u.PromptTokens)
	b = append(b, `,"completion_tokens":`...)
	b = jsontext.AppendInt(b, u.CompletionTokens)
	b = append(b, `,"total_tokens":`...)
	b = jsontext.AppendInt(b, u.PromptTokens+u.CompletionTokens)
	b = append(b, `,"prompt_tokens_details":{"cached_tokens":`...)
	b = jsontext.AppendInt(b, u.CachedTokens)
	b = append(b, `},"completion_tokens_details":{"reasoning_tokens":`...)
	b = jsontext.AppendInt(b, u.ReasoningTokens)
	return append(b, `}}`...)
}

// appendWarnings adds a member that OpenAI's API does not have, where there is anything to say.
func appendWarnings(b []byte, warnings []string) []byte {
	if len(warnings) == 0 {
		return b
	}
	b = append(b, `,"warnings":[`...)
	for i, w := range warnings {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, w)
	}
	return append(b, ']')
}

func appendLogprobs(b []byte, tokens []chat.Logprob) []byte {
	if len(tokens) == 0 {
		return append(b, "null"...)
	}
	b = append(b, `{"content":[`...)
	for i, t := range tokens {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTokenProb(b, t.TokenProb)
		b = append(b, `,"top_logprobs":[`...)
		for j, top := range t.Top {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(appendTokenProb(b, top), '}')
		}
		b = append(b, `]}`...)
	}
	return append(b, `],"refusal":null}`...)
}

// appendTokenProb leaves the object open. A token need not be whole characters: its bytes say what it is.
func appendTokenProb(b []byte, t chat.TokenProb) []byte {
	b = append(b, `{"token":`...)
	b = jsontext.AppendString(b, t.Token)
	b = append(b, `,"logprob":`...)
	logprob := t.Logprob
	if math.IsInf(logprob, 0) || math.IsNaN(logprob) {
		logprob = -9999 // OpenAI's own way to say impossible
	}
	b = strconv.AppendFloat(b, logprob, 'f', -1, 64)
	b = append(b, `,"bytes":[`...)
	for i := range len(t.Token) {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendInt(b, int(t.Token[i]))
	}
	return append(b, ']')
}
