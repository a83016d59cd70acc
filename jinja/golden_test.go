package jinja_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/toolserve/toolserve/jinja"
)

var update = flag.Bool("update", false, "write the error texts of testdata/*.txtar anew")

// golden is one case of a txtar file: NAME/in, or NAME/in.json where it has characters that a text file
// does not keep, and NAME/out or NAME/err.
type golden struct {
	name, in string
	out      *string
	// err is the section of the error, nil where a text is expected.
	err *txtar.File
}

func section(f *txtar.File) string {
	text := strings.TrimSuffix(string(f.Data), "\n")
	if strings.HasSuffix(f.Name, ".json") {
		var s string
		if err := json.Unmarshal(f.Data, &s); err != nil {
			panic(f.Name + ": " + err.Error())
		}
		return s
	}
	return text
}

func readGolden(t *testing.T, file string) (archive *txtar.Archive, vars []byte, cases []golden) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range archive.Files {
		f := &archive.Files[i]
		if f.Name == "ctx.json" {
			vars = f.Data
			continue
		}
		name, part := path.Split(strings.TrimSuffix(f.Name, ".json"))
		switch part {
		case "in":
			cases = append(cases, golden{name: path.Clean(name), in: section(f)})
		case "out":
			text := section(f)
			cases[len(cases)-1].out = &text
		case "err":
			cases[len(cases)-1].err = f
		default:
			t.Fatalf("%s: a section %s", file, f.Name)
		}
	}
	return archive, vars, cases
}

func goldenFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	return files
}

func TestGolden(t *testing.T) {
	for _, file := range goldenFiles(t) {
		archive, vars, cases := readGolden(t, file)
		for _, c := range cases {
			t.Run(path.Base(file)+"/"+c.name, func(t *testing.T) { checkGolden(t, c, vars) })
		}
		if *update {
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func checkGolden(t *testing.T, c golden, vars []byte) {
	got, err := render(c.in, vars)
	if c.err == nil {
		if err != nil {
			t.Fatal(err)
		}
		if got != *c.out {
			t.Errorf("differs\n%s", difference(got, *c.out))
		}
		return
	}
	if err == nil {
		t.Fatalf("rendered %q", got)
	}
	if *update {
		c.err.Data = []byte(err.Error() + "\n")
	}
	if want := section(c.err); err.Error() != want {
		t.Errorf("the error is\n%s, want\n%s", err, want)
	}
}

// TestGoldenAgainstPython asks jinja2 itself about the cases.
func TestGoldenAgainstPython(t *testing.T) {
	p := startPython(t)
	for _, file := range goldenFiles(t) {
		_, vars, cases := readGolden(t, file)
		for _, c := range cases {
			t.Run(path.Base(file)+"/"+c.name, func(t *testing.T) {
				a := p.ask(t, pythonRequest{Template: c.in, Vars: vars})
				if (a.Out == nil) != (c.out == nil) {
					t.Fatalf("jinja2 makes %v of it: %s", a.Out, a.Err)
				}
				if a.Out != nil && *a.Out != *c.out {
					t.Errorf("jinja2 differs\n%s", difference(*a.Out, *c.out))
				}
			})
		}
	}
}

// FuzzRender looks for panics and for renders that pass their limits.
func FuzzRender(f *testing.F) {
	f.Add("{% for m in messages %}{{ m.role }}{% endfor %}", `{"messages":[{"role":"user"}]}`)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := range archive.Files {
			if strings.HasSuffix(archive.Files[i].Name, "/in") {
				f.Add(section(&archive.Files[i]), `{"l":[1,2],"d":{"a":1},"s":"x","n":7}`)
			}
		}
	}
	limits := jinja.RenderOptions{Now: frozen, MaxOutput: 1 << 16, MaxMemory: 1 << 20, MaxSteps: 20_000, MaxDepth: 50}
	f.Fuzz(func(t *testing.T, source, vars string) {
		v, err := jinja.DecodeJSON([]byte(vars))
		if err != nil {
			return
		}
		d, ok := v.(*jinja.Dict)
		if !ok {
			return
		}
		for _, lenient := range []bool{false, true} {
			tmpl, err := jinja.CompileWith("fuzz", source, jinja.CompileOptions{Lenient: lenient})
			if err != nil {
				continue
			}
			text, err := tmpl.Render(d, limits)
			var e *jinja.Error
			if errors.As(err, &e) && e.Kind == jinja.Internal {
				t.Error(err)
			}
			if err == nil && len(text) > limits.MaxOutput {
				t.Errorf("%d bytes of output", len(text))
			}
		}
	})
}
