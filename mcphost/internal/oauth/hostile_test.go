package oauth

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/oauthtest"
	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
	"github.com/toolserve/toolserve/policy"
)

// TestHostileServers: each of these must end before a token is asked for, with a reason.
func TestHostileServers(t *testing.T) {
	describe := func(key string, value any) func(*oauthtest.Server) {
		return func(s *oauthtest.Server) { s.Describe = func(body map[string]any) { body[key] = value } }
	}
	server := func(key string, value any) func(*oauthtest.Server) {
		return func(s *oauthtest.Server) { s.DescribeServer = func(body map[string]any) { body[key] = value } }
	}
	back := func(key, value string) func(*oauthtest.Server) {
		return func(s *oauthtest.Server) {
			s.Redirect = func(query url.Values) {
				query.Set(key, value)
				if value == "" {
					query.Del(key)
				}
			}
		}
	}
	tests := []struct {
		name   string
		change func(*oauthtest.Server)
		kind   Kind
		want   string
	}{
		{"another resource", describe("resource", "https://evil.example/mcp"), Refused, "another resource"},
		{"another port", describe("resource", "http://127.0.0.1:1/mcp"), Refused, "another resource"},
		{"a sibling", func(s *oauthtest.Server) {
			s.Describe = func(body map[string]any) { body["resource"] = s.Resource + "2" }
		}, Refused, "another resource"},
		{"no authorization server", describe("authorization_servers", []string{}), Refused, "name 0 authorization servers"},
		{"many authorization servers", describe("authorization_servers", make([]string, 100)), Refused, "name 100 authorization servers"},
		{"a private address", describe("authorization_servers", []string{"https://10.0.0.1"}), Refused, "not public"},
		{"the cloud's metadata", describe("authorization_servers", []string{"http://169.254.169.254/latest"}), Refused, "169.254.169.254"},
		{"a spelled address", describe("authorization_servers", []string{"https://2130706433/"}), Refused, "unusual spelling"},
		{"no address", describe("authorization_servers", []string{"file:///etc/passwd"}), Refused, "no address of an endpoint"},
		{"another issuer", server("issuer", "https://accounts.example.com"), Refused, "those of the issuer https://accounts.example.com"},
		{"an authorization endpoint in script", server("authorization_endpoint", "javascript:alert(1)"), Refused, "no address of an endpoint"},
		{"a script with a host", server("authorization_endpoint", "javascript://x.example/%0aalert(1)"), Refused, "neither http nor https"},
		{"a program as an endpoint", server("authorization_endpoint", "file://host/usr/bin/xcalc"), Refused, "neither http nor https"},
		{"a token endpoint inside", server("token_endpoint", "https://192.168.1.1/token"), Refused, "not public"},
		{"a token endpoint without TLS", server("token_endpoint", "http://tokens.example.com/"), Refused, "Use https"},
		{"no token endpoint", server("token_endpoint", ""), Refused, "no token_endpoint"},
		{"no PKCE", server("code_challenge_methods_supported", []string{"plain"}), Refused, "PKCE"},
		{"PKCE not named", server("code_challenge_methods_supported", nil), Refused, "PKCE"},
		{"a substitution for a shell", func(s *oauthtest.Server) {
			s.DescribeServer = func(body map[string]any) { body["authorization_endpoint"] = s.Issuer + "/a$(touch x)" }
		}, Refused, "dangerous"},
		{"quotes", func(s *oauthtest.Server) {
			s.DescribeServer = func(body map[string]any) { body["authorization_endpoint"] = s.Issuer + "/a';calc;'" }
		}, Refused, "no browser shall be given"},
		{"a wrong state", back("state", "another"), NeedsLogin, "(state)"},
		{"no state", back("state", ""), NeedsLogin, "(state)"},
		{"a wrong issuer in the answer", back("iss", "https://evil.example"), NeedsLogin, "is from https://evil.example"},
		{"no issuer in the answer", back("iss", ""), NeedsLogin, "does not say who gives it"},
		{"no code", back("code", ""), NeedsLogin, "no code"},
		{"a refusal", func(s *oauthtest.Server) {
			s.Redirect = func(query url.Values) {
				query.Del("code")
				query.Set("error", "access_denied")
				query.Set("error_description", "not\x1b[31m today")
			}
		}, NeedsLogin, "access_denied: not?[31m today"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := oauthtest.New(t, http.HandlerFunc(ok))
			test.change(s)
			c, web := client(t, s, func(o *Options) { o.Authorizer = &person{} })
			_, err := post(web, s.Resource, "x")
			wantError(t, err, test.kind, test.want)
			if len(s.Forms()) > 0 {
				t.Errorf("a token was asked for: %v", s.Forms())
			}
			before := s.Seen("resource")
			if _, err = post(web, s.Resource, "x"); c.Failed() == nil || s.Seen("resource") != before {
				t.Errorf("the next request is sent all the same: %v", err)
			}
		})
	}
}

