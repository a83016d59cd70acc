package orphan

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// left writes the record of a group whose owner is dead.
func left(t *testing.T, dir string, r record) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	r.Owner, r.OwnerStart = dead.Process.Pid, 1
	if r.Group == 0 {
		r.Group = dead.Process.Pid
	}
	if r.Boot == "" {
		r.Boot, _ = bootID()
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordPath(dir, r.Group), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFoldersOfDeadOwners(t *testing.T) {
	mark := (&Guard{failed: true}).Prepare()
	name := strings.TrimSuffix(mark.TempName(), "*")
	for what, c := range map[string]struct {
		// prepare makes what the record names in a folder, and returns its path.
		prepare func(base, victim string) string
		boot    string
		stays   bool
	}{
		"as it was left": {prepare: func(base, victim string) string {
			dir := filepath.Join(base, name+"1")
			os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700)
			os.WriteFile(filepath.Join(dir, "a", "file"), nil, 0o400)
			os.Symlink(victim, filepath.Join(dir, "a", "link"))
			return dir
		}},
		"of another boot": {boot: "other", prepare: func(base, _ string) string {
			dir := filepath.Join(base, name+"2")
			os.Mkdir(dir, 0o700)
			return dir
		}},
		"a link in its place": {stays: true, prepare: func(base, victim string) string {
			dir := filepath.Join(base, name+"3")
			os.Symlink(victim, dir)
			return dir
		}},
		"a file in its place": {stays: true, prepare: func(base, _ string) string {
			dir := filepath.Join(base, name+"4")
			os.WriteFile(dir, nil, 0o600)
			return dir
		}},
		"a folder of another group": {stays: true, prepare: func(base, _ string) string {
			dir := filepath.Join(base, tempPrefix+"0123456789abcdef-5")
			os.Mkdir(dir, 0o700)
			return dir
		}},
		"another folder": {stays: true, prepare: func(_, victim string) string { return victim }},
		"a way up": {stays: true, prepare: func(base, victim string) string {
			os.Mkdir(filepath.Join(base, name+"6"), 0o700)
			return filepath.Join(base, name+"6") + "/../" + filepath.Base(victim)
		}},
		"of another user": {stays: true, prepare: func(base, _ string) string {
			dir := filepath.Join(base, name+"7")
			os.Mkdir(dir, 0o700)
			if os.Chown(dir, 12345, 12345) != nil {
				os.Remove(dir) // only root can make it
				os.WriteFile(dir, nil, 0o600)
			}
			return dir
		}},
	} {
		t.Run(what, func(t *testing.T) {
			base := t.TempDir()
			victim := filepath.Join(base, "victim")
			if err := os.Mkdir(victim, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(victim, "kept"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			run := filepath.Join(base, "run")
			path := c.prepare(base, victim)
			left(t, run, record{Token: mark.token, Temp: path, Boot: c.boot})
			New(Options{Dir: run}).Close()
			if _, err := os.Lstat(path); (err == nil) != c.stays {
				t.Errorf("%s is left: %v", path, err)
			}
			if _, err := os.Stat(filepath.Join(victim, "kept")); err != nil {
				t.Error(err)
			}
			if records, _ := os.ReadDir(run); len(records) != 0 {
				t.Errorf("records are left: %v", records)
			}
		})
	}
}

// daemon starts a process that carries a mark, in a group and session of its own.
func daemon(t *testing.T, mark Mark) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.Env = append(os.Environ(), mark.Env())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// wasKilled ends a process and reports whether it had been killed before.
func wasKilled(t *testing.T, cmd *exec.Cmd) bool {
	t.Helper()
	cmd.Process.Signal(syscall.SIGTERM)
	err := cmd.Wait()
	if err == nil {
		t.Fatal("it ended by itself")
	}
	return err.Error() == "signal: killed"
}

func TestSessionsOfDeadOwners(t *testing.T) {
	guard := &Guard{failed: true}
	for _, whole := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "run")
		mark := guard.Prepare()
		cmd, other := daemon(t, mark), daemon(t, guard.Prepare())
		left(t, dir, record{Token: mark.token, Whole: whole})
		New(Options{Dir: dir}).Close()
		if gone := wasKilled(t, cmd); gone != whole {
			t.Errorf("whole %v: it was killed: %v", whole, gone)
		}
		if wasKilled(t, other) {
			t.Errorf("whole %v: another group's process was killed", whole)
		}
	}
}

func TestSweep(t *testing.T) {
	guard := &Guard{failed: true}
	mark, other := guard.Prepare(), guard.Prepare()
	first, second, spared := daemon(t, mark), daemon(t, mark), daemon(t, other)
	if n := mark.Sweep(); n < 2 {
		t.Errorf("%d are killed", n)
	}
	if !wasKilled(t, first) || !wasKilled(t, second) {
		t.Error("a process is left")
	}
	if (Mark{}).Sweep() != 0 || wasKilled(t, spared) {
		t.Error("another group's process is killed")
	}
}
