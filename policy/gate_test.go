package policy

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustGate(t testing.TB, rules ToolRules) *Gate {
	t.Helper()
	g, err := NewGate(rules)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func outcome(d Decision) string {
	if d.Action == Allow {
		return "allow"
	}
	return string(d.Code)
}

func TestArguments(t *testing.T) {
	f, err := os.Open("testdata/calls.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := mustGate(t, ToolRules{CallsPerMinute: Unlimited})
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		want, args, ok := strings.Cut(lines.Text(), " ")
		if !ok || want == "#" {
			continue
		}
		d := g.Decide(Call{Server: "s", Tool: "tool", Arguments: json.RawMessage(args)})
		if outcome(d) != want {
			t.Errorf("line %d: %s: %s, want %s (%s)", n, args, outcome(d), want, d.Reason)
		}
		if want != "bad_arguments" && !json.Valid([]byte(args)) {
			t.Errorf("line %d: %s is not JSON", n, args)
		}
	}
}

func TestArgumentLimits(t *testing.T) {
	g := mustGate(t, ToolRules{MaxArgumentBytes: 1000, MaxArgumentDepth: 10})
	for name, c := range map[string]struct{ args, want string }{
		"deep":           {`{"a":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, "allow"},
		"too deep":       {`{"a":` + strings.Repeat("[", 10) + strings.Repeat("]", 10) + `}`, "bad_arguments"},
		"far too deep":   {strings.Repeat(`{"a":`, 100), "bad_arguments"},
		"too long":       {`{"a":"` + strings.Repeat("x", 1000) + `"}`, "bad_arguments"},
		"invalid UTF-8":  {"{\"a\":\"\xff\"}", "bad_arguments"},
		"raw line break": {"{\"a\":\"\n\"}", "bad_arguments"},
		"byte order":     {"\ufeff{}", "bad_arguments"},
		"empty":          {"", "allow"},
		"many members":   {`{"m0":0` + strings.Join(manyMembers(40), "") + `}`, "allow"},
		"many and twice": {`{"m0":0` + strings.Join(manyMembers(40), "") + `,"M7":1}`, "bad_arguments"},
	} {
		if got := outcome(g.Decide(Call{Server: "s", Tool: "t", Arguments: json.RawMessage(c.args)})); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func manyMembers(n int) (list []string) {
	for i := 1; i < n; i++ {
		list = append(list, `,"m`+string(rune('0'+i/10))+string(rune('0'+i%10))+`":0`)
	}
	return append(list, `,"m7":0`)
}

func TestProfile(t *testing.T) {
	schema := `{"type":"object","properties":{
		"target":{"type":"string","format":"path"},
		"thing":{"type":"string","description":"Absolute path to the thing"},
		"content":{"type":"string"},
		"data":{"type":"string","format":"markdown"},
		"list":{"type":"array","items":{"type":"string","format":"file-path"}},
		"nested":{"type":"object","properties":{"where":{"type":"string","format":"directory"}}}}}`
	profile := NewToolProfile(json.RawMessage(schema), nil)
	g := mustGate(t, ToolRules{PathArguments: []string{"special"}})
	for args, want := range map[string]string{
		`{"target":"a b ../x"}`:            "argument",
		`{"thing":".ssh"}`:                 "argument",
		`{"content":"/etc/passwd"}`:        "allow",
		`{"data":"/etc/passwd"}`:           "allow",
		`{"list":["id_rsa"]}`:              "argument",
		`{"nested":{"where":"id_rsa"}}`:    "argument",
		`{"other":"id_rsa"}`:               "allow",
		`{"special":"id_rsa"}`:             "argument",
		`{"Target":"/etc/passwd"}`:         "bad_arguments",
		`{"nested":{"Where":"elsewhere"}}`: "allow",
	} {
		d := g.Decide(Call{Server: "s", Tool: "t", Arguments: json.RawMessage(args), Profile: profile})
		if outcome(d) != want {
			t.Errorf("%s: %s, want %s (%s)", args, outcome(d), want, d.Reason)
		}
	}
	for _, broken := range []string{"", "null", "[]", `{"properties":[]}`, `{"properties":{"a":1}}`, "{", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)} {
		if NewToolProfile(json.RawMessage(broken), nil) == nil {
			t.Errorf("no profile for %.20s", broken)
		}
	}
}

func TestLists(t *testing.T) {
	for _, c := range []struct {
		rules        ToolRules
		server, tool string
		want         string
	}{
		{ToolRules{BlockedTools: []string{"write_file"}}, "fs", "write_file", "tool_blocked"},
		{ToolRules{BlockedTools: []string{"write_file"}}, "fs", "WRITE_FILE", "tool_blocked"},
		{ToolRules{BlockedTools: []string{"fs__write_file"}}, "fs", "write_file", "tool_blocked"},
		{ToolRules{BlockedTools: []string{"fs__write_file"}}, "other", "write_file", "allow"},
		{ToolRules{BlockedTools: []string{"fs__*"}}, "fs", "anything", "tool_blocked"},
		{ToolRules{BlockedTools: []string{"*delete*"}}, "fs", "file_delete_all", "tool_blocked"},
		{ToolRules{BlockedTools: []string{"run_shell__x"}}, "s", "run_shell__x", "tool_blocked"},
		{ToolRules{AllowedTools: []string{"read_file", "list_directory"}}, "fs", "read_file", "allow"},
		{ToolRules{AllowedTools: []string{"read_file"}}, "fs", "write_file", "tool_not_allowed"},
		{ToolRules{AllowedTools: []string{"read_file"}}, "fs", "READ_FILE", "tool_not_allowed"},
		{ToolRules{AllowedTools: []string{"fs__*"}}, "fs", "write_file", "allow"},
		{ToolRules{AllowedTools: []string{}}, "fs", "read_file", "tool_not_allowed"},
		{ToolRules{AllowedTools: []string{"x"}, BlockedTools: []string{"x"}}, "fs", "x", "tool_blocked"},
		{ToolRules{Disabled: true, BlockedTools: []string{"x"}}, "fs", "x", "allow"},
		{ToolRules{Servers: map[string]ServerRules{"fs": {BlockedTools: []string{"x"}}}}, "fs", "x", "tool_blocked"},
		{ToolRules{Servers: map[string]ServerRules{"fs": {AllowedTools: []string{"x"}}}}, "fs", "y", "tool_not_allowed"},
		{ToolRules{Servers: map[string]ServerRules{"fs": {AllowedTools: []string{"x"}}}}, "web", "y", "allow"},
		{ToolRules{AskTools: []string{"y"}}, "web", "y", "approval"},
		{ToolRules{AskTools: []string{"y"}, Servers: map[string]ServerRules{"web": {AutoApprove: []string{"y"}}}}, "web", "y", "allow"},
		{ToolRules{BlockedTools: []string{"y"}, Servers: map[string]ServerRules{"web": {AutoApprove: []string{"y"}}}}, "web", "y", "tool_blocked"},
	} {
		if got := outcome(mustGate(t, c.rules).Decide(Call{Server: c.server, Tool: c.tool})); got != c.want {
			t.Errorf("%+v: %s of %s: %s, want %s", c.rules, c.tool, c.server, got, c.want)
		}
	}
}

func TestHighRisk(t *testing.T) {
	risky := `execute execute_command run_command shell shell_exec eval exec system subprocess runCommand execSync js-eval
		RUN_COMMAND python.exec bash open_terminal run_code ShellTool`
	for name := range strings.FieldsSeq(risky) {
		d := mustGate(t, ToolRules{}).Decide(Call{Server: "s", Tool: name})
		if d.Action != Allow || len(d.Warnings) != 1 {
			t.Errorf("%s: %+v", name, d)
		}
		if d := mustGate(t, ToolRules{HighRisk: RiskBlock}).Decide(Call{Server: "s", Tool: name}); d.Code != CodeHighRisk {
			t.Errorf("%s in mode block: %+v", name, d)
		}
		ask := mustGate(t, ToolRules{HighRisk: RiskAsk})
		if d := ask.Decide(Call{Server: "s", Tool: name}); d.Action != Ask || d.Code != CodeApproval {
			t.Errorf("%s in mode ask: %+v", name, d)
		}
		if d := ask.Decide(Call{Server: "s", Tool: name, Approved: true}); d.Action != Allow {
			t.Errorf("%s approved: %+v", name, d)
		}
		if d := mustGate(t, ToolRules{HighRisk: RiskBlock, AllowedHighRiskTools: []string{name}}).Decide(Call{Server: "s", Tool: name}); d.Action != Allow {
			t.Errorf("%s allowed by name: %+v", name, d)
		}
	}
	for name := range strings.FieldsSeq(`filesystem execution_time executive retrieval medieval evaluate ecosystem command run read_file marshall`) {
		if d := mustGate(t, ToolRules{HighRisk: RiskBlock}).Decide(Call{Server: "s", Tool: name}); d.Action != Allow || len(d.Warnings) != 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
	block := mustGate(t, ToolRules{HighRisk: RiskBlock})
	want := "High-risk tool 'execute_command' is blocked by security policy. Add 's__execute_command' or 'execute_command' to allowed_high_risk_tools to allow it explicitly."
	if d := block.Decide(Call{Server: "s", Tool: "execute_command", Approved: true}); d.Reason != want {
		t.Errorf("reason is %q", d.Reason)
	}
	destructive := NewToolProfile(nil, json.RawMessage(`{"destructiveHint":true}`))
	if d := mustGate(t, ToolRules{HighRisk: RiskAsk}).Decide(Call{Server: "s", Tool: "wipe", Profile: destructive}); d.Action != Ask {
		t.Errorf("a destructive tool: %+v", d)
	}
}

func TestDenyWinsOverAsk(t *testing.T) {
	g := mustGate(t, ToolRules{HighRisk: RiskAsk})
	d := g.Decide(Call{Server: "s", Tool: "exec", Arguments: json.RawMessage(`{"path":"/etc/passwd"}`)})
	if d.Action != Deny || d.Reason != "Tool 'exec' argument 'path' contains blocked pattern: /etc/" {
		t.Errorf("%+v", d)
	}
	d = g.Decide(Call{Server: "s", Tool: "exec", Approved: true, Arguments: json.RawMessage(`{"a":{"file":["x","../y"]}}`)})
	if d.Action != Deny || d.Reason != "Tool 'exec' argument 'a.file.[1]' contains blocked pattern: ../" {
		t.Errorf("%+v", d)
	}
}

func TestRates(t *testing.T) {
	now := time.Unix(1000, 0)
	g := mustGate(t, ToolRules{CallsPerMinute: 3, ServerCallsPerMinute: 5, TotalCallsPerMinute: 6, Now: func() time.Time { return now },
		AskTools: []string{"ask"}})
	step := func(server, tool, want string) {
		t.Helper()
		now = now.Add(time.Second)
		d := g.Decide(Call{Server: server, Tool: tool})
		if outcome(d) != want && d.Reason != want {
			t.Errorf("%s of %s at %v: %+v, want %s", tool, server, now.Unix(), d, want)
		}
		if d.Code == CodeRate && (d.RetryAfter <= 0 || d.RetryAfter > time.Minute) {
			t.Errorf("retry after %v", d.RetryAfter)
		}
	}
	step("a", "x", "allow") // at second 1001
	step("a", "x", "allow")
	step("a", "x", "allow")
	step("a", "x", "Rate limit exceeded for tool 'a__x': max 3 calls per minute")
	step("a", "ask", "approval") // is not counted
	step("a", "y", "allow")
	step("a", "y", "allow")
	step("a", "y", "Rate limit exceeded for server 'a': max 5 calls per minute")
	step("b", "x", "allow")
	step("b", "x", "Rate limit exceeded for all tools: max 6 calls per minute")
	if d := g.Preview(Call{Server: "b", Tool: "x"}); d.Action != Allow {
		t.Errorf("a preview is limited: %+v", d)
	}
	if d := g.Decide(Call{Server: "a", Tool: "x"}); d.RetryAfter != 51*time.Second {
		t.Errorf("retry after %v, want 51s", d.RetryAfter)
	}
	now = time.Unix(1061, 0)
	step("a", "x", "allow")
	step("a", "x", "allow")
	step("a", "x", "allow")
	free := mustGate(t, ToolRules{CallsPerMinute: Unlimited})
	for range 1000 {
		if d := free.Decide(Call{Server: "s", Tool: "t"}); d.Action != Allow {
			t.Fatal(d.Reason)
		}
	}
}

func TestLargeLimits(t *testing.T) {
	now := time.Unix(1000, 0)
	var l limiter
	q := quota{key: "k", limit: 4*maxWindow + 1}
	passed := 0
	for range 6 * maxWindow {
		if _, _, ok := l.take(now, q); ok {
			passed++
		}
	}
	if passed < q.limit-5 || passed > q.limit || cap(l.windows["k"].times) > 2*maxWindow {
		t.Errorf("%d of %d calls passed", passed, q.limit)
	}
	if _, _, ok := l.take(now.Add(time.Minute), q); !ok {
		t.Error("limited a minute later")
	}
}

func TestLimiterIsBounded(t *testing.T) {
	var l limiter
	now := time.Unix(1000, 0)
	for i := range 3 * maxWindows {
		now = now.Add(time.Millisecond)
		if _, _, ok := l.take(now, quota{key: strings.Repeat("k", i%7) + string(rune(i)), limit: 1}); !ok {
			t.Fatalf("call %d is limited", i)
		}
	}
	if len(l.windows) > maxWindows {
		t.Errorf("%d windows", len(l.windows))
	}
}

func TestRoots(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, out := filepath.Join(dir, "root"), filepath.Join(dir, "root-other")
	for _, d := range []string{root, out, filepath.Join(root, "sub")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"out": out, "in": "sub", "dangling": filepath.Join(out, "new"), "loop": "loop", "etc": "/etc", "up": ".."} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	rooted := mustGate(t, ToolRules{Roots: []string{root}, ResolvePath: ResolveSymlinks, CallsPerMinute: Unlimited})
	free := mustGate(t, ToolRules{ResolvePath: ResolveSymlinks, CallsPerMinute: Unlimited})
	lexical := mustGate(t, ToolRules{Roots: []string{"/etc/nginx", "/srv/data"}, CallsPerMinute: Unlimited})
	for _, c := range []struct {
		name string
		g    *Gate
		path string
		want string
	}{
		{"the root", rooted, root, "allow"},
		{"inside", rooted, root + "/sub/new.txt", "allow"},
		{"inside through a link", rooted, root + "/in/new.txt", "allow"},
		{"relative", rooted, "sub/x", "allow"},
		{"relative through a link", rooted, "in/x", "allow"},
		{"relative and out", rooted, "out/x", "argument"},
		{"relative and out by a link that leads nowhere", rooted, "dangling", "argument"},
		{"relative to /etc", rooted, "etc/passwd", "argument"},
		{"one of two", rooted, "{" + root + "," + out + "}/x", "argument"},
		{"in a list", rooted, root + ":" + out, "argument"},
		{"with a variable", rooted, "$HOME/x", "argument"},
		{"with a variable of Windows", rooted, `%USERPROFILE%\x`, "argument"},
		{"a price in a name", rooted, "sub/$money.md", "allow"},
		{"a drive", rooted, "C:", "argument"},
		{"a share", rooted, `\\server\share`, "argument"},
		{"an expression", rooted, `\d+/\d+`, "allow"},
		{"a picture", rooted, "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMC", "argument"},
		{"same prefix", rooted, out + "/x", "argument"},
		{"elsewhere", rooted, "/usr/share/x", "argument"},
		{"out through a link", rooted, root + "/out/x", "argument"},
		{"out through a dangling link", rooted, root + "/dangling", "argument"},
		{"up through a link", rooted, root + "/up/root-other/x", "argument"},
		{"a loop of links", rooted, root + "/loop", "argument"},
		{"home", rooted, "~/x", "argument"},
		{"secret inside", rooted, root + "/.ssh/id_rsa", "argument"},
		{"secret relative", rooted, ".ssh/id_rsa", "argument"},
		{"a link to /etc", free, root + "/etc/passwd", "argument"},
		{"no link", free, root + "/sub", "allow"},
		{"a root that is meant", lexical, "/etc/nginx/nginx.conf", "allow"},
		{"beside it", lexical, "/etc/passwd", "argument"},
		{"up", lexical, "/srv/data/../x", "argument"},
	} {
		args, err := json.Marshal(map[string]string{"path": c.path})
		if err != nil {
			t.Fatal(err)
		}
		if d := c.g.Decide(Call{Server: "s", Tool: "t", Arguments: args}); outcome(d) != c.want {
			t.Errorf("%s: %s, want %s (%s)", c.name, outcome(d), c.want, d.Reason)
		}
	}
	for args, want := range map[string]string{
		`{"dir":"` + root + `","name":"out/x"}`:                                                  "argument", // a folder and a name apart
		`{"dir":"` + root + `/sub","name":"new"}`:                                                "allow",
		`{"data":"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMC","name":"a.jpg"}`:                     "allow", // a picture
		`{"endpoint":"/repos/{owner}/issues","route":"/users/:id"}`:                              "allow",
		`{"data":"/usr/share/x"}`:                                                                "argument",
		`{"task":"/review the change","label":"~about 5 of them","element":"//button[@id='x']"}`: "allow", // no paths
		`{"task":"/usr/share/my own file"}`:                                                      "argument",
	} {
		if d := rooted.Decide(Call{Server: "s", Tool: "t", Arguments: json.RawMessage(args)}); outcome(d) != want {
			t.Errorf("%s: %s, want %s (%s)", args, outcome(d), want, d.Reason)
		}
	}
}

func TestPatterns(t *testing.T) {
	g := mustGate(t, ToolRules{BlockedArgPatterns: []string{`(?i)drop\s+table`, `~`}, NoPathRules: true})
	for args, want := range map[string]string{
		`{"sql":"DROP  TABLE x"}`: "argument", `{"content":["a","b~"]}`: "argument", `{"path":"/etc/passwd"}`: "allow",
	} {
		if got := outcome(g.Decide(Call{Server: "s", Tool: "t", Arguments: json.RawMessage(args)})); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
	for _, rules := range []ToolRules{{BlockedArgPatterns: []string{"("}}, {HighRisk: "maybe"}, {Roots: []string{"relative"}},
		{Servers: map[string]ServerRules{"s": {Roots: []string{"x"}}}}} {
		if _, err := NewGate(rules); err == nil {
			t.Errorf("%+v is taken", rules)
		}
	}
}

func TestGateIsSafeForConcurrentUse(t *testing.T) {
	g := mustGate(t, ToolRules{CallsPerMinute: 50})
	var wg sync.WaitGroup
	var mu sync.Mutex
	allowed := 0
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if g.Decide(Call{Server: "s", Tool: "t", Arguments: json.RawMessage(`{"path":"/tmp"}`)}).Action == Allow {
					mu.Lock()
					allowed++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if allowed != 50 {
		t.Errorf("%d calls passed a limit of 50", allowed)
	}
}

func FuzzArguments(f *testing.F) {
	f.Add(`{"path":"/tmp","x":["\ud83d\ude00",1e5]}`)
	f.Add(`{"a":{"a":{}},"A":1}`)
	f.Add(`{"path":"'/srv/{a,../x}'","dir":"{/etc,b}:/x"}`)
	f.Add(`{"path":"\u00a0$HOME/x","url":"view-source:http:169.254.169.254","n":1e309}`)
	g := mustGate(f, ToolRules{CallsPerMinute: Unlimited})
	rooted := mustGate(f, ToolRules{CallsPerMinute: Unlimited, Roots: []string{"/srv/data"}})
	f.Fuzz(func(t *testing.T, args string) {
		d := g.Decide(Call{Server: "s", Tool: "t", Arguments: json.RawMessage(args)})
		if args != "" && d.Action == Allow && !json.Valid([]byte(args)) {
			t.Fatalf("%q is not JSON and is taken: %+v", args, d)
		}
		if d.Action != Allow || args == "" {
			return
		}
		var decoded map[string]any
		if err := json.Unmarshal([]byte(args), &decoded); err != nil {
			t.Fatalf("%q is allowed: %v", args, err)
		}
		if p, ok := decoded["path"].(string); ok && (p == ".." || strings.HasPrefix(p, "../") || strings.HasPrefix(p, "/etc/")) {
			t.Fatalf("%q is allowed", args)
		}
		p, _ := decoded["path"].(string)
		p = strings.Trim(p, " \t'\"")
		if !filepath.IsAbs(p) || p == "/srv/data" || strings.HasPrefix(filepath.Clean(p), "/srv/data/") || filepath.Clean(p) == "/srv/data" {
			return
		}
		if d := rooted.Decide(Call{Server: "s", Tool: "t", Arguments: json.RawMessage(args)}); d.Action == Allow {
			t.Fatalf("%q is allowed, outside of the roots", args)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	args := json.RawMessage(`{"path":"/srv/data/reports/2026/summary.txt","content":"One line of text.\nAnd another one.","create":true,"mode":420,"tags":["a","b"]}`)
	profile := NewToolProfile(json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"},"content":{"type":"string"},"create":{"type":"boolean"},"mode":{"type":"integer"},"tags":{"type":"array"}}}`), json.RawMessage(`{"destructiveHint":true}`))
	g := mustGate(b, ToolRules{CallsPerMinute: Unlimited, Roots: []string{"/srv/data"}, BlockedTools: []string{"x__*", "delete_file"}, TotalCallsPerMinute: 6000, Now: func() time.Time { return time.Time{} }})
	b.ReportAllocs()
	for b.Loop() {
		if d := g.Preview(Call{Server: "filesystem", Tool: "write_file", Arguments: args, Profile: profile}); d.Action != Allow {
			b.Fatal(d.Reason)
		}
	}
}

// TestChangedRules checks that other rules apply at once and that what was used of a limit stays used.
func TestChangedRules(t *testing.T) {
	now := time.Unix(1000, 0)
	rules := ToolRules{CallsPerMinute: 4, Now: func() time.Time { return now }}
	g := mustGate(t, rules)
	passed := func(n int) (ok int) {
		for range n {
			now = now.Add(time.Second)
			if g.Decide(Call{Server: "s", Tool: "t"}).Action == Allow {
				ok++
			}
		}
		return ok
	}
	if got := passed(6); got != 4 {
		t.Fatalf("%d calls passed", got)
	}
	for _, step := range []struct{ limit, want int }{{4, 0}, {6, 2}, {3, 0}, {8, 5}, {2, 0}} {
		rules.CallsPerMinute = step.limit
		next, err := g.With(rules)
		if err != nil {
			t.Fatal(err)
		}
		g = next
		if got := passed(8); got != step.want {
			t.Errorf("under a limit of %d: %d calls passed, want %d", step.limit, got, step.want)
		}
	}
	rules.BlockedTools = []string{"t"}
	if next, err := g.With(rules); err != nil || next.Preview(Call{Server: "s", Tool: "t"}).Action != Deny {
		t.Errorf("the new rule does not apply: %v", err)
	}
	rules.HighRisk = "x"
	if _, err := g.With(rules); err == nil {
		t.Error("bad rules are taken")
	}
}
