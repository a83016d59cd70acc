//go:build unix

package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// modeVariable makes the test binary run as a child that behaves as its value says.
const modeVariable = "TOOLSERVE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(modeVariable) {
	case "":
		goleak.VerifyTestMain(m)
	case "attempts":
		runAttempts()
	case "owner":
		runOwner()
	case "echo":
		io.Copy(os.Stdout, os.Stdin)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "orphan":
		child := exec.Command("sleep", "600")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			os.Exit(1)
		}
		fmt.Println(child.Process.Pid)
		os.Exit(4)
	case "chatty":
		for i := range 100 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 100_000))
		fmt.Fprint(os.Stderr, "last")
	}
}

func startChild(t *testing.T, mode string, opts Options) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(Spec{Path: self, Env: MinimalEnv(os.Environ(), map[string]string{modeVariable: mode})}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(Ladder{CloseWait: time.Millisecond, TermWait: time.Millisecond}) })
	return p
}

func TestStopByClosingInput(t *testing.T) {
	p := startChild(t, "echo", Options{})
	if _, err := p.Stdin().WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(p.Stdout()).ReadString('\n')
	if err != nil || line != "hello\n" {
		t.Errorf("read %q, %v", line, err)
	}
	if got := p.ExitText(); got != "" {
		t.Errorf("while it runs ExitText is %q", got)
	}
	p.Stop(Ladder{CloseWait: time.Minute})
	if got := p.ExitText(); got != "exit status 0" {
		t.Errorf("it ended with %q", got)
	}
	p.Stop(Ladder{})
}

func TestStopByKilling(t *testing.T) {
	p := startChild(t, "stubborn", Options{})
	if _, err := bufio.NewReader(p.Stdout()).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p.Stop(Ladder{CloseWait: 10 * time.Millisecond, TermWait: 10 * time.Millisecond})
	if got := p.ExitText(); got != "signal: killed" {
		t.Errorf("it ended with %q", got)
	}
}

func TestGroupEndsWithItsLeader(t *testing.T) {
	p := startChild(t, "orphan", Options{})
	line, err := bufio.NewReader(p.Stdout()).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if got := p.ExitText(); got != "exit status 4" {
		t.Errorf("the leader ended with %q", got)
	}
	for syscall.Kill(orphan, 0) == nil {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", orphan))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		time.Sleep(time.Millisecond)
	}
}

func TestStderrIsKept(t *testing.T) {
	var seen int
	p := startChild(t, "chatty", Options{StderrLines: 3, OnStderr: func(string) { seen++ }})
	<-p.Exited()
	lines := p.Stderr()
	if len(lines) != 3 || lines[0] != "line 99" || len(lines[1]) != maxStderrLine || lines[2] != "last" {
		t.Errorf("kept %d lines: %.200q", len(lines), lines)
	}
	if seen != 102 {
		t.Errorf("told of %d lines, want 102", seen)
	}
}

func TestStartFails(t *testing.T) {
	for _, path := range []string{"", "no-such-program-anywhere", "/etc/passwd"} {
		if p, err := Start(Spec{Path: path}, Options{}); err == nil {
			p.Stop(Ladder{})
			t.Errorf("%q was started", path)
		}
	}
}

func TestMinimalEnv(t *testing.T) {
	environ := []string{"PATH=/bin", "HOME=/home/u", "AWS_SECRET=x", "LC_ALL=C", "broken", "=x", "NODE_OPTIONS=--require=evil"}
	got := MinimalEnv(environ, map[string]string{"HOME": "/tmp", "TOKEN": "t"})
	want := []string{"HOME=/tmp", "LC_ALL=C", "PATH=/bin", "TOKEN=t"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
