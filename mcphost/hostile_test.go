package mcphost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// raw writes the lines of a call as they are, $ID standing for the call's id. A line that ends with \c gets no
// line break. Where none has $ID, the call is answered with "done" after them.
func (s *scripted) raw(id, arguments json.RawMessage) {
	var a struct {
		Lines  []string
		Repeat int
	}
	json.Unmarshal(arguments, &a)
	answered := false
	for range max(a.Repeat, 1) {
		for _, line := range a.Lines {
			answered = answered || strings.Contains(line, "$ID")
			line = strings.ReplaceAll(line, "$ID", string(id))
			if half, ok := strings.CutSuffix(line, `\c`); ok {
				s.out.WriteString(half)
			} else {
				s.out.WriteString(line + "\n")
			}
		}
	}
	s.out.Flush()
	if !answered {
		s.send(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"done"}]}}`, id)
	}
}

// fault does what a server should not, in the midst of other calls. The call itself is answered where the
// server still can.
func (s *scripted) fault(id, arguments json.RawMessage) {
	var a struct{ Kind string }
	json.Unmarshal(arguments, &a)
	self, _ := os.FindProcess(os.Getpid())
	switch a.Kind {
	case "die":
		self.Kill()
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(7)
	case "half":
		s.out.WriteString(`{"jsonrpc":"2.0","id":12,"result":{"content":[{"type":"te`)
		s.out.Flush()
		os.Exit(1)
	case "halt":
		time.Sleep(30 * time.Millisecond)
	case "close":
		os.Stdout.Close()
		time.Sleep(time.Hour)
	case "orphan":
		exec.Command("sh", "-c", "trap '' TERM HUP; exec </dev/null >/dev/null 2>&1; while :; do sleep 600; done").Start()
		os.Exit(8)
	case "garbage":
		for i := range 50 {
			s.send("{{{ \x00\xff %d \x1b[8m", i)
		}
	case "flood":
		for range 300 {
			s.send(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
			s.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}`)
		}
	case "strays":
		for i := range 200 {
			s.send(`{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"stray"}]}}`, 100_000+i)
			s.send(`{"jsonrpc":"2.0","id":"%d","result":{"content":[{"type":"text","text":"stray"}]}}`, i)
		}
	case "twice":
		for range 3 {
			s.send(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"fault"}]}}`, id)
		}
	case "stop": // until somebody goes on with it
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "hang":
		return
	}
	s.send(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"fault"}]}}`, id)
}

// TestHostileMessages sends what no server should. Whatever becomes of that call, the next one gets its own
// answer: from the same process, unless the server has to be given up.
func TestHostileMessages(t *testing.T) {
	const done = `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"real"}]}}`
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	h := start(t, scriptedConfig(t, map[string]string{"s": "hostile"}), Options{RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond})
	for name, test := range map[string]struct {
		lines  []string
		repeat int
		want   string // the answer; "" is an error
	}{
		"chatter":              {[]string{"Listening on :8080", "", "null", "true", "3", `"x"`, "[]", "{}", "[1,2]", done}, 0, "real"},
		"NUL and no UTF-8":     {[]string{"\x00\x00", "\xff\xfe{", `{"jsonrpc":"2.0","method":"` + "\xff" + `"}`, done}, 0, "real"},
		"half a line":          {[]string{`{"jsonrpc":"2.0",\c`, `"method":"notifications/message","params":{}}`, done}, 0, "real"},
		"keys in another case": {[]string{`{"jsonrpc":"2.0","ID":$ID,"Result":{"content":[{"type":"text","text":"forged"}]}}`, done}, 0, "real"},
		"a folded key":         {[]string{`{"jsonrpc":"2.0","id":$ID,"reſult":{"content":[{"type":"text","text":"forged"}]}}`, done}, 0, ""},
		"keys given twice":     {[]string{`{"jsonrpc":"2.0","id":$ID,"result":{"content":[]},"result":{"content":[{"type":"text","text":"real"}]}}`}, 0, ""},
		"two answers":          {[]string{done, strings.Replace(done, "real", "second", 1)}, 0, "real"},
		"many answers":         {[]string{done}, 100, "real"},
		"ids of other types":   {[]string{`{"jsonrpc":"2.0","id":null,"result":{}}`, `{"jsonrpc":"2.0","id":[$ID],"result":{}}`, `{"jsonrpc":"2.0","id":{"a":$ID},"result":{}}`, done}, 0, "real"},
		"an id not asked for":  {[]string{`{"jsonrpc":"2.0","id":987654,"result":{"content":[{"type":"text","text":"forged"}]}}`, done}, 0, "real"},
		"a batch":              {[]string{"[" + done + "]"}, 0, "real"},
		"result and error":     {[]string{`{"jsonrpc":"2.0","id":$ID,"result":{"content":[]},"error":{"code":1,"message":"no"}}`}, 0, ""},
		"neither":              {[]string{`{"jsonrpc":"2.0","id":$ID}`, done}, 0, ""},
		"a flood": {[]string{`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}`,
			`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"nobody","progress":1}}`,
			`{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}`, `{"jsonrpc":"2.0","method":"unknown/thing"}`}, 2000, "done"},
		"requests of its own":        {[]string{`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}`, `{"jsonrpc":"2.0","id":1,"method":"no/such"}`, done}, 0, "real"},
		"depth":                      {[]string{`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":` + deep + `}}`, done}, 0, "real"},
		"a result that is no object": {[]string{`{"jsonrpc":"2.0","id":$ID,"result":` + deep + `}`}, 0, ""},
		"no version":                 {[]string{`{"id":$ID,"result":{"content":[{"type":"text","text":"real"}]}}`}, 0, ""},
		"content of no kind":         {[]string{`{"jsonrpc":"2.0","id":$ID,"result":{"content":[7,null,{"type":9},{"type":"text","text":"real"}]}}`}, 0, "*"},
	} {
		arguments, err := json.Marshal(map[string]any{"lines": test.lines, "repeat": test.repeat})
		if err != nil {
			t.Fatal(err)
		}
		timeout := time.Minute
		if test.want == "" { // some are not answered at all
			timeout = time.Second
		}
		result, err := h.Execute(t.Context(), Call{Server: "s", Tool: "raw", Arguments: arguments, Timeout: timeout})
		switch got := result.Text(); {
		case test.want == "*" || test.want == "" && strings.Contains(test.lines[0], "ſ"): // one or the other
		case err == nil && test.want == "":
			t.Errorf("%s: answered with %q", name, got)
		case err != nil && test.want != "":
			t.Errorf("%s: %v", name, err)
		case err == nil && got != test.want:
			t.Errorf("%s: answered with %q, want %q", name, got, test.want)
		}
		if strings.Contains(result.Text(), "forged") {
			t.Errorf("%s: what was forged is taken for the answer: %q", name, result.Text())
		}
		eventually(t, name+": the server is connected", func() bool { return status(t, h, "s").State == StateConnected })
		if got, err := echo(h, name); err != nil || got != name {
			t.Errorf("after %s: %q, %v", name, got, err)
		}
	}
	if st := status(t, h, "s"); st.Restarts > 0 {
		t.Errorf("the server was given up %d times: %s", st.Restarts, st.LastError)
	}
}

