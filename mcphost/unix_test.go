//go:build unix

package mcphost

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/policy"
)

// onSocket serves MCP under /deep/mcp of a socket, and returns the socket's path.
func onSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "mcp.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return echoServer() }, nil)
	mux.HandleFunc("/deep/mcp", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != "secret" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
	mux.Handle("/away", http.RedirectHandler("http://127.0.0.1:1/", http.StatusTemporaryRedirect))
	server := &http.Server{Handler: mux}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Close()
		<-ended
		os.RemoveAll(dir)
	})
	return path
}

func TestServerOnASocket(t *testing.T) {
	path := onSocket(t)
	headers := map[string]string{"X-Key": "secret"}
	cfg := &Config{Servers: []ServerConfig{
		{Name: "there", Transport: TransportAuto, URL: "unix://" + path + "#/deep/mcp", Headers: headers},
		{Name: "http", Transport: TransportHTTP, URL: "unix://" + path + "#/deep/mcp", Headers: headers},
		{Name: "elsewhere", Transport: TransportHTTP, URL: "unix://" + path + "#/away"},
		{Name: "late", Transport: TransportHTTP, URL: "unix://" + path + ".late"},
		{Name: "docker", Transport: TransportHTTP, URL: "unix:///var/run/docker.sock"},
	}}
	h := start(t, cfg, Options{Launch: &policy.LaunchRules{Machine: policy.LocalMachine()}})
	for _, name := range []string{"there", "http"} {
		result, err := h.Execute(t.Context(), Call{Server: name, Tool: "echo", Arguments: []byte(`{"z":"1"}`)})
		if err != nil || result.Text() != `{"z":"1"}` {
			t.Errorf("%s: %q, %v; %+v", name, result.Text(), err, status(t, h, name))
		}
	}
	for name, want := range map[string]string{"elsewhere": "leads elsewhere", "late": "does not exist", "docker": "controls this machine"} {
		if st := status(t, h, name); st.State == StateConnected || !strings.Contains(st.Error, want) {
			t.Errorf("%s: %+v", name, st)
		}
	}
	if st := status(t, h, "docker"); st.State != StateFailed {
		t.Errorf("docker: %+v", st)
	}
	// What stands at the path is judged at each dial.
	os.WriteFile(path+".late", nil, 0o600)
	eventually(t, "the file is refused", func() bool { return strings.Contains(status(t, h, "late").Error, "is no socket") })
}
