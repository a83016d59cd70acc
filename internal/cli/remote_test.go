package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/client"
	"github.com/toolserve/toolserve/internal/client/clienttest"
)

// runRemote runs one command line against the server and returns its exit status and outputs.
func runRemote(t *testing.T, url, stdin string, args ...string) (status int, out, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	streams := IO{In: strings.NewReader(stdin), Out: &o, Err: &e, Env: os.Getenv}
	status = Run(t.Context(), append(args, "--url", url), streams)
	return status, o.String(), e.String()
}

// auditTime is how the time of the entries of auditBody is shown here.
var auditTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Local().Format(time.DateTime)

const fsTools = `{"tools":[
 {"type":"function","name":"fs__read","server":"fs","tool":"read","description":"Reads a\nfile.\u001b[2J","function":{"name":"fs__read"},
  "parameters":{"type":"object","properties":{"path":{"type":"string"},"head":{"type":"integer"}},"required":["path"]}},
 {"type":"function","name":"clock__now","server":"clock","tool":"now","description":"","function":{"name":"clock__now"}}],"count":2}`

func TestRemoteCommands(t *testing.T) {
	for _, tt := range []struct {
		name, stdin string
		args        []string
		change      func(*clienttest.Server)
		status      int
		out, err    string // all of the output, part of the errors
	}{
		{
			name: "status", args: []string{"mcp", "status"},
			change: func(s *clienttest.Server) {
				s.Status = `{"servers":[{"name":"fs","state":"connected","transport":"stdio","tools_count":14,"resources_count":7,"prompts_count":4,"restarts":1,"sandbox":{"level":"strict"}},` +
					`{"name":"bad","state":"failed","transport":"stdio","error":"Command 'bash'\nis not allowed\u001b[2J","sandbox":"none"}]}`
			},
			out: "SERVER  STATE      TRANSPORT  TOOLS  RESOURCES  PROMPTS  RESTARTS  SANDBOX  ERROR\n" +
				"fs      connected  stdio      14     7          4        1         strict\n" +
				"bad     failed     stdio      0      0          0        0         none     Command 'bash' is not allowed\n",
		},
		{
			name: "status of a server that comes and goes", args: []string{"mcp", "status"},
			change: func(s *clienttest.Server) {
				s.Status = `{"servers":[{"name":"fs","state":"retrying","transport":"stdio","restarts":3,"restarted_at":["2026-01-05T09:07:03Z"],` +
					`"error":"it died","last_error":"it\u001b[8m died","stderr":["1","2","3","4","5","out of\nmemory"]}],"config":{"path":"x","error":"line 3: no comma"}}`
			},
			out: "SERVER  STATE     TRANSPORT  TOOLS  RESOURCES  PROMPTS  RESTARTS  SANDBOX  ERROR\nfs      retrying  stdio      0      0          0        3                  it died\n" +
				"restarted: fs: 3 times, last at " + time.Date(2026, 1, 5, 9, 7, 3, 0, time.UTC).Local().Format(time.DateTime) + ": it died\n" +
				"stderr: fs: 2\nstderr: fs: 3\nstderr: fs: 4\nstderr: fs: 5\nstderr: fs: out of memory\n",
			err: "the changed configuration is not in force: line 3: no comma\n",
		},
		{
			name: "status without servers", args: []string{"mcp", "status"},
			change: func(s *clienttest.Server) { s.Status = `{"servers":[],"reason":"started without --mcp-config"}` },
			err:    "no MCP servers: started without --mcp-config\n",
		},
		{name: "status as JSON", args: []string{"mcp", "status", "--json"}, out: "{\n  \"servers\": []\n}\n"},
		{
			name: "tools", args: []string{"mcp", "tools"}, change: func(s *clienttest.Server) { s.Tools = fsTools },
			out: "NAME        ARGUMENTS    DESCRIPTION\nfs__read    path, head?  Reads a file.\nclock__now\n",
		},
		{
			name: "tools of a server that is down", args: []string{"mcp", "tools"},
			change: func(s *clienttest.Server) {
				s.Tools = `{"tools":[{"name":"a__b"}],"unavailable":[{"server":"db","state":"failed","error":"no\npassword"}]}`
			},
			out: "NAME  ARGUMENTS  DESCRIPTION\na__b\n", err: "no tools of db: failed: no password\n",
		},
		{
			name: "tools of one server as JSON", args: []string{"mcp", "tools", "--json", "--server", "clock"},
			change: func(s *clienttest.Server) { s.Tools = fsTools },
			out: "{\n  \"count\": 1,\n  \"tools\": [\n    {\n      \"type\": \"function\",\n      \"name\": \"clock__now\",\n      \"server\": \"clock\",\n" +
				"      \"tool\": \"now\",\n      \"description\": \"\",\n      \"function\": {\n        \"name\": \"clock__now\"\n      }\n    }\n  ]\n}\n",
		},
		{name: "no tools", args: []string{"mcp", "tools"}, err: "no tools: no MCP server is configured\n"},
		{
			name: "no tools of a server", args: []string{"mcp", "tools", "--server", "x"},
			change: func(s *clienttest.Server) { s.Tools = fsTools }, err: "no tools: the server \"x\" offers none",
		},
		{name: "call", args: []string{"mcp", "call", "fs", "read", `{"path":"x"}`}, out: "ok\n"},
		{name: "call without arguments", args: []string{"mcp", "call", "fs__read"}, out: "ok\n"},
		{
			name: "call with arguments from the input", args: []string{"mcp", "call", "fs__read", "-"}, stdin: `{"path":"y"}`,
			change: echo, out: `{"path":"y"}` + "\n",
		},
		{name: "call with bad arguments", args: []string{"mcp", "call", "fs__read", `{"path"`}, status: 2, err: "not a JSON object"},
		{name: "call with too much", args: []string{"mcp", "call", "a", "b", "c"}, status: 2, err: "[SERVER] TOOL [ARGUMENTS]"},
		{name: "call of nothing", args: []string{"mcp", "call", "{}"}, status: 2, err: "[SERVER] TOOL [ARGUMENTS]"},
		{
			name: "call that the tool fails", args: []string{"mcp", "call", "fs__read"}, status: 1, out: "no\u00a0such file\n",
			change: answer(200, `{"result":"no\u00a0such file\u001b[1m","is_error":true,"error_message":"no such file"}`),
		},
		{
			name: "call that is refused", args: []string{"mcp", "call", "fs__read"}, status: 1, err: "toolserve: blocked (HTTP 403)\n",
			change: answer(403, `{"error":{"message":"blocked"},"is_error":true}`),
		},
		{
			name: "call that is refused, as JSON", args: []string{"mcp", "call", "--json", "fs__read"}, status: 1,
			change: answer(403, `{"error":{"message":"blocked"}}`), out: "{\n  \"error\": {\n    \"message\": \"blocked\"\n  }\n}\n",
		},
		{
			name: "call with arguments that the tool does not take", args: []string{"mcp", "call", "fs__read"}, status: 2,
			change: answer(400, `{"error":{"message":"path is missing"}}`), err: "path is missing",
		},
		{
			name: "audit", args: []string{"mcp", "audit"}, change: func(s *clienttest.Server) { s.Audit = auditBody },
			out: auditTime + "  1  server fs\n" +
				auditTime + "  2  fs__read   ok 1.5 ms\n" +
				auditTime + "  3  fs__rm     deny: Tool 'rm' is blocked\n" +
				auditTime + "  4  fs__read   error: timed out\n",
		},
		{
			name: "audit as JSON lines", args: []string{"mcp", "audit", "--json"},
			change: func(s *clienttest.Server) { s.Audit = `{"entries":[{"seq": 1, "own": true}]}` }, out: "{\"seq\":1,\"own\":true}\n",
		},
		{name: "empty audit", args: []string{"mcp", "audit"}, err: "no audit records\n"},
		{name: "audit without a limit", args: []string{"mcp", "audit", "--limit", "0"}, status: 2, err: "--limit"},
		{name: "chat, one message", args: []string{"chat", "hi"}, out: "Hello.\n", err: "no tools: no MCP server is configured\n"},
		{name: "chat, a pipe", args: []string{"chat"}, stdin: "a\nb\n", out: "Hello.\nHello.\n", err: "no tools"},
		{
			name: "chat, a failing turn", args: []string{"chat", "hi"}, status: 1, err: "too long (HTTP 400)\n",
			change: func(s *clienttest.Server) { s.Turns = []clienttest.Turn{{`{"error":{"message":"too long"}}`}} },
		},
		{
			name: "chat with a wrong key", args: []string{"chat", "hi"}, status: 1, err: "wrong API key (give the server's key with --api-key",
			change: func(s *clienttest.Server) { s.Key = "other" },
		},
		{name: "chat without rounds", args: []string{"chat", "hi", "--max-rounds", "0"}, status: 2, err: "--no-tools"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TZ", "UTC")
			server := clienttest.New(t)
			if tt.change != nil {
				tt.change(server)
			}
			status, out, stderr := runRemote(t, server.URL, tt.stdin, tt.args...)
			if status != tt.status || out != tt.out || !strings.Contains(stderr, tt.err) || tt.err == "" && stderr != "" {
				t.Errorf("status %d, want %d\nout:\n%q\nwant:\n%q\nerrors: %s\nwant: %s", status, tt.status, out, tt.out, stderr, tt.err)
			}
		})
	}
}

