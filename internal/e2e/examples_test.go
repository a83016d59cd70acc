package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exampleServer answers as a toolserve would whose model calls list_directory once and then repeats
// what the tool said.
func exampleServer(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/mcp/status", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"servers":[{"name":"filesystem","state":"connected"}]}`)
	})
	mux.HandleFunc("GET /v1/mcp/tools", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"tools":[{"type":"function","name":"filesystem__list_directory","server":"filesystem","tool":"list_directory",`+
			`"function":{"name":"filesystem__list_directory","parameters":{"type":"object"}}}],"count":1}`)
	})
	mux.HandleFunc("POST /v1/mcp/execute", func(w http.ResponseWriter, r *http.Request) {
		var call struct{ Tool, Arguments json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || !strings.Contains(string(call.Arguments), "/tmp") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":{"message":"no path"},"is_error":true}`)
			return
		}
		fmt.Fprint(w, `{"result":"[FILE] notes.txt","content":"[FILE] notes.txt","is_error":false}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Messages   []struct{ Role, Content string }
			Tools      []json.RawMessage
			ToolChoice string `json:"tool_choice"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, `{"error":{"message":"bad request"}}`, http.StatusBadRequest)
			return
		}
		last := body.Messages[len(body.Messages)-1]
		if len(body.Tools) > 0 && strings.Contains(string(body.Tools[0]), `"mcp"`) {
			answerApproval(w, last.Role, last.Content)
			return
		}
		if last.Role == "user" {
			fmt.Fprint(w, `{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function",`+
				`"function":{"name":"filesystem__list_directory","arguments":"{\"path\":\"/tmp\"}"}}]}}]}`)
			return
		}
		answer, _ := json.Marshal("The tool said: " + last.Content)
		fmt.Fprintf(w, `{"choices":[{"message":{"role":"assistant","content":%s}}]}`, answer)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// answerApproval answers a request whose tools the server runs: it asks first, and goes on with consent.
func answerApproval(w http.ResponseWriter, role, content string) {
	switch {
	case role == "user":
		fmt.Fprint(w, `{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"id":"mcpr_1","type":"function",`+
			`"function":{"name":"filesystem__list_directory","arguments":"{\"path\":\"/tmp\"}"}}],"mcp_items":[{"type":"mcp_approval_request"}]}}]}`)
	case strings.Contains(content, `"approve": true`):
		fmt.Fprint(w, `{"choices":[{"message":{"role":"assistant","content":"There is notes.txt.",`+
			`"mcp_items":[{"type":"mcp_call","name":"list_directory","arguments":"{}","status":"completed"}]}}]}`)
	default:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"message":"no consent"}}`)
	}
}

// examples are the clients of the folder examples.
var examples = []struct {
	name  string
	needs string
	args  []string
	input string
}{
	{"python", "python3", []string{"python3", "tool_calling.py", "List the files in /tmp"}, ""},
	{"python chat", "python3", []string{"python3", "mcp_chat.py"}, "List the files in /tmp\nq\n"},
	{"approvals", "python3", []string{"python3", "approvals.py", "List the files in /tmp"}, "y\n"},
	{"go", "go", []string{"go", "run", "./go", "List the files in /tmp"}, ""},
	{"curl", "curl", []string{"bash", "tool_calling.sh"}, ""},
}

func TestExamplesRun(t *testing.T) {
	server := exampleServer(t)
	for _, example := range examples {
		t.Run(example.name, func(t *testing.T) {
			output := runExample(t, server.URL, example.needs, example.input, example.args...)
			if !strings.Contains(output, "notes.txt") {
				t.Errorf("the result does not show in\n%s", output)
			}
		})
	}
}

// runExample runs a client of the folder examples against a server and returns what it printed.
func runExample(t *testing.T, url, needs, input string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(needs); err != nil {
		t.Skipf("%s is not installed", needs)
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = "../../examples"
	cmd.Env = append(cmd.Environ(), "TOOLSERVE_URL="+url, "TOOLSERVE_API_KEY=", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin = strings.NewReader(input)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, output)
	}
	return string(output)
}

// TestExampleConfigs judges the configurations of the folder examples.
func TestExampleConfigs(t *testing.T) {
	for _, name := range []string{"GITHUB_TOKEN", "BRAVE_API_KEY"} {
		t.Setenv(name, "x")
	}
	t.Setenv("DATABASE_URL", "postgresql://user:pass@localhost/db")
	files, err := filepath.Glob("../../examples/mcp/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations: %v", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".lock.json") { // a server that was started from the folder left it
			continue
		}
		if out, status := run(t, "", "mcp", "check", file); status != 0 {
			t.Errorf("%s: status %d\n%s", file, status, out)
		}
	}
}
