package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/toolserve/toolserve/internal/oauthtest"
	"github.com/toolserve/toolserve/mcphost/mcpjson"
)

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestAssertion(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(pkcs8(t, ec)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		cfg  mcpjson.OAuth
		key  crypto.Signer
		algs []string
		want string // algorithm, or the error
	}{
		"EC":             {mcpjson.OAuth{PrivateKey: pkcs8(t, ec)}, ec, nil, "ES256"},
		"EC in a file":   {mcpjson.OAuth{PrivateKeyFile: file, KeyID: "k1"}, ec, []string{"RS256", "ES256"}, "ES256"},
		"RSA":            {mcpjson.OAuth{PrivateKey: pkcs8(t, rsaKey)}, rsaKey, nil, "RS256"},
		"RSA, PSS":       {mcpjson.OAuth{PrivateKey: pkcs8(t, rsaKey)}, rsaKey, []string{"PS256"}, "PS256"},
		"Ed25519":        {mcpjson.OAuth{PrivateKey: pkcs8(t, ed)}, ed, nil, "EdDSA"},
		"chosen":         {mcpjson.OAuth{PrivateKey: pkcs8(t, rsaKey), SigningAlgorithm: "RS512"}, rsaKey, nil, "RS512"},
		"does not fit":   {mcpjson.OAuth{PrivateKey: pkcs8(t, ec), SigningAlgorithm: "RS256"}, ec, nil, "does not fit"},
		"not taken":      {mcpjson.OAuth{PrivateKey: pkcs8(t, ec)}, ec, []string{"RS256"}, "takes assertions signed by"},
		"no key":         {mcpjson.OAuth{PrivateKey: "hello"}, nil, nil, "not in PEM"},
		"a file missing": {mcpjson.OAuth{PrivateKeyFile: file + "x"}, nil, nil, "private_key_file"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(Options{Server: "s", URL: "https://h/mcp", Config: test.cfg, HTTP: http.DefaultClient})
			if err != nil {
				t.Fatal(err)
			}
			text, err := c.assertion("me", serverMetadata{Issuer: "https://as", SigningAlgorithms: test.algs})
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("the error is %v, want %q in it", err, test.want)
				}
				return
			}
			token, err := jwt.Parse(text, func(*jwt.Token) (any, error) { return test.key.Public(), nil },
				jwt.WithAudience("https://as"), jwt.WithIssuer("me"), jwt.WithSubject("me"), jwt.WithExpirationRequired())
			if err != nil {
				t.Fatal(err)
			}
			if token.Method.Alg() != test.want {
				t.Errorf("signed by %s, want %s", token.Method.Alg(), test.want)
			}
			if kid, _ := token.Header["kid"].(string); kid != test.cfg.KeyID {
				t.Errorf("the key is named %q", kid)
			}
		})
	}
}

// checkProof checks a DPoP proof as RFC 9449 section 4.3 wants it, and returns its claims.
func checkProof(t *testing.T, r *http.Request) jwt.MapClaims {
	t.Helper()
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(r.Header.Get("DPoP"), claims, func(token *jwt.Token) (any, error) {
		if token.Header["typ"] != "dpop+jwt" {
			t.Errorf("the type is %v", token.Header["typ"])
		}
		key := token.Header["jwk"].(map[string]any)
		if key["d"] != nil {
			t.Error("the private key is in the proof")
		}
		x, _ := base64.RawURLEncoding.DecodeString(key["x"].(string))
		y, _ := base64.RawURLEncoding.DecodeString(key["y"].(string))
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	}, jwt.WithValidMethods([]string{"ES256"}))
	if err != nil {
		t.Errorf("the proof: %v", err)
	}
	if claims["htm"] != r.Method || claims["htu"] != "http://"+r.Host+r.URL.Path {
		t.Errorf("the proof is for %v %v, the request is %s %s%s", claims["htm"], claims["htu"], r.Method, r.Host, r.URL.Path)
	}
	return claims
}

