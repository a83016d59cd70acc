package filewatch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched runs a watcher until the test ends; what it tells comes through the channel.
func watched(t *testing.T, opts Options, files ...string) <-chan struct{} {
	t.Helper()
	w := New(opts, files...)
	if opts.Poll < time.Second { // as where the system tells of nothing
		w.system.Close()
		w.system = nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx, func() []string { return files }, func() { told <- struct{}{} })
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return told
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".new"); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func wantTold(t *testing.T, told <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Errorf("not told that %s", what)
	}
}

func wantQuiet(t *testing.T, told <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-told:
		t.Errorf("told although %s", what)
	case <-time.After(200 * time.Millisecond):
	}
}

func TestChanges(t *testing.T) {
	for name, opts := range map[string]Options{
		"told":   {Quiet: 50 * time.Millisecond, Poll: time.Hour},
		"polled": {Quiet: 50 * time.Millisecond, Poll: 5 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, late := filepath.Join(dir, "mcp.json"), filepath.Join(dir, "late.env")
			write(t, file, "1")
			told := watched(t, opts, file, late)
			wantQuiet(t, told, "nothing happened")
			write(t, file, "2")
			wantTold(t, told, "the file was written")
			write(t, filepath.Join(dir, "other"), "x")
			write(t, file, "2")
			os.Chtimes(file, time.Now(), time.Now())
			wantQuiet(t, told, "the content is the same")
			write(t, file+"~", "3")
			os.Rename(file+"~", file)
			wantTold(t, told, "the file was replaced")
			os.Remove(file)
			wantTold(t, told, "the file was removed")
			write(t, file, "4")
			wantTold(t, told, "the file is back")
			write(t, late, "A=1")
			wantTold(t, told, "a file came to be")
		})
	}
}

// TestConfigMap turns links as the kubelet does: mcp.json -> ..data/mcp.json, ..data -> ..1.
func TestConfigMap(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"..1", "..2"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "mcp.json"), version)
	}
	link(t, "..1", filepath.Join(dir, "..data"))
	link(t, filepath.Join("..data", "mcp.json"), filepath.Join(dir, "mcp.json"))
	told := watched(t, Options{Quiet: 50 * time.Millisecond, Poll: time.Hour}, filepath.Join(dir, "mcp.json"))
	wantQuiet(t, told, "nothing happened")
	link(t, "..2", filepath.Join(dir, "..data"))
	wantTold(t, told, "the link was turned")
	if err := os.RemoveAll(filepath.Join(dir, "..1")); err != nil {
		t.Fatal(err)
	}
	wantQuiet(t, told, "the old version was removed")
	link(t, "..1", filepath.Join(dir, "..data"))
	wantTold(t, told, "the link leads nowhere")
}

func TestLinkElsewhere(t *testing.T) {
	far, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(far, "real.json"), "1")
	link(t, filepath.Join(far, "real.json"), filepath.Join(dir, "mcp.json"))
	told := watched(t, Options{Quiet: 50 * time.Millisecond, Poll: time.Hour}, filepath.Join(dir, "mcp.json"))
	wantQuiet(t, told, "nothing happened")
	write(t, filepath.Join(far, "real.json"), "2")
	wantTold(t, told, "the file behind the link was written")
	link(t, "mcp.json", filepath.Join(dir, "mcp.json")) // to itself
	wantTold(t, told, "the link goes in circles")
}

// TestSinceNew checks that a change between New and Run is seen.
func TestSinceNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mcp.json")
	write(t, file, "1")
	w := New(Options{}, file)
	defer w.Close()
	write(t, file, "2")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	told := false
	w.Run(ctx, func() []string { return []string{file} }, func() { told = true; cancel() })
	if !told {
		t.Error("not told")
	}
}
