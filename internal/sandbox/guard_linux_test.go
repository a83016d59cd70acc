package sandbox

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/sandbox/orphan"
)

// stubbornFamily is a child with children of its own that ignore every request to end and hold no pipe.
const stubbornFamily = `
trap '' TERM HUP INT
for i in 1 2; do
	( trap '' TERM HUP INT; exec </dev/null >/dev/null 2>&1; while :; do sleep 600; done ) &
	echo $!
done
echo $$
while :; do sleep 600; done`

// runOwner is the child of these tests that starts a guarded family and waits to be killed.
func runOwner() {
	guard := orphan.New(orphan.Options{Dir: os.Getenv("TOOLSERVE_TEST_RUN_DIR")})
	spec := Spec{Path: "/bin/sh", Args: []string{"-c", stubbornFamily}, Env: MinimalEnv(os.Environ(), nil)}
	if os.Getenv("TOOLSERVE_TEST_CONFINED") != "" {
		spec.Confine = &Confinement{Read: []string{"/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"}, Write: []string{"/dev/null"}, PrivateTemp: true}
	}
	p, err := Start(spec, Options{Guard: guard})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	lines := bufio.NewScanner(p.Stdout())
	for range 3 {
		lines.Scan()
		fmt.Println(lines.Text())
	}
	fmt.Println(watcherOf(os.Getpid()))
	time.Sleep(time.Hour)
}

// watcherOf returns the watching shell of a process, or 0. It asks each process for its parent: the lists of the
// children of a process's threads miss one that passes from a thread that ends to another.
func watcherOf(parent int) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(stat), ") ") // behind the name: the state and the parent
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(parent) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		if strings.Contains(string(line), orphan.WatcherName) {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			return n
		}
	}
	return 0
}

// owned starts an owner and returns it, the processes of its family and its watcher.
func owned(t *testing.T, dir string) (owner *exec.Cmd, family []int, watcher int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	owner = exec.Command(self)
	owner.Env = append(os.Environ(), modeVariable+"=owner", "TOOLSERVE_TEST_RUN_DIR="+dir)
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { owner.Process.Kill(); owner.Wait() })
	lines := bufio.NewScanner(out)
	for range 4 {
		pid := 0
		if !lines.Scan() {
			t.Fatal("the owner said too little")
		}
		if _, err := fmt.Sscan(lines.Text(), &pid); err != nil {
			t.Fatalf("the owner said %q", lines.Text())
		}
		family = append(family, pid)
	}
	return owner, family[:3], family[3]
}

func gone(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(data), ") Z ")
}