// TestBoundTokens runs the whole of DPoP: a nonce for the token, a nonce for the resource, a new proof for
// each request.
func TestBoundTokens(t *testing.T) {
	proofs, accepted := map[any]bool{}, 0
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := func(text string) { _, _ = w.Write([]byte(strings.ReplaceAll(text, "ISSUER", server.URL))) }
		switch r.URL.Path {
		case "/.well-known/oauth-protected-resource/mcp":
			answer(`{"resource":"ISSUER/mcp","authorization_servers":["ISSUER"],"dpop_bound_access_tokens_required":true}`)
		case "/.well-known/oauth-authorization-server":
			answer(`{"issuer":"ISSUER","token_endpoint":"ISSUER/token","dpop_signing_alg_values_supported":["ES256"],"token_endpoint_auth_methods_supported":["client_secret_post"]}`)
		case "/token":
			if checkProof(t, r)["nonce"] != "as-nonce" {
				w.Header().Set("DPoP-Nonce", "as-nonce")
				w.WriteHeader(http.StatusBadRequest)
				answer(`{"error":"use_dpop_nonce"}`)
				return
			}
			w.Header().Set("DPoP-Nonce", "rs-nonce") // the same server is the resource
			answer(`{"access_token":"bound","token_type":"DPoP"}`)
		case "/mcp":
			if r.Header.Get("Authorization") != "DPoP bound" {
				w.Header().Set("WWW-Authenticate", `DPoP algs="ES256"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			claims := checkProof(t, r)
			sum := sha256.Sum256([]byte("bound"))
			if claims["ath"] != base64.RawURLEncoding.EncodeToString(sum[:]) || proofs[claims["jti"]] {
				t.Errorf("the proof is not of this token, or an old one: %v", claims)
			}
			proofs[claims["jti"]] = true
			if want := "nonce-" + strconv.Itoa(accepted); claims["nonce"] != want { // each nonce is good for one request
				w.Header().Set("DPoP-Nonce", want)
				w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			accepted++
			ok(w, r)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	s := &oauthtest.Server{Resource: server.URL + "/mcp"}
	_, web := client(t, s, func(o *Options) {
		o.Config = mcpjson.OAuth{Grant: mcpjson.GrantClientCredentials, ClientID: "id", ClientSecret: "secret"}
	})
	for range 3 {
		if got, err := post(web, s.Resource+"?q=1", "x"); err != nil || got != "ok x" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// TestBoundTokensAreInsistedOn: where the resource takes bound tokens only, another one is not used.
func TestBoundTokensAreInsistedOn(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	s.Describe = func(body map[string]any) { body["dpop_bound_access_tokens_required"] = true }
	_, web := client(t, s, func(o *Options) { o.Authorizer = &person{} })
	_, err := post(web, s.Resource, "x")
	wantError(t, err, Refused, "bound to no key")
}

func TestEnterprise(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	idp := oauthtest.New(t, http.HandlerFunc(ok))
	issued := "urn:ietf:params:oauth:token-type:id-jag"
	idp.Token = func(url.Values) (int, any) {
		return 200, map[string]any{"access_token": "the-grant", "issued_token_type": issued, "token_type": "N_A"}
	}
	file := filepath.Join(t.TempDir(), "id-token")
	if err := os.WriteFile(file, []byte("the-id-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(o *Options) {
		o.Config = mcpjson.OAuth{Grant: mcpjson.GrantEnterprise, ClientID: "id", ClientSecret: "secret", AuthMethod: methodPost, IdentityProvider: &mcpjson.IdentityProvider{
			Issuer: idp.Issuer, ClientID: "idp-client", IDTokenFile: file,
		}}
	}
	_, web := client(t, s, config)
	s.Token = func(form url.Values) (int, any) {
		form.Set("resource", s.Resource)
		return 0, nil
	}
	if got, err := post(web, s.Resource, "x"); err != nil || got != "ok x" {
		t.Fatalf("got %q, %v", got, err)
	}
	exchange := idp.Forms()[0]
	for key, want := range map[string]string{
		"subject_token": "the-id-token", "audience": s.Issuer, "resource": s.Resource, "client_id": "idp-client",
		"requested_token_type": issued, "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
	} {
		if exchange.Get(key) != want {
			t.Errorf("the exchange has %s %q, want %q", key, exchange.Get(key), want)
		}
	}
	if form := s.Forms()[0]; form.Get("assertion") != "the-grant" || form.Get("client_secret") != "secret" || form.Get("subject_token") != "" {
		t.Errorf("the token request is %v", form)
	}
	issued = "urn:ietf:params:oauth:token-type:access_token"
	_, web = client(t, s, config)
	s.Expire(true)
	_, err := post(web, s.Resource, "x")
	wantError(t, err, Refused, "in place of an identity assertion")
}

func TestWorkload(t *testing.T) {
	s := oauthtest.New(t, http.HandlerFunc(ok))
	file := filepath.Join(t.TempDir(), "jwt")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	c, web := client(t, s, func(o *Options) { o.Config = mcpjson.OAuth{Grant: mcpjson.GrantJWTBearer, AssertionFile: file} })
	if _, err := post(web, s.Resource, "x"); err != nil {
		t.Fatal(err)
	}
	before := c.State()
	write("second, and longer")
	if c.State() == before {
		t.Error("a new file is not seen")
	}
	write("second")
	s.Expire(true)
	if _, err := post(web, s.Resource, "x"); err != nil {
		t.Fatal(err)
	}
	if forms := s.Forms(); forms[0].Get("assertion") != "first" || forms[1].Get("assertion") != "second" {
		t.Errorf("the assertions were %v", forms)
	}
	s.Token = func(url.Values) (int, any) { return 400, map[string]any{"error": "invalid_grant"} }
	s.Expire(true)
	for range 3 {
		_, err := post(web, s.Resource, "x")
		wantError(t, err, Refused, "invalid_grant")
	}
	if n := len(s.Forms()); n != 3 {
		t.Errorf("%d token requests: a refusal is not the last one", n)
	}
}
