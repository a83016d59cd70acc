package policy

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestLaunchLines(t *testing.T) {
	f, err := os.Open("testdata/launch.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		want, rest, _ := strings.Cut(line, " ")
		var words []string
		if err := json.Unmarshal([]byte(rest), &words); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		v := (&LaunchRules{}).CheckServer(ServerSpec{Name: "x", Command: words[0], Args: words[1:]})
		got := string(v.Code)
		if v.Allowed {
			got = "allow"
		}
		if got != want && (want != "refuse" || v.Allowed) {
			t.Errorf("line %d: %q: %s, want %s (%s)", n, words, got, want, v.Reason)
		}
		if !v.Allowed && !strings.HasPrefix(v.Reason, "MCP server 'x': ") {
			t.Errorf("line %d: reason %q does not begin with the server's name", n, v.Reason)
		}
	}
}
