package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// needsPython returns a Python that has the packages, or skips the test.
func needsPython(t *testing.T, packages ...string) string {
	t.Helper()
	python := os.Getenv("TOOLSERVE_TEST_PYTHON")
	if python == "" {
		python = "python3"
	}
	for _, name := range packages {
		if err := exec.Command(python, "-c", "import "+name).Run(); err != nil {
			t.Skipf("%s has no package %s; TOOLSERVE_TEST_PYTHON names another Python", python, name)
		}
	}
	return python
}

// TestOpenAIPython drives the server with the openai package of PyPI.
func TestOpenAIPython(t *testing.T) {
	needsModel(t)
	python := needsPython(t, "openai")
	s := serve(t, 0)
	cmd := exec.CommandContext(t.Context(), python, "testdata/openai_client.py", s.url)
	output, err := cmd.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}

// TestOpenAINode drives the server with the openai package of npm.
func TestOpenAINode(t *testing.T) {
	needsModel(t)
	needs(t, "TOOLSERVE_TEST_NODE_MODULES")
	script := nodeScript(t, "openai_client.mjs")
	s := serve(t, 0)
	output, err := exec.CommandContext(t.Context(), "node", script, s.url).CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}

// nodeScript puts a script of testdata beside the packages that it imports, where Node looks for them.
func nodeScript(t *testing.T, name string) string {
	t.Helper()
	return scriptBeside(t, name, os.Getenv("TOOLSERVE_TEST_NODE_MODULES"))
}

func scriptBeside(t *testing.T, name, modules string) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return path
}
