package wire

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/policy"
)

func TestWhereAServerMayLead(t *testing.T) {
	rules := &policy.LaunchRules{AllowedHosts: []string{"intern.example"}}
	for _, test := range []struct {
		origin, to string
		ok         bool
	}{
		{"https://mcp.example/x", "https://mcp.example/y", true},
		{"https://mcp.example/x", "https://other.example/y", true},
		{"https://mcp.example/x", "http://mcp.example/y", false},
		{"https://mcp.example/x", "http://localhost:8000/v1/mcp/approve", false},
		{"https://mcp.example/x", "http://127.0.0.1:8000/", false},
		{"https://mcp.example/x", "http://[::1]/", false},
		{"https://mcp.example/x", "http://[::ffff:127.0.0.1]/", false},
		{"https://mcp.example/x", "http://0.0.0.0/", false},
		{"https://mcp.example/x", "http://a.localhost./", false},
		{"https://mcp.example/x", "http://169.254.169.254/latest", false},
		{"https://mcp.example/x", "https://10.0.0.1/", false},
		{"https://mcp.example/x", "https://u:p@other.example/", false},
		{"https://mcp.example/x", "https://intern.example/", true},
		{"http://localhost:1/x", "http://localhost:2/y", true},
	} {
		origin, _ := url.Parse(test.origin)
		to, _ := url.Parse(test.to)
		err := guardedTransport{origin: origin, rules: rules}.check(to)
		if (err == nil) != test.ok {
			t.Errorf("from %s to %s: %v", test.origin, test.to, err)
		}
		if err := (guardedTransport{origin: origin}).check(to); err != nil {
			t.Errorf("without rules, from %s to %s: %v", test.origin, test.to, err)
		}
	}
}

// TestRedirectsAreJudged follows a redirect to where the rules do not lead, and one within the server.
func TestRedirectsAreJudged(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/out":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusTemporaryRedirect)
		case "/in":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		}
	}))
	defer s.Close()
	client := NewHTTPClient(s.URL, nil, &policy.LaunchRules{}, nil)
	defer client.CloseIdleConnections()
	if _, err := client.Get(s.URL + "/out"); err == nil || !strings.Contains(err.Error(), "169.254.169.254") {
		t.Errorf("a redirect to the metadata address: %v", err)
	}
	resp, err := client.Get(s.URL + "/in")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if asked != 3 {
		t.Errorf("the server was asked %d times", asked)
	}
}

func TestNoProxyUnderRules(t *testing.T) {
	inner := func(rules *policy.LaunchRules) *http.Transport {
		client := NewHTTPClient("https://mcp.example", nil, rules, nil)
		return client.Transport.(TapHTTP).Base.(guardedTransport).base.(*http.Transport)
	}
	if inner(&policy.LaunchRules{}).Proxy != nil {
		t.Error("a proxy is used, which resolves names where nothing judges the address")
	}
	if inner(nil).Proxy == nil {
		t.Error("without rules the operator's proxy is not used")
	}
}
