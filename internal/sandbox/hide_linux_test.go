package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

// private makes a folder with files of a server's and some that are none of its.
func private(t *testing.T) (dir string, hide []string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"server.py", "mcp.json", "lib/mod.py", "lib/.env", "keys/k", "elsewhere/real.json"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for to, from := range map[string]string{"elsewhere/real.json": "linked.json", "../mcp.json": "elsewhere/way-back", "/etc/hostname": "out"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"mcp.json", "mcp.lock.json", "lib/.env", "keys", "linked.json"} {
		hide = append(hide, filepath.Join(dir, name))
	}
	return dir, hide
}

// waysIn are how a process could get at what is hidden.
func waysIn(dir string) map[string]attempt {
	return map[string]attempt{
		"read it": {"read", dir + "/mcp.json"}, "read it by ..": {"read", dir + "/lib/../mcp.json"}, "read one beneath": {"read", dir + "/lib/.env"},
		"read a folder's": {"read", dir + "/keys/k"}, "read what a link leads to": {"read", dir + "/elsewhere/real.json"},
		"read by the link": {"read", dir + "/linked.json"}, "read by another link": {"read", dir + "/elsewhere/way-back"},
		"write it": {"write", dir + "/mcp.json"}, "empty it": {"truncate", dir + "/mcp.json"}, "remove it": {"remove", dir + "/mcp.json"},
		"move it": {"rename", dir + "/mcp.json", dir + "/x"}, "move another over it": {"rename", dir + "/server.py", dir + "/mcp.json"},
		"link to it": {"link", dir + "/mcp.json", dir + "/y"}, "change its mode": {"chmod", dir + "/mcp.json"}, "date it": {"utimes", dir + "/mcp.json"},
		"remove a folder": {"remove", dir + "/keys"}, "write into a folder": {"write", dir + "/keys/new"}, "uncover it": {"umount", dir + "/mcp.json"},
		"read by a shell": {"shell", "cat " + dir + "/mcp.json"}, "read a link that leads out": {"read", dir + "/out"},
	}
}

func TestHiddenBeneathRead(t *testing.T) {
	needKernel(t)
	dir, hide := private(t)
	c := confinement(t)
	c.Read, c.Hide, c.Require = append(c.Read, dir), hide, true
	denied := waysIn(dir)
	denied["make one that is still to be made"] = attempt{"write", dir + "/mcp.lock.json"}
	check(t, c, map[string]attempt{
		"read what lies beside": {"read", dir + "/server.py"}, "read beneath": {"read", dir + "/lib/mod.py"}, "list": {"list", dir}, "list beneath": {"list", dir + "/lib"},
	}, denied)
	// Another file in its place is hidden too, and what is granted by its name is not.
	c.Read = append(c.Read, dir+"/lib/.env")
	replace(t, dir+"/mcp.json")
	check(t, c, map[string]attempt{"read what is named": {"read", dir + "/lib/.env"}}, map[string]attempt{"read the new one": {"read", dir + "/mcp.json"}})
}

// TestReplacedWhileItRuns puts another file into the place of a hidden one while a process runs that may read the
// folder.
func TestReplacedWhileItRuns(t *testing.T) {
	needKernel(t)
	dir, hide := private(t)
	c := confinement(t)
	c.Read, c.Write, c.Hide = append(c.Read, dir), append(c.Write, dir+"/elsewhere"), hide
	p, err := Start(Spec{Path: "/bin/sh", Args: []string{"-c", "echo; read x; cat " + dir + "/mcp.json && echo it did"}, Confine: c}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(Ladder{})
	if _, err := p.Stdout().Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	replace(t, dir+"/mcp.json")
	p.Stdin().WriteString("\n")
	<-p.Exited()
	if got := p.ExitText(); got != "exit status 1" {
		t.Errorf("%s: %q", got, p.Stderr())
	}
}

func replace(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestHiddenBeneathWrite(t *testing.T) {
	needKernel(t)
	dir, hide := private(t)
	c := confinement(t)
	c.Write, c.Hide, c.Require = append(c.Write, dir), hide, true
	check(t, c, map[string]attempt{
		"write beside": {"write", dir + "/new"}, "read beneath": {"read", dir + "/lib/mod.py"}, "list": {"list", dir}, "write beneath": {"write", dir + "/lib/new"},
	}, nil)
	// What covers them cannot be opened, and a mount point is busy.
	for name, result := range try(t, c, waysIn(dir)) {
		if result == "ok" {
			t.Errorf("%s: it did", name)
		}
	}
	for _, name := range []string{"mcp.json", "lib/.env", "keys/k", "elsewhere/real.json"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != "content" {
			t.Errorf("%s holds %q, %v", name, data, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "keys")); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}