// TestHostileTools lists what no server should: what can be offered is, under a legal name, and the server
// stays.
func TestHostileTools(t *testing.T) {
	tool := func(name, schema string) string {
		return fmt.Sprintf(`{"name":%s,"description":"d","inputSchema":%s}`, name, schema)
	}
	const object = `{"type":"object"}`
	long := strings.Repeat("n", 300)
	for name, test := range map[string]struct {
		tools   string
		offered int
		problem bool
	}{
		"two of one name":      {tool(`"a"`, object) + "," + tool(`"a"`, `{"type":"object","title":"second"}`), 1, false},
		"odd names":            {tool(`"__proto__"`, object) + "," + tool(`"a/b"`, object) + "," + tool(`"a b"`, object) + "," + tool(`"\u202egnp.exe"`, object) + "," + tool(`"\u001b[8mhidden"`, object) + "," + tool(`"\udb40\udc41"`, object), 6, false},
		"a name too long":      {tool(`"`+long+`"`, object) + "," + tool(`"b"`, object), 1, false},
		"no name":              {tool(`""`, object) + "," + tool(`7`, object) + `,null,[],{},"x",` + tool(`"b"`, object), 1, false},
		"no schema":            {`{"name":"a"}`, 1, false},
		"a schema of no kind":  {tool(`"a"`, `"object"`), 1, true},
		"a remote reference":   {tool(`"a"`, `{"type":"object","properties":{"x":{"$ref":"http://169.254.169.254/latest"}}}`), 1, true},
		"a cycle":              {tool(`"a"`, `{"type":"object","$ref":"#"}`), 1, false},
		"a bomb of references": {tool(`"a"`, bomb(40)), 1, true},
		"a bad pattern":        {tool(`"a"`, `{"type":"object","properties":{"text":{"type":"string","pattern":"(a+)+$(?!x)"}}}`), 1, true},
		"depth":                {tool(`"a"`, strings.Repeat(`{"not":`, 2000)+`{}`+strings.Repeat(`}`, 2000)), 1, true},
		"a large description":  {`{"name":"a","description":"` + strings.Repeat("é", 500_000) + `","inputSchema":{"type":"object"}}`, 1, false},
	} {
		list := `{"tools":[` + test.tools + `]}`
		cfg := scriptedConfig(t, map[string]string{"s": "listing"})
		if len(list) > 100_000 { // more than an environment holds
			list = strings.Replace(list, strings.Repeat("é", 500_000), strings.Repeat("é", 30_000), 1)
		}
		cfg.Servers[0].Env["TOOLSERVE_TEST_LIST"] = list
		h := start(t, cfg, Options{})
		st := status(t, h, "s")
		tools := h.Tools()
		if st.State != StateConnected || len(tools) != test.offered {
			t.Errorf("%s: %d tools are offered: %s %s %q", name, len(tools), st.State, st.Error, st.Notes)
		}
		for _, tool := range tools {
			if len(tool.FullName) > 64 || strings.Trim(tool.FullName, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || len(tool.Description) > 20<<10 {
				t.Errorf("%s: the tool %q is offered as %q with %d bytes", name, tool.Name, tool.FullName, len(tool.Description))
			}
			if (tool.Problem != "") != test.problem {
				t.Errorf("%s: the problem is %q", name, tool.Problem)
			}
			began := time.Now()
			_, err := h.Execute(t.Context(), Call{Server: "s", Tool: tool.Name, Arguments: []byte(`{"text":"` + strings.Repeat("a", 60) + `"}`), Timeout: 20 * time.Millisecond})
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Errorf("%s: a call of %q is answered with %v", name, tool.Name, err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s: a call of %q is judged for %v", name, tool.Name, took)
			}
		}
		h.Close()
	}
}

// bomb is a schema whose references double at each of n steps.
func bomb(n int) string {
	var defs []string
	for i := range n {
		defs = append(defs, fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i, i+1, i+1))
	}
	return fmt.Sprintf(`{"type":"object","$ref":"#/$defs/d0","$defs":{%s,"d%d":{"type":"object"}}}`, strings.Join(defs, ","), n)
}
