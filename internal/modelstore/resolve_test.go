package modelstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestResolveTakesTheDefaultQuant(t *testing.T) {
	q4, q8 := model(t, 15, 4000), model(t, 7, 8000)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m-GGUF": {
		"m-Q8_0.gguf": q8, "m-Q4_K_M.gguf": q4, "README.md": []byte("hello"), "mmproj-m-F16.gguf": q8,
	}})
	s := storeAt(t, h, t.TempDir(), map[string]string{"HF_TOKEN": "hf_secret"})
	var seen []Progress
	m, err := s.Resolve(t.Context(), "org/m-GGUF", func(p Progress) { seen = append(seen, p) })
	if err != nil {
		t.Fatal(err)
	}
	checkContent(t, m.Path, q4)
	if m.Quant != "Q4_K_M" || m.Name != "org/m-GGUF" || m.Source != SourceHub || m.Commit != testCommit || m.Size != int64(len(q4)) ||
		m.Ref != "org/m-GGUF:m-Q4_K_M.gguf" || m.Starter || m.Fetched.IsZero() {
		t.Errorf("model %+v", m)
	}
	last := seen[len(seen)-1]
	if seen[0].Phase != PhaseResolve || last.Phase != PhaseDownload || last.Done != int64(len(q4)) || last.Total != int64(len(q4)) {
		t.Errorf("progress %+v", seen)
	}
	if got := h.requests[0].Header.Get("Authorization"); got != "Bearer hf_secret" {
		t.Errorf("the API got the token %q", got)
	}
	if found := leftovers(t, s.Dir()); found != nil {
		t.Errorf("left over: %v", found)
	}
	checkContent(t, mustResolve(t, s, "org/m-GGUF:q8_0").Path, q8)
	checkContent(t, mustResolve(t, s, m.Ref).Path, q4)
	checkContent(t, mustResolve(t, s, "https://huggingface.co/org/m-GGUF").Path, q4)
}

