package mcphost

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/audit"
)

// fetchByProxy reads a page through the proxy of the environment, this machine's included.
func fetchByProxy(address string) string {
	transport := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(os.Getenv("HTTP_PROXY")) }}
	resp, err := (&http.Client{Transport: transport}).Get(address)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return fmt.Sprintf("%s %s", resp.Status, body)
}

func TestServerReachesNamedHosts(t *testing.T) {
	needSandbox(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") }))
	t.Cleanup(page.Close)
	cfg := scriptedConfig(t, map[string]string{"some": "fetcher", "denied": "fetcher"})
	for i := range cfg.Servers {
		s := &cfg.Servers[i]
		s.Sandbox.Level, s.Sandbox.Domains = SandboxRequire, []string{"127.0.0.1"}
		if s.Name == "denied" {
			s.Sandbox.DeniedDomains = []string{strings.TrimPrefix(page.URL, "http://")}
		}
	}
	h := start(t, cfg, Options{})
	fetch := func(server, address string) string {
		arguments, _ := json.Marshal(map[string]string{"text": address})
		result, err := h.Execute(t.Context(), Call{Server: server, Tool: "echo", Arguments: arguments})
		if err != nil {
			t.Fatal(err)
		}
		return result.Text()
	}
	if got := fetch("some", page.URL); got != "200 OK page" {
		t.Errorf("a named host: %s", got)
	}
	if got := fetch("some", "http://other.example/"); !strings.HasPrefix(got, "403 ") || !strings.Contains(got, "other.example:80") {
		t.Errorf("another host: %s", got)
	}
	if got := fetch("denied", page.URL); !strings.HasPrefix(got, "403 ") {
		t.Errorf("a denied host: %s", got)
	}
	got := status(t, h, "some").Sandbox
	if got.Level != "enforced" || got.Net != "127.0.0.1" || !slices.Contains(got.Namespaces, "net") || !slices.Equal(got.Refused, []string{"other.example:80"}) {
		t.Errorf("the status is %+v", got)
	}
	records := h.Audit().Query(audit.Filter{Server: "some", ErrorsOnly: true})
	if len(records) != 1 || records[0].Kind != audit.KindServer || !strings.Contains(records[0].Error, "other.example:80") {
		t.Errorf("on record are %+v", records)
	}
}
