package mcphost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/policy"
)

func call(tool, arguments string) Call {
	return Call{Server: "s", Tool: tool, Arguments: json.RawMessage(arguments)}
}

func wantKind(t *testing.T, err error, kind Kind, parts ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want an *Error of kind %s", err, kind)
	}
	if e.Kind != kind {
		t.Errorf("kind is %s, want %s (%s)", e.Kind, kind, e.Message)
	}
	for _, part := range parts {
		if !strings.Contains(e.Message, part) {
			t.Errorf("message %q does not hold %q", e.Message, part)
		}
	}
}

func TestStdioServer(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "noise"}), Options{})
	if st := status(t, h, "s"); st.State != StateConnected || st.Tools != 10 || st.PID == 0 || st.Protocol != "2025-11-25" ||
		st.Implementation != "scripted 1" || st.Sandbox.Setting != "best-effort" || len(st.Stderr) == 0 {
		t.Errorf("status is %+v", st)
	}
	tools := h.Tools()
	if len(tools) != 10 || tools[0].FullName != "s__echo" || tools[0].Server != "s" || tools[0].Name != "echo" ||
		string(tools[0].Parameters) != echoSchema {
		t.Errorf("first of %d tools is %+v", len(tools), tools[0])
	}
	for _, name := range []Call{
		call("echo", `{"text":"hi"}`), {Tool: "echo", Arguments: []byte(`{"text":"hi"}`)},
		call("s__echo", `{"text":"hi"}`), {Tool: "s__echo", Arguments: []byte(`"{\"text\":\"hi\"}"`)},
	} {
		result, err := h.Execute(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name.Tool, err)
			continue
		}
		if got := string(result.Value()); got != `"hi"` || result.Tool != "echo" || result.Server != "s" || result.FullName != "s__echo" {
			t.Errorf("%s: %s from %+v", name.Tool, got, result)
		}
	}
}

func TestContentIsKept(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "good"}), Options{})
	result, err := h.Execute(t.Context(), call("image", ""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(result.Value()), `["a picture",{"type":"image","data":"iVBORw==","mimeType":"image/png"},{"type":"hologram","beams":3}]`; got != want {
		t.Errorf("content is %s, want %s", got, want)
	}
	if got, want := string(result.Structured), `{"z":1,"a":12345678901234567890}`; got != want {
		t.Errorf("structured content is %s, want %s", got, want)
	}
	result, err = h.Execute(t.Context(), call("fail", "{}"))
	if err != nil || !result.IsError || result.ErrorMessage != "no such file" {
		t.Errorf("a tool's own failure is %+v, %v", result, err)
	}
}

func TestLargeResultIsCut(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "good"}), Options{MaxResult: 1001})
	result, err := h.Execute(t.Context(), call("large", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	if text := result.Text(); !result.Truncated || !strings.HasSuffix(text, "é\n[cut by toolserve: 1000 of 400000 bytes shown]") {
		t.Errorf("the end is %q", text[max(0, len(text)-80):])
	}
	_, err = h.Execute(t.Context(), call("huge", "{}"))
	wantKind(t, err, ServerFailed, "longer than 32 MiB")
	if result, err = h.Execute(t.Context(), call("echo", `{"text":"still here"}`)); err != nil || result.Text() != "still here" {
		t.Errorf("after it: %q, %v", result.Text(), err)
	}
}

func TestErrorsOfCalls(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "good"})
	cfg.Servers = append(cfg.Servers, ServerConfig{Name: "off", Transport: TransportStdio, Command: "x", Disabled: true})
	h := start(t, cfg, Options{})
	tests := []struct {
		call  Call
		kind  Kind
		parts []string
	}{
		{call("nothing", "{}"), Unknown, []string{"'nothing'", "'s'"}},
		{call("ecco", "{}"), Unknown, []string{"did you mean 'echo'?"}},
		{Call{Tool: "echoo"}, Unknown, []string{"not found in any connected server"}},
		{Call{Server: "absent", Tool: "echo"}, Unknown, []string{"Server 'absent' not found; the configuration has '"}},
		{Call{Server: "off", Tool: "echo"}, NotConnected, []string{"'off'", "disabled"}},
		{Call{Tool: "off__echo"}, NotConnected, []string{"'off'"}},
		{Call{Server: "off", Tool: "s__echo"}, BadArguments, []string{"belongs to the server 's'"}},
		{call("", "{}"), BadArguments, []string{"names no tool"}},
		{call("echo", `{"text":1}`), BadArguments, []string{"text", "string"}},
		{call("echo", `{}`), BadArguments, []string{"text"}},
		{call("echo", `{"text":"a","extra":1}`), BadArguments, []string{"extra"}},
		{call("echo", `{"text":"a","text":"b"}`), BadArguments, []string{"given twice"}},
		{call("echo", `{"Text":"a"}`), BadArguments, []string{"text"}},
		{call("echo", `[1]`), BadArguments, []string{"not a JSON object"}},
		{call("echo", `{"text":`), BadArguments, []string{"not valid JSON"}},
		{call("echo", strings.Repeat(`[`, 100)+strings.Repeat(`]`, 100)), BadArguments, []string{"nested deeper"}},
		{call("oops", `{}`), ServerFailed, []string{"internal trouble", "-32603"}},
		{Call{Server: "s", Tool: "hang", Timeout: 50 * time.Millisecond}, TimedOut, []string{"0.05s", "'hang'"}},
	}
	for _, test := range tests {
		_, err := h.Execute(t.Context(), test.call)
		wantKind(t, err, test.kind, test.parts...)
	}
	if result, err := h.Execute(t.Context(), call("echo", `{"text":"well"}`)); err != nil || result.Text() != "well" {
		t.Errorf("after all of them: %q, %v", result.Text(), err)
	}
}

