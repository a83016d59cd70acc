package modelstore

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const libDir = "package/bins/linux-x64/"

// tgz packs entries into an archive and returns its path and integrity.
func tgz(t *testing.T, entries ...tar.Header) (path, integrity string) {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	tw := tar.NewWriter(gz)
	for _, h := range entries {
		content := []byte("content of " + h.Name)
		h.Mode = 0o777
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = max(h.Size, int64(len(content)))
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := tw.Write(append(content, make([]byte, h.Size-int64(len(content)))...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "node-llama-cpp-linux-x64-3.22.1.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	h := sha512.Sum512(b.Bytes())
	return path, "sha512-" + base64.StdEncoding.EncodeToString(h[:])
}

func goodArchive(t *testing.T) (path, integrity string) {
	return tgz(t,
		tar.Header{Name: "package/package.json"},
		tar.Header{Name: libDir + "llama-addon.node"},
		tar.Header{Name: libDir + "libllama.v0.5.0.so"},
		tar.Header{Name: libDir + "libggml-cpu-x64.so"},
		tar.Header{Name: libDir + "fallback/libggml-cuda.so"},
		tar.Header{Name: libDir + "../../../libevil.so"},
		tar.Header{Name: "/libabsolute.so"},
	)
}

// engineStore returns a store for linux/amd64 that expects an archive of the given integrity.
func engineStore(t *testing.T, dir, integrity string) *Store {
	s := storeAt(t, nil, dir, nil)
	s.goos, s.goarch = "linux", "amd64"
	s.packages[0].integrity = integrity
	return s
}

func TestEngineIsFetchedOnce(t *testing.T) {
	archive, integrity := goodArchive(t)
	calls := programs(t, map[string]string{"npm": archive})
	dir := t.TempDir()
	s := engineStore(t, dir, integrity)
	if _, err := s.EngineInstalled("cpu"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	var phases []Phase
	e, err := s.EngineLibraries(t.Context(), "", func(p Progress) { phases = append(phases, p.Phase) })
	if err != nil {
		t.Fatal(err)
	}
	if e.Version != "v0.5.0" || e.Variant != "cpu" || e.Source != "@node-llama-cpp/linux-x64@3.22.1" || !e.Tested {
		t.Errorf("engine %+v", e)
	}
	entries, err := os.ReadDir(e.Dir)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{"libggml-cpu-x64.so", "libllama.v0.5.0.so", "manifest.json"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("unpacked %v, %v", names, err)
	}
	if !slices.Equal(phases, []Phase{PhaseDownload, PhaseUnpack}) {
		t.Errorf("phases %v", phases)
	}
	if info, err := os.Stat(e.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if found := leftovers(t, dir); found != nil {
		t.Errorf("left over: %v", found)
	}
	again, err := engineStore(t, dir, integrity).EngineLibraries(t.Context(), "cpu", nil)
	if err != nil || again != e || len(calls()) != 1 {
		t.Errorf("again: %+v, %v, calls %v", again, err, calls())
	}
	if v := s.EngineVariants(); len(v) != 3 || v[0].Name != "cpu" || !v[0].Installed || v[1].Installed || v[1].Tested {
		t.Errorf("variants %+v", v)
	}
}

func TestEngineFailures(t *testing.T) {
	archive, integrity := goodArchive(t)
	junk := filepath.Join(t.TempDir(), "junk.tgz")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	junkSum := sha512.Sum512([]byte("junk"))
	with := func(h ...tar.Header) (string, string) {
		return tgz(t, append(h, tar.Header{Name: libDir + "libllama.v0.5.0.so"})...)
	}
	link, linkSum := with(tar.Header{Name: libDir + "libggml.so", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
	hard, hardSum := with(tar.Header{Name: libDir + "libggml.so", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"})
	odd, oddSum := with(tar.Header{Name: libDir + "lib\x1b[31m.so"})
	twice, twiceSum := with(tar.Header{Name: libDir + "libllama.v0.5.0.so"})
	none, noneSum := tgz(t, tar.Header{Name: libDir + "libggml.so"})
	many, manySum := with(slices.Repeat([]tar.Header{{Name: "x"}}, maxEntries)...)
	tests := []struct {
		name      string
		programs  map[string]string
		integrity string
		want      error
		texts     []string
	}{
		{"no npm", nil, integrity, ErrTool, []string{"npm, which is not installed", "Node.js", "--engine-dir"}},
		{"npm fails", map[string]string{"npm": "fail:E404 no such package"}, integrity, ErrTool, []string{"npm failed: ERROR: E404 no such package", "--engine-dir"}},
		{"npm leaves nothing", map[string]string{"npm": ""}, integrity, ErrTool, []string{"0 archives"}},
		{"tampered", map[string]string{"npm": archive}, "sha512-AAAA", ErrChecksum, []string{"its hash is sha512-", "nothing of it was used"}},
		{"not gzip", map[string]string{"npm": junk}, "sha512-" + base64.StdEncoding.EncodeToString(junkSum[:]), ErrChecksum, []string{"gzip"}},
		{"link", map[string]string{"npm": link}, linkSum, ErrChecksum, []string{"not a plain file"}},
		{"hard link", map[string]string{"npm": hard}, hardSum, ErrChecksum, []string{"not a plain file"}},
		{"odd name", map[string]string{"npm": odd}, oddSum, ErrChecksum, []string{"odd name"}},
		{"twice", map[string]string{"npm": twice}, twiceSum, ErrUnusable, []string{"exists"}},
		{"no libllama", map[string]string{"npm": none}, noneSum, ErrChecksum, []string{"no libllama"}},
		{"too many entries", map[string]string{"npm": many}, manySum, ErrChecksum, []string{"entries"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			programs(t, tt.programs)
			s := engineStore(t, t.TempDir(), tt.integrity)
			_, err := s.EngineLibraries(t.Context(), "cpu", nil)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			for _, text := range tt.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
			if _, err := s.EngineInstalled("cpu"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something was installed: %v", err)
			}
			if found := leftovers(t, s.Dir()); found != nil {
				t.Errorf("left over: %v", found)
			}
		})
	}
}

func TestUnpackIsBounded(t *testing.T) {
	big, _ := tgz(t, tar.Header{Name: libDir + "libllama.so", Size: 3 << 20})
	hidden, _ := tgz(t, tar.Header{Name: "package/skipped.bin", Size: 3 << 20}, tar.Header{Name: libDir + "libllama.so"})
	for _, archive := range []string{big, hidden} {
		_, err := unpack(t.Context(), archive, strings.TrimSuffix(libDir, "/"), t.TempDir(), 1<<20)
		if !errors.Is(err, ErrChecksum) || !strings.Contains(err.Error(), "more than 1 MiB") {
			t.Errorf("error %v", err)
		}
	}
}

func TestChangedLibrariesAreRefused(t *testing.T) {
	archive, integrity := goodArchive(t)
	lib := "libggml-cpu-x64.so"
	write := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		change func(t *testing.T, dir string)
		text   string
	}{
		{"same size", write(lib, "CONTENT OF "+libDir+lib), "libggml-cpu-x64.so has been changed"},
		{"shorter", write(lib, "x"), "has 1 bytes instead of"},
		{"another library", write("libggml-evil.so", "x"), "libggml-evil.so is not part of the package"},
		{"no manifest", func(t *testing.T, dir string) { removeFile(t, filepath.Join(dir, manifestName)) }, "the manifest cannot be read"},
		{"empty manifest", write(manifestName, "{}"), "belongs to another package"},
		{"broken manifest", write(manifestName, "{"), "the manifest cannot be read"},
		{"missing", func(t *testing.T, dir string) { removeFile(t, filepath.Join(dir, lib)) }, "libggml-cpu-x64.so is missing"},
		{"link", func(t *testing.T, dir string) {
			removeFile(t, filepath.Join(dir, lib))
			if err := os.Symlink("libllama.v0.5.0.so", filepath.Join(dir, lib)); err != nil {
				t.Fatal(err)
			}
		}, "not a plain file"},
		{"open folder", func(t *testing.T, dir string) { chmod(t, dir, 0o777) }, "other accounts"},
		{"open parent", func(t *testing.T, dir string) { chmod(t, filepath.Dir(dir), 0o777) }, "other accounts"},
		{"open library", func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, lib), 0o666) }, "other accounts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			programs(t, map[string]string{"npm": archive})
			s := engineStore(t, t.TempDir(), integrity)
			e, err := s.EngineLibraries(t.Context(), "cpu", nil)
			if err != nil {
				t.Fatal(err)
			}
			tt.change(t, e.Dir)
			_, err = s.EngineLibraries(t.Context(), "cpu", nil)
			if !errors.Is(err, ErrTampered) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), "engine install") {
				t.Fatalf("error %v, want %q", err, tt.text)
			}
			chmod(t, filepath.Dir(e.Dir), 0o700)
			if _, err := s.InstallEngine(t.Context(), "cpu", nil); err != nil {
				t.Errorf("installed again: %v", err)
			}
		})
	}
}

func removeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestEngineForOtherPlatforms(t *testing.T) {
	s := storeAt(t, nil, t.TempDir(), nil)
	for _, tt := range []struct{ goos, goarch, variant, text string }{
		{"darwin", "arm64", "cpu", "no package carries llama.cpp v0.5.0 for darwin/arm64"},
		{"windows", "amd64", "", "windows/amd64"},
		{"linux", "arm", "auto", "linux/arm"},
		{"linux", "arm64", "cuda", `no variant "cuda" for linux/arm64; take cpu`},
		{"linux", "amd64", "metal", "take cpu or vulkan or cuda"},
	} {
		s.goos, s.goarch = tt.goos, tt.goarch
		_, err := s.EngineLibraries(t.Context(), tt.variant, nil)
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), "--engine-dir") {
			t.Errorf("%s/%s %s: %v", tt.goos, tt.goarch, tt.variant, err)
		}
	}
}

