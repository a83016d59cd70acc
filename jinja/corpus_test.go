package jinja_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/jinja"
)

// corpusDir returns the folder of real chat templates and what jinja2 makes of them. They belong to
// their models' authors, so they are not part of this repository.
func corpusDir(t testing.TB) string {
	dir := os.Getenv("TOOLSERVE_TEMPLATE_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "chat-templates")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of chat templates: set TOOLSERVE_TEMPLATE_CORPUS to its folder (%v)", err)
	}
	return dir
}

// cell is what jinja2 made of a template and its variables.
type cell struct {
	Out *string `json:"out"`
	Err string  `json:"err"`
}

func frozen() time.Time { return time.Date(2026, 1, 5, 9, 7, 3, 0, time.UTC) }

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// check compares one render with what jinja2 made.
func check(t *testing.T, want cell, template string, vars []byte) {
	t.Helper()
	got, err := render(template, vars)
	switch {
	case want.Out == nil && err == nil:
		t.Errorf("rendered %.80q, jinja2 refuses: %s", got, want.Err)
	case want.Out != nil && err != nil:
		t.Errorf("refused: %v", err)
	case want.Out != nil && got != *want.Out:
		t.Errorf("differs\n%s", difference(got, *want.Out))
	}
	if err != nil && !errors.As(err, new(*jinja.Error)) {
		t.Errorf("the error is a %T", err)
	}
}

func render(template string, vars []byte) (string, error) {
	tmpl, err := jinja.Compile("test", template)
	if err != nil {
		return "", err
	}
	v, err := jinja.DecodeJSON(vars)
	if err != nil {
		return "", err
	}
	return tmpl.Render(v.(*jinja.Dict), jinja.RenderOptions{Now: frozen})
}

// difference shows where two texts part.
func difference(got, want string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	window := func(s string) string { return s[max(0, i-60):min(len(s), i+60)] }
	return "got  " + strings.ReplaceAll(window(got), "\n", "\\n") +
		"\nwant " + strings.ReplaceAll(window(want), "\n", "\\n")
}

func TestCorpus(t *testing.T) {
	dir := corpusDir(t)
	var conversations []struct {
		Name string
		Vars json.RawMessage
	}
	readJSON(t, filepath.Join(dir, "conversations.json"), &conversations)
	cells := map[string]cell{}
	readJSON(t, filepath.Join(dir, "rendered.json"), &cells)
	templates, err := filepath.Glob(filepath.Join(dir, "templates", "*.jinja"))
	if err != nil || len(templates) == 0 {
		t.Fatalf("no templates in %s: %v", dir, err)
	}
	for _, path := range templates {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range conversations {
			key := filepath.Base(path) + "|" + c.Name
			t.Run(key, func(t *testing.T) {
				want, ok := cells[key]
				if !ok {
					t.Fatal("no such cell")
				}
				check(t, want, string(source), c.Vars)
			})
		}
	}
}

// probeVars are the variables that the probes of the corpus were rendered with.
const probeVars = `{"u": "héllo wörld", "d": {"z": 1, "a": [1, 2, {"k": "v"}], "n": null, "t": true},
"l": [3, 1, 2], "s": "  pad  ", "none_v": null, "f": 2.0, "e": [], "eos_token": "</s>",
"msgs": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}`

func TestProbes(t *testing.T) {
	dir := corpusDir(t)
	var probes [][2]string
	readJSON(t, filepath.Join(dir, "probes.json"), &probes)
	cells := map[string]cell{}
	readJSON(t, filepath.Join(dir, "probes-rendered.json"), &cells)
	for _, p := range probes {
		t.Run(p[0], func(t *testing.T) { check(t, cells[p[0]], p[1], []byte(probeVars)) })
	}
}
