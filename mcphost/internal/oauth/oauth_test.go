package oauth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/internal/oauthtest"
	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
	"github.com/toolserve/toolserve/mcphost/internal/wire"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
	"github.com/toolserve/toolserve/policy"
)

// person agrees to everything, and remembers what was asked.
type person struct {
	mu       sync.Mutex
	requests []Request
	change   func(string) string
}

func (*person) RedirectURI() string { return "http://127.0.0.1:9/callback" }

func (p *person) Authorize(ctx context.Context, request Request) (string, error) {
	p.mu.Lock()
	p.requests = append(p.requests, request)
	p.mu.Unlock()
	back, err := oauthtest.Follow(ctx, request.URL)
	if p.change != nil {
		back = p.change(back)
	}
	return back, err
}

func ok(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(append([]byte("ok "), body...))
}

// client returns the credentials for the resource of a server, and a client that uses them, under the rules.
func client(t *testing.T, s *oauthtest.Server, change func(*Options)) (*Client, *http.Client) {
	t.Helper()
	rules := &policy.LaunchRules{}
	opts := Options{
		Server: "s", URL: s.Resource, HTTP: wire.NewHTTPClient(s.Resource, nil, rules, nil), CheckURL: rules.CheckURL,
		Redactor: audit.NewRedactor(audit.RedactorOptions{}),
	}
	if change != nil {
		change(&opts)
	}
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	web := wire.NewHTTPClient(s.Resource, nil, rules, nil)
	web.Transport = c.Transport(web.Transport)
	return c, web
}

// post sends a text to the resource and returns what came back.
func post(web *http.Client, address, text string) (string, error) {
	resp, err := web.Post(address, "text/plain", strings.NewReader(text))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// wantError checks that err is an [Error] of a kind that says something.
func wantError(t *testing.T, err error, kind Kind, text string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("the error is %v, no *Error", err)
	}
	if e.Kind != kind || !strings.Contains(e.Message, text) {
		t.Errorf("the error is %s: %q, want %s with %q in it", e.Kind, e.Message, kind, text)
	}
}

func TestLoginOnce(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	who := &person{}
	_, web := client(t, s, func(o *Options) { o.Authorizer = who })
	for range 3 {
		if got, err := post(web, s.Resource, "hello"); err != nil || got != "ok hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if n := s.Seen("authorize"); n != 1 {
		t.Errorf("the person was asked %d times", n)
	}
	request := who.requests[0]
	if request.Issuer != s.Issuer || request.Resource != s.Resource {
		t.Errorf("the person was asked for %+v", request)
	}
	query, err := url.Parse(request.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "code_challenge", "resource", "client_id"} {
		if query.Query().Get(name) == "" {
			t.Errorf("the authorization request has no %s", name)
		}
	}
	if query.Query().Has("scope") {
		t.Errorf("the authorization request names scopes that nobody named")
	}
}

func TestParallelRequestsLogInOnce(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	_, web := client(t, s, func(o *Options) { o.Authorizer = &person{} })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	all.Wait()
	if n := s.Seen("authorize"); n != 1 {
		t.Errorf("the person was asked %d times", n)
	}
}

func TestNobodyToAsk(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	c, web := client(t, s, func(o *Options) { o.LoginCommand = "toolserve mcp login s --mcp-config f" })
	_, err := post(web, s.Resource, "x")
	wantError(t, err, NeedsLogin, "the server needs a login; run: toolserve mcp login s --mcp-config f")
	seen := s.Seen("resource")
	for range 5 {
		_, err = post(web, s.Resource, "x")
		wantError(t, err, NeedsLogin, "needs a login")
	}
	if s.Seen("resource") != seen || c.Failed() == nil {
		t.Error("the server is asked again and again")
	}
	if s.Seen("register")+s.Seen("authorize") > 0 {
		t.Error("something was done that only a person may want")
	}
}