func TestCachedModelsNeedNoNetwork(t *testing.T) {
	content := model(t, 15, 4000)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m-Q4_K_M.gguf": content, "m-Q8_0.gguf": content}})
	s := testStore(t, h)
	mustResolve(t, s, "org/m")
	asked := h.count("/")
	h.hub.Close()
	checkContent(t, mustResolve(t, s, "org/m").Path, content)
	if h.count("/") != asked {
		t.Error("the hub was asked about a model in the cache")
	}
	_, err := s.Resolve(t.Context(), "org/m:Q8_0", nil)
	if !errors.Is(err, ErrNetwork) {
		t.Errorf("what is not in the cache: %v", err)
	}
	if _, err := s.Pull(t.Context(), "org/m", nil); !errors.Is(err, ErrNetwork) {
		t.Errorf("Pull without a hub: %v", err)
	}

	s = storeAt(t, h, s.Dir(), map[string]string{"HF_HUB_OFFLINE": "1"})
	mustResolve(t, s, "org/m")
	_, err = s.Resolve(t.Context(), "org/m:Q8_0", nil)
	if !errors.Is(err, ErrNetwork) || !strings.Contains(err.Error(), "HF_HUB_OFFLINE") || !strings.Contains(err.Error(), "m-Q4_K_M.gguf") {
		t.Errorf("offline: %v", err)
	}
	if _, err := New(Options{Dir: s.Dir(), Offline: true}).Resolve(t.Context(), "org/m:Q8_0", nil); !errors.Is(err, ErrNetwork) {
		t.Errorf("Offline: %v", err)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Quant != "Q4_K_M" || list[0].Size != int64(len(content)) {
		t.Errorf("List = %+v, %v", list, err)
	}
}

func TestAnotherQuantWhenTheHubIsAway(t *testing.T) {
	content := model(t, 7, 4000)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m-Q4_K_M.gguf": content, "m-Q8_0.gguf": content}})
	s := testStore(t, h)
	mustResolve(t, s, "org/m:Q8_0")
	h.hub.Close()
	if m := mustResolve(t, s, "org/m"); filepath.Base(m.Path) != "m-Q8_0.gguf" {
		t.Errorf("got %s", m.Path)
	}
}

func TestPullFetchesWhatChanged(t *testing.T) {
	first, second := model(t, 15, 4000), model(t, 15, 5000)
	files := map[string][]byte{"m-Q4_K_M.gguf": first}
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": files})
	s := testStore(t, h)
	mustResolve(t, s, "org/m")
	files["m-Q4_K_M.gguf"] = second
	checkContent(t, mustResolve(t, s, "org/m").Path, first)
	m, err := s.Pull(t.Context(), "org/m", nil)
	if err != nil {
		t.Fatal(err)
	}
	checkContent(t, m.Path, second)
	downloads := h.count("m-Q4_K_M.gguf")
	if _, err := s.Pull(t.Context(), "org/m", nil); err != nil {
		t.Fatal(err)
	}
	if h.count("m-Q4_K_M.gguf") != downloads {
		t.Error("an unchanged file was fetched again")
	}
}

func TestSplitModel(t *testing.T) {
	parts := map[string][]byte{}
	var total int64
	for i := 1; i <= 3; i++ {
		b := model(t, 15, 3000*i)
		parts[fmt.Sprintf("Q4_K_M/big-Q4_K_M-%05d-of-00003.gguf", i)] = b
		total += int64(len(b))
	}
	parts["big-Q8_0-00001-of-00002.gguf"] = []byte("a part without its sibling")
	h := newFakeHub(t, map[string]map[string][]byte{"org/big": parts})
	s := testStore(t, h)
	var last Progress
	m, err := s.Resolve(t.Context(), "org/big:Q4_K_M", func(p Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 3 || m.Size != total || last.Done != total || last.Total != total || !strings.HasSuffix(m.Path, "-00001-of-00003.gguf") {
		t.Errorf("model %+v, progress %+v", m, last)
	}
	for i, path := range m.Files {
		checkContent(t, path, parts[fmt.Sprintf("Q4_K_M/big-Q4_K_M-%05d-of-00003.gguf", i+1)])
	}
	if _, err := s.Resolve(t.Context(), "org/big:Q8_0", nil); !errors.Is(err, ErrQuant) {
		t.Errorf("a model with a missing part: %v", err)
	}
	if local := mustResolve(t, s, m.Files[1]); local.Path != m.Files[0] || local.Size != total {
		t.Errorf("by the path of its second part: %+v", local)
	}
	if err := os.Remove(m.Files[2]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(t.Context(), m.Path, nil); !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), "00003-of-00003.gguf of the split model is missing") {
		t.Errorf("missing part: %v", err)
	}
}

func TestCutConnectionsAreContinued(t *testing.T) {
	content := model(t, 15, 3<<20)
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
			random := rand.New(rand.NewPCG(seed, 0))
			for range 6 {
				h.cuts = append(h.cuts, random.Int64N(600_000)+1)
			}
			h.cuts = append(h.cuts, 0, 0)
			s := testStore(t, h)
			checkContent(t, mustResolve(t, s, "org/m").Path, content)
			if h.sent() != int64(len(content)) {
				t.Errorf("%d bytes were sent for a file of %d", h.sent(), len(content))
			}
		})
	}
}

