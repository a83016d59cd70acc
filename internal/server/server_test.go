package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/internal/server/apikey"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ring has keys with all scopes, named after their texts.
func ring(texts ...string) *apikey.Ring {
	var keys []apikey.Key
	for _, text := range texts {
		keys = append(keys, apikey.Of("key-"+text, text, apikey.AllScopes()...))
	}
	r, err := apikey.NewRing(keys...)
	if err != nil {
		panic(err)
	}
	return r
}

// newServer has three routes: POST /echo answers with the body, GET /things/{id} with the id, and
// POST /panic panics, before or after its first byte.
func newServer(opts Options) *Server {
	s := New(opts)
	s.Handle(apikey.Chat, "POST /echo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		_, _ = w.Write(body)
	}))
	s.Handle(apikey.Chat, "GET /things/{id...}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.PathValue("id"))
	}))
	s.Handle(apikey.Chat, "POST /panic", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			_, _ = w.Write([]byte("half"))
		}
		panic("boom")
	}))
	return s
}

// call sends a request of "METHOD /path" with headers given as "Name: value".
func call(h http.Handler, line, body string, headers ...string) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(line, " ")
	r := httptest.NewRequest(method, "http://127.0.0.1:8000"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// problem is the code and the message of an answer's error object.
func problem(t *testing.T, w *httptest.ResponseRecorder) (code, message string) {
	t.Helper()
	var body struct {
		Error struct{ Code, Message, Type string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error.Type == "" {
		t.Errorf("the answer %d %q has no error object (%v)", w.Code, w.Body, err)
	}
	return body.Error.Code, body.Error.Message
}

func TestRoutes(t *testing.T) {
	h := newServer(Options{}).Handler()
	tests := []struct {
		line   string
		status int
		want   string // the body, or within the error's message
		allow  string
	}{
		{"GET /things/a/b", 200, "a/b", ""},
		{"HEAD /things/a", 200, "a", ""},
		{"POST /echo", 200, "{}", ""},
		{"GET /health", 200, `{"status":"ok","mcp":null}`, ""},
		{"GET /echo", 405, "GET is not a method of /echo; use POST", "POST"},
		{"DELETE /things/a", 405, "use GET", "GET"},
		{"OPTIONS /echo", 405, "use POST", "POST"},
		{"GET /nothing", 404, "there is no /nothing; the routes are: GET /health, GET /things/{id...}, POST /echo, POST /panic", ""},
		{"POST /", 404, "there is no /;", ""},
	}
	for _, test := range tests {
		w := call(h, test.line, "{}")
		got := strings.TrimSpace(w.Body.String())
		if test.status >= 400 {
			_, got = problem(t, w)
		}
		if w.Code != test.status || !strings.Contains(got, test.want) || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s: %d %q, Allow %q; want %d %q", test.line, w.Code, got, w.Header().Get("Allow"), test.status, test.want)
		}
	}
}

func TestHandleRefusesPatterns(t *testing.T) {
	for _, pattern := range []string{"/x", "POST x", "", "POST /echo", "GET /a{"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("the pattern %q was accepted", pattern)
				}
			}()
			newServer(Options{}).Handle(apikey.Chat, pattern, http.NotFoundHandler())
		}()
	}
}