func TestCallerLeaves(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "good"}), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := h.Execute(ctx, call("hang", "{}"))
	wantKind(t, err, Canceled)
}

func TestKilledDuringCall(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "good", "other": "good"}), Options{RetryMin: time.Hour, RetryMax: time.Hour})
	_, err := h.Execute(t.Context(), call("die", "{}"))
	wantKind(t, err, ServerFailed, "signal: killed", "out of cheese")
	eventually(t, "state retrying", func() bool { return status(t, h, "s").State == StateRetrying })
	_, err = h.Execute(t.Context(), call("echo", `{"text":"x"}`))
	wantKind(t, err, NotConnected, "killed")
	if st := status(t, h, "other"); st.State != StateConnected || st.Restarts != 0 {
		t.Errorf("the other server is %+v", st)
	}
}

func TestRestartAfterACall(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "good"}), Options{})
	pid := status(t, h, "s").PID
	_, err := h.Execute(t.Context(), call("die", "{}"))
	wantKind(t, err, ServerFailed)
	eventually(t, "state connected", func() bool { st := status(t, h, "s"); return st.State == StateConnected && st.PID != pid })
	if st := status(t, h, "s"); st.Restarts != 1 || len(st.RestartedAt) != 1 || st.PID == pid || st.Error != "" || !strings.Contains(st.LastError, "killed") {
		t.Errorf("after the restart: %+v", st)
	}
	if result, err := h.Execute(t.Context(), call("echo", `{"text":"back"}`)); err != nil || result.Text() != "back" {
		t.Errorf("after the restart: %q, %v", result.Text(), err)
	}
}

func TestServersThatDoNotComeUp(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"exit": "exit", "silent": "silent", "garbage": "garbage", "good": "good", "late": "dies-once", "deaf": "deaf"})
	for i := range cfg.Servers {
		switch cfg.Servers[i].Name {
		case "silent":
			cfg.Servers[i].ConnectTimeout = 400 * time.Millisecond
		case "garbage": // long enough to say something
			cfg.Servers[i].ConnectTimeout = 2 * time.Second
		}
	}
	cfg.Servers = append(cfg.Servers,
		ServerConfig{Name: "missing", Transport: TransportStdio, Command: "no-such-program-here", SkipSecurityValidation: true},
		ServerConfig{Name: "homeless", Transport: TransportStdio, Command: os.Args[0], Dir: "/no/such/folder", SkipSecurityValidation: true},
		ServerConfig{Name: "bad", Problem: errors.New("MCP server 'bad': broken entry")})
	h := start(t, cfg, Options{DiscoverWait: 100 * time.Millisecond})
	want := map[string]struct {
		state State
		parts []string
	}{
		"exit":     {StateRetrying, []string{"exit status 3", "no licence found"}},
		"silent":   {StateRetrying, []string{"no answer to the handshake within 400ms"}},
		"garbage":  {StateRetrying, []string{"no answer", "this is no JSON-RPC"}},
		"missing":  {StateFailed, []string{"not found in PATH", "install it"}},
		"homeless": {StateFailed, []string{"working directory '/no/such/folder' cannot be entered", "create it"}},
		"bad":      {StateFailed, []string{"broken entry"}},
	}
	for name, w := range want {
		var st ServerStatus
		eventually(t, name+" is "+string(w.state), func() bool { st = status(t, h, name); return st.State == w.state })
		for _, part := range w.parts {
			if !strings.Contains(st.Error, part) {
				t.Errorf("%s: reason %q does not hold %q", name, st.Error, part)
			}
		}
	}
	for _, name := range []string{"good", "late", "deaf"} {
		eventually(t, name+" is connected", func() bool { return status(t, h, name).State == StateConnected })
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "orphan", "stubborn": "stubborn"})
	h := start(t, cfg, Options{})
	pids := []int{status(t, h, "s").PID, status(t, h, "stubborn").PID}
	for _, s := range cfg.Servers {
		if s.Name == "s" {
			pids = append(pids, orphanOf(t, s.Env["TOOLSERVE_TEST_STATE"]))
		}
	}
	h.Close()
	for _, pid := range pids {
		eventually(t, "process "+strconv.Itoa(pid)+" is gone", func() bool { return gone(pid) })
	}
	_, err := h.Execute(t.Context(), call("echo", `{"text":"x"}`))
	wantKind(t, err, MCPOff)
}

