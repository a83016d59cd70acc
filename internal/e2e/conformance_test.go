package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/e2e/conformance"
)

// conformanceVariable makes the test binary a client of the conformance suite.
const conformanceVariable = "TOOLSERVE_E2E_CONFORMANCE"

// runConformanceClient plays the scenario that the suite names in the environment against the server whose
// address is the last argument.
func runConformanceClient() int {
	err := conformance.Run(context.Background(), conformance.Options{
		Scenario: os.Getenv("MCP_CONFORMANCE_SCENARIO"), Context: os.Getenv("MCP_CONFORMANCE_CONTEXT"),
		URL: os.Args[len(os.Args)-1], Log: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, clientFailed+err.Error())
		return 1
	}
	return 0
}

// clientFailed begins the last line of a client that could not do what a scenario wants.
const clientFailed = "the conformance client failed: "

// mustRefuse are the scenarios whose server has to be refused, or refuses for good.
func mustRefuse(scenario string) bool {
	return slices.Contains([]string{"auth/resource-mismatch", "auth/scope-retry-limit", "auth/iss-supported-missing", "auth/iss-wrong-issuer",
		"auth/iss-unexpected", "auth/iss-normalized", "auth/metadata-issuer-mismatch"}, scenario)
}

// TestConformance runs the official suite in client mode through the host. The variables name the folders
// node_modules that hold node 22 and the suite.
func TestConformance(t *testing.T) {
	for _, suite := range []struct {
		name, variable string
		arguments      []string
	}{
		{"0.1.16", "TOOLSERVE_TEST_CONFORMANCE", []string{"--suite", "all"}},
		{"0.2.0-alpha.12", "TOOLSERVE_TEST_CONFORMANCE_NEXT", []string{"--requirements", "2026-07-28"}},
	} {
		t.Run(suite.name, func(t *testing.T) {
			needs(t, suite.variable)
			runConformance(t, os.Getenv(suite.variable), suite.name, suite.arguments)
		})
	}
}

func runConformance(t *testing.T, modules, version string, arguments []string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	arguments = append([]string{filepath.Join(modules, "@modelcontextprotocol/conformance/dist/index.js"), "client",
		"--command", self, "--timeout", "90000", "-o", dir}, arguments...)
	cmd := exec.CommandContext(t.Context(), filepath.Join(modules, ".bin/node"), arguments...)
	cmd.Env = append(os.Environ(), conformanceVariable+"=1")
	output, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	expected := baseline(t, version)
	scenarios := checks(t, dir)
	if len(scenarios) < 20 {
		t.Fatalf("the suite ran %d scenarios only:\n%s", len(scenarios), output)
	}
	passedScenarios, passed, total := 0, 0, 0
	for _, s := range scenarios {
		passed, total = passed+s.passed, total+s.passed+len(s.bad)
		if failed := strings.Contains(s.stderr, clientFailed); failed != mustRefuse(s.name) {
			t.Errorf("%s: the client failed: %t, want %t\n%s", s.name, failed, mustRefuse(s.name), s.stderr)
		}
		reason, known := expected[s.name]
		switch {
		case len(s.bad) == 0:
			passedScenarios++
			if known {
				t.Errorf("%s passes: take it out of the baseline", s.name)
			}
		case !known:
			t.Errorf("%s:\n  %s\n%s", s.name, strings.Join(s.bad, "\n  "), s.stderr)
		default:
			t.Logf("%s fails as expected (%s): %s", s.name, reason, strings.Join(s.bad, "; "))
		}
		delete(expected, s.name)
	}
	for name := range expected {
		t.Errorf("the baseline names %s, which the suite does not run", name)
	}
	t.Logf("conformance %s: %d of %d scenarios, %d of %d checks", version, passedScenarios, len(scenarios), passed, total)
}

// retryTiming is the check that a client waits as long as the server asks before it connects again. Too early, or
// later than twice that, is a failure; in between it warns, where the machine had other work.
const retryTiming = "client-sse-retry-timing"

// scenario is the outcome of one scenario.
type scenario struct {
	name   string
	passed int
	bad    []string // failures and warnings
	stderr string
}

// checks reads what the suite wrote of each scenario: a folder client-<scenario>-<time> with checks.json.
func checks(t *testing.T, dir string) []scenario {
	t.Helper()
	var scenarios []scenario
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.Name() != "checks.json" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var list []struct{ ID, Status, Description, ErrorMessage string }
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
		folder := filepath.Dir(path)
		name, err := filepath.Rel(dir, folder)
		if err != nil {
			return err
		}
		s := scenario{name: scenarioName(filepath.ToSlash(name))}
		stderr, _ := os.ReadFile(filepath.Join(folder, "stderr.txt"))
		s.stderr = string(stderr)
		for _, check := range list {
			switch {
			case check.Status == "SUCCESS", check.Status == "WARNING" && check.ID == retryTiming:
				s.passed++
			case check.Status == "FAILURE", check.Status == "WARNING":
				s.bad = append(s.bad, strings.TrimSpace(check.Status+" "+check.ID+": "+check.Description+" "+check.ErrorMessage))
			}
		}
		scenarios = append(scenarios, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(scenarios, func(a, b scenario) int { return strings.Compare(a.name, b.name) })
	return scenarios
}

// scenarioName takes the time off the name of a folder: "-2026-11-22T20-20-29-203Z" and the like.
func scenarioName(folder string) string {
	folder = regexp.MustCompile(`-\d{4}-\d{2}-\d{2}T[\dZ-]*$`).ReplaceAllString(folder, "")
	return strings.TrimPrefix(strings.TrimPrefix(folder, "client-"), "server-")
}

// TestScenarioName has times whose parts look like the beginning of a year.
func TestScenarioName(t *testing.T) {
	for _, folder := range []string{"client-auth/x-y-2026-11-22T20-20-20-203Z", "server-auth/x-y-2026-01-20T00-00-00-000Z", "client-auth/x-y-2026-11-22T20-26-29", "auth/x-y"} {
		if got := scenarioName(folder); got != "auth/x-y" {
			t.Errorf("%s is of the scenario %s", folder, got)
		}
	}
}

// baseline reads what is known to fail: lines of version, scenario and reason.
func baseline(t *testing.T, version string) map[string]string {
	t.Helper()
	file, err := os.Open("testdata/conformance-baseline.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	known := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 3 {
			t.Fatalf("conformance-baseline.txt: %q is not version, scenario and reason", line)
		}
		if fields[0] == version {
			known[fields[1]] = strings.Join(fields[2:], " ")
		}
	}
	return known
}