func TestStoredLogin(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	store := tokens.NewMemory()
	c, _ := client(t, s, func(o *Options) { o.Authorizer, o.Store = &person{}, store })
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := c.State()
	_, web := client(t, s, func(o *Options) { o.Store = store })
	if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
		t.Fatalf("with a login in the store: %q, %v", got, err)
	}
	if c.State() != before {
		t.Error("the state changed although nothing did")
	}
	// A login by another process is taken up, also by a client that has had none.
	if _, err := store.Delete(s.Resource); err != nil {
		t.Fatal(err)
	}
	if c.State() == before {
		t.Error("the state is the same after the login was forgotten")
	}
	if _, err := post(web, s.Resource, "x"); err == nil {
		t.Error("a login that was forgotten is used on")
	}
}

// TestUnreadableStore: logins that cannot be read keep nobody from a server that wants none.
func TestUnreadableStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.age")
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := httptest.NewServer(http.HandlerFunc(ok))
	defer open.Close()
	_, web := client(t, &oauthtest.Server{Resource: open.URL + "/mcp"}, func(o *Options) { o.Store = tokens.Open(tokens.Options{Path: path}) })
	if got, err := post(web, open.URL+"/mcp", "x"); err != nil || got != "ok x" {
		t.Errorf("a server without a login: %q, %v", got, err)
	}
	s := oauthtest.New(t, http.HandlerFunc(ok))
	_, web = client(t, s, func(o *Options) { o.Store = tokens.Open(tokens.Options{Path: path}) })
	_, err := post(web, s.Resource, "x")
	wantError(t, err, NeedsLogin, path)
}

func TestRefresh(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	s.Lifetime = 3600
	now := time.Now()
	store := tokens.NewMemory()
	_, web := client(t, s, func(o *Options) {
		o.Authorizer, o.Store, o.Now = &person{}, store, func() time.Time { return now }
	})
	get := func(why string, refreshes, logins int) {
		t.Helper()
		if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
			t.Fatalf("%s: %q, %v", why, got, err)
		}
		if s.Seen("refresh_token") != refreshes || s.Seen("authorize") != logins {
			t.Errorf("%s: %d refreshes, %d logins; want %d and %d", why, s.Seen("refresh_token"), s.Seen("authorize"), refreshes, logins)
		}
	}
	get("first", 0, 1)
	now = now.Add(2 * time.Hour)
	get("run out by the clock", 1, 1)
	s.Expire(false)
	get("refused before its time", 2, 1)
	s.Expire(true)
	get("no longer renewed", 3, 2)
	for _, form := range s.Forms() {
		if form.Get("resource") != s.Resource {
			t.Errorf("a token request names the resource %q", form.Get("resource"))
		}
	}
}

func TestRefreshFailsForAWhile(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	down := false
	s.Token = func(url.Values) (int, any) {
		if down {
			return http.StatusServiceUnavailable, "down"
		}
		return 0, nil
	}
	c, web := client(t, s, func(o *Options) { o.Authorizer = &person{} })
	if _, err := post(web, s.Resource, "x"); err != nil {
		t.Fatal(err)
	}
	down = true
	s.Expire(false)
	if _, err := post(web, s.Resource, "x"); err == nil || c.Failed() != nil {
		t.Fatalf("a passing failure: %v, lasting %v", err, c.Failed())
	}
	down = false
	if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
		t.Errorf("afterwards: %q, %v", got, err)
	}
	if s.Seen("authorize") != 1 {
		t.Error("the person was asked although the login was good")
	}
}

// TestRenewUnderLoad: tokens run out while requests are under way; none of them fails, and each expiry costs
// one renewal.
func TestRenewUnderLoad(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	who := &person{}
	_, web := client(t, s, func(o *Options) { o.Authorizer = who })
	var answered [6]atomic.Int64
	var stop atomic.Bool
	var all sync.WaitGroup
	for i := range answered {
		all.Go(func() {
			for !stop.Load() && !t.Failed() {
				if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
					t.Errorf("got %q, %v", got, err)
				}
				answered[i].Add(1)
			}
		})
	}
	// settled waits until no request is under way that began before: each caller has had two answers since.
	settled := func() {
		for i := range answered {
			for before := answered[i].Load(); answered[i].Load() < before+2 && !t.Failed(); {
				time.Sleep(time.Millisecond)
			}
		}
	}
	const expiries = 6
	for range expiries {
		settled()
		s.Expire(false)
	}
	settled()
	stop.Store(true)
	all.Wait()
	if len(who.requests) != 1 || s.Seen("refresh_token") != expiries {
		t.Errorf("%d logins and %d renewals for %d expiries", len(who.requests), s.Seen("refresh_token"), expiries)
	}
}

