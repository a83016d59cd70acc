package modelstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/gguf/ggufwrite"
)

const testCommit = "0123456789abcdef0123456789abcdef01234567"

// A fakeHub behaves like the hub: an API, and files that live on another host, reached by redirect.
type fakeHub struct {
	t     *testing.T
	hub   *httptest.Server
	cdn   *httptest.Server
	repos map[string]map[string][]byte // repository -> file -> content

	mu       sync.Mutex
	requests []*http.Request // all requests, of both hosts
	served   int64           // bytes of files
	cuts     []int64         // the next answers of the CDN end after so many bytes

	// api and file, if set, may answer in place of the hub and the CDN; they return whether they did.
	api  func(w http.ResponseWriter, r *http.Request) bool
	file func(w http.ResponseWriter, r *http.Request, content []byte) bool
	// listed may change what the API says of a file.
	listed func(name string, entry map[string]any)
}

func newFakeHub(t *testing.T, repos map[string]map[string][]byte) *fakeHub {
	h := &fakeHub{t: t, repos: repos}
	h.hub = httptest.NewServer(http.HandlerFunc(h.serveHub))
	h.cdn = httptest.NewServer(http.HandlerFunc(h.serveCDN))
	t.Cleanup(h.hub.Close)
	t.Cleanup(h.cdn.Close)
	return h
}

func (h *fakeHub) note(r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, r)
}

// count returns how many requests had a path with text in it.
func (h *fakeHub) count(text string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.requests {
		if strings.Contains(r.URL.Path, text) {
			n++
		}
	}
	return n
}

// setFile changes file while the servers run.
func (h *fakeHub) setFile(file func(w http.ResponseWriter, r *http.Request, content []byte) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.file = file
}

// sent returns how many bytes of files were sent.
func (h *fakeHub) sent() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.served
}

func (h *fakeHub) resetSent() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.served = 0
}

func (h *fakeHub) serveHub(w http.ResponseWriter, r *http.Request) {
	h.note(r)
	if h.api != nil && h.api(w, r) {
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/api/models/"); ok {
		h.serveListing(w, name)
		return
	}
	if r.URL.Path == "/api/models" {
		fmt.Fprint(w, `[{"id":"unsloth/Qwen3-4B-GGUF"},{"id":"bad id"},{"id":"Qwen/Qwen3-4B-GGUF"}]`)
		return
	}
	repo, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/")
	_, name, _ := strings.Cut(rest, "/")
	if _, ok := h.repos[repo][name]; !ok {
		w.Header().Set("X-Error-Code", "EntryNotFound")
		http.Error(w, "Entry not found", http.StatusNotFound)
		return
	}
	http.Redirect(w, r, h.cdn.URL+"/"+repo+"/"+name+"?signature=secret", http.StatusFound)
}

func (h *fakeHub) serveListing(w http.ResponseWriter, repo string) {
	files, ok := h.repos[repo]
	if !ok {
		w.Header().Set("X-Error-Code", "RepoNotFound")
		http.Error(w, `{"error":"Repository not found"}`, http.StatusUnauthorized)
		return
	}
	var siblings []map[string]any
	for name, content := range files {
		entry := map[string]any{"rfilename": name, "size": len(content), "lfs": map[string]any{"sha256": sum(content), "size": len(content), "pointerSize": 135}}
		if h.listed != nil {
			h.listed(name, entry)
		}
		siblings = append(siblings, entry)
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"id": repo, "sha": testCommit, "siblings": siblings}); err != nil {
		h.t.Error(err)
	}
}

func (h *fakeHub) serveCDN(w http.ResponseWriter, r *http.Request) {
	h.note(r)
	if r.Header.Get("Authorization") != "" {
		h.t.Errorf("the token came to the CDN with %s", r.URL.Path)
	}
	org, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	repo, name, _ := strings.Cut(rest, "/")
	content := h.repos[org+"/"+repo][name]
	h.mu.Lock()
	file := h.file
	h.mu.Unlock()
	if file != nil && file(w, r, content) {
		return
	}
	h.mu.Lock()
	cut := int64(-1)
	if len(h.cuts) > 0 {
		cut, h.cuts = h.cuts[0], h.cuts[1:]
	}
	h.mu.Unlock()
	w = &cutWriter{ResponseWriter: w, hub: h, left: cut}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// A cutWriter ends the connection after a number of bytes.
type cutWriter struct {
	http.ResponseWriter
	hub  *fakeHub
	left int64 // -1: all of them
}

func (w *cutWriter) Write(p []byte) (int, error) {
	cut := w.left >= 0 && int64(len(p)) > w.left
	if cut {
		p = p[:w.left]
	}
	n, err := w.ResponseWriter.Write(p)
	w.hub.mu.Lock()
	w.hub.served += int64(n)
	w.hub.mu.Unlock()
	if w.left >= 0 {
		w.left -= int64(n)
	}
	if cut {
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func sum(content []byte) string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:])
}

// model returns a GGUF file of about size bytes.
func model(t *testing.T, fileType uint32, size int) []byte {
	t.Helper()
	var f ggufwrite.File
	f.Set("general.architecture", "llama")
	f.Set("general.file_type", fileType)
	random := rand.New(rand.NewPCG(1, uint64(size)))
	f.Tensor("w", 25, []uint64{uint64(size / 2)}, func(w io.Writer) error {
		b := make([]byte, size/2*2)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		_, err := w.Write(b)
		return err
	})
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// testStore returns a store on a fresh cache that asks h, with no patience.
func testStore(t *testing.T, h *fakeHub) *Store {
	t.Helper()
	return storeAt(t, h, t.TempDir(), nil)
}

func storeAt(t *testing.T, h *fakeHub, dir string, env map[string]string) *Store {
	t.Helper()
	opts := Options{Dir: dir, Getenv: func(k string) string { return env[k] }}
	if h != nil {
		opts.Endpoint = h.hub.URL
	}
	s := New(opts)
	s.retries.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return s
}

func mustResolve(t *testing.T, s *Store, ref string) Model {
	t.Helper()
	m, err := s.Resolve(t.Context(), ref, nil)
	if err != nil {
		t.Fatalf("Resolve(%q): %v", ref, err)
	}
	return m
}

func checkContent(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes, %v; want %d bytes", path, len(got), err, len(want))
	}
}

// leftovers returns the files below dir that a finished download should not leave.
func leftovers(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tmp") || strings.HasSuffix(path, ".partial") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