func TestInterruptedDownloadIsContinuedLater(t *testing.T) {
	content := model(t, 15, 2<<20)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
	s := testStore(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h.file = func(w http.ResponseWriter, r *http.Request, c []byte) bool {
		w.Header().Set("Content-Length", fmt.Sprint(len(c)))
		_, _ = w.Write(c[:1<<20])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	_, err := s.Resolve(ctx, "org/m", func(p Progress) {
		if p.Phase == PhaseDownload {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	partial := leftovers(t, s.Dir())
	if len(partial) != 1 {
		t.Fatalf("left over: %v", partial)
	}
	kept, err := os.Stat(partial[0])
	if err != nil || kept.Size() == 0 {
		t.Fatalf("kept %v, %v", kept.Size(), err)
	}
	h.setFile(nil)
	h.resetSent()
	var phases []Phase
	m, err := s.Resolve(t.Context(), "org/m", func(p Progress) { phases = append(phases, p.Phase) })
	if err != nil {
		t.Fatal(err)
	}
	checkContent(t, m.Path, content)
	if want := int64(len(content)) - kept.Size(); h.sent() != want {
		t.Errorf("%d bytes were sent, %d were missing", h.sent(), want)
	}
	if !slices.Contains(phases, PhaseVerify) {
		t.Errorf("phases %v", phases)
	}
}

func TestDamagedPartialIsFetchedAnew(t *testing.T) {
	content := model(t, 15, 100_000)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
	for name, bad := range map[string][]byte{"wrong bytes": make([]byte, 50_000), "too long": make([]byte, 200_000), "all wrong": make([]byte, len(content))} {
		t.Run(name, func(t *testing.T) {
			s := testStore(t, h)
			path := filepath.Join(s.repoDir("org/m"), "m.gguf."+sum(content)[:16]+".partial")
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			checkContent(t, mustResolve(t, s, "org/m").Path, content)
		})
	}
}

func TestHostileDownloads(t *testing.T) {
	content := model(t, 15, 100_000)
	tests := []struct {
		name string
		file func(w http.ResponseWriter, r *http.Request, content []byte) bool
		want error
		text string
	}{
		{"wrong content", func(w http.ResponseWriter, _ *http.Request, c []byte) bool {
			_, _ = w.Write(make([]byte, len(c)))
			return true
		}, ErrChecksum, "SHA-256"},
		{"other length", func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			_, _ = w.Write([]byte("<html>please log in</html>"))
			return true
		}, ErrNetwork, "offers 26 bytes"},
		{"endless", func(w http.ResponseWriter, r *http.Request, c []byte) bool {
			w.(http.Flusher).Flush()
			for r.Context().Err() == nil {
				_, _ = w.Write(make([]byte, len(c)))
			}
			return true
		}, ErrChecksum, "SHA-256"},
		{"wrong range", func(w http.ResponseWriter, _ *http.Request, c []byte) bool {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-%d/%d", len(c)-1, len(c)))
			w.WriteHeader(http.StatusPartialContent)
			return true
		}, ErrNetwork, "continues at byte 5"},
		{"never all of it", func(w http.ResponseWriter, _ *http.Request, c []byte) bool {
			w.Header().Set("Content-Length", fmt.Sprint(len(c)))
			return true
		}, ErrNetwork, "cannot be used"},
		{"forbidden", func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		}, ErrAccess, "forbidden"},
		{"stalled", func(w http.ResponseWriter, r *http.Request, c []byte) bool {
			w.Header().Set("Content-Length", fmt.Sprint(len(c)))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}, ErrNetwork, "no data came"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
			h.file = tt.file
			s := testStore(t, h)
			patience := s.retries.stall
			if tt.name == "stalled" {
				s.retries.stall = 300 * time.Millisecond
			}
			_, err := s.Resolve(t.Context(), "org/m", nil)
			s.retries.stall = patience
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("error %v, want %v with %q", err, tt.want, tt.text)
			}
			if strings.Contains(err.Error(), "signature") {
				t.Errorf("the error shows a signed address: %v", err)
			}
			if _, err := os.Stat(filepath.Join(s.repoDir("org/m"), "m.gguf")); err == nil {
				t.Error("a bad file got the good name")
			}
			h.setFile(nil) // and the next try, with a good server, works
			checkContent(t, mustResolve(t, s, "org/m").Path, content)
		})
	}
}

func TestServerIgnoresRange(t *testing.T) {
	content := model(t, 15, 500_000)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
	h.cuts = []int64{100_000}
	h.file = func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		r.Header.Del("Range")
		return false
	}
	checkContent(t, mustResolve(t, testStore(t, h), "org/m").Path, content)
}

