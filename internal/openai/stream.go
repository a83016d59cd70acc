package openai

import (
	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai/internal/items"
	"github.com/toolserve/toolserve/internal/openai/internal/jsontext"
)

// maxWarnings bounds the warnings that an answer carries.
const maxWarnings = 16

// head is what every chunk of an answer, and the answer itself, says of itself.
type head struct {
	id, object, model, fingerprint string
	created                        int64
}

// append writes the head as the first members of an object, with a comma after the last.
func (h head) append(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsontext.AppendString(dst, h.id)
	dst = append(dst, `,"object":`...)
	dst = jsontext.AppendString(dst, h.object)
	dst = append(dst, `,"created":`...)
	dst = jsontext.AppendInt(dst, int(h.created))
	dst = append(dst, `,"model":`...)
	dst = jsontext.AppendString(dst, h.model)
	if h.fingerprint != "" {
		dst = append(dst, `,"system_fingerprint":`...)
		dst = jsontext.AppendString(dst, h.fingerprint)
	}
	return append(dst, ',')
}

// chunkEncoder turns events into the chunks of one streamed answer. It reuses one buffer: after the first
// chunks it allocates nothing.
type chunkEncoder struct {
	send   func(data []byte) error // takes one chunk; data is valid during the call
	prefix []byte                  // of every chunk, up to its choices
	buf    []byte

	usage  bool // the client asked for a usage chunk, so all others say "usage":null
	legacy bool // calls are function_call deltas
	plain  bool // the answer is text, not a message

	items    items.Events
	opened   bool // the chunk with the role was sent
	finished bool
	warnings []string
}

func newChunkEncoder(h head, req *wireRequest, send func([]byte) error) *chunkEncoder {
	return &chunkEncoder{
		send: send, prefix: h.append(nil), buf: make([]byte, 0, 512),
		usage: req.includeUsage, legacy: req.legacy, plain: req.Prompt != "",
	}
}

// encode sends what an event amounts to: no chunk, one, or several.
func (e *chunkEncoder) encode(ev *chat.Event) error {
	if ev.Kind == chat.Warning {
		if len(e.warnings) < maxWarnings {
			e.warnings = append(e.warnings, ev.Text)
		}
		return nil
	}
	if !e.opened && !e.plain {
		e.opened = true
		if err := e.open(ev.Kind); err != nil {
			return err
		}
	}
	switch ev.Kind {
	case chat.ReasoningDelta:
		return e.text(`{"reasoning_content":`, ev)
	case chat.ContentDelta:
		if e.plain {
			return e.end(jsontext.AppendString(e.begin(), ev.Text), nil, "")
		}
		return e.text(`{"content":`, ev)
	case chat.CallStart:
		return e.callStart(ev)
	case chat.CallDelta:
		return e.callDelta(ev)
	case chat.ItemStart, chat.ItemProgress, chat.ItemEnd:
		return e.item(ev)
	case chat.Finish:
		return e.finish(ev)
	}
	return nil
}

// item sends an event of the tools in a chunk that adds nothing to the message.
func (e *chunkEncoder) item(ev *chat.Event) error {
	b := append(e.begin(), `{},"logprobs":null,"finish_reason":null}],"mcp_event":`...)
	b = e.items.Append(b, ev)
	if e.usage {
		b = append(b, `,"usage":null`...)
	}
	e.buf = append(b, '}')
	return e.send(e.buf)
}

// open sends the role. Content is null where the answer does not begin with any, as in a whole answer.
func (e *chunkEncoder) open(first chat.EventKind) error {
	b := e.begin()
	if first == chat.ContentDelta {
		b = append(b, `{"role":"assistant","content":""}`...)
	} else {
		b = append(b, `{"role":"assistant","content":null}`...)
	}
	return e.end(b, nil, "")
}

func (e *chunkEncoder) text(open string, ev *chat.Event) error {
	if ev.Text == "" && len(ev.Logprobs) == 0 {
		return nil
	}
	b := append(e.begin(), open...)
	b = jsontext.AppendString(b, ev.Text)
	return e.end(append(b, '}'), ev.Logprobs, "")
}

func (e *chunkEncoder) callStart(ev *chat.Event) error {
	b := e.begin()
	if e.legacy {
		b = append(b, `{"function_call":{"name":`...)
		b = jsontext.AppendString(b, ev.Name)
		return e.end(append(b, `,"arguments":""}}`...), nil, "")
	}
	b = append(b, `{"tool_calls":[{"index":`...)
	b = jsontext.AppendInt(b, ev.Index)
	b = append(b, `,"id":`...)
	b = jsontext.AppendString(b, ev.ID)
	b = append(b, `,"type":"function","function":{"name":`...)
	b = jsontext.AppendString(b, ev.Name)
	return e.end(append(b, `,"arguments":""}}]}`...), nil, "")
}

func (e *chunkEncoder) callDelta(ev *chat.Event) error {
	if ev.Text == "" {
		return nil
	}
	b := e.begin()
	if e.legacy {
		b = append(b, `{"function_call":{"arguments":`...)
		b = jsontext.AppendString(b, ev.Text)
		return e.end(append(b, `}}`...), nil, "")
	}
	b = append(b, `{"tool_calls":[{"index":`...)
	b = jsontext.AppendInt(b, ev.Index)
	b = append(b, `,"function":{"arguments":`...)
	b = jsontext.AppendString(b, ev.Text)
	return e.end(append(b, `}}]}`...), nil, "")
}

func (e *chunkEncoder) finish(ev *chat.Event) error {
	e.finished = true
	nothing := `{}`
	if e.plain {
		nothing = `""`
	}
	b := append(e.begin(), nothing...)
	if err := e.end(b, nil, finishReason(ev.Reason, e.legacy)); err != nil || !e.usage {
		return err
	}
	b = append(e.buf[:0], e.prefix...)
	b = append(b, `"choices":[],"usage":`...)
	b = appendUsage(b, ev.Usage)
	e.buf = append(b, '}')
	return e.send(e.buf)
}

// begin starts a chunk, up to its delta or its text.
func (e *chunkEncoder) begin() []byte {
	b := append(e.buf[:0], e.prefix...)
	if e.plain {
		return append(b, `"choices":[{"index":0,"text":`...)
	}
	return append(b, `"choices":[{"index":0,"delta":`...)
}

// end completes a chunk after its delta and sends it.
func (e *chunkEncoder) end(b []byte, logprobs []chat.Logprob, reason string) error {
	b = append(b, `,"logprobs":`...)
	b = appendLogprobs(b, logprobs)
	b = append(b, `,"finish_reason":`...)
	b = jsontext.AppendStringOrNull(b, reason)
	b = append(b, `}]`...)
	if reason != "" {
		b = appendWarnings(b, e.warnings)
	}
	if e.usage {
		b = append(b, `,"usage":null`...)
	}
	e.buf = append(b, '}')
	return e.send(e.buf)
}

// finishReason is the reason in the words of the API; the old form of calls has its own.
func finishReason(reason chat.FinishReason, legacy bool) string {
	if legacy && reason == chat.FinishToolCalls {
		return "function_call"
	}
	return string(reason)
}
