package shape

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Meta returns "_meta" of what a server sent without what two programs that talk to each other tell each other
// and nobody behind them: what MCP keeps for the connection and the request, and our own. Nil is none.
func Meta(raw json.RawMessage) json.RawMessage {
	if !isObject(raw) {
		return nil
	}
	kept, err := keep(raw, func(key string, _ json.RawMessage) bool { return !hopByHop(key) })
	if err != nil || len(bytes.TrimSpace(kept[1:len(kept)-1])) == 0 {
		return nil
	}
	return kept
}

// private reports whether a "_meta" holds something that is not for those behind.
func private(meta json.RawMessage) bool {
	return !fits(meta, func(key string, _ json.RawMessage) bool { return !hopByHop(key) })
}

func hopByHop(key string) bool {
	own, reserved := strings.CutPrefix(key, "io.modelcontextprotocol/")
	if !reserved {
		return key == "progressToken" || strings.HasPrefix(key, "io.toolserve/")
	}
	return slices.Contains([]string{"protocolVersion", "clientInfo", "clientCapabilities", "serverInfo", "logLevel",
		"subscriptionId", "related-task", "model-immediate-response"}, own)
}