// TestHostileTokens: answers of a token endpoint that are no tokens.
func TestHostileTokens(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   any
		kind   Kind
		want   string
	}{
		"no token":           {200, map[string]any{"token_type": "Bearer"}, Refused, "without an access token"},
		"another type":       {200, map[string]any{"access_token": "a", "token_type": "mac"}, Refused, `type "mac"`},
		"a line break":       {200, map[string]any{"access_token": "a\r\nX-Evil: 1", "token_type": "Bearer"}, Refused, "no header can carry"},
		"a huge token":       {200, map[string]any{"access_token": strings.Repeat("a", maxToken+1), "token_type": "Bearer"}, Refused, "no header can carry"},
		"a bound token":      {200, map[string]any{"access_token": "a", "token_type": "DPoP"}, Refused, "which nobody asked for"},
		"no JSON":            {200, "text", Refused, "no JSON"},
		"a refusal":          {400, map[string]any{"error": "invalid_client"}, Refused, "invalid_client"},
		"a redirect":         {302, "x", Refused, "302"},
		"a long explanation": {400, map[string]any{"error": "x", "error_description": strings.Repeat("y", 100_000)}, Refused, "x: yyy"},
		"a huge answer":      {200, strings.Repeat("z", maxDocument+1), NeedsLogin, "larger than"},
		"a failure":          {500, "x", NeedsLogin, "fails"},
	} {
		t.Run(name, func(t *testing.T) {
			s := oauthtest.New(t, http.HandlerFunc(ok))
			s.Token = func(url.Values) (int, any) { return test.status, test.body }
			_, web := client(t, s, func(o *Options) { o.Authorizer = &person{} })
			_, err := post(web, s.Resource, "x")
			wantError(t, err, test.kind, test.want)
			if len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			_, _ = post(web, s.Resource, "x")
			if s.Seen("authorize") != 1 || len(s.Forms()) != 1 {
				t.Errorf("the person was asked %d times, for %d tokens", s.Seen("authorize"), len(s.Forms()))
			}
		})
	}
}

// documents serves one handler for everything, and returns a client for its endpoint.
func documents(t *testing.T, handler http.HandlerFunc) (address string, web *http.Client) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/mcp" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	s := &oauthtest.Server{Resource: server.URL + "/mcp"}
	_, web = client(t, s, func(o *Options) { o.Authorizer = &person{} })
	return s.Resource, web
}

func TestHostileDocuments(t *testing.T) {
	requests := 0
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 20 {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1024)); err != nil {
					return
				}
			}
		}, "larger than 256 KiB"},
		"a loop": {func(w http.ResponseWriter, r *http.Request) {
			requests++
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}, "redirects"},
		"inside": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		}, "169.254.169.254"},
		"failing": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			address, web := documents(t, test.handler)
			_, err := post(web, address, "x")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q in it", err, test.want)
			}
		})
	}
	if requests > 10 {
		t.Errorf("a loop of redirects was followed %d times", requests)
	}
}

