// Package orphan sees to it that no process group outlives the program that started it, even where that is
// killed and can clear nothing away. A shell at the other end of a pipe kills the groups when the pipe is
// closed, which the system does for a dead program. Where that shell died too, the next start finds the
// groups by records on disk.
package orphan

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
)

// variable holds, in the environment of every process of a group, the token of who started it.
const variable = "TOOLSERVE_GROUP"

// script keeps a list of groups by the lines "+ ID" and "- ID" and kills them at the end of its input.
const script = `trap '' HUP INT QUIT TERM
groups=' '
while read -r op id; do
	case $op in
	+) groups="$groups$id " ;;
	-) case $groups in *" $id "*) groups="${groups%%" $id "*} ${groups#*" $id "}" ;; esac ;;
	esac
done
for id in $groups; do
	kill -KILL "-$id"
done`

// WatcherName is the name by which the shell is seen in a list of processes.
const WatcherName = "toolserve-orphans"

// Options say how a Guard works. The zero value keeps no records.
type Options struct {
	// Dir is a folder for the records of groups, made where it is missing; "" keeps none. It must be
	// writable for its owner alone.
	Dir string
	// Logger is told what cannot be guarded, and of groups that were left behind; nil is silent.
	Logger *slog.Logger
}

// Guard guards the process groups of this process. Nil guards nothing. It is safe for concurrent use.
type Guard struct {
	opts   Options
	logger *slog.Logger
	token  string

	mu      sync.Mutex // guards the rest
	groups  []int
	watcher *exec.Cmd // nil while there is none
	pipe    io.WriteCloser
	failed  bool // a watcher could not be started
	closed  bool
}

// New returns a guard, and kills what is left of groups whose owner is dead. Close ends it.
func New(opts Options) *Guard {
	var token [16]byte
	_, _ = rand.Read(token[:]) // never fails
	g := &Guard{opts: opts, logger: opts.Logger, token: hex.EncodeToString(token[:])}
	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}
	if opts.Dir == "" {
		return g
	}
	if err := checkDir(opts.Dir); err != nil {
		g.logger.Warn("process groups are not recorded: what a crash leaves behind is not found at the next start", "error", err)
		g.opts.Dir = ""
		return g
	}
	if err := reapAll(opts.Dir, g.logger); err != nil {
		g.logger.Warn("the process groups of a dead owner could not be looked for", "error", err)
	}
	return g
}

// Env is the variable that every guarded process must have in its environment, or "".
func (g *Guard) Env() string {
	if g == nil {
		return ""
	}
	return variable + "=" + g.token
}

// Prepare makes ready for Add, which then starts no process.
func (g *Guard) Prepare() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watcher == nil && !g.closed && !g.failed {
		g.begin()
	}
}

// Add guards a process group by the process id of its leader.
func (g *Guard) Add(id int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups = append(g.groups, id)
	g.tell("+", id)
	if g.opts.Dir != "" {
		if err := writeRecord(g.opts.Dir, id, g.token); err != nil {
			g.logger.Warn("a process group could not be recorded", "error", err)
		}
	}
}

// Remove ends the guarding of a group. It must be called while the leader is still in the table of
// processes, so that the id cannot be another group's.
func (g *Guard) Remove(id int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups = slices.DeleteFunc(g.groups, func(other int) bool { return other == id })
	g.tell("-", id)
	if g.opts.Dir != "" {
		removeRecord(g.opts.Dir, id)
	}
}

// Close ends the watcher. Groups that are still guarded are killed.
func (g *Guard) Close() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.stop()
	return nil
}

// tell sends a line to the watcher. One that died is started again and told of every group. g.mu is held,
// here and below.
func (g *Guard) tell(op string, id int) {
	if g.closed || g.failed {
		return
	}
	if g.watcher != nil {
		if _, err := fmt.Fprintf(g.pipe, "%s %d\n", op, id); err == nil {
			return
		}
		g.stop()
	}
	if len(g.groups) > 0 {
		g.begin()
	}
}

// begin starts the watcher and tells it of every group.
func (g *Guard) begin() {
	if err := g.start(); err != nil {
		g.failed = true
		g.logger.Warn("process groups are not watched: what a crash leaves behind may stay", "error", err)
	}
}

func (g *Guard) start() error {
	if !groupsOutlive {
		return nil
	}
	shell, err := exec.LookPath("/bin/sh")
	if err != nil {
		return err
	}
	cmd := exec.Command(shell, "-c", script, WatcherName)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = apart()
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdin = read
	err = cmd.Start()
	_ = read.Close()
	if err != nil {
		_ = write.Close()
		return err
	}
	g.watcher, g.pipe = cmd, write
	for _, id := range g.groups {
		if _, err := fmt.Fprintf(write, "+ %d\n", id); err != nil {
			g.stop()
			return errors.Join(errors.New("the watching shell ended at once"), err)
		}
	}
	return nil
}

func (g *Guard) stop() {
	if g.watcher == nil {
		return
	}
	_ = g.pipe.Close()
	_ = g.watcher.Wait() // how it ended does not matter
	g.watcher, g.pipe = nil, nil
}
