package mcphost

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// asked is an MCP server over HTTP that counts what it is asked.
type asked struct {
	// era is its revision; one from 2026-07-28 on refuses the older opening.
	era string
	// health answers a question whether it is there: the status and the text, or nothing for ever.
	health func() (status int, answer string)

	mu    sync.Mutex
	count map[string]int
}

func (s *asked) times(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[method]
}

func (s *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPost || json.Unmarshal(body, &req) != nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	s.mu.Lock()
	s.count[req.Method]++
	times := s.count[req.Method]
	s.mu.Unlock()
	newer := s.era >= statelessVersion
	capabilities := fmt.Sprintf(`"capabilities":{"tools":{}},"serverInfo":{"name":"asked","version":"1"},"protocolVersion":%q,"supportedVersions":[%q],"resultType":"complete","ttlMs":0`, s.era, s.era)
	status, answer := http.StatusOK, `"error":{"code":-32601,"message":"Method not found"}`
	switch {
	case req.ID == nil:
		w.WriteHeader(http.StatusAccepted)
		return
	case req.Method == "initialize" && !newer, req.Method == "server/discover" && newer && times == 1:
		answer = `"result":{` + capabilities + `}`
	case req.Method == "tools/list":
		answer = fmt.Sprintf(`"result":{"resultType":"complete","ttlMs":40,"cacheScope":"public","tools":[{"name":"t%d","inputSchema":{"type":"object"}}]}`, times)
	case req.Method == "ping" || req.Method == "server/discover" && newer:
		if status, answer = s.health(); status == 0 {
			<-r.Context().Done()
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,%s}`, req.ID, answer)
}

// TestHealth checks that a server which answers, whatever it is, is not dialled again, and one that does not
// is.
func TestHealth(t *testing.T) {
	refusal := `"error":{"code":-32601,"message":"Method not found"}`
	for name, test := range map[string]struct {
		era, method string
		status      int
		answer      string
		stays       bool
	}{
		"a ping":                        {"2025-11-25", "ping", 200, `"result":{}`, true},
		"a ping that is not known":      {"2025-11-25", "ping", 200, refusal, true},
		"a ping that is refused":        {"2025-11-25", "ping", 400, refusal, true},
		"a ping that gets no answer":    {"2025-11-25", "ping", 0, "", false},
		"no ping":                       {"2026-07-28", "server/discover", 200, `"result":{"resultType":"complete","capabilities":{}}`, true},
		"no ping, and a refusal":        {"2026-07-28", "server/discover", 200, refusal, true},
		"no ping, and no answer at all": {"2026-07-28", "server/discover", 0, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &asked{era: test.era, count: map[string]int{}, health: func() (int, string) { return test.status, test.answer }}
			server := httptest.NewServer(s)
			defer server.Close()
			defer server.CloseClientConnections()
			every := 20 * time.Millisecond
			if test.stays { // each answer must come within half of it
				every = 400 * time.Millisecond
			}
			h := start(t, &Config{Servers: []ServerConfig{{Name: "s", Transport: TransportHTTP, URL: server.URL}}},
				Options{HealthEvery: every, RetryMin: time.Hour, RetryMax: time.Hour})
			defer h.Close()
			if st := status(t, h, "s"); st.State != StateConnected || st.Protocol != test.era {
				t.Fatalf("it is %+v", st)
			}
			eventually(t, "it is asked", func() bool { return s.times(test.method) >= 6 || status(t, h, "s").State == StateRetrying })
			if st := status(t, h, "s"); test.stays != (st.State == StateConnected && st.Restarts == 0) {
				t.Errorf("it is %+v", st)
			}
			if !test.stays {
				eventually(t, "the reason is told", func() bool {
					return strings.Contains(status(t, h, "s").Error, "did not answer 3 questions in a row")
				})
			}
			if n := s.times("initialize"); n > 1 {
				t.Errorf("it was opened %d times", n)
			}
		})
	}
}

// TestListThatExpires reads a list again when the time is up for which it was said to be good.
func TestListThatExpires(t *testing.T) {
	s := &asked{era: "2026-07-28", count: map[string]int{}, health: func() (int, string) { return 200, `"result":{}` }}
	server := httptest.NewServer(s)
	defer server.Close()
	defer server.CloseClientConnections()
	cfg := &Config{Servers: []ServerConfig{{Name: "s", Transport: TransportHTTP, URL: server.URL}}}
	h := start(t, cfg, Options{FreshMin: 60 * time.Millisecond})
	eventually(t, "the third list is in use", func() bool {
		tools := h.Tools()
		return len(tools) == 1 && tools[0].Name >= "t3"
	})
	h.Close()
	// As often as the server likes is not as often as the host asks.
	h = start(t, cfg, Options{})
	before := s.times("tools/list")
	time.Sleep(300 * time.Millisecond)
	if n := s.times("tools/list"); n != before {
		t.Errorf("the list was read %d times in no time", n-before)
	}
}
