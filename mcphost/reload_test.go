package mcphost

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/policy"
)

// changed is a copy of a configuration that edit changes.
func changed(cfg *Config, edit func(*Config)) *Config {
	next := *cfg
	next.Servers = slices.Clone(cfg.Servers)
	for i := range next.Servers {
		next.Servers[i].Env = maps.Clone(next.Servers[i].Env)
	}
	edit(&next)
	return &next
}

// entryOf is the entry of a server in a configuration, to be edited.
func entryOf(cfg *Config, name string) *ServerConfig {
	i := slices.IndexFunc(cfg.Servers, func(s ServerConfig) bool { return s.Name == name })
	return &cfg.Servers[i]
}

func reload(t *testing.T, h *Host, cfg *Config) ReloadReport {
	t.Helper()
	report, err := h.Reload(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// hanging begins a call that gets no answer and returns where its end will be told.
func hanging(t *testing.T, h *Host, server string) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	s := h.server(server)
	go func() {
		_, err := h.Execute(t.Context(), Call{Server: server, Tool: "hang"})
		ended <- err
	}()
	eventually(t, "the call runs", func() bool { return s.turns.Ahead() == 1 })
	return ended
}

func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"kept": "good", "gone": "good", "moved": "good", "tuned": "good"})
	cfg.Security.Trust = "off"
	h := start(t, cfg, Options{})
	pid := map[string]int{}
	for _, s := range h.Status() {
		pid[s.Name] = s.PID
	}
	kept, gone, moved := hanging(t, h, "kept"), hanging(t, h, "gone"), hanging(t, h, "moved")
	next := changed(cfg, func(c *Config) {
		c.Servers = slices.DeleteFunc(c.Servers, func(s ServerConfig) bool { return s.Name == "gone" })
		entryOf(c, "moved").Env["EXTRA"] = "1"
		tuned := entryOf(c, "tuned")
		tuned.AllowedTools, tuned.Timeout = []string{"echo", "hang"}, 50*time.Millisecond
		added := *tuned
		added.Name = "added"
		c.Servers = append(c.Servers, added)
	})
	report := reload(t, h, next)
	if fmt.Sprint(report.Added, report.Removed, report.Restarted, report.Updated, report.Kept) != "[added] [gone] [moved] [tuned] [kept]" {
		t.Errorf("the report is %+v", report)
	}
	wantKind(t, <-gone, ServerFailed, "server 'gone' failed during the call of 'hang': it was removed from the configuration")
	wantKind(t, <-moved, ServerFailed, "it was restarted, because its configuration changed")
	eventually(t, "all are connected", func() bool {
		return !slices.ContainsFunc(h.Status(), func(s ServerStatus) bool { return s.State != StateConnected })
	})
	_, err := h.Execute(t.Context(), Call{Server: "gone", Tool: "echo", Arguments: []byte(`{"text":"x"}`)})
	wantKind(t, err, Unknown, "Server 'gone' not found")
	_, err = h.Execute(t.Context(), Call{Server: "tuned", Tool: "env"})
	wantKind(t, err, PolicyDenied, "not offered")
	_, err = h.Execute(t.Context(), Call{Server: "tuned", Tool: "hang"})
	wantKind(t, err, TimedOut, "0.05s")
	if status(t, h, "kept").PID != pid["kept"] || status(t, h, "tuned").PID != pid["tuned"] || status(t, h, "moved").PID == pid["moved"] {
		t.Errorf("the processes were %v and are %+v", pid, h.Status())
	}
	result, err := h.Execute(t.Context(), Call{Server: "moved", Tool: "env"})
	if err != nil || !strings.Contains(result.Text(), "EXTRA=1") {
		t.Errorf("moved answers %v, %v", result.Text(), err)
	}
	select {
	case err := <-kept:
		t.Errorf("the call of an unchanged server ended: %v", err)
	default:
	}
	if got := reload(t, h, next); len(got.Kept) != 4 {
		t.Errorf("the same configuration again: %+v", got)
	}
	h.Close()
	wantKind(t, <-kept, ServerFailed)
	if _, err := h.Reload(cfg); err == nil {
		t.Error("a closed host takes up a configuration")
	}
}

func TestReloadChangesTheRules(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "good"})
	cfg.Security.Tools.CallsPerMinute = 3
	h := start(t, cfg, Options{})
	pid := status(t, h, "s").PID
	say := func(kind Kind, parts ...string) {
		t.Helper()
		_, err := h.Execute(t.Context(), call("echo", `{"text":"Bielefeld"}`))
		if kind == "" && err == nil {
			return
		}
		wantKind(t, err, kind, parts...)
	}
	say("")
	say("")
	// The limit goes on where it was.
	reload(t, h, changed(cfg, func(c *Config) { c.Security.RedactKeys = []string{"text"} }))
	say("")
	say(RateLimited)
	reload(t, h, changed(cfg, func(c *Config) { c.Security.Tools.BlockedTools = []string{"echo"} }))
	say(PolicyDenied, "blocked")
	records := h.Audit().Query(audit.Filter{Tool: "echo"})
	if first, last := string(records[0].Arguments), string(records[len(records)-1].Arguments); !strings.Contains(first, "Bielefeld") || strings.Contains(last, "Bielefeld") {
		t.Errorf("the log has %s and %s", first, last)
	}
	bad := changed(cfg, func(c *Config) { c.Security.Tools.HighRisk = policy.RiskMode("maybe") })
	if _, err := h.Reload(bad); err == nil || !strings.Contains(err.Error(), "maybe") {
		t.Errorf("bad rules are taken up: %v", err)
	}
	say(PolicyDenied, "blocked")
	h.ReloadFailed(errors.New("line 3: no comma"))
	if st := h.ConfigStatus(); st.Error != "line 3: no comma" || st.FailedAt.IsZero() || st.LoadedAt.IsZero() {
		t.Errorf("the status is %+v", st)
	}
	reload(t, h, changed(cfg, func(c *Config) { c.Security.Tools.CallsPerMinute = 100 }))
	say("")
	if st := h.ConfigStatus(); st.Error != "" || status(t, h, "s").PID != pid {
		t.Errorf("the status is %+v, the process %d was %d", st, status(t, h, "s").PID, pid)
	}
}