func waitGone(t *testing.T, what string, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		for i := 0; !gone(pid); i++ {
			if i == 6000 {
				syscall.Kill(pid, syscall.SIGKILL)
				t.Errorf("%s: process %d is still there", what, pid)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestKilledOwnerLeavesNothing(t *testing.T) {
	owner, family, watcher := owned(t, "")
	if watcher == 0 {
		t.Fatal("nobody watches")
	}
	owner.Process.Kill()
	owner.Wait()
	waitGone(t, "after the owner was killed", append(family, watcher)...)
}

// TestReapAtNextStart kills the watcher too: what is left is found by its record.
func TestReapAtNextStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	owner, family, watcher := owned(t, dir)
	records, _ := filepath.Glob(filepath.Join(dir, "*.group"))
	if len(records) != 1 {
		t.Fatalf("the records are %v", records)
	}
	// While the owner lives, nobody touches its processes.
	orphan.New(orphan.Options{Dir: dir}).Close()
	syscall.Kill(watcher, syscall.SIGKILL)
	owner.Process.Kill()
	owner.Wait()
	waitGone(t, "by Pdeathsig", family[2])
	if gone(family[0]) || gone(family[1]) {
		t.Fatal("the family is gone without the reaper: the test tests nothing")
	}
	// A record that names others' processes kills none of them.
	text, err := os.ReadFile(records[0])
	if err != nil {
		t.Fatal(err)
	}
	forged := map[string]any{}
	if err := json.Unmarshal(text, &forged); err != nil {
		t.Fatal(err)
	}
	victim := exec.Command("sleep", "600")
	victim.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { victim.Process.Kill(); victim.Wait() }()
	forged["group"] = victim.Process.Pid
	data, _ := json.Marshal(forged)
	for name, content := range map[string]string{
		"1.group": string(data), "2.group": "{", "3.group": `{"group":-1,"owner":1,"token":"x"}`,
		"4.group": strings.Replace(string(text), `"boot":"`, `"boot":"other`, 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	orphan.New(orphan.Options{Dir: dir}).Close()
	waitGone(t, "after the next start", family...)
	if gone(victim.Process.Pid) {
		t.Error("a process of somebody else was killed")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// TestTempOfAKilledOwner kills the owner of a confined process: the next start removes its temporary files.
func TestTempOfAKilledOwner(t *testing.T) {
	needKernel(t)
	base, dir := t.TempDir(), filepath.Join(t.TempDir(), "run")
	t.Setenv("TMPDIR", base)
	t.Setenv("TOOLSERVE_TEST_CONFINED", "1")
	owner, _, _ := owned(t, dir)
	temp, _ := os.ReadDir(base)
	if len(temp) != 1 || !strings.HasPrefix(temp[0].Name(), "toolserve-") {
		t.Fatalf("temporary are %v", temp)
	}
	if err := os.WriteFile(filepath.Join(base, temp[0].Name(), "settings"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	orphan.New(orphan.Options{Dir: dir}).Close()
	if temp, _ := os.ReadDir(base); len(temp) != 1 {
		t.Fatal("it is removed while its owner lives")
	}
	owner.Process.Kill()
	owner.Wait()
	orphan.New(orphan.Options{Dir: dir}).Close()
	if temp, _ := os.ReadDir(base); len(temp) != 0 {
		t.Errorf("left are %v", temp)
	}
}

func TestGuardedProcessThatEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	guard := orphan.New(orphan.Options{Dir: dir})
	for range 20 {
		p, err := Start(Spec{Path: "/bin/sh", Args: []string{"-c", "echo $TOOLSERVE_GROUP; read x"}, Env: MinimalEnv(os.Environ(), nil)}, Options{Guard: guard})
		if err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(p.Stdout()).ReadString('\n')
		if want := strings.TrimPrefix(p.mark.Env(), "TOOLSERVE_GROUP="); strings.TrimSpace(line) != want || len(want) != 32 {
			t.Errorf("the process has the token %q", line)
		}
		if records, _ := os.ReadDir(dir); len(records) != 1 {
			t.Errorf("the records are %v", records)
		}
		p.Stop(Ladder{})
		if records, _ := os.ReadDir(dir); len(records) != 0 {
			t.Errorf("left are %v", records)
		}
	}
	if watcher := watcherOf(os.Getpid()); watcher == 0 {
		t.Error("nobody watches")
	} else {
		// One that was killed is replaced.
		syscall.Kill(watcher, syscall.SIGKILL)
		waitGone(t, "killed", watcher)
		p, err := Start(Spec{Path: "/bin/sh", Args: []string{"-c", "read x"}, Env: MinimalEnv(os.Environ(), nil)}, Options{Guard: guard})
		if err != nil {
			t.Fatal(err)
		}
		if again := watcherOf(os.Getpid()); again == 0 || again == watcher {
			t.Errorf("the watcher was %d and is %d", watcher, again)
		}
		p.Stop(Ladder{})
	}
	guard.Close()
	if watcher := watcherOf(os.Getpid()); watcher != 0 {
		t.Errorf("the watcher %d is left", watcher)
	}
}

func TestRunDirOfOthers(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o777)
	guard := orphan.New(orphan.Options{Dir: dir})
	p, err := Start(Spec{Path: "/bin/sh", Args: []string{"-c", "read x"}, Env: MinimalEnv(os.Environ(), nil)}, Options{Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("records are kept where everyone may write: %v", left)
	}
	p.Stop(Ladder{})
	guard.Close()
}