// TestTwoProcessesRenew: a refresh token is good for one time; of two processes with one store, each gets on
// with what either has renewed.
func TestTwoProcessesRenew(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	path := filepath.Join(t.TempDir(), "tokens.age")
	process := func(who Authorizer) (*Client, *http.Client) {
		return client(t, s, func(o *Options) { o.Authorizer, o.Store = who, tokens.Open(tokens.Options{Path: path}) })
	}
	login, _ := process(&person{})
	if _, err := login.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	var webs []*http.Client
	for range 3 {
		_, web := process(nil)
		webs = append(webs, web)
	}
	for round := range 5 {
		s.Expire(false)
		var all sync.WaitGroup
		for _, web := range webs {
			for range 4 {
				all.Go(func() {
					if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
						t.Errorf("round %d: %q, %v", round, got, err)
					}
				})
			}
		}
		all.Wait()
		if n := s.Seen("refresh_token"); n != round+1 {
			t.Errorf("round %d: %d renewals", round, n)
		}
	}
}

// TestForgottenClient: an authorization server that no longer knows the client gets a new registration.
func TestForgottenClient(t *testing.T) {
	for name, refused := range map[string]func(s *oauthtest.Server, known string){
		"by the token endpoint": func(s *oauthtest.Server, known string) {
			s.Token = func(form url.Values) (int, any) {
				if form.Get("client_id") == known {
					return http.StatusUnauthorized, map[string]any{"error": "invalid_client"}
				}
				return 0, nil
			}
		},
		"by a page": func(s *oauthtest.Server, known string) {
			s.Redirect = func(query url.Values) { // the person sees a page that says so, and gives up
				if s.Seen("authorize") == 2 {
					query.Del("state")
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := oauthtest.New(t, http.HandlerFunc(ok))
			store := tokens.NewMemory()
			login := func() error {
				c, _ := client(t, s, func(o *Options) { o.Authorizer, o.Store = &person{}, store })
				_, err := c.Login(t.Context())
				return err
			}
			if err := login(); err != nil {
				t.Fatal(err)
			}
			records, _ := store.Find(s.Resource)
			refused(s, records[0].Client.ID)
			if err := login(); err == nil {
				t.Error("a client that is not known logs in")
			}
			if err := login(); err != nil {
				t.Error(err)
			}
			if n := s.Seen("register"); n != 2 {
				t.Errorf("%d registrations", n)
			}
		})
	}
}

// TestShortTokens: a token that lasts for seconds is used all the same.
func TestShortTokens(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	s.Lifetime = 10
	now := time.Now()
	_, web := client(t, s, func(o *Options) { o.Authorizer, o.Now = &person{}, func() time.Time { return now } })
	for range 3 {
		if _, err := post(web, s.Resource, "x"); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(8 * time.Second)
	if _, err := post(web, s.Resource, "x"); err != nil || s.Seen("refresh_token") != 1 {
		t.Errorf("%d renewals, %v", s.Seen("refresh_token"), err)
	}
}

func TestStepUp(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	s.Challenge = `, scope="read"`
	s.Scope = func(r *http.Request) string { return r.Header.Get("X-Want") }
	who := &person{}
	_, web := client(t, s, func(o *Options) { o.Authorizer = who })
	if _, err := post(web, s.Resource, "x"); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Resource, strings.NewReader("y"))
	req.Header.Set("X-Want", "write")
	resp, err := web.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(who.requests) != 2 {
		t.Fatalf("status %d after %d logins", resp.StatusCode, len(who.requests))
	}
	if first, second := who.requests[0].Scopes, who.requests[1].Scopes; !slices.Equal(first, []string{"read"}) || !slices.Equal(second, []string{"read", "write"}) {
		t.Errorf("the scopes were %v, then %v", first, second)
	}
}

func TestStepUpHasAnEnd(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	who := &person{}
	c, web := client(t, s, func(o *Options) { o.Authorizer = who })
	if _, err := post(web, s.Resource, "x"); err != nil {
		t.Fatal(err)
	}
	n := 0
	s.Scope = func(*http.Request) string { n++; return "more" + strings.Repeat("!", n) }
	_, err := post(web, s.Resource, "x")
	wantError(t, err, MoreScope, "more permission")
	if len(who.requests) > 3 {
		t.Errorf("the person was asked %d times", len(who.requests))
	}
	if c.Failed() != nil {
		t.Error("one request that needs more stops all")
	}
}

func TestStepUpWithoutAPerson(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	store := tokens.NewMemory()
	login, _ := client(t, s, func(o *Options) { o.Authorizer, o.Store = &person{}, store })
	if _, err := login.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, web := client(t, s, func(o *Options) { o.Store = store })
	s.Scope = func(r *http.Request) string { return r.Header.Get("X-Want") }
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Resource, strings.NewReader("y"))
	req.Header.Set("X-Want", "write")
	_, err := web.Do(req)
	wantError(t, err, MoreScope, "run: toolserve mcp login s")
	if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" || c.Failed() != nil {
		t.Errorf("what needs no more permission: %q, %v", got, err)
	}
	// The login that follows asks for what was wanted.
	again := &person{}
	login, _ = client(t, s, func(o *Options) { o.Authorizer, o.Store = again, store })
	if _, err := login.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(again.requests[0].Scopes, "write") {
		t.Errorf("the login asked for %v", again.requests[0].Scopes)
	}
	resp, err := web.Do(req.Clone(t.Context()))
	if err == nil {
		resp.Body.Close()
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("after the login: %v", err)
	}
}

