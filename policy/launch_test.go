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

// TestImpostors wants a warning where a program is called like a known server and comes out of another package.
func TestImpostors(t *testing.T) {
	for line, warned := range map[string]bool{
		"uvx --from evil-pkg==1.0 mcp-server-git":                            true,
		"uvx --from git-mcp-server-fork==1.0 mcp-server-git":                 true,
		"pipx run --spec evil==1.0 mcp-server-git":                           true,
		"npx -p git-mcp-server@1.0.0 mcp-server-git":                         true,
		"uvx --from mcp-server-git==1.0 mcp-server-git":                      false,
		"uvx --from mcp_server_git==1.0 mcp-server-git":                      false,
		"npx -p @modelcontextprotocol/server-memory@1.0.0 mcp-server-memory": false,
		"uvx --from serena-agent==1.0 serena":                                false,
		"uvx --from some-files==1.0 files-mcp":                               false,
	} {
		words := strings.Fields(line)
		v := (&LaunchRules{}).CheckServer(ServerSpec{Name: "x", Command: words[0], Args: words[1:]})
		if !v.Allowed || strings.Contains(strings.Join(v.Warnings, "\n"), "comes out of another package") != warned {
			t.Errorf("%s: %+v", line, v)
		}
	}
}