func TestEngineTableIsWhole(t *testing.T) {
	for _, p := range enginePackages() {
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.integrity, "sha512-"))
		if err != nil || len(sum) != sha512.Size || p.bytes == 0 {
			t.Errorf("%s: integrity of %d bytes, %v", p.platform, len(sum), err)
		}
	}
}

func TestSeveralStoresInstallOnce(t *testing.T) {
	archive, integrity := goodArchive(t)
	calls := programs(t, map[string]string{"npm": archive})
	dir := t.TempDir()
	var group sync.WaitGroup
	for range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			s := engineStore(t, dir, integrity)
			s.retries.sleep = sleep
			s.retries.lockPoll = 5 * time.Millisecond
			if _, err := s.EngineLibraries(t.Context(), "cpu", nil); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	if got := calls(); len(got) != 1 {
		t.Errorf("npm was called %d times: %v", len(got), got)
	}
}

// TestRealLibraries fetches the libraries of this platform with the npm of this machine.
func TestRealLibraries(t *testing.T) {
	if os.Getenv("TOOLSERVE_TEST_NPX") != "1" {
		t.Skip("TOOLSERVE_TEST_NPX=1 is not set: npm may not be used")
	}
	s := New(Options{Dir: t.TempDir()})
	if len(s.EngineVariants()) == 0 {
		t.Skip("there are no libraries for this platform")
	}
	e, err := s.EngineLibraries(t.Context(), "cpu", nil)
	if err != nil {
		t.Fatal(err)
	}
	libs, err := filepath.Glob(filepath.Join(e.Dir, "libllama.*"))
	if err != nil || len(libs) != 1 {
		t.Errorf("libraries %v, %v", libs, err)
	}
}
