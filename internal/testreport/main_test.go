package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// source is what stands at the places of the recorded tests.
func source(_, file string, line int) string {
	switch {
	case file == "a_test.go" && line == 5, file == "harness_test.go":
		return `	t.Logf("log of the server:\n%s", text)`
	case file == "a_test.go":
		return `	t.Errorf("got %d", got)`
	}
	return ""
}

// events makes the events of a package's tests of lines "test: output" and "test! pass", fail or skip.
func events(pkg string, lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		e := event{Package: pkg, Elapsed: 1.25}
		if test, action, ok := strings.Cut(line, "! "); ok {
			e.Test, e.Action = test, action
		} else {
			test, output, _ := strings.Cut(line, "|")
			e.Test, e.Output, e.Action = test, output+"\n", "output"
		}
		data, _ := json.Marshal(e)
		b.Write(append(data, '\n'))
	}
	return b.String()
}

func reported(t *testing.T, input string) (text string, failed int) {
	t.Helper()
	var out strings.Builder
	r := newReport(&out, source)
	if err := r.read(strings.NewReader(input)); err != nil {
		t.Fatal(err)
	}
	failed = r.finish()
	return out.String(), failed
}

func TestReport(t *testing.T) {
	var long []string
	for range 2 * maxLog {
		long = append(long, "TestBad/in|    level=INFO msg=request")
	}
	input := events("github.com/a/m/x", append(append([]string{
		"TestGood|=== RUN   TestGood", "TestGood|    a_test.go:9: never shown", "TestGood! pass",
		"TestNo|=== RUN   TestNo", "TestNo|    a_test.go:7: NPX is not set", "TestNo|--- SKIP: TestNo (0.00s)", "TestNo! skip",
		"TestBad|=== RUN   TestBad", "TestBad/in|=== RUN   TestBad/in", "TestBad/in|    a_test.go:5: the answer: {}",
		"TestBad/in|        and more of it",
	}, long...),
		"TestBad/in|    a_test.go:6: got 7", "TestBad/in|        want 8", "TestBad/in|    level=INFO msg=last",
		"TestBad/in|    harness_test.go:1: log of the server:", "TestBad/in|        "+strings.Repeat("x", 2*maxLine),
		"TestBad/in|    --- FAIL: TestBad/in (1.25s)", "TestBad/in! fail", "TestBad|--- FAIL: TestBad (1.25s)", "TestBad! fail",
		"TestRace|==================", "TestRace|WARNING: DATA RACE", "TestRace|  m.f()", "TestRace|==================", "TestRace! fail",
		"TestHangs|=== RUN   TestHangs", "TestHangs|panic: test timed out after 1s", "TestHangs|goroutine 1 [running]:", "! fail")...)
	text, failed := reported(t, input+events("m/y", "! pass")+"not an event\n")
	const want = `== failed
-- x TestBad/in (1.2s)
    a_test.go:6: got 7
        want 8
    the end of its log, of 55 lines:
`
	for _, part := range []string{want, "\n-- x TestRace (1.2s)\nWARNING: DATA RACE\n  m.f()\n", "\n-- x TestHangs (1.2s)\nit did not end\npanic: test timed out after 1s\n",
		"FAIL github.com/a/m/x 1.2s\nok   m/y 1.2s\n", "   x TestNo: a_test.go:7: NPX is not set\n", "not an event\n", "msg=last\n",
		" (and 1008 bytes more)\n", "\nFAILED x TestBad/in\nFAILED x TestRace\nFAILED x TestHangs\n1 passed, 3 failed, 1 skipped\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	if failed != 3 || strings.Contains(text, "never shown") || strings.Count(text, "\n") > 60 {
		t.Errorf("%d failed:\n%s", failed, text)
	}
}

// TestWithoutTests has packages that fail before, behind and beside their tests.
func TestWithoutTests(t *testing.T) {
	built := `{"ImportPath":"m/x [m/x.test]","Action":"build-output","Output":"x/a.go:1:2: undefined: y\n"}
{"ImportPath":"m/x [m/x.test]","Action":"build-fail"}
`
	text, failed := reported(t, built+events("m/x", "! fail")+events("m/z", "|goleak: found a goroutine", "! fail")+events("m/none", "! skip"))
	if failed != 2 || !strings.Contains(text, "x/a.go:1:2: undefined: y\n") || !strings.Contains(text, "-- m/z  (1.2s)\ngoleak: found a goroutine\n") || strings.Contains(text, "m/none") {
		t.Errorf("%d failed:\n%s", failed, text)
	}
	if text, failed = reported(t, ""); failed != 0 || text != "== skipped, and why\n   nothing\n0 passed, 0 failed, 0 skipped\n" {
		t.Errorf("of nothing: %d, %q", failed, text)
	}
}