const auditBody = `{"entries":[
 {"seq":1,"time":"2026-01-02T03:04:05Z","kind":"server","server":"fs"},
 {"seq":2,"time":"2026-01-02T03:04:05Z","kind":"call","server":"fs","tool":"read","decision":"allow","success":true,"duration_ms":1.5},
 {"seq":3,"time":"2026-01-02T03:04:05Z","kind":"call","server":"fs","tool":"rm","decision":"deny","reason":"Tool 'rm' is blocked"},
 {"seq":4,"time":"2026-01-02T03:04:05Z","kind":"call","server":"fs","tool":"read","decision":"allow","error":"timed out"}]}`

func answer(status int, body string) func(*clienttest.Server) {
	return func(s *clienttest.Server) {
		s.Execute = func(map[string]any) clienttest.Reply { return clienttest.Reply{Status: status, Body: body} }
	}
}

// echo answers a call with its path.
func echo(s *clienttest.Server) {
	s.Execute = func(body map[string]any) clienttest.Reply {
		path := body["arguments"].(map[string]any)["path"].(string)
		return clienttest.Reply{Status: 200, Body: `{"result":"{\"path\":\"` + path + `\"}"}`}
	}
}

func TestNoServer(t *testing.T) {
	server := clienttest.New(t)
	server.Close()
	for _, args := range [][]string{{"chat", "hi"}, {"mcp", "status"}, {"mcp", "tools"}, {"mcp", "call", "x"}, {"mcp", "audit"}} {
		status, out, stderr := runRemote(t, server.URL, "", args...)
		if status != unreachableStatus || out != "" || !strings.Contains(stderr, "no toolserve answers at "+server.URL) {
			t.Errorf("%v: status %d\n%s%s", args, status, out, stderr)
		}
	}
	if status, _, stderr := runRemote(t, "ftp://x", "", "mcp", "status"); status != usageStatus {
		t.Errorf("a bad address: status %d, %s", status, stderr)
	}
}

// TestFollowing asks twice for records: what was shown is not shown again, and what starts over is.
func TestFollowing(t *testing.T) {
	server := clienttest.New(t)
	server.Audit = auditBody
	c, err := Remote{URL: server.URL}.client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.MCPAudit(t.Context(), client.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	fresh, last := newEntries(list.Entries[:2], 0)
	if len(fresh) != 2 || last != 2 {
		t.Errorf("first: %d, up to %d", len(fresh), last)
	}
	fresh, last = newEntries(list.Entries, last)
	if len(fresh) != 2 || fresh[0].Seq != 3 || last != 4 {
		t.Errorf("then: %d, up to %d", len(fresh), last)
	}
	if fresh, last = newEntries(list.Entries, last); len(fresh) != 0 || last != 4 {
		t.Errorf("nothing new: %d, up to %d", len(fresh), last)
	}
	if fresh, last = newEntries(list.Entries[:1], last); len(fresh) != 1 || last != 1 {
		t.Errorf("started over: %d, up to %d", len(fresh), last)
	}
}