// TestAwayFromThisMachine: a server elsewhere must not lead to this machine.
func TestAwayFromThisMachine(t *testing.T) {
	const address = "https://mcp.example.com/mcp"
	c, err := New(Options{Server: "s", URL: address, HTTP: wire.NewHTTPClient(address, nil, nil, nil), Config: mcpjson.OAuth{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []string{"http://localhost:8080/authorize", "https://127.0.0.1/authorize", "http://[::1]/", "http://x.localhost/"} {
		if _, err := c.checkEndpoint(endpoint); err == nil || !strings.Contains(err.Error(), "this machine") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	if _, err := c.checkEndpoint("http://auth.example.com/"); err == nil {
		t.Error("an endpoint without TLS is taken")
	}
	if _, err := c.checkEndpoint("https://auth.example.com/authorize"); err != nil {
		t.Error(err)
	}
	if _, err := c.personURL("https://-x.example.com/", nil); err == nil {
		t.Error("a host that looks like an option is given to a browser")
	}
	if got, err := c.personURL("https://auth.example.com/a?tenant=1&state=evil", url.Values{"state": {"mine"}}); err != nil || got != "https://auth.example.com/a?state=mine&tenant=1" {
		t.Errorf("the address of the person is %q, %v", got, err)
	}
}

func TestChallenges(t *testing.T) {
	for header, want := range map[string]challenge{
		`Bearer`: {bearer: true},
		`Bearer realm="a, b", error="insufficient_scope", scope="r w r"`: {bearer: true, code: "insufficient_scope", scopes: []string{"r", "w"}},
		`Negotiate dG9rZW4=, Bearer resource_metadata="https://h/x"`:     {bearer: true, resourceMetadata: "https://h/x"},
		`DPoP algs="ES256", error="use_dpop_nonce"`:                      {bearer: true, dpop: true, code: "use_dpop_nonce"},
		`Basic realm="x", bearer Scope="a\"b c", SCOPE=d`:                {bearer: true, scopes: []string{"c"}},
		`Digest scope="no"`:                           {},
		`Bearer scope="open`:                          {bearer: true, scopes: []string{"open"}},
		`=, "x" Bearer ,,, error = invalid_token ,`:   {bearer: true, code: "invalid_token"},
		`Bearer scope="` + strings.Repeat("x ", 9999): {},
	} {
		resp := &http.Response{Header: http.Header{"Www-Authenticate": {header}}}
		got := readChallenge(resp)
		if got.bearer != want.bearer || got.dpop != want.dpop || got.code != want.code || got.resourceMetadata != want.resourceMetadata ||
			joinScopes(got.scopes) != joinScopes(want.scopes) {
			t.Errorf("%.60s\n got %+v\nwant %+v", header, got, want)
		}
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="a, b", error="insufficient_scope", scope="r w"`)
	f.Add(`Negotiate abc==, DPoP algs="ES256"`)
	f.Add(`"\`)
	f.Fuzz(func(t *testing.T, header string) {
		ch := readChallenge(&http.Response{Header: http.Header{"Www-Authenticate": {header}}})
		if len(ch.scopes) > maxScopes {
			t.Errorf("%d scopes", len(ch.scopes))
		}
		for _, scope := range ch.scopes {
			if strings.ContainsAny(scope, " \r\n\"\\") {
				t.Errorf("the scope %q", scope)
			}
		}
	})
}

// FuzzAnswers feeds what servers answer to what reads it: nothing may panic, and no token may break a header.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"resource":"https://h/mcp","authorization_servers":["https://as"],"scopes_supported":["a"]}`))
	f.Add([]byte(`{"issuer":"https://as","token_endpoint":"https://as/t","access_token":"a","token_type":"Bearer","expires_in":"12","scope":"a b"}`))
	f.Add([]byte(`{"error":"x","error_description":"\u0000\u001b"}`))
	f.Add([]byte("https://h/cb?code=a&state=s&iss=i&error=e"))
	rules := &policy.LaunchRules{}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := New(Options{Server: "s", URL: "https://h/mcp", HTTP: http.DefaultClient, CheckURL: rules.CheckURL})
		if err != nil {
			t.Fatal(err)
		}
		var resource resourceMetadata
		if json.Unmarshal(data, &resource) == nil {
			c.isOwn(resource.Resource)
			_, _ = c.chooseIssuer(resource.AuthorizationServers)
		}
		var server serverMetadata
		if json.Unmarshal(data, &server) == nil && c.checkServer(&server) == nil {
			if address, err := c.personURL(server.AuthorizationEndpoint, url.Values{"state": {"s"}}); err == nil && strings.ContainsAny(address, " \"'`$<>\\|;\n") {
				t.Errorf("a browser would get %q", address)
			}
		}
		var answer tokenAnswer
		if json.Unmarshal(data, &answer) == nil {
			record, err := c.take(place{}, tokens.Client{}, exchange{}, nil, answer)
			if err == nil && strings.ContainsAny(record.Access, " \r\n\x00") {
				t.Errorf("a header would get %q", record.Access)
			}
		}
		if text := refusal(400, data).Error(); len(text) > 1000 || strings.ContainsAny(text, "\x00\x1b\n") {
			t.Errorf("the refusal is %q", text)
		}
		if code, err := c.readRedirect(place{}, string(data), "s"); err == nil && code == "" {
			t.Error("an empty code")
		}
	})
}
