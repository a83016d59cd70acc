// Package sandbox runs a child process confined: in a process group of its own, with an environment
// that holds only what it was given, with its standard error kept, and with a stop that leaves no
// process behind. One [Spec] says what to run; one file per operating system says how.
package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/toolserve/toolserve/internal/sandbox/egress"
	"github.com/toolserve/toolserve/internal/sandbox/orphan"
)

// Spec is the process to run.
type Spec struct {
	// Path is the program: a path, or a name that is looked up in the PATH of this process.
	Path string
	// Args are the arguments without the program's name.
	Args []string
	// Env is the complete environment as NAME=value; see [MinimalEnv].
	Env []string
	// Dir is the working directory; empty is that of this process.
	Dir string
	// Confine, when set, is what the process is held to; nil leaves it free.
	Confine *Confinement
}

// Options says how a process is kept.
type Options struct {
	// StderrLines is how many of the last lines of standard error are kept; 0 means 40.
	StderrLines int
	// OnStderr, when set, receives each line of standard error as it is read, cut to 4 KiB. It is
	// called from one goroutine at a time and must not block for long.
	OnStderr func(line string)
	// Guard, unless nil, ends the process group also when this process is killed.
	Guard *orphan.Guard
}

// Ladder says how long each step of a stop may take before the next, harder one.
type Ladder struct {
	// CloseWait is the wait after standard input was closed; 0 means 2 s.
	CloseWait time.Duration
	// TermWait is the wait after the request to terminate; 0 means 2 s.
	TermWait time.Duration
}

func (l Ladder) orDefault() Ladder {
	if l.CloseWait == 0 {
		l.CloseWait = 2 * time.Second
	}
	if l.TermWait == 0 {
		l.TermWait = 2 * time.Second
	}
	return l
}

// Process is a running child. [Process.Stop] must be called once it is no longer needed, even when
// it ended by itself.
type Process struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *lineRing
	group  group
	guard  *orphan.Guard
	mark   orphan.Mark
	ready  *prepared     // nil when it is not confined
	proxy  *egress.Proxy // nil unless that is its way out
	report Report

	closeInput sync.Once
	// reaped is closed by the goroutine that started the process after exitErr is set and the whole
	// group is gone; exited by another one after standard error was read and all was cleared away.
	reaped, exited chan struct{}
	exitErr        error
	// drained is closed once standard error was read to its end.
	drained chan struct{}
}

// Start runs the process that spec describes. An error means that nothing runs.
func Start(spec Spec, opts Options) (*Process, error) {
	if spec.Path == "" {
		return nil, errors.New("sandbox: no program given")
	}
	p := &Process{
		stderr:  newLineRing(opts.StderrLines, opts.OnStderr),
		guard:   opts.Guard,
		report:  Report{Level: LevelProcessGroup},
		reaped:  make(chan struct{}),
		exited:  make(chan struct{}),
		drained: make(chan struct{}),
	}
	p.mark = p.guard.Prepare()
	var plan *plan
	if spec.Confine != nil {
		var err error
		if p.ready, err = prepare(spec.Confine, spec.Env, p.mark.TempName()); err != nil {
			return nil, err
		}
		if plan, err = p.confine(); err != nil {
			p.ready.remove()
			return nil, err
		}
		defer plan.close()
		for name, value := range plan.way().env() {
			p.ready.setenv(name, value)
		}
		spec.Env = p.ready.env
	}
	if err := p.start(spec, plan); err != nil {
		p.ready.remove()
		return nil, err
	}
	return p, nil
}

// confine makes the plan of the confinement and judges whether it is enough.
func (p *Process) confine() (*plan, error) {
	plan, err := newPlan(&p.ready.Confinement)
	if err != nil {
		return nil, err
	}
	if err := p.ready.judge(plan.report); err != nil {
		plan.close()
		return nil, err
	}
	p.report = plan.report
	return plan, nil
}