func TestHealth(t *testing.T) {
	health := Health{Status: "failed", Model: "m", Error: "broken", MCP: map[string]int{"connected": 2}}
	h := New(Options{Keys: ring("k"), RateLimit: 1, Health: func() Health { return health }}).Handler()
	for range 3 { // no key, no rate
		w := call(h, "GET /health", "")
		if want := `{"status":"failed","model":"m","error":"broken","mcp":{"connected":2}}`; w.Code != 503 || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	health = Health{Status: "ok", MCP: make(chan int)}
	if w := call(h, "GET /health", ""); w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestKeys(t *testing.T) {
	h := newServer(Options{Keys: ring("one", "two")}).Handler()
	tests := []struct {
		header string
		status int
		want   string
	}{
		{"", 401, "missing"},
		{"Authorization: Bearer one", 200, ""},
		{"Authorization: bearer two", 200, ""},
		{"X-Api-Key: two", 200, ""},
		{"Authorization: Bearer three", 401, "wrong"},
		{"Authorization: Bearer onee", 401, "wrong"},
		{"Authorization: Bearer ", 401, "missing"},
		{"Authorization: Basic one", 401, "missing"},
		{"Authorization: one", 401, "missing"},
		{"X-Api-Key: ", 401, "missing"},
		{"Authorization: Bearer one two", 401, "wrong"},
		{"Authorization: Bearer,one", 401, "missing"},
		{"Cookie: key=one", 401, "missing"},
	}
	for _, test := range tests {
		w := call(h, "GET /things/a", "", test.header)
		if w.Code != test.status {
			t.Errorf("%q: %d, want %d", test.header, w.Code, test.status)
		}
		if test.status == 401 {
			if _, message := problem(t, w); !strings.Contains(message, test.want) || w.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%q: %q", test.header, message)
			}
		}
	}
	if w := call(h, "GET /nothing", ""); w.Code != 401 { // the routes are nobody else's business
		t.Errorf("an unknown route without a key: %d", w.Code)
	}
}

func TestCORS(t *testing.T) {
	h := newServer(Options{Keys: ring("k"), AllowedOrigins: []string{"https://chat.example.org"}}).Handler()
	const origin = "Origin: https://chat.example.org"
	w := call(h, "OPTIONS /echo", "", origin, "Access-Control-Request-Method: POST")
	if w.Code != 204 || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	w = call(h, "POST /echo", "{}", origin, "Authorization: Bearer k")
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "https://chat.example.org" || w.Header().Get("Vary") != "Origin" {
		t.Errorf("request: %d %v", w.Code, w.Header())
	}
	w = call(newServer(Options{}).Handler(), "POST /echo", "{}")
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control") {
			t.Errorf("without allowed origins there is %s", name)
		}
	}
}

func TestContentType(t *testing.T) {
	h := newServer(Options{}).Handler()
	for header, status := range map[string]int{
		"application/json": 200, "Application/JSON; charset=utf-8": 200,
		"text/plain": 415, "application/x-www-form-urlencoded": 415, "": 415, "application/json, text/plain": 415, "multipart/form-data; boundary=x": 415,
	} {
		w := call(h, "POST /echo", "{}", "Content-Type: "+header)
		if w.Code != status {
			t.Errorf("%q: %d, want %d", header, w.Code, status)
		}
		if status == 415 {
			if _, message := problem(t, w); !strings.Contains(message, "Content-Type: application/json") {
				t.Errorf("%q: %s", header, message)
			}
		}
	}
}

func TestBodyLimit(t *testing.T) {
	h := newServer(Options{MaxBody: 10}).Handler()
	if w := call(h, "POST /echo", "0123456789"); w.Code != 200 || w.Body.String() != "0123456789" {
		t.Errorf("a body of the limit: %d %s", w.Code, w.Body)
	}
	w := call(h, "POST /echo", "0123456789+")
	if _, message := problem(t, w); w.Code != 413 || !strings.Contains(message, "has 11 bytes; this server takes at most 10") {
		t.Errorf("an announced body: %d %s", w.Code, message)
	}
	r := httptest.NewRequest("POST", "http://localhost/echo", io.MultiReader(strings.NewReader("0123456789+")))
	r.Header.Set("Content-Type", "application/json")
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusTeapot || !strings.Contains(w.Body.String(), "too large") {
		t.Errorf("a body of unknown length: %d %s", w.Code, w.Body)
	}
}

func TestRateLimit(t *testing.T) {
	h := newServer(Options{Keys: ring("a", "b"), RateLimit: 2}).Handler()
	get := func(key string) *httptest.ResponseRecorder {
		return call(h, "GET /things/x", "", "Authorization: Bearer "+key)
	}
	for i, status := range []int{200, 200, 429} {
		w := get("a")
		if w.Code != status {
			t.Errorf("request %d: %d, want %d", i, w.Code, status)
		}
		if status == 429 {
			if _, message := problem(t, w); !strings.Contains(message, "more than 2 requests in a minute") || w.Header().Get("Retry-After") == "" {
				t.Errorf("%s, %v", message, w.Header())
			}
		}
	}
	if w := get("b"); w.Code != 200 {
		t.Errorf("another key: %d", w.Code)
	}
	for i, status := range []int{401, 401, 429} { // guesses count by address
		if w := get(fmt.Sprint("guess", i)); w.Code != status {
			t.Errorf("guess %d: %d, want %d", i, w.Code, status)
		}
	}
}