// orphanOf returns the id of the process that a scripted server left. What the server says of it may be an id in
// a namespace.
func orphanOf(t *testing.T, state string) int {
	t.Helper()
	data, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range lines {
		if line, _ := os.ReadFile(name); strings.HasPrefix(string(line), state+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			return pid
		}
	}
	pid, _ := strconv.Atoi(string(data))
	return pid
}

// gone reports whether no process of this id runs; one that ended and was not waited for is gone.
func gone(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil || process.Signal(syscall.Signal(0)) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// TestFaults lets several servers die and misbehave under load: every call gets its own answer or a
// clear error, and all servers are back in the end.
func TestFaults(t *testing.T) {
	names := map[string]string{"a": "good", "b": "noise", "c": "good"}
	cfg := scriptedConfig(t, names)
	cfg.Security.Tools.CallsPerMinute = policy.Unlimited
	h := start(t, cfg, Options{RetryMin: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond})
	faults := []Call{
		{Tool: "die"}, {Tool: "hang", Timeout: 5 * time.Millisecond}, {Tool: "large"}, {Tool: "oops"}, {Tool: "fail"},
	}
	var wg sync.WaitGroup
	for worker := range 6 {
		server := []string{"a", "b", "c"}[worker%3]
		wg.Go(func() {
			for i := range 40 {
				if i%8 == 7 {
					fault := faults[(worker+i/8)%len(faults)]
					fault.Server = server
					h.Execute(t.Context(), fault)
					continue
				}
				text := fmt.Sprintf("%d-%d", worker, i)
				result, err := h.Execute(t.Context(), Call{Server: server, Tool: "echo", Arguments: fmt.Appendf(nil, `{"text":%q}`, text)})
				if err == nil && result.Text() != text {
					t.Errorf("asked for %s, got %q", text, result.Text())
				}
				if e := (*Error)(nil); err != nil && (!errors.As(err, &e) || e.Kind != ServerFailed && e.Kind != NotConnected) {
					t.Errorf("error is %v", err)
				}
				if err != nil {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	for name := range names {
		eventually(t, name+" works again", func() bool {
			result, err := h.Execute(t.Context(), Call{Server: name, Tool: "echo", Arguments: []byte(`{"text":"back"}`)})
			return err == nil && result.Text() == "back"
		})
	}
}

func TestToolsOfAnEntry(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "good"})
	cfg.Servers[0].AllowedTools = []string{"e*", "fail"}
	cfg.Servers[0].BlockedTools = []string{"env"}
	h := start(t, cfg, Options{})
	var listed []string
	for _, tool := range h.Tools() {
		listed = append(listed, tool.Name)
	}
	if got := strings.Join(listed, " "); got != "echo fail" || status(t, h, "s").Tools != 2 {
		t.Errorf("listed are %s", got)
	}
	for _, name := range []string{"env", "s__env", "hang"} {
		_, err := h.Execute(t.Context(), Call{Server: "s", Tool: name})
		wantKind(t, err, PolicyDenied, "allowed_tools")
	}
}

func TestPolicyDecides(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "good"})
	cfg.Security.Tools = policy.ToolRules{BlockedTools: []string{"fail"}, AskTools: []string{"image"}, CallsPerMinute: 2}
	h := start(t, cfg, Options{})
	_, err := h.Execute(t.Context(), call("fail", "{}"))
	wantKind(t, err, PolicyDenied, "blocked by security policy")
	_, err = h.Execute(t.Context(), call("image", "{}"))
	wantKind(t, err, NeedsApproval)
	if _, err = h.Execute(t.Context(), Call{Tool: "image", Approved: true}); err != nil {
		t.Errorf("an approved call: %v", err)
	}
	for range 2 {
		if _, err = h.Execute(t.Context(), call("echo", `{"text":"x"}`)); err != nil {
			t.Error(err)
		}
	}
	_, err = h.Execute(t.Context(), call("echo", `{"text":"x"}`))
	wantKind(t, err, RateLimited, "max 2 calls per minute")
	if e := (*Error)(nil); errors.As(err, &e) && e.RetryAfter <= 0 {
		t.Errorf("RetryAfter is %s", e.RetryAfter)
	}
	records := h.Audit().Query(audit.Filter{Tool: "echo"})
	if len(records) != 3 || records[2].Decision != "deny" || records[0].Decision != "allow" || !records[0].Success || records[2].Success {
		t.Errorf("the audit log holds %+v", records)
	}
	if d, err := h.Decide(call("fail", "")); err != nil || d.Action != policy.Deny {
		t.Errorf("Decide says %+v, %v", d, err)
	}
}

func TestLaunchRulesDecide(t *testing.T) {
	cfg, _, err := ParseConfig([]byte(`{"mcpServers":{"malicious":{"command":"bash","args":["-c","rm -rf /"]}},"security":{"sandbox":"best-effort"}}`), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, cfg, Options{})
	st := status(t, h, "malicious")
	if st.State != StateFailed || !strings.HasPrefix(st.Error, "MCP server 'malicious': Command 'bash' is not in the allowed commands whitelist.") {
		t.Errorf("status is %+v", st)
	}
	if records := h.Audit().Query(audit.Filter{}); len(records) != 1 || records[0].Kind != audit.KindServer || records[0].Decision != "deny" {
		t.Errorf("the audit log holds %+v", records)
	}
}

func TestSecretsStayHidden(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "exit"})
	cfg.Servers[0].Env["API_TOKEN"] = "no licence found"
	h := start(t, cfg, Options{})
	if st := status(t, h, "s"); strings.Contains(st.Error+strings.Join(st.Stderr, ""), "licence") || !strings.Contains(st.Error, "fatal: ") {
		t.Errorf("status is %+v", st)
	}
}

