package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/policy"
)

// TestLongValues holds values that are long in front of what they are refused for, or behind it.
func TestLongValues(t *testing.T) {
	gate, err := policy.NewGate(policy.ToolRules{})
	if err != nil {
		t.Fatal(err)
	}
	long := func(s string) string { return strings.Repeat(s, 5000) }
	for _, value := range []string{
		"http://" + long("a") + "@169.254.169.254/",
		"http:" + long("/") + "169.254.169.254/",
		"http:" + long("\n") + "//169.254.169.254/",
		long("jar:") + "http://169.254.169.254/",
		"fi\nle:///etc/passwd?" + long("a"),
	} {
		arguments, err := json.Marshal(map[string]string{"source": value})
		if err != nil {
			t.Fatal(err)
		}
		d := gate.Decide(policy.Call{Server: "web", Tool: "get", Arguments: arguments})
		if d.Action != policy.Deny || d.Code != policy.CodeArgument {
			t.Errorf("%.20q... of %d bytes: %s %s", value, len(value), d.Action, d.Reason)
		}
	}
}

func TestPathsThatAreLookedUp(t *testing.T) {
	looked := 0
	gate, err := policy.NewGate(policy.ToolRules{Roots: []string{"/srv/a", "/srv/b"}, ResolvePath: func(p string) (string, error) {
		looked++
		return p, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	decide := func(n int) policy.Decision {
		paths := make([]string, n)
		for i := range paths {
			paths[i] = fmt.Sprintf("x%d/{a,b}", i)
		}
		arguments, err := json.Marshal(map[string][]string{"paths": paths})
		if err != nil {
			t.Fatal(err)
		}
		looked = 0
		return gate.Decide(policy.Call{Server: "files", Tool: "read", Arguments: arguments})
	}
	if d := decide(1000); d.Action != policy.Allow {
		t.Errorf("1000 paths: %s %s", d.Action, d.Reason)
	}
	if d := decide(20_000); d.Action != policy.Deny || !strings.Contains(d.Reason, "more paths than can be judged") || looked > 11_000 {
		t.Errorf("20000 paths, %d looked up: %s %s", looked, d.Action, d.Reason)
	}
}
