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

	mu      sync.Mutex // guards the rest
	groups  []int
	watcher *exec.Cmd // nil while there is none
	pipe    io.WriteCloser
	failed  bool // a watcher could not be started
	closed  bool
}

// New returns a guard, and kills what is left of groups whose owner is dead. Close ends it.
func New(opts Options) *Guard {
	g := &Guard{opts: opts, logger: opts.Logger}
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

// Mark is what tells the processes of one group, and their folder for temporary files, from all others. The zero
// value marks nothing.
type Mark struct{ token string }

// Env is the variable that every process of the group must have in its environment, or "".
func (m Mark) Env() string {
	if m.token == "" {
		return ""
	}
	return variable + "=" + m.token
}

// TempName is the pattern for the name of the folder, as [os.MkdirTemp] takes it.
func (m Mark) TempName() string {
	if m.token == "" {
		return tempPrefix + "*"
	}
	return tempPrefix + m.token[:tempToken] + "-*"
}

// The name of a folder for temporary files begins with a word and a part of the group's token.
const (
	tempPrefix = "toolserve-"
	tempToken  = 16
)

// Group is a process group to guard.
type Group struct {
	// ID is the process id of its leader.
	ID   int
	Mark Mark
	// Temp is its folder for temporary files, named as its mark says, or "".
	Temp string
	// Whole says that all processes with the mark belong to it, those that left the group included.
	Whole bool
}

// Prepare makes ready for a group: Add then starts no process.
func (g *Guard) Prepare() Mark {
	if g == nil {
		return Mark{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watcher == nil && !g.closed && !g.failed {
		g.begin()
	}
	var token [16]byte
	_, _ = rand.Read(token[:]) // never fails
	return Mark{hex.EncodeToString(token[:])}
}

// Add guards a process group.
func (g *Guard) Add(group Group) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups = append(g.groups, group.ID)
	g.tell("+", group.ID)
	if g.opts.Dir != "" {
		if err := writeRecord(g.opts.Dir, group); err != nil {
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

// Sweep kills the processes that carry a mark, wherever they went: into a group or a session of their own. One that
// took the variable out of its environment is not found. It returns how many there were.
func (m Mark) Sweep() int {
	if m.token == "" {
		return 0
	}
	return (&record{Token: m.token, Whole: true}).reap()
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
