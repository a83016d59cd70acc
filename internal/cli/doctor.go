package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os/exec"
	"strconv"
	"strings"

	"github.com/toolserve/toolserve/internal/llama"
	"github.com/toolserve/toolserve/internal/modelstore"
	"github.com/toolserve/toolserve/internal/sandbox"
	"github.com/toolserve/toolserve/mcphost"
)

// DoctorCmd says what works on this machine, and what to do about what does not. It fetches nothing.
type DoctorCmd struct {
	EngineDir string `type:"path" env:"TOOLSERVE_ENGINE_DIR" help:"Folder with llama.cpp libraries of your own."`
	Host      string `default:"127.0.0.1" help:"Address that serve would listen on."`
	Port      int    `default:"8000" help:"Port that serve would listen on."`
}

// finding is one line of the report.
type finding struct {
	ok   bool
	what string
	// detail says what was found or, where it is not ok, what to do.
	detail string
	// optional marks what some configurations do without.
	optional bool
}

// Run prints a line for each check; the exit status is 1 if something needed is missing.
func (c *DoctorCmd) Run(ctx context.Context, streams IO) error {
	store := modelstore.New(modelstore.Options{Getenv: streams.Env, Offline: true})
	findings := []finding{
		c.engine(store),
		starter(ctx, store),
		c.port(),
		confinement(),
		logins(streams.Env),
		program("npm", "needed once, to fetch the engine's libraries; install Node.js, or give serve an --engine-dir", false),
		program("npx", "MCP servers from npm need it; install Node.js", true),
		program("uvx", "MCP servers from PyPI need it; install uv", true),
		program("docker", "MCP servers in containers need it", true),
	}
	bad := 0
	for _, f := range findings {
		if !f.ok && !f.optional {
			bad++
		}
		printFinding(streams.Out, f)
	}
	if bad > 0 {
		return &ExitError{Code: 1}
	}
	return nil
}

func printFinding(out io.Writer, f finding) {
	mark := "ok"
	switch {
	case !f.ok && f.optional:
		mark = "--"
	case !f.ok:
		mark = "!!"
	}
	fmt.Fprintf(out, "%s  %-14s %s\n", mark, f.what, f.detail)
}

// engine reports whether the libraries that serve would load do load.
func (c *DoctorCmd) engine(store *modelstore.Store) finding {
	f := finding{what: "engine"}
	dir := c.EngineDir
	if dir == "" {
		libs, err := store.EngineInstalled(string(llama.CPU))
		if errors.Is(err, fs.ErrNotExist) {
			f.detail, f.optional = "not fetched yet; serve fetches it, or toolserve engine install", true
			return f
		}
		if err != nil {
			f.detail = err.Error()
			return f
		}
		dir = libs.Dir
	}
	lib, err := llama.Open(dir, llama.Options{})
	if err != nil {
		f.detail = err.Error()
		return f
	}
	defer lib.Close()
	var devices []string
	for _, d := range lib.Devices() {
		devices = append(devices, d.Name)
	}
	f.ok, f.detail = true, fmt.Sprintf("llama.cpp %s in %s, computes on %s", lib.Version(), dir, strings.Join(devices, ", "))
	return f
}

func starter(ctx context.Context, store *modelstore.Store) finding {
	f := finding{what: "starter model", optional: true}
	model, err := store.Resolve(ctx, "", nil)
	if err != nil {
		f.detail = "not fetched yet; toolserve pull fetches it"
		return f
	}
	f.ok, f.detail = true, model.Path
	return f
}

func (c *DoctorCmd) port() finding {
	address := net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	f := finding{what: "port"}
	l, err := net.Listen("tcp", address)
	if err != nil {
		f.detail = fmt.Sprintf("%v; end what uses it, or give serve another --port", err)
		return f
	}
	l.Close()
	f.ok, f.detail = true, address+" is free"
	return f
}

// confinement reports how far this machine can confine MCP servers.
func confinement() finding {
	support := sandbox.Probe()
	f := finding{what: "sandbox", ok: support.Level == sandbox.LevelEnforced, optional: true, detail: support.String()}
	if !f.ok {
		f.detail += ": " + strings.Join(support.Missing, "; ")
		if support.Mend != "" {
			f.detail += "; " + support.Mend
		}
	}
	return f
}

// logins reports where the logins to remote MCP servers are, and whether they can be read.
func logins(getenv func(string) string) finding {
	where, err := mcphost.OpenTokens(getenv).Describe()
	if err != nil {
		return finding{what: "logins", optional: true, detail: err.Error()}
	}
	return finding{what: "logins", ok: true, detail: where}
}

func program(name, why string, optional bool) finding {
	path, err := exec.LookPath(name)
	if err != nil {
		return finding{what: name, detail: "not found; " + why, optional: optional}
	}
	return finding{ok: true, what: name, detail: path, optional: optional}
}