func TestRangeNotSatisfiable(t *testing.T) {
	content := model(t, 15, 500_000)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
	h.cuts = []int64{100_000}
	h.file = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.Header.Get("Range") == "" {
			return false
		}
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return true
	}
	checkContent(t, mustResolve(t, testStore(t, h), "org/m").Path, content)
}

func TestRateLimitIsWaitedFor(t *testing.T) {
	content := model(t, 15, 1000)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
	limited := 2
	h.api = func(w http.ResponseWriter, _ *http.Request) bool {
		if limited == 0 {
			return false
		}
		limited--
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	s := testStore(t, h)
	var waits []time.Duration
	s.retries.sleep = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}
	mustResolve(t, s, "org/m")
	if len(waits) != 2 || waits[0] != 7*time.Second {
		t.Errorf("waits %v", waits)
	}
}

func TestHubRefusals(t *testing.T) {
	tests := []struct {
		name   string
		token  string
		status int
		code   string
		want   error
		texts  []string
	}{
		{"unknown", "", 401, "RepoNotFound", ErrNotFound, []string{"no repository org/m", "HF_TOKEN"}},
		{"not found", "t", 404, "RepoNotFound", ErrNotFound, []string{"no repository org/m", "spelling"}},
		{"bad token", "t", 401, "", ErrAccess, []string{"does not accept the token"}},
		{"gated", "", 401, "GatedRepo", ErrAccess, []string{"gated", "https://huggingface.co/org/m", "HF_TOKEN"}},
		{"gated with token", "t", 403, "GatedRepo", ErrAccess, []string{"gated"}},
		{"forbidden", "t", 403, "", ErrAccess, []string{"forbidden"}},
		{"rate limit", "", 429, "", ErrNetwork, []string{"rate", "HF_TOKEN"}},
		{"down", "", 503, "", ErrNetwork, []string{"503"}},
		{"odd", "", 418, "", ErrNetwork, []string{"418"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newFakeHub(t, nil)
			h.api = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("X-Error-Code", tt.code)
				w.WriteHeader(tt.status)
				return true
			}
			s := storeAt(t, h, t.TempDir(), map[string]string{"HF_TOKEN": tt.token})
			_, err := s.Resolve(t.Context(), "org/m", nil)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			for _, text := range append(tt.texts, "org/m") {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
		})
	}
}

func TestRepositoriesThatCannotServe(t *testing.T) {
	content := model(t, 15, 1000)
	h := newFakeHub(t, map[string]map[string][]byte{
		"mlx-community/Qwen3-4B-4bit": {"model.safetensors": content, "config.json": content},
		"org/two":                     {"a-Q4_K_M.gguf": content, "b-Q4_K_M.gguf": content},
		"org/evil":                    {"../../../evil.gguf": content, "/abs.gguf": content, ".hidden.gguf": content, `a\b.gguf`: content, "c:d.gguf": content},
		"org/nohash":                  {"m.gguf": content},
		"org/junk":                    {"m.gguf": []byte("this is no model at all")},
		"org/huge":                    {"m.gguf": content},
	})
	h.listed = func(name string, entry map[string]any) {
		if len(content) == entry["size"] && h.count("org/nohash") > 0 && h.count("org/huge") == 0 {
			delete(entry, "lfs")
		}
		if h.count("org/huge") > 0 {
			entry["lfs"] = map[string]any{"sha256": sum(content), "size": int64(1) << 60}
		}
	}
	tests := []struct {
		ref   string
		want  error
		texts []string
	}{
		{"mlx-community/Qwen3-4B-4bit", ErrNoGGUF, []string{"no GGUF files", ".safetensors", "unsloth/Qwen3-4B-GGUF, Qwen/Qwen3-4B-GGUF"}},
		{"org/two", ErrQuant, []string{"2 models", "org/two:a-Q4_K_M.gguf", "org/two:b-Q4_K_M.gguf"}},
		{"org/two:Q8_0", ErrQuant, []string{"no Q8_0", "it has Q4_K_M"}},
		{"org/two:c.gguf", ErrQuant, []string{"no c.gguf"}},
		{"org/evil", ErrNoGGUF, nil},
		{"org/junk", ErrModel, []string{"not a GGUF file"}},
		{"org/nohash", ErrChecksum, []string{"no SHA-256"}},
		{"org/huge", ErrDiskSpace, []string{"not enough disk space", "TOOLSERVE_CACHE"}},
	}
	s := testStore(t, h)
	for _, tt := range tests {
		t.Run(tt.ref, func(t *testing.T) {
			_, err := s.Resolve(t.Context(), tt.ref, nil)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			for _, text := range tt.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
		})
	}
}

