package mcphost

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/content"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
	"github.com/toolserve/toolserve/mcphost/internal/mrtr"
)

// maxRelayed bounds what a caller sends along, in bytes.
const maxRelayed = 1 << 20

// Relay is what a caller that is an MCP client of revision 2026-07-28 itself sends along. A server of that
// revision is then told of the caller's capabilities, as far as its entry allows them, and what it asks is
// not answered here: it is the result, for the caller to answer with the next call. Servers of older
// revisions ask through [Call.Elicit] and [Call.Sample] all the same.
type Relay struct {
	// Capabilities are the caller's (schema ClientCapabilities).
	Capabilities json.RawMessage
	// Responses answers what the result before asked, an object or nil, and State is what that gave along.
	Responses json.RawMessage
	State     string
}

// relayed is a Relay as one server takes it.
type relayed struct {
	server       *server
	capabilities json.RawMessage
	methods      map[string]bool
	more         json.RawMessage // members of the params, each with a comma before it
}

// relay returns how a request is relayed, or nil where it is not. With tasks, the server may answer with one.
func (s *server) relay(l *link, in *Relay, tasks bool) (*relayed, *Error) {
	if in == nil {
		return nil, nil
	}
	if init := l.session.InitializeResult(); init == nil || init.ProtocolVersion < firstStateless {
		if in.State != "" {
			return nil, errorf(BadArguments, s.name, "", "server '%s' gave no such requestState: its revision of the protocol has none; call again without it", s.name)
		}
		return nil, nil
	}
	if len(in.Responses)+len(in.State) > maxRelayed {
		return nil, errorf(BadArguments, s.name, "", "the inputResponses and the requestState are larger than %d bytes", maxRelayed)
	}
	r := &relayed{server: s, methods: map[string]bool{}}
	r.allow(in.Capabilities, tasks && l.hasTasks())
	if in.Responses != nil {
		r.more = append(append(r.more, `,"inputResponses":`...), in.Responses...)
	}
	if in.State != "" {
		r.more = rawjson.AppendText(append(r.more, `,"requestState":`...), in.State)
	}
	return r, nil
}

// allow takes those of a caller's capabilities that the server may use.
func (r *relayed) allow(caller json.RawMessage, tasks bool) {
	cfg, asked := r.server.cfg(), r.server.host.opts.Elicitation
	caps := map[string]any{}
	if tasks {
		caps["extensions"] = map[string]any{inbound.TasksExtension: struct{}{}}
	}
	rawjson.Fields(caller, func(key string, value json.RawMessage) bool {
		switch {
		case len(value) == 0 || value[0] != '{':
		case key == "elicitation":
			form, url := rawjson.Member(value, "form") != nil, rawjson.Member(value, "url") != nil
			modes := map[string]struct{}{}
			if (form || !url) && !cfg.Elicitation.NoForms && asked {
				modes["form"] = struct{}{}
			}
			if url && !cfg.Elicitation.NoURLs && asked {
				modes["url"] = struct{}{}
			}
			if len(modes) > 0 {
				caps[key], r.methods[inbound.MethodElicit] = modes, true
			}
		case key == "sampling" && cfg.Sampling.Enabled:
			caps[key], r.methods[inbound.MethodSample] = struct{}{}, true
		case key == "roots" && cfg.CallerRoots:
			caps[key], r.methods[inbound.MethodRoots] = struct{}{}, true
		}
		return true
	})
	r.capabilities = encode(caps)
}

// params are the params of a request with what the caller sends along.
func (r *relayed) params(params json.RawMessage) json.RawMessage {
	if r == nil || r.more == nil {
		return params
	}
	return append(append(params[:len(params)-1:len(params)-1], r.more...), '}')
}

// declares are the capabilities that the request declares; nil is the host's own.
func (r *relayed) declares() json.RawMessage {
	if r == nil {
		return nil
	}
	return r.capabilities
}

// asks reports whether a result asks the caller something, and judges it as what is answered here is
// judged.
func (r *relayed) asks(raw json.RawMessage) (bool, error) {
	if r == nil || content.Type(raw) != content.InputRequired {
		return false, nil
	}
	questions, err := mrtr.Asked(raw)
	if err != nil {
		return false, err
	}
	for _, q := range questions {
		if !r.methods[q.Method] {
			return false, &mrtr.UnansweredError{Method: q.Method, Err: errors.New("the caller does not answer that, or the entry of the server does not allow it")}
		}
		if err := r.server.asks.Judge(q.Method, q.Params); err != nil {
			return false, &mrtr.UnansweredError{Method: q.Method, Err: err}
		}
	}
	return true, nil
}

// play sends a call until its result is there, or until it asks its caller something.
func (s *server) play(ctx context.Context, exchange mrtr.Exchange, params json.RawMessage, r *relayed) (raw json.RawMessage, asked bool, err error) {
	if r == nil {
		raw, err = s.rounds(ctx, exchange, params)
		return raw, false, err
	}
	if raw, err = exchange.Send(ctx, params); err == nil {
		asked, err = r.asks(raw)
	}
	return raw, asked, err
}