// start starts the process with its pipes. A plan that is not nil confines it.
func (p *Process) start(spec Spec, plan *plan) error {
	cmd := exec.Command(spec.Path, spec.Args...)
	// A nil Env would inherit everything.
	cmd.Env = append([]string{}, spec.Env...)
	if mark := p.mark.Env(); mark != "" {
		cmd.Env = append(cmd.Env, mark)
	}
	cmd.Dir = spec.Dir
	p.cmd = cmd
	pipes, err := newPipes()
	if err != nil {
		return fmt.Errorf("sandbox: open pipes for %s: %w", spec.Path, err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes.childIn, pipes.childOut, pipes.childErr
	p.stdin, p.stdout = pipes.stdin, pipes.stdout

	// The goroutine that starts the process also waits for its end: it holds the thread whose end the kernel
	// takes for this process's.
	started := make(chan error, 1)
	run := func(start func() error) {
		err := start()
		if err == nil {
			p.guard.Add(orphan.Group{ID: cmd.Process.Pid, Mark: p.mark, Temp: p.ready.private(), Whole: plan != nil})
		}
		started <- err
		if err == nil {
			p.exitErr = p.group.reap(cmd, p.guard)
			if plan != nil && !p.group.bounded() {
				p.mark.Sweep()
			}
			close(p.reaped)
		}
	}
	if plan == nil {
		go run(func() error { return p.group.start(cmd) })
	} else {
		onThread(func() { run(func() error { return plan.start(&p.group, cmd) }) })
	}
	err = <-started
	if err != nil {
		pipes.closeAll()
		return err
	}
	if plan != nil {
		p.proxy = plan.way().serve()
	}
	p.serve(pipes)
	return nil
}

// serve reads standard error, and clears away once the process is gone.
func (p *Process) serve(pipes *pipes) {
	pipes.closeChild()
	go func() {
		defer close(p.drained)
		defer pipes.stderr.Close()
		p.stderr.readFrom(pipes.stderr)
	}()
	go p.finish(pipes.stderr)
}

// Report returns how the process is confined.
func (p *Process) Report() Report { return p.report }

// Settle says that the process has done what it needs for its launch: what its rules allow for that is closed.
func (p *Process) Settle() {
	if p.proxy != nil {
		p.proxy.Settle()
	}
}

// Refused returns the hosts, with their ports, that the process wanted to reach and may not, oldest first.
func (p *Process) Refused() []string {
	if p.proxy == nil {
		return nil
	}
	return p.proxy.Refused()
}

// PID returns the process id of the child.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdin is the writing end of the child's standard input. Write deadlines work on it. Stop closes it.
func (p *Process) Stdin() *os.File { return p.stdin }

// Stdout is the reading end of the child's standard output. Read deadlines work on it. Stop closes it.
func (p *Process) Stdout() *os.File { return p.stdout }

// Stderr returns the last lines that the child wrote to standard error, oldest first.
func (p *Process) Stderr() []string { return p.stderr.lines() }

// Exited is closed when the child ended, no process of its group is left, and its standard error was
// read to the end.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitText says how the child ended, such as "exit status 1" or "signal: killed", or "" while it runs.
func (p *Process) ExitText() string {
	select {
	case <-p.exited:
	default:
		return ""
	}
	if p.exitErr == nil {
		return "exit status 0"
	}
	return p.exitErr.Error()
}

// CloseInput closes the child's standard input, the polite way to ask a server to end.
func (p *Process) CloseInput() { p.closeInput.Do(func() { p.stdin.Close() }) }

// Stop ends the child and every process of its group: it closes standard input, then asks the group
// to terminate, then kills it, waiting as the ladder says between the steps. It returns once the
// group is gone and the pipes are closed. It may be called more than once, also at the same time.
func (p *Process) Stop(ladder Ladder) {
	ladder = ladder.orDefault()
	p.CloseInput()
	if !p.waitExit(ladder.CloseWait) {
		p.group.terminate(p.PID())
		if !p.waitExit(ladder.TermWait) {
			p.group.kill(p.PID())
			<-p.exited
		}
	}
	p.stdout.Close()
}

func (p *Process) waitExit(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}

// finish clears away what belongs to the process once it is gone.
func (p *Process) finish(stderr *os.File) {
	<-p.reaped
	p.CloseInput()
	// A process that left the group may still hold the pipes: read what is there, then give up.
	deadline := time.Now().Add(250 * time.Millisecond)
	stderr.SetReadDeadline(deadline)
	p.stdout.SetReadDeadline(deadline)
	<-p.drained
	if p.proxy != nil {
		p.proxy.Close()
	}
	p.ready.remove()
	close(p.exited)
}

// pipes are the three standard streams, both ends.
type pipes struct {
	stdin, stdout, stderr       *os.File
	childIn, childOut, childErr *os.File
}

func newPipes() (*pipes, error) {
	p := &pipes{}
	var err error
	if p.childIn, p.stdin, err = os.Pipe(); err != nil {
		return nil, err
	}
	if p.stdout, p.childOut, err = os.Pipe(); err != nil {
		p.closeAll()
		return nil, err
	}
	if p.stderr, p.childErr, err = os.Pipe(); err != nil {
		p.closeAll()
		return nil, err
	}
	return p, nil
}

func (p *pipes) closeChild() { closeFiles(p.childIn, p.childOut, p.childErr) }

func (p *pipes) closeAll() {
	p.closeChild()
	closeFiles(p.stdin, p.stdout, p.stderr)
}

func closeFiles(files ...io.Closer) {
	for _, f := range files {
		if file, ok := f.(*os.File); ok && file != nil {
			file.Close()
		}
	}
}