func TestNotAHub(t *testing.T) {
	h := newFakeHub(t, nil)
	h.api = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, "<html>It works!</html>")
		return true
	}
	_, err := testStore(t, h).Resolve(t.Context(), "org/m", nil)
	if !errors.Is(err, ErrNetwork) || !strings.Contains(err.Error(), "HF_ENDPOINT") {
		t.Errorf("error %v", err)
	}
	s := New(Options{Dir: t.TempDir(), Endpoint: "ftp://x", Getenv: func(string) string { return "" }})
	if _, err := s.Resolve(t.Context(), "org/m", nil); err == nil || !strings.Contains(err.Error(), "HF_ENDPOINT") {
		t.Errorf("bad endpoint: %v", err)
	}
}

func TestTokenStaysOnItsPort(t *testing.T) {
	content := model(t, 15, 1000)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
	// Both servers listen on 127.0.0.1: only the port tells them apart, as a sub-domain would.
	s := storeAt(t, h, t.TempDir(), map[string]string{"HF_TOKEN": "hf_secret"})
	mustResolve(t, s, "org/m") // serveCDN fails the test if it sees a token
	if h.count("/m.gguf") != 2 {
		t.Errorf("%d requests for the file", h.count("/m.gguf"))
	}
}

func TestTwoStoresFetchOnce(t *testing.T) {
	content := model(t, 15, 1<<20)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
	dir := t.TempDir()
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			s := storeAt(t, h, dir, nil)
			s.retries.sleep = sleep
			s.retries.lockPoll = 5 * time.Millisecond
			m, err := s.Resolve(t.Context(), "org/m", nil)
			if err != nil {
				t.Error(err)
				return
			}
			checkContent(t, m.Path, content)
		}()
	}
	group.Wait()
	if h.sent() != int64(len(content)) {
		t.Errorf("%d bytes were sent for a file of %d", h.sent(), len(content))
	}
}

// TestTwoProcessesFetchOnce does the same with processes, and kills one of them.
func TestTwoProcessesFetchOnce(t *testing.T) {
	if dir := os.Getenv("MODELSTORE_TEST_CHILD"); dir != "" {
		s := New(Options{Dir: dir})
		m, err := s.Resolve(t.Context(), "org/m", nil)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("RESOLVED", m.Path)
		return
	}
	content := model(t, 15, 1<<20)
	h := newFakeHub(t, map[string]map[string][]byte{"org/m": {"m.gguf": content}})
	dir := t.TempDir()
	half := make(chan struct{})
	var once sync.Once
	h.setFile(func(w http.ResponseWriter, r *http.Request, c []byte) bool {
		first := false
		once.Do(func() { first = true })
		if !first {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(c)))
		_, _ = w.Write(c[:len(c)/2])
		w.(http.Flusher).Flush()
		close(half)
		<-r.Context().Done()
		return true
	})
	child := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTwoProcessesFetchOnce$", "-test.v")
		cmd.Env = append(os.Environ(), "MODELSTORE_TEST_CHILD="+dir, "HF_ENDPOINT="+h.hub.URL, "GORACE=atexit_sleep_ms=0")
		return cmd
	}
	killed := child()
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	<-half
	second := child()
	out, err := second.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err != nil { // it waits for the lock that the first one holds
		t.Fatal(err)
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil || !strings.Contains(string(text), "RESOLVED") {
		t.Fatalf("second process: %v\n%s", err, text)
	}
	checkContent(t, filepath.Join(dir, "models", "org", "m", "m.gguf"), content)
}
