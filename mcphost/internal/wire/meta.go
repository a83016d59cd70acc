package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// withLogLevel adds the level to the members of "_meta". Without any, the revision is one that has no such
// member.
func withLogLevel(meta json.RawMessage, level string) json.RawMessage {
	if level == "" || len(meta) == 0 {
		return meta
	}
	b := make([]byte, 0, len(meta)+64)
	b = append(append(b, meta...), `,"io.modelcontextprotocol/logLevel":`...)
	return rawjson.AppendText(b, level)
}

const metaCapabilities = "io.modelcontextprotocol/clientCapabilities"

// withCapabilities puts others in the place of the capabilities in the members of "_meta".
func withCapabilities(meta, capabilities json.RawMessage) json.RawMessage {
	if capabilities == nil || len(meta) == 0 {
		return meta
	}
	b := append(append(json.RawMessage(`"`+metaCapabilities+`":`), capabilities...), ',')
	rawjson.Fields(braced(meta), func(name string, value json.RawMessage) bool {
		if name != metaCapabilities {
			b = append(rawjson.AppendText(b, name), ':')
			b = append(append(b, value...), ',')
		}
		return true
	})
	return b[:len(b)-1]
}

// withoutExtensions leaves the extensions out of the capabilities in the members of "_meta".
func withoutExtensions(meta json.RawMessage) json.RawMessage {
	capabilities := rawjson.Member(braced(meta), metaCapabilities)
	if rawjson.Member(capabilities, "extensions") == nil {
		return meta
	}
	var b []byte
	rawjson.Fields(capabilities, func(name string, value json.RawMessage) bool {
		if name != "extensions" {
			b = append(rawjson.AppendText(append(b, ','), name), ':')
			b = append(b, value...)
		}
		return true
	})
	return withCapabilities(meta, braced(bytes.TrimPrefix(b, []byte{','})))
}

// braced is the object of some members.
func braced(members []byte) []byte { return append(append([]byte{'{'}, members...), '}') }

// withMeta returns params with the members of meta, and a progress token unless it is 0, as "_meta".
func withMeta(params, meta json.RawMessage, token int64) json.RawMessage {
	if len(meta) == 0 && token == 0 {
		return params
	}
	b := make([]byte, 0, len(params)+len(meta)+48)
	b = append(append(b, `{"_meta":{`...), meta...)
	if token != 0 {
		if len(meta) > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `"progressToken":`...), token, 10)
	}
	b = append(b, '}')
	if rest := params[1:]; len(rest) > 1 {
		return append(append(b, ','), rest...)
	}
	return append(b, '}')
}

// learn takes over what the library declares in a request of its own. The opening of the newest revision
// counts for nothing: what follows it shows whether the server took it.
func (r *Requests) learn(req *jsonrpc.Request) {
	if r == nil || req.Method == methodDiscover {
		return
	}
	var meta []byte
	declares := false
	rawjson.Fields(rawjson.Member(req.Params, "_meta"), func(key string, value json.RawMessage) bool {
		if strings.HasPrefix(key, "io.modelcontextprotocol/") && key != "io.modelcontextprotocol/logLevel" {
			declares = declares || key == "io.modelcontextprotocol/protocolVersion"
			if len(meta) > 0 {
				meta = append(meta, ',')
			}
			meta = append(strconv.AppendQuote(meta, key), ':')
			meta = append(meta, value...)
		}
		return true
	})
	if !declares {
		meta = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.plain {
		meta = withoutExtensions(meta)
	}
	r.meta = meta
}

// DeclareNoExtensions keeps our requests from declaring those of the library. An extension is used where both
// sides have declared it; a server that has none would take in with each call what it has no use for.
func (r *Requests) DeclareNoExtensions() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plain, r.meta = true, withoutExtensions(r.meta)
}

// Library returns the round tripper for the protocol library over HTTP: ours declare what its requests
// declare, and notes of progress on its streams reach the requests of ours that they are for.
func (r *Requests) Library(base http.RoundTripper) http.RoundTripper { return library{base, r} }

type library struct {
	base     http.RoundTripper
	requests *Requests
}

func (l library) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			l.learn(body)
		}
	}
	resp, err := l.base.RoundTrip(req)
	if err == nil && isEvents(resp) {
		resp.Body = &peerEvents{ReadCloser: resp.Body, take: l.requests.takeMessage}
	}
	return resp, err
}

func (l library) learn(body io.ReadCloser) {
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return
	}
	_ = eachMessage(data, func(e envelope) error { // what is no message declares nothing
		msg, err := e.message()
		if req, ok := msg.(*jsonrpc.Request); ok && req.IsCall() {
			l.requests.learn(req)
		}
		return err
	})
}

// CloseIdleConnections closes what the transport below keeps open.
func (l library) CloseIdleConnections() {
	if c, ok := l.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// HeaderValue returns a text as the value of a header of MCP: as it is where HTTP can carry it, else in
// base64 between "=?base64?" and "?=".
func HeaderValue(s string) string {
	const prefix, suffix = "=?base64?", "?="
	plain := strings.Trim(s, " \t") == s && !(strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix))
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] <= '~'
	}
	if plain {
		return s
	}
	return prefix + base64.StdEncoding.EncodeToString([]byte(s)) + suffix
}
