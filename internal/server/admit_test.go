package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/server/apikey"
)

// scoped has one route for each scope, which answers with who called, and keys for some of them.
func scoped(t *testing.T, log *slog.Logger) http.Handler {
	t.Helper()
	keys, err := apikey.NewRing(
		apikey.Of("chatter", "c", apikey.Chat), apikey.Of("worker", "w", apikey.Chat, apikey.Tools), apikey.Of("boss", "b", apikey.Admin),
	)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Keys: keys, Logger: log})
	for _, scope := range apikey.AllScopes() {
		s.Scoped(scope).Handle("POST /"+string(scope), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, Actor(r))
		}))
	}
	return s.Handler()
}

func TestScopes(t *testing.T) {
	var log bytes.Buffer
	h := scoped(t, slog.New(slog.NewTextHandler(&log, nil)))
	for _, test := range []struct {
		key, name string
		may       string
	}{
		{"c", "chatter", "chat"}, {"w", "worker", "chat tools"}, {"b", "boss", "admin"},
	} {
		for _, scope := range apikey.AllScopes() {
			log.Reset()
			w := call(h, "POST /"+string(scope), "{}", "Authorization: Bearer "+test.key)
			if !strings.Contains(log.String(), "key="+test.name+"\n") {
				t.Errorf("the log does not name the key: %s", &log)
			}
			if strings.Contains(test.may, string(scope)) {
				if w.Code != 200 || w.Body.String() != test.name {
					t.Errorf("%s on %s: %d %s", test.name, scope, w.Code, w.Body)
				}
				continue
			}
			code, message := problem(t, w)
			want := fmt.Sprintf("the API key %q may not do this: it needs the scope %q and has %s", test.name, scope, strings.ReplaceAll(test.may, " ", ", "))
			if w.Code != 403 || code != "missing_scope" || message != want || !strings.Contains(w.Header().Get("WWW-Authenticate"), "insufficient_scope") {
				t.Errorf("%s on %s: %d %s %q, want %q", test.name, scope, w.Code, code, message, want)
			}
		}
		if w := call(h, "POST /nothing", "{}", "Authorization: Bearer "+test.key); w.Code != 404 {
			t.Errorf("%s on an unknown route: %d", test.name, w.Code)
		}
	}
}

func TestTwoKeys(t *testing.T) {
	h := newServer(Options{Keys: ring("one", "two")}).Handler()
	for _, header := range []string{"Authorization", "X-Api-Key"} {
		r := httptest.NewRequest("GET", "http://127.0.0.1:8000/things/a", nil)
		r.Header[header] = []string{"Bearer one", "Bearer two"}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if _, message := problem(t, w); w.Code != 401 || !strings.Contains(message, "more than once") {
			t.Errorf("%s: %d %s", header, w.Code, message)
		}
	}
	// Both headers may have the same one; a user and password of a proxy are no key.
	for _, token := range []string{"wrong", "two"} {
		if w := call(h, "GET /things/a", "", "Authorization: Bearer "+token, "X-Api-Key: one"); w.Code != 401 {
			t.Errorf("the token %s beside another key: %d", token, w.Code)
		}
	}
	if w := call(h, "GET /things/a", "", "Authorization: Bearer one", "X-Api-Key: one"); w.Code != 200 {
		t.Errorf("one key in both headers: %d", w.Code)
	}
	if w := call(h, "GET /things/a", "", "Authorization: Basic dTpw", "X-Api-Key: one"); w.Code != 200 {
		t.Errorf("a password beside a right key: %d", w.Code)
	}
}

func TestRateOfKeys(t *testing.T) {
	own, other := apikey.Of("own", "a", apikey.Chat), apikey.Of("other", "b", apikey.Chat)
	own.RateLimit = 1
	keys, err := apikey.NewRing(own, other)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		server  int // the server's limit
		key     string
		granted int // of five
	}{{0, "a", 1}, {0, "b", 5}, {3, "a", 1}, {3, "b", 3}} {
		h := newServer(Options{Keys: keys, RateLimit: test.server}).Handler()
		granted := 0
		for range 5 {
			w := call(h, "GET /things/x", "", "X-Api-Key: "+test.key)
			if w.Code == 200 {
				granted++
			} else if w.Code != 429 || w.Header().Get("Retry-After") == "" || w.Header().Get("Retry-After") == "0" {
				t.Errorf("%+v: %d, Retry-After %q", test, w.Code, w.Header().Get("Retry-After"))
			}
		}
		if granted != test.granted {
			t.Errorf("%+v: %d were granted", test, granted)
		}
	}
}

func TestClientNet(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5":            "192.0.2.1",
		"[2001:db8:1:2:3::4]:5":  "2001:db8:1:2::/64",
		"[2001:db8:1:2:9::4]:99": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:5":       "fe80::/64",
		"[::ffff:192.0.2.1]:5":   "::ffff:192.0.2.1",
		"[::1]:5":                "::1",
		"pipe":                   "pipe",
	} {
		if got := clientNet(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%s counts as %s, want %s", remote, got, want)
		}
	}
}

// TestNoKeyInAnswersAndLogs: wherever a client puts a key, right or wrong, nothing shows it.
func TestNoKeyInAnswersAndLogs(t *testing.T) {
	const right, wrong = "right-key-5e884898da28", "wrong-key-9b74c9897bac"
	var log bytes.Buffer
	h := newServer(Options{Keys: ring(right), RateLimit: 20, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}).Handler()
	// The name of a key is public; ring makes it of the text.
	public := strings.NewReplacer("key-"+right, "NAME")
	for _, key := range []string{right, wrong} {
		for _, headers := range [][]string{
			{"Authorization: Bearer " + key}, {"Authorization: bearer  " + key}, {"Authorization: " + key}, {"Authorization: Basic " + key},
			{"X-Api-Key: " + key}, {"Cookie: key=" + key}, {"Proxy-Authorization: Bearer " + key}, {"Referer: http://localhost/?key=" + key},
			{"Authorization: Bearer " + key, "Content-Type: text/plain"},
		} {
			for _, line := range []string{"POST /echo", "POST /echo?api_key=" + key, "GET /echo?key=" + key, "GET /nothing?key=" + key, "POST /panic?key=" + key, "GET //echo?key=" + key} {
				log.Reset()
				w := call(h, line, "", headers...)
				answer := fmt.Sprint(w.Header(), w.Body)
				if shown := public.Replace(log.String() + answer); strings.Contains(shown, key) {
					t.Errorf("%s with %q shows the key: %s", line, headers, shown)
				}
			}
		}
	}
}