func TestReloadJudgesLaunches(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "good", "late": "good"})
	entryOf(cfg, "late").Command = filepath.Join(t.TempDir(), "not-there")
	h := start(t, cfg, Options{})
	if st := status(t, h, "late"); st.State != StateFailed {
		t.Fatalf("late is %+v", st)
	}
	next := changed(cfg, func(c *Config) { entryOf(c, "s").SkipSecurityValidation = true; c.Security.Launch.Exposed = true })
	reload(t, h, next)
	eventually(t, "the server is refused", func() bool { return status(t, h, "s").State == StateFailed })
	if st := status(t, h, "s"); st.PID != 0 || st.Error == "" {
		t.Errorf("s is %+v", st)
	}
	reload(t, h, cfg)
	eventually(t, "the server is back", func() bool { return status(t, h, "s").State == StateConnected })
	reload(t, h, changed(cfg, func(c *Config) { entryOf(c, "s").Disabled = true; entryOf(c, "late").Problem = errors.New("no") }))
	eventually(t, "the server ended", func() bool { return status(t, h, "s").PID == 0 })
	if st := status(t, h, "s"); st.State != StateDisabled || len(h.Tools()) != 0 {
		t.Errorf("s is %+v", st)
	}
	if got := reload(t, h, changed(cfg, func(c *Config) { entryOf(c, "s").Disabled = true; entryOf(c, "late").Problem = errors.New("no") })); len(got.Kept) != 2 {
		t.Errorf("what cannot run is started again: %+v", got)
	}
}

func TestReloadHoldsWhatChanged(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "good"})
	cfg.Security.LockFile = lockPath(t)
	h := start(t, cfg, Options{})
	reload(t, h, changed(cfg, func(c *Config) { entryOf(c, "s").Args = []string{"--other"} }))
	eventually(t, "the changed server is held", func() bool { return status(t, h, "s").State == StateHeld })
	pending := status(t, h, "s").Pending
	if len(pending) != 1 || status(t, h, "s").PID != 0 {
		t.Fatalf("pending is %+v", pending)
	}
	_, err := h.Execute(t.Context(), call("echo", `{"text":"x"}`))
	wantKind(t, err, NeedsApproval)
	if _, err := h.Approve(Approval{Server: "s", Digest: pending[0].Digest}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the approved server runs", func() bool { return status(t, h, "s").State == StateConnected })
	reload(t, h, changed(cfg, func(c *Config) { entryOf(c, "s").Args = []string{"--third"} }))
	eventually(t, "the changed server is held", func() bool { return status(t, h, "s").State == StateHeld })
	reload(t, h, changed(cfg, func(c *Config) { entryOf(c, "s").Args = []string{"--third"}; c.Security.Trust = "warn" }))
	eventually(t, "the rule is looser", func() bool { return status(t, h, "s").State == StateConnected })
}

// TestReloadWhileCalled changes everything all the time under calls: each gets its own answer or an error.
func TestReloadWhileCalled(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"a": "good", "b": "good"})
	cfg.Security.Trust = "off"
	cfg.Security.Tools.CallsPerMinute = policy.Unlimited
	h := start(t, cfg, Options{})
	stop := make(chan struct{})
	done := make(chan int)
	for i := range 4 {
		go func() {
			ok := 0
			for n := 0; ; n++ {
				select {
				case <-stop:
					done <- ok
					return
				default:
				}
				word := fmt.Sprintf("%d-%d", i, n)
				result, err := h.Execute(t.Context(), Call{Server: []string{"a", "b"}[n%2], Tool: "echo", Arguments: []byte(`{"text":"` + word + `"}`)})
				switch {
				case err != nil:
					time.Sleep(time.Millisecond)
				case result.Text() != word:
					t.Errorf("%s is answered with %s", word, result.Text())
				default:
					ok++
				}
			}
		}()
	}
	for i := range 30 {
		reload(t, h, changed(cfg, func(c *Config) {
			entryOf(c, "a").Timeout = time.Duration(i+1) * time.Second
			if i%5 == 0 {
				entryOf(c, "b").Env["N"] = fmt.Sprint(i)
			}
			if i%7 == 0 {
				c.Servers = slices.DeleteFunc(c.Servers, func(s ServerConfig) bool { return s.Name == "b" })
			}
		}))
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	for range 4 {
		if <-done == 0 {
			t.Error("a caller got no answer at all")
		}
	}
}