func TestLimiterForgets(t *testing.T) {
	l := newLimiter(1)
	for i := range maxClients + 10 {
		if _, wait := l.take(func() string { return fmt.Sprint(i) }, 0); wait > 0 {
			t.Fatalf("client %d was refused", i)
		}
	}
	if len(l.clients) != maxClients || l.recent.Len() != maxClients {
		t.Errorf("%d clients are remembered", len(l.clients))
	}
	if _, wait := l.take(func() string { return fmt.Sprint(maxClients + 9) }, 0); wait == 0 {
		t.Error("the latest client was forgotten")
	}
	if _, wait := l.take(func() string { return fmt.Sprint(maxClients + 9) }, 2); wait > 0 {
		t.Error("a changed limit does not count")
	}
	if len(l.clients) != maxClients || l.recent.Len() != maxClients {
		t.Errorf("%d clients are remembered after a change", len(l.clients))
	}
}

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	h := newServer(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Handler()
	w := call(h, "POST /panic", "", "X-Request-Id: abc-1")
	if code, message := problem(t, w); w.Code != 500 || code != "internal_error" || !strings.Contains(message, "abc-1") || strings.Contains(message, "boom") {
		t.Errorf("%d %s %s", w.Code, code, message)
	}
	if !strings.Contains(log.String(), "panic=boom") || !strings.Contains(log.String(), "server_test.go") {
		t.Errorf("the log is %s", &log)
	}
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("a panic in the middle of an answer became %v", got)
		}
	}()
	call(h, "POST /panic", "{}")
}

func TestRequestIDAndLog(t *testing.T) {
	var log bytes.Buffer
	h := newServer(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Handler()
	if w := call(h, "POST /echo?key=secret", "{}", "X-Request-Id: abc"); w.Header().Get("X-Request-Id") != "abc" {
		t.Errorf("the id became %q", w.Header().Get("X-Request-Id"))
	}
	for _, want := range []string{"method=POST", "path=/echo ", "status=200", "bytes=2", "id=abc"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, &log)
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log has the query: %s", &log)
	}
	log.Reset()
	for _, id := range []string{"", "a b", "é", strings.Repeat("x", 129), "a\x7f"} {
		if got := call(h, "GET /health", "", "X-Request-Id: "+id).Header().Get("X-Request-Id"); got == id || len(got) != 26 {
			t.Errorf("the id %q became %q", id, got)
		}
	}
	if log.Len() > 0 {
		t.Errorf("health probes are logged: %s", &log)
	}
}

func TestTimeout(t *testing.T) {
	s := New(Options{Timeout: time.Millisecond})
	s.Handle(apikey.Chat, "GET /mute", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	s.Handle(apikey.Chat, "GET /late", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		http.Error(w, context.Cause(r.Context()).Error(), http.StatusTeapot)
	}))
	w := call(s.Handler(), "GET /mute", "")
	if code, message := problem(t, w); w.Code != 504 || code != "timeout" || !strings.Contains(message, "longer than the 1ms") {
		t.Errorf("%d %s %s", w.Code, code, message)
	}
	if w := call(s.Handler(), "GET /late", ""); w.Code != http.StatusTeapot || !strings.Contains(w.Body.String(), "--timeout") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestListenErrors(t *testing.T) {
	first := New(Options{})
	if err := first.Listen(); err != nil {
		t.Fatal(err)
	}
	defer first.ln.Close()
	port := first.Addr().(*net.TCPAddr).Port
	tests := []struct {
		opts Options
		want string
	}{
		{Options{Port: port}, fmt.Sprintf("port %d is in use by another program: stop that program, or choose another port with --port", port)},
		{Options{Host: "192.0.2.1"}, "no network interface of this machine has the address of 192.0.2.1:0"},
		{Options{Host: "no such host"}, "listen on"},
	}
	for _, test := range tests {
		s := New(test.opts)
		if err := s.Listen(); err == nil || !strings.Contains(err.Error(), test.want) || s.Addr() != nil {
			t.Errorf("%+v: %v, want %q", test.opts, err, test.want)
		}
		if err := s.Serve(context.Background()); err == nil {
			t.Errorf("%+v: served", test.opts)
		}
	}
}

// A name of loopback that resolves to something else must not open the server to others.
func TestLoopbackThatIsNone(t *testing.T) {
	s := New(Options{Host: "0.0.0.0"})
	s.gate.loopback = true // as for a name that the machine resolves wrongly
	if err := s.Listen(); err == nil || !strings.Contains(err.Error(), "not loopback") || s.Addr() != nil {
		t.Errorf("listened: %v", err)
	}
}