func TestClientCredentials(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	s.Challenge = `, scope="a b"`
	_, web := client(t, s, func(o *Options) {
		o.Config = mcpjson.OAuth{Grant: mcpjson.GrantClientCredentials, ClientID: "id", ClientSecret: "secret", AuthMethod: methodPost}
	})
	if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
		t.Fatalf("got %q, %v", got, err)
	}
	form := s.Forms()[0]
	if form.Get("client_id") != "id" || form.Get("client_secret") != "secret" || form.Get("scope") != "a b" {
		t.Errorf("the token request is %v", form)
	}
	s.Expire(true)
	if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
		t.Errorf("after the token ran out: %q, %v", got, err)
	}
}

// TestSecretStaysWithItsServer: a server that suddenly names another authorization server does not get the
// secret of the first one sent there.
func TestSecretStaysWithItsServer(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	other := oauthtest.New(t, http.HandlerFunc(ok))
	_, web := client(t, s, func(o *Options) {
		o.Config = mcpjson.OAuth{Grant: mcpjson.GrantClientCredentials, ClientID: "id", ClientSecret: "secret"}
	})
	if _, err := post(web, s.Resource, "x"); err != nil {
		t.Fatal(err)
	}
	s.Describe = func(body map[string]any) { body["authorization_servers"] = []string{other.Issuer} }
	s.Expire(true)
	_, err := post(web, s.Resource, "x")
	wantError(t, err, Refused, "now names the authorization server")
	if len(other.Forms()) > 0 {
		t.Errorf("the other server got %v", other.Forms())
	}
}

func TestConfiguredIssuer(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	_, web := client(t, s, func(o *Options) {
		o.Config = mcpjson.OAuth{Grant: mcpjson.GrantClientCredentials, ClientID: "id", ClientSecret: "secret", Issuer: "https://auth.example.com"}
	})
	_, err := post(web, s.Resource, "x")
	wantError(t, err, Refused, "no credential is sent there")
	if len(s.Forms()) > 0 {
		t.Error("a credential was sent")
	}
}

