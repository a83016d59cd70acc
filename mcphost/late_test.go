package mcphost

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// runLate is a server of revision 2026-07-28 that takes so long to start that it was already spoken to in an
// older one: it answers nothing before it was sent an initialize, and refuses that. One that refuses knows no
// server/discover either.
func (s *scripted) runLate() {
	in := bufio.NewScanner(os.Stdin)
	const refused = `{"jsonrpc":"2.0","id":%s,"error":{"code":-32022,"message":"initialize is not accepted","data":{"supported":["2026-07-28"]}}}`
	const era = `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"late","version":"1"}}}}`
	var discover json.RawMessage
	for in.Scan() {
		var req struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(in.Bytes(), &req) != nil {
			continue
		}
		switch {
		case s.mode == "refuses" && req.ID != nil:
			s.send(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"no licence"}}`, req.ID)
		case req.Method == "server/discover" && discover == nil:
			discover = req.ID
		case req.Method == "server/discover":
			s.send(era, req.ID)
		case req.Method == "initialize":
			s.send(era, discover)
			s.send(refused, req.ID)
		case req.Method == "tools/list":
			s.send(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}`, req.ID)
		case req.Method == "tools/call":
			s.send(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[{"type":"text","text":"here"}]}}`, req.ID)
		}
	}
}

// TestServerThatIsLate wants a server to be reached that was slow to answer server/discover and takes no
// initialize after it, by the process that runs already.
func TestServerThatIsLate(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "late"}), Options{DiscoverWait: 20 * time.Millisecond})
	if st := status(t, h, "s"); st.State != StateConnected || st.Restarts != 0 || st.Protocol != "2026-07-28" {
		t.Fatalf("%+v", st)
	}
	if result, err := h.Execute(t.Context(), Call{Tool: "echo"}); err != nil || result.Text() != "here" {
		t.Errorf("%q, %v", result.Text(), err)
	}
}

// TestServerThatRefuses wants what it says to be told, and not that it ended when it was let go.
func TestServerThatRefuses(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "refuses"}), Options{})
	if st := status(t, h, "s"); st.State != StateRetrying || !strings.Contains(st.Error, `the server refuses the handshake: "no licence" (code -32000)`) {
		t.Errorf("%+v", st)
	}
}
