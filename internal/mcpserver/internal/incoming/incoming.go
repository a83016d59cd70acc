// Package incoming reads what MCP clients send along with a request: what it is part of, what they can do, and
// what they answer. What cannot be read counts as not said.
package incoming

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
)

// The members of "_meta" that revision 2026-07-28 gives a meaning.
const (
	MetaRevision     = "io.modelcontextprotocol/protocolVersion"
	MetaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	MetaLogLevel     = "io.modelcontextprotocol/logLevel"
	MetaSubscription = "io.modelcontextprotocol/subscriptionId"
)

// Tasks is the extension of that revision for calls that run in the background.
const Tasks = "io.modelcontextprotocol/tasks"

// maxToken bounds the token of a client for notifications of progress, in bytes.
const maxToken = 256

// Meta is what a request says in "_meta".
type Meta struct {
	Revision, LogLevel string
	Capabilities       json.RawMessage // nil where it is no object
	// Token is what notifications of progress are to repeat, a string or a number; nil wants none.
	Token json.RawMessage
}

// ReadMeta reads "_meta" of a request's params.
func ReadMeta(params json.RawMessage) Meta {
	var m Meta
	if params == nil {
		return m
	}
	_ = rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key != "_meta" {
			return nil
		}
		return rpc.Fields(value, m.read)
	})
	return m
}

func (m *Meta) read(key string, value json.RawMessage) error {
	switch key {
	case MetaRevision:
		_ = json.Unmarshal(value, &m.Revision)
	case MetaLogLevel:
		_ = json.Unmarshal(value, &m.LogLevel)
	case MetaCapabilities:
		if value[0] == '{' {
			m.Capabilities = value
		}
	case "progressToken":
		if c := value[0]; len(value) <= maxToken && (c == '"' || c == '-' || c >= '0' && c <= '9') {
			m.Token = value
		}
	}
	return nil
}

// Client is what a client says of itself.
type Client struct {
	// Raw is the capabilities as the client sent them, or nil.
	Raw json.RawMessage
	// Forms, URLs and Sampling are what it lets itself be asked; Tasks says that a call may be answered with
	// a task of 2026-07-28.
	Forms, URLs, Sampling, Tasks bool
}

// ReadClient reads a client's capabilities (schema ClientCapabilities). An elicitation that says neither form
// nor url is form.
func ReadClient(raw json.RawMessage) Client {
	c := Client{Raw: raw}
	_ = rpc.Fields(raw, func(key string, value json.RawMessage) error {
		if value[0] != '{' {
			return nil
		}
		switch key {
		case "sampling":
			c.Sampling = true
		case "elicitation":
			_ = rpc.Fields(value, func(key string, _ json.RawMessage) error {
				c.Forms, c.URLs = c.Forms || key == "form", c.URLs || key == "url"
				return nil
			})
			c.Forms = c.Forms || !c.URLs
		case "extensions":
			_ = rpc.Fields(value, func(key string, value json.RawMessage) error {
				c.Tasks = c.Tasks || key == Tasks && value[0] == '{'
				return nil
			})
		}
		return nil
	})
	return c
}

// Input is what a request carries of answers to what a server asked.
type Input struct {
	State     string
	Raw       json.RawMessage // of the responses, or nil
	Responses map[string]json.RawMessage
}

// ReadInput reads a request's answers.
func ReadInput(params json.RawMessage) Input {
	var in Input
	_ = rpc.Fields(params, func(key string, value json.RawMessage) error {
		switch key {
		case "requestState":
			_ = json.Unmarshal(value, &in.State)
		case "inputResponses":
			if value[0] == '{' {
				in.Raw = value
				_ = json.Unmarshal(value, &in.Responses)
			}
		}
		return nil
	})
	return in
}

// Target is what a request is about: the same for a call and its repetition, whatever they carry besides.
func Target(params json.RawMessage) string {
	var b strings.Builder
	_ = rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key == "name" || key == "uri" || key == "arguments" {
			b.WriteString(key + "=" + string(value) + "\n")
		}
		return nil
	})
	return b.String()
}

// Text reads a member of the params that must be a string and not empty.
func Text(params json.RawMessage, name string) (text string, e *rpc.Error) {
	err := rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key == name {
			return json.Unmarshal(value, &text)
		}
		return nil
	})
	if err != nil || text == "" {
		return "", rpc.Errorf(rpc.CodeInvalidParams, "the params need a %q, a string", name)
	}
	return text, nil
}

// Filter is what a client wants to listen to.
type Filter struct {
	Changes     map[string]bool // by the member's name, such as "toolsListChanged"
	URIs, Tasks []string
}

// ReadFilter reads the params of subscriptions/listen.
func ReadFilter(params json.RawMessage) (f Filter, err error) {
	err = errors.New("there is no filter")
	bad := rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key != "notifications" {
			return nil
		}
		f.Changes, err = map[string]bool{}, nil
		return rpc.Fields(value, func(key string, value json.RawMessage) error {
			switch key {
			case "resourceSubscriptions":
				return json.Unmarshal(value, &f.URIs)
			case "taskIds":
				return json.Unmarshal(value, &f.Tasks)
			}
			f.Changes[key] = string(value) == "true"
			return nil
		})
	})
	return f, errors.Join(err, bad)
}

// AsTask reports whether a call of revision 2025-11-25 is to run as a task, and for how many milliseconds the
// client wants it kept; 0 is for as long as it is.
func AsTask(params json.RawMessage) (ttl float64, ok bool) {
	if !bytes.Contains(params, []byte(`"task"`)) { // most calls are spared the reading
		return 0, false
	}
	_ = rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key != "task" || value[0] != '{' {
			return nil
		}
		ok = true
		return rpc.Fields(value, func(key string, value json.RawMessage) error {
			if key == "ttl" {
				_ = json.Unmarshal(value, &ttl)
			}
			return nil
		})
	})
	return ttl, ok
}

// Accepts reports whether the client takes a type. Without the header it takes all.
func Accepts(r *http.Request, media string) bool {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return true
	}
	kind, _, _ := strings.Cut(media, "/")
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			part, _, _ = strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(part)) {
			case media, kind + "/*", "*/*":
				return true
			}
		}
	}
	return false
}
