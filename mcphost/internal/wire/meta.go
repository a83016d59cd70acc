package wire

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/mcphost/internal/rawjson"
)

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
	rawjson.Fields(member(req.Params, "_meta"), func(key string, value json.RawMessage) bool {
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
	r.meta = meta
	r.mu.Unlock()
}

// member returns a member of an object, or nil.
func member(object json.RawMessage, key string) (found json.RawMessage) {
	rawjson.Fields(object, func(k string, value json.RawMessage) bool {
		if k == key {
			found = value
		}
		return true
	})
	return found
}
