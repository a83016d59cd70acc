package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/openai"
)

// routes is the route table. The zero value is empty.
type routes struct {
	mux      http.ServeMux
	fallback http.Handler // of what no pattern takes; nil before handler
	patterns []string
}

func (t *routes) add(pattern string, handler http.Handler) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || !strings.HasPrefix(path, "/") || method == "" {
		panic(fmt.Sprintf("server: the pattern %q must be METHOD /path", pattern))
	}
	t.mux.Handle(pattern, handler)
	t.patterns = append(t.patterns, pattern)
}

// handler returns the table with an answer for requests that match no route; protect is put around it, so
// that the routes are listed to those only who may use them.
func (t *routes) handler(protect func(http.Handler) http.Handler) http.Handler {
	if t.fallback == nil {
		t.fallback = protect(http.HandlerFunc(t.unmatched))
		t.mux.Handle("/", t.fallback)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would redirect a path such as //v1/x, and a client that follows sends its key and its
		// call to somewhere else. There is nothing at such a path.
		if !clean(r.URL.Path) {
			t.fallback.ServeHTTP(w, r)
			return
		}
		t.mux.ServeHTTP(w, r)
	})
}

// clean reports whether a path has no empty, "." or ".." segments.
func clean(p string) bool {
	return strings.HasPrefix(p, "/") && (path.Clean(p) == p || path.Clean(p)+"/" == p)
}

// unmatched answers a request that no route takes: 405 where another method would do, else 404.
func (t *routes) unmatched(w http.ResponseWriter, r *http.Request) {
	if allow := t.methods(r); len(allow) > 0 && clean(r.URL.Path) {
		list := strings.Join(allow, ", ")
		w.Header().Set("Allow", list)
		openai.WriteError(w, http.StatusMethodNotAllowed, "method_not_allowed", "",
			fmt.Sprintf("%.40s is not a method of %.200s; use %s", r.Method, r.URL.Path, list))
		return
	}
	known := slices.Sorted(slices.Values(t.patterns))
	openai.WriteError(w, http.StatusNotFound, "unknown_route", "",
		fmt.Sprintf("there is no %.200s; the routes are: %s", r.URL.Path, strings.Join(known, ", ")))
}

// methods returns the methods that the table knows for r's path.
func (t *routes) methods(r *http.Request) []string {
	var found []string
	probe := *r
	for _, pattern := range t.patterns {
		probe.Method, _, _ = strings.Cut(pattern, " ")
		if _, hit := t.mux.Handler(&probe); hit == pattern {
			found = append(found, probe.Method)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Health is the answer of GET /health.
type Health struct {
	// Status is "ok" when requests are served; anything else, such as "loading" or "failed", makes the
	// answer's status 503.
	Status string `json:"status"`
	// Model is the served model's name.
	Model string `json:"model,omitempty"`
	// Error says why Status is not "ok".
	Error string `json:"error,omitempty"`
	// MCP is a summary of the MCP servers, any value that encodes to JSON; nil is null.
	MCP any `json:"mcp"`
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	health := s.opts.Health()
	body, err := json.Marshal(health)
	if err != nil {
		s.log.Error("health: cannot be encoded", "error", err)
		openai.WriteError(w, http.StatusInternalServerError, "internal_error", "", "the health report could not be encoded")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if health.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n')) // a client that left needs no answer
}
