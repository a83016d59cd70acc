// Package oauthtest is an authorization server for tests, with a resource that wants its tokens. It keeps
// to the specifications, and tests make it break them.
package oauthtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Server is an authorization server and a resource, on one port each. The fields that are functions change
// what it answers; they are set before it is used.
type Server struct {
	// Issuer is the authorization server's address, Resource the one of the protected endpoint.
	Issuer, Resource string
	// Describe changes the metadata of the resource, DescribeServer those of the authorization server.
	Describe, DescribeServer func(map[string]any)
	// Redirect changes the query that a browser is sent back with.
	Redirect func(url.Values)
	// Token, unless nil, answers a token request in place of the server when its status is not 0.
	Token func(form url.Values) (status int, body any)
	// Scope is what the resource wants a token to have; Challenge is added to its
	// refusals of requests without a good token.
	Scope     func(r *http.Request) string
	Challenge string
	// Lifetime is the expires_in of access tokens; 0 means that none is said.
	Lifetime int

	auth, resource *httptest.Server

	mu      sync.Mutex
	codes   map[string]url.Values // of the requests that they answer
	access  map[string][]string   // scopes by token
	refresh map[string][]string
	seen    map[string]int
	forms   []url.Values
}

// New starts a server whose resource is answered by handler where the token is good. It ends with the test.
func New(t testing.TB, handler http.Handler) *Server {
	s := &Server{codes: map[string]url.Values{}, access: map[string][]string{}, refresh: map[string][]string{}, seen: map[string]int{}}
	auth := http.NewServeMux()
	auth.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	auth.HandleFunc("GET /authorize", s.authorize)
	auth.HandleFunc("POST /token", s.token)
	auth.HandleFunc("POST /register", s.register)
	auth.HandleFunc("POST /revoke", s.revoke)
	s.auth = httptest.NewServer(auth)
	resource := http.NewServeMux()
	resource.HandleFunc("GET /.well-known/oauth-protected-resource/mcp", s.resourceMetadata)
	resource.Handle("/mcp", s.protect(handler))
	s.resource = httptest.NewServer(resource)
	s.Issuer, s.Resource = s.auth.URL, s.resource.URL+"/mcp"
	t.Cleanup(func() {
		s.auth.Close()
		s.resource.Close()
	})
	return s
}

// Seen returns how often something happened: "metadata", "authorize", "register", "revoke", "resource", or the
// grant type of a token request.
func (s *Server) Seen(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[what]
}

// Forms returns the token requests.
func (s *Server) Forms() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.forms)
}

// Expire makes all access tokens bad, and with refresh the refresh tokens too.
func (s *Server) Expire(refresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
	if refresh {
		clear(s.refresh)
	}
}

// Allow makes a token good.
func (s *Server) Allow(token string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access[token] = scopes
}

func (s *Server) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[what]++
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Server) resourceMetadata(w http.ResponseWriter, _ *http.Request) {
	body := map[string]any{"resource": s.Resource, "authorization_servers": []string{s.Issuer}}
	if s.Describe != nil {
		s.Describe(body)
	}
	answer(w, http.StatusOK, body)
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	s.count("metadata")
	body := map[string]any{
		"issuer": s.Issuer, "authorization_endpoint": s.Issuer + "/authorize", "token_endpoint": s.Issuer + "/token",
		"registration_endpoint": s.Issuer + "/register", "revocation_endpoint": s.Issuer + "/revoke", "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none"}, "authorization_response_iss_parameter_supported": true,
	}
	if s.DescribeServer != nil {
		s.DescribeServer(body)
	}
	answer(w, http.StatusOK, body)
}

func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	s.count("register")
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_client_metadata"})
		return
	}
	body["client_id"] = "client-" + rand.Text()
	answer(w, http.StatusCreated, body)
}

func (s *Server) revoke(_ http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("token")
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.refresh[token]; known {
		s.seen["revoke"]++
		delete(s.refresh, token)
		clear(s.access)
	}
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	s.count("authorize")
	query := r.URL.Query()
	code := "code-" + rand.Text()
	s.mu.Lock()
	s.codes[code] = query
	s.mu.Unlock()
	back := url.Values{"code": {code}, "state": {query.Get("state")}, "iss": {s.Issuer}}
	if s.Redirect != nil {
		s.Redirect(back)
	}
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	form := r.PostForm
	s.mu.Lock()
	s.seen[form.Get("grant_type")]++
	s.forms = append(s.forms, form)
	s.mu.Unlock()
	if s.Token != nil {
		if status, body := s.Token(form); status != 0 {
			answer(w, status, body)
			return
		}
	}
	scopes, err := s.grant(form)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": err.Error()})
		return
	}
	access, refresh := "access-"+rand.Text(), "refresh-"+rand.Text()
	s.mu.Lock()
	s.access[access], s.refresh[refresh] = scopes, scopes
	s.mu.Unlock()
	body := map[string]any{"access_token": access, "token_type": "Bearer", "scope": strings.Join(scopes, " ")}
	if s.Lifetime > 0 {
		body["expires_in"] = s.Lifetime
	}
	if grant := form.Get("grant_type"); grant == "authorization_code" || grant == "refresh_token" {
		body["refresh_token"] = refresh
	}
	answer(w, http.StatusOK, body)
}

// grant checks a token request and returns the scopes that it is good for.
func (s *Server) grant(form url.Values) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if form.Get("resource") != s.Resource {
		return nil, fmt.Errorf("the resource is %q", form.Get("resource"))
	}
	switch form.Get("grant_type") {
	case "refresh_token":
		token := form.Get("refresh_token")
		scopes, ok := s.refresh[token]
		if !ok {
			return nil, errors.New("the refresh token is not known")
		}
		delete(s.refresh, token) // a refresh token is good for one time
		return scopes, nil
	case "authorization_code":
		request, ok := s.codes[form.Get("code")]
		delete(s.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		switch {
		case !ok:
			return nil, errors.New("the code is not known")
		case request.Get("code_challenge_method") != "S256" || request.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]):
			return nil, errors.New("the verifier does not fit")
		case request.Get("redirect_uri") != form.Get("redirect_uri") || request.Get("client_id") != form.Get("client_id"):
			return nil, errors.New("the redirect or the client is another one")
		}
		return strings.Fields(request.Get("scope")), nil
	}
	return strings.Fields(form.Get("scope")), nil
}

// protect lets requests pass whose token is good.
func (s *Server) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.count("resource")
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		scopes, good := s.access[token]
		s.mu.Unlock()
		wanted := ""
		if s.Scope != nil {
			wanted = s.Scope(r)
		}
		challenge := fmt.Sprintf(`Bearer resource_metadata="%s/.well-known/oauth-protected-resource/mcp"`, s.resource.URL)
		switch {
		case !good:
			w.Header().Set("WWW-Authenticate", challenge+s.Challenge)
			http.Error(w, "no token", http.StatusUnauthorized)
		case wanted != "" && !slices.Contains(scopes, wanted):
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`%s, error="insufficient_scope", scope="%s"`, challenge, wanted))
			http.Error(w, "more scope", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Follow opens an address as a browser does whose person agrees to everything, and returns where it was
// sent.
func Follow(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		return "", fmt.Errorf("the authorization server answers %s", resp.Status)
	}
	return resp.Header.Get("Location"), nil
}