// TestNothingOfOthers: a token goes to the resource alone, wherever a redirect leads.
func TestNothingOfOthers(t *testing.T) {
	seen := make(chan string, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Authorization") }))
	defer elsewhere.Close()
	s := oauthtest.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	_, web := client(t, s, func(o *Options) { o.Authorizer = &person{} })
	if _, err := post(web, s.Resource, "x"); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "" {
		t.Errorf("the other server got %q", got)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	redactor := audit.NewRedactor(audit.RedactorOptions{})
	store := tokens.NewMemory()
	_, web := client(t, s, func(o *Options) { o.Authorizer, o.Redactor, o.Store = &person{}, redactor, store })
	if _, err := post(web, s.Resource, "x"); err != nil {
		t.Fatal(err)
	}
	records, err := store.Find(s.Resource)
	if err != nil || len(records) != 1 {
		t.Fatalf("%v, %v", records, err)
	}
	secrets := []string{records[0].Access, records[0].Refresh, s.Forms()[0].Get("code"), s.Forms()[0].Get("code_verifier")}
	for _, secret := range secrets {
		if text := redactor.Hide("x " + secret + " y"); secret == "" || strings.Contains(text, secret) {
			t.Errorf("%q shows in %q", secret, text)
		}
	}
	// A refusal that quotes what was sent does not show it.
	s.Token = func(form url.Values) (int, any) {
		return http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "no: " + form.Get("code")}
	}
	s.Expire(true)
	_, err = post(web, s.Resource, "x")
	wantError(t, err, Refused, "invalid_grant")
	if code := s.Forms()[len(s.Forms())-1].Get("code"); code == "" || strings.Contains(err.Error(), code) {
		t.Errorf("the code shows in %q", err)
	}
}

// TestSecretsDoNotPileUp: tokens come and go; what is in use stays hidden, what was used long ago does not
// cost anything any more.
func TestSecretsDoNotPileUp(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	redactor := audit.NewRedactor(audit.RedactorOptions{})
	store := tokens.NewMemory()
	s.Token = func(form url.Values) (int, any) { // a refresh token that stays
		if form.Get("grant_type") != "refresh_token" {
			return 0, nil
		}
		access := "access-" + rand.Text()
		s.Allow(access)
		return http.StatusOK, map[string]any{"access_token": access, "token_type": "Bearer"}
	}
	c, web := client(t, s, func(o *Options) { o.Authorizer, o.Redactor, o.Store = &person{}, redactor, store })
	var first string
	for i := range 3 * maxSecrets {
		if _, err := post(web, s.Resource, "x"); err != nil {
			t.Fatal(err)
		}
		records, err := store.Find(s.Resource)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{records[0].Access, records[0].Refresh} {
			if strings.Contains(redactor.Hide(secret), secret) {
				t.Fatalf("renewal %d: %q shows", i, secret)
			}
		}
		if first == "" {
			first = records[0].Access
		}
		s.Expire(false)
	}
	if len(c.secrets) > maxSecrets || slices.Contains(c.secrets, first) {
		t.Errorf("%d secrets are kept", len(c.secrets))
	}
}

func TestMetadataOfOldServers(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"c"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"client_id": "x"})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "token", "token_type": "bearer", "expires_in": 60})
	})
	mux.HandleFunc("POST /mcp", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ok(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<!doctype html><title>every other page is this one</title>")
	})
	s := &oauthtest.Server{Resource: server.URL + "/mcp"}
	_, web := client(t, s, func(o *Options) { o.Authorizer = &person{} })
	if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
		t.Errorf("got %q, %v", got, err)
	}
	c, web := client(t, s, nil)
	_, err := post(web, s.Resource, "x")
	if err == nil || !strings.Contains(err.Error(), `put one into "headers", as in "Authorization": "Bearer ${TOKEN}", or run: toolserve mcp login s`) || c.Failed() != nil {
		t.Errorf("with nobody to ask: %v, lasting %v", err, c.Failed())
	}
}
