package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/client/clienttest"
)

func replies(path string, status int, body string) func(*clienttest.Server) {
	return func(s *clienttest.Server) {
		s.Replies = map[string]clienttest.Reply{path: {Status: status, Body: body}}
	}
}

func TestLibraryCommands(t *testing.T) {
	const down = `"servers":[{"server":"bad","error":"not\nconnected"},{"server":"fs","hidden":2,"notes":["only the first"]}]`
	for _, tt := range []struct {
		name     string
		args     []string
		change   func(*clienttest.Server)
		status   int
		out, err string // all of the output, part of the errors
		path     string
		asked    map[string]any
	}{
		{
			name: "resources", args: []string{"resources", "--server", "fs"}, path: "/v1/mcp/resources",
			change: replies("/v1/mcp/resources", 200, `{"resources":[{"server":"fs","uri":"demo://a","name":"a\u001b[2J","mimeType":"text/plain","size":3,"description":"first\nline"}],`+down+`}`),
			out:    "SERVER  URI       TYPE        SIZE  NAME  DESCRIPTION\nfs      demo://a  text/plain  3     a     first line\n",
			err:    "resources of bad: not connected\nresources of fs: the rules for reading leave out 2\nresources of fs: only the first\n",
		},
		{
			name: "templates", args: []string{"resources", "--templates"}, path: "/v1/mcp/resources/templates",
			change: replies("/v1/mcp/resources/templates", 200, `{"resource_templates":[{"server":"fs","uriTemplate":"demo://{x}","name":"a"}]}`),
			out:    "SERVER  URI         TYPE  SIZE  NAME  DESCRIPTION\nfs      demo://{x}              a\n",
		},
		{
			name: "no resources", args: []string{"resources"}, path: "/v1/mcp/resources",
			change: replies("/v1/mcp/resources", 200, `{"resources":[],"reason":"there are none: a is failed"}`), err: "no resources: there are none: a is failed\n",
		},
		{
			name: "read", args: []string{"read", "fs", "demo://a"}, path: "/v1/mcp/resources/read", asked: map[string]any{"server": "fs", "uri": "demo://a"},
			change: replies("/v1/mcp/resources/read", 200, `{"contents":[{"uri":"demo://a","text":"one\u001b[1m\ntwo"}],"truncated":true,"warnings":["odd"]}`),
			out:    "one\ntwo\n", err: "warning: odd\nwarning: the resource is too large, and not whole\n",
		},
		{
			name: "read several", args: []string{"read", "demo://a"}, path: "/v1/mcp/resources/read", asked: map[string]any{"uri": "demo://a"},
			change: replies("/v1/mcp/resources/read", 200, `{"contents":[{"uri":"demo://a","text":""},{"uri":"demo://b","mimeType":"image/png","blob":"AQIDBA=="}]}`),
			out:    "--- demo://a\n\n\n--- demo://b\n[image/png, 4 bytes; --output FILE saves it]\n",
		},
		{
			name: "read to standard output", args: []string{"read", "demo://a", "-o", "-"}, path: "/v1/mcp/resources/read",
			change: replies("/v1/mcp/resources/read", 200, `{"contents":[{"text":"a\u001b"},{"blob":"AQI="}]}`), out: "a\x1b\x01\x02",
		},
		{name: "read too much", args: []string{"read", "a", "b", "c"}, status: 2, err: "give [SERVER] URI"},
		{
			name: "read what is not there", args: []string{"read", "a:b"}, status: 1, err: "toolserve: no such thing (HTTP 404)\n",
			change: replies("/v1/mcp/resources/read", 404, `{"error":{"message":"no such thing"}}`),
		},
		{
			name: "read what is not there, as JSON", args: []string{"read", "--json", "a:b"}, status: 1, out: "{\n  \"error\": {\n    \"message\": \"no\"\n  }\n}\n",
			change: replies("/v1/mcp/resources/read", 404, `{"error":{"message":"no"}}`),
		},
		{
			name: "prompts", args: []string{"prompts"}, path: "/v1/mcp/prompts",
			change: replies("/v1/mcp/prompts", 200, `{"prompts":[{"name":"fs__p","arguments":[{"name":"a","required":true},{"name":"b"}],"description":"d"}]}`),
			out:    "NAME   ARGUMENTS  DESCRIPTION\nfs__p  a, b?      d\n",
		},
		{
			name: "no prompts", args: []string{"prompts", "--server", "x"}, path: "/v1/mcp/prompts",
			change: replies("/v1/mcp/prompts", 200, `{"prompts":[],"reason":"x does not offer prompts"}`), err: "no prompts: x does not offer prompts\n",
		},
		{
			name: "prompt", args: []string{"prompt", "fs", "p", "a=1=2", "b="}, path: "/v1/mcp/prompts/get",
			asked: map[string]any{"server": "fs", "name": "p", "arguments": map[string]any{"a": "1=2", "b": ""}},
			change: replies("/v1/mcp/prompts/get", 200, `{"messages":[{"role":"user","content":{"type":"text","text":"hi\u001b[1m"}},{"role":"assistant","content":{"type":"image","data":"AQID","mimeType":"image/png"}},
				{"role":"user","content":{"type":"resource","resource":{"uri":"a:b","text":"t"}}},{"role":"user","content":{"type":"resource","resource":{"uri":"a:b","blob":"AQ==","mimeType":"x/y"}}},
				{"role":"user","content":{"type":"resource_link","uri":"a:c"}},{"role":"user","content":3}],"warnings":["odd"]}`),
			out: "user: hi\nassistant: [image, image/png, 3 bytes]\nuser: [resource a:b]\nt\nuser: [resource a:b, x/y, 1 bytes]\nuser: [resource_link a:c]\nuser: [unreadable content]\n",
			err: "warning: odd\n",
		},
		{name: "prompt without a name", args: []string{"prompt", "a=1"}, status: 2, err: "give [SERVER] NAME"},
		{name: "prompt with an argument twice", args: []string{"prompt", "p", "a=1", "a=2"}, status: 2, err: "given twice"},
		{
			name: "prompt without what it needs", args: []string{"prompt", "p"}, status: 2, err: "needs the argument: a",
			change: replies("/v1/mcp/prompts/get", 400, `{"error":{"message":"Prompt 'p' needs the argument: a"}}`),
		},
		{
			name: "complete", args: []string{"prompt", "p", "land=fr", "--complete", "city=Pa"}, path: "/v1/mcp/complete",
			asked:  map[string]any{"prompt": "p", "argument": "city", "value": "Pa", "arguments": map[string]any{"land": "fr"}},
			change: replies("/v1/mcp/complete", 200, `{"values":["Paris","Pau"],"has_more":true}`), out: "Paris\nPau\n", err: "and more\n",
		},
		{
			name: "complete to nothing", args: []string{"prompt", "fs", "p", "--complete", "city"}, path: "/v1/mcp/complete",
			asked:  map[string]any{"server": "fs", "prompt": "p", "argument": "city", "value": ""},
			change: replies("/v1/mcp/complete", 200, `{"values":[],"reason":"the server proposes nothing"}`), err: "no values: the server proposes nothing\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := clienttest.New(t)
			if tt.change != nil {
				tt.change(server)
			}
			status, out, stderr := runRemote(t, server.URL, "", append([]string{"mcp"}, tt.args...)...)
			if status != tt.status || out != tt.out || !strings.Contains(stderr, tt.err) || tt.err == "" && stderr != "" {
				t.Errorf("status %d, want %d\n%q\nwant\n%q\n%s", status, tt.status, out, tt.out, stderr)
			}
			if tt.path == "" {
				return
			}
			asked := server.Requests(tt.path)
			if len(asked) != 1 || tt.asked != nil && !reflect.DeepEqual(asked[0].Body, tt.asked) {
				t.Errorf("asked %+v", asked)
			}
			if len(asked) == 1 && tt.args[0] == "resources" && len(tt.args) > 2 && asked[0].Path != tt.path+"?server=fs" {
				t.Errorf("asked for %s", asked[0].Path)
			}
		})
	}
}

func TestReadToFile(t *testing.T) {
	server := clienttest.New(t)
	replies("/v1/mcp/resources/read", 200, `{"contents":[{"blob":"AQI="},{"text":"x"}]}`)(server)
	path := filepath.Join(t.TempDir(), "out")
	if status, out, stderr := runRemote(t, server.URL, "", "mcp", "read", "a:b", "--output", path); status != 0 || out != "" {
		t.Fatal(status, out, stderr)
	}
	if data, err := os.ReadFile(path); string(data) != "\x01\x02x" {
		t.Errorf("%q, %v", data, err)
	}
}
