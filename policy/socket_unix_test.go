//go:build unix

package policy

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"mcp.sock", "docker.sock"} {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
	os.Symlink("docker.sock", filepath.Join(dir, "harmless.sock"))
	os.Symlink("mcp.sock", filepath.Join(dir, "link.sock"))
	rules := LaunchRules{Machine: LocalMachine()}
	for url, want := range map[string]string{
		"unix://" + dir + "/mcp.sock":         "",
		"unix://" + dir + "/mcp.sock#/mcp":    "",
		"unix://" + dir + "/link.sock":        "",
		"unix://" + dir + "/later.sock":       "",
		"unix://" + dir + "/file":             "no socket",
		"unix://" + dir + "/docker.sock":      "controls this machine",
		"unix://" + dir + "/harmless.sock":    "controls this machine",
		"unix:///var/run/docker.sock":         "controls this machine",
		"unix://" + dir + "/x/../mcp.sock":    "plain absolute path",
		"unix://host" + dir + "/mcp.sock":     "must be unix:///path",
		"unix://u:p@/x.sock":                  "must be unix:///path",
		"unix:mcp.sock":                       "must be unix:///path",
		"unix:///x.sock?a=b":                  "must be unix:///path",
		"unix:///x.sock#mcp":                  "no absolute path",
		"unix:///x.sock#/../etc":              "no absolute path",
		"unix:///" + strings.Repeat("x", 200): "longer than",
		"unix:///x%0ay.sock":                  "plain absolute path",
		"unix:///":                            "no socket",
		"unix://":                             "plain absolute path",
		"pipe:///pipe/mcp":                    "scheme",
	} {
		v := rules.CheckServer(ServerSpec{Name: "s", URL: url})
		if want == "" && !v.Allowed || want != "" && (v.Allowed || !strings.Contains(v.Reason, want)) {
			t.Errorf("%s: %+v, want %q", url, v, want)
		}
	}
	rules.AllowedHosts = []string{dir + "/docker.sock"}
	if err := rules.CheckSocket(dir + "/docker.sock"); err != nil {
		t.Error(err)
	}
	if err := rules.CheckSocket(dir + "/later.sock"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestSocketOfAnotherUser looks at files that are none of ours.
func TestSocketOfAnotherUser(t *testing.T) {
	rules := LaunchRules{Machine: foreignSocket{LocalMachine()}}
	if err := rules.CheckSocket("/x.sock"); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Error(err)
	}
}

type foreignSocket struct{ Machine }

func (foreignSocket) Stat(p string) (FileInfo, error) {
	return FileInfo{Path: p, Mode: fs.ModeSocket, Foreign: true}, nil
}