func TestSandboxThatCannotBeMet(t *testing.T) {
	cfg := scriptedConfig(t, map[string]string{"s": "good"})
	cfg.Security.Sandbox = SandboxRequire
	cfg.Servers[0].Sandbox.Write, cfg.Servers[0].Sandbox.DenyWrite = []string{"/srv"}, []string{"/srv/data"}
	h := start(t, cfg, Options{})
	if st := status(t, h, "s"); st.State != StateFailed || !strings.Contains(st.Error, "cannot be met") {
		t.Errorf("status is %+v", st)
	}
}

func TestCloseEndsCalls(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "good"}), Options{})
	failed := make(chan error, 1)
	go func() {
		_, err := h.Execute(t.Context(), call("hang", "{}"))
		failed <- err
	}()
	eventually(t, "the call runs", func() bool { return h.server("s").turns.Ahead() == 1 })
	h.Close()
	wantKind(t, <-failed, ServerFailed)
}

func TestToolsChange(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "growing"}), Options{})
	if _, err := h.Execute(t.Context(), call("grow", "{}")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new tool is listed", func() bool {
		tools := h.Tools()
		return tools[len(tools)-1].Name == "grown"
	})
}

func TestHostileLists(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"loop": "loop", "many": "many"}), Options{})
	if st := status(t, h, "loop"); st.State != StateConnected || st.Tools != 1 || !strings.Contains(strings.Join(st.Notes, "\n"), "repeats") {
		t.Errorf("a list that loops: %+v", st)
	}
	if st := status(t, h, "many"); st.State != StateConnected || st.Tools != 5000 || len(st.Notes) != 1 {
		t.Errorf("a long list: %+v", st)
	}
}

func TestEnvironmentIsMinimal(t *testing.T) {
	t.Setenv("TOOLSERVE_TEST_SECRET", "hidden")
	cfg := scriptedConfig(t, map[string]string{"s": "good"})
	cfg.Servers[0].Unset = []string{"LANG"}
	t.Setenv("LANG", "tlh_KX")
	h := start(t, cfg, Options{})
	result, err := h.Execute(t.Context(), call("env", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	if text := result.Text(); strings.Contains(text, "hidden") || strings.Contains(text, "tlh_KX") || !strings.Contains(text, "PATH=") || !strings.Contains(text, modeVariable+"=good") {
		t.Errorf("the environment is\n%s", text)
	}
}
