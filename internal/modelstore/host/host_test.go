package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first, second := open(), open()
	if ok, err := TryLock(first); !ok || err != nil {
		t.Fatalf("first: %v, %v", ok, err)
	}
	if ok, err := TryLock(second); ok || err != nil {
		t.Fatalf("second: %v, %v", ok, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if ok, err := TryLock(second); !ok || err != nil {
		t.Fatalf("after the first closed: %v, %v", ok, err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRunReportsWhatTheProgramSaid(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs are shell scripts")
	}
	dir := t.TempDir()
	for name, script := range map[string]string{
		"good":  "exit 0",
		"quiet": "exit 3",
		"loud":  "echo start; echo 'npm \033[31merror code E404'; echo more; exit 1",
		"hangs": "sleep 60 & sleep 60",
		"huge":  "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exit 1",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, want := range map[string]string{
		"good": "", "quiet": "quiet failed: exit status 3", "loud": "loud failed: npm [31merror code E404",
		"huge": "huge failed: line 2996 | line 2997 | line 2998 | line 2999",
	} {
		err := Run(t.Context(), dir, name)
		if (err == nil) != (want == "") || (err != nil && err.Error() != want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if err := Run(t.Context(), dir, "absent-program"); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("absent: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Run(ctx, dir, "hangs"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hangs: %v", err)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "a\nb\tc": "a b c", "\x1b[31mred": "[31mred", "bad\xff": "bad?", strings.Repeat("x", 30): strings.Repeat("x", 20) + "...",
		strings.Repeat("é", 15): strings.Repeat("é", 10) + "...",
	} {
		if got := Printable(in, 20); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOthersMayChange(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions are access lists here")
	}
	path := filepath.Join(t.TempDir(), "f")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o644: false, 0o620: true, 0o602: true} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := OthersMayChange(info); got != want {
			t.Errorf("mode %o: %v", mode, got)
		}
	}
}
