package jinja_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// python is a running testdata/reference.py.
type python struct {
	in  *json.Encoder
	out *bufio.Scanner
}

// startPython starts a Python that has jinja2, or skips the test.
func startPython(t testing.TB) *python {
	t.Helper()
	p, reason := findPython(t)
	if p == nil {
		t.Skipf("no python3 with jinja2 (Debian: python3-jinja2): %v", reason)
	}
	return p
}

// findPython starts the first Python that has jinja2; it returns nil and the reason if none has.
func findPython(t testing.TB) (*python, error) {
	t.Helper()
	var reason error
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if reason = exec.Command(name, "-c", "import jinja2").Run(); reason == nil {
			return runPython(t, name), nil
		}
	}
	return nil, reason
}

func runPython(t testing.TB, name string) *python {
	t.Helper()
	cmd := exec.Command(name, "-W", "ignore", "testdata/reference.py")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("reference.py: %v", err)
		}
	})
	out := bufio.NewScanner(stdout)
	out.Buffer(nil, 64<<20)
	return &python{json.NewEncoder(stdin), out}
}

type pythonRequest struct {
	Template string          `json:"template"`
	Vars     json.RawMessage `json:"vars"`
	Repeat   int             `json:"repeat,omitempty"`
}

type pythonAnswer struct {
	cell
	Seconds float64 `json:"seconds"`
}

func (p *python) ask(t testing.TB, req pythonRequest) pythonAnswer {
	t.Helper()
	if err := p.in.Encode(req); err != nil {
		t.Fatal(err)
	}
	if !p.out.Scan() {
		t.Fatalf("reference.py ended: %v", p.out.Err())
	}
	var a pythonAnswer
	if err := json.Unmarshal(p.out.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAgainstPython renders random templates here and in Python. TOOLSERVE_TEST_TEMPLATES sets how many,
// TOOLSERVE_TEST_SEED from which seed.
func TestAgainstPython(t *testing.T) {
	p := startPython(t)
	count, seed := 300, uint64(1)
	if n, err := strconv.Atoi(os.Getenv("TOOLSERVE_TEST_TEMPLATES")); err == nil {
		count = n
	}
	if n, err := strconv.ParseUint(os.Getenv("TOOLSERVE_TEST_SEED"), 10, 64); err == nil {
		seed = n
	}
	rendered := 0
	for i := range count {
		g := &generator{r: rand.New(rand.NewPCG(seed, uint64(i)))}
		template := g.template()
		want := p.ask(t, pythonRequest{Template: template, Vars: json.RawMessage(generatorVars)})
		if want.Out != nil {
			rendered++
		}
		name := fmt.Sprintf("%d/%d", seed, i)
		if !t.Run(name, func(t *testing.T) { check(t, want.cell, template, []byte(generatorVars)) }) {
			t.Logf("%s is the template\n%s", name, template)
		}
	}
	if rendered < count/4 {
		t.Errorf("jinja2 renders only %d of %d templates: the generator makes too many errors", rendered, count)
	}
}
