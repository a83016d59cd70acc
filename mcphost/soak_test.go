package mcphost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/toolserve/toolserve/policy"
)

// shaky is an MCP server over HTTP that does, with the next request, the fault it was told to.
type shaky struct {
	server *httptest.Server
	fault  atomic.Pointer[string]
	hung   chan struct{} // closed at the end: lets go of what hangs
}

func newShaky(t *testing.T) *shaky {
	s := &shaky{hung: make(chan struct{})}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.close)
	return s
}

// close may be called twice.
func (s *shaky) close() {
	select {
	case <-s.hung:
	default:
		close(s.hung)
	}
	s.server.CloseClientConnections()
	s.server.Close()
}

func (s *shaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params struct {
			Arguments struct{ Text string } `json:"arguments"`
		} `json:"params"`
	}
	body, err := io.ReadAll(r.Body)
	if r.Method != http.MethodPost || err != nil || json.Unmarshal(body, &req) != nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	result := `{}`
	switch req.Method {
	case "initialize":
		result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"shaky","version":"1"}}`
	case "tools/list":
		result = `{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}`
	case "tools/call":
		text, _ := json.Marshal(req.Params.Arguments.Text)
		result = fmt.Sprintf(`{"content":[{"type":"text","text":%s}]}`, text)
	case "ping":
	default:
		if req.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, req.ID)
		return
	}
	answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, req.ID, result)
	fault := s.fault.Swap(nil)
	if fault == nil {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
		return
	}
	s.misbehave(w, r, *fault, answer)
}

func (s *shaky) misbehave(w http.ResponseWriter, r *http.Request, fault, answer string) {
	w.Header().Set("Content-Type", "application/json")
	switch fault {
	case "die":
		go s.server.CloseClientConnections()
		<-r.Context().Done()
	case "half":
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		io.WriteString(w, answer[:len(answer)/2])
	case "garbage":
		io.WriteString(w, "<html>\x00\xff")
	case "exit":
		w.WriteHeader(http.StatusBadGateway)
	case "twice":
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s\n\ndata: %s\n\n", answer, answer)
	case "strays":
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":987654,\"result\":{}}\n\nid: 1\ndata: nonsense\n\ndata: %s\n\n", answer)
	default: // hang
		select {
		case <-r.Context().Done():
		case <-s.hung:
		}
	}
}

// soak is a host of eight servers under load and under faults.
type soak struct {
	t       *testing.T
	host    *Host
	names   []string
	remotes map[string]*shaky
	pick    *rand.Rand

	asked, answered, failed atomic.Int64
	kinds                   sync.Map // Kind -> *atomic.Int64
}

// call asks for a word that nobody else asks for. It must come back, once, or there is an error.
func (s *soak) call(server, word string) {
	s.asked.Add(1)
	result, err := s.host.Execute(s.t.Context(), Call{Server: server, Tool: "echo", Arguments: []byte(`{"text":"` + word + `"}`), Timeout: 2 * time.Second})
	var e *Error
	switch {
	case err == nil && result.Text() != word:
		s.t.Errorf("%s of %s is answered with %.100q", word, server, result.Text())
	case err == nil:
		s.answered.Add(1)
	case !errors.As(err, &e) || e.Kind != ServerFailed && e.Kind != NotConnected && e.Kind != TimedOut:
		s.t.Errorf("%s of %s ends with %v", word, server, err)
	default:
		s.failed.Add(1)
		n, _ := s.kinds.LoadOrStore(e.Kind, &atomic.Int64{})
		n.(*atomic.Int64).Add(1)
	}
}

// harm does one fault to a server that is connected.
func (s *soak) harm() {
	server := s.names[s.pick.IntN(len(s.names))]
	s.connected(server)
	if remote := s.remotes[server]; remote != nil {
		fault := []string{"die", "half", "garbage", "exit", "twice", "strays", "hang"}[s.pick.IntN(7)]
		remote.fault.Store(&fault)
		return
	}
	faults := []string{"kill", "kill", "die", "exit", "half", "halt", "close", "orphan", "garbage", "flood", "strays", "twice", "stop", "hang", "cancel"}
	fault := faults[s.pick.IntN(len(faults))]
	pid := status(s.t, s.host, server).PID
	switch fault {
	case "kill":
		if pid > 0 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	case "stop":
		if pid > 0 && syscall.Kill(pid, syscall.SIGSTOP) == nil {
			time.Sleep(time.Duration(s.pick.IntN(20)) * time.Millisecond)
			syscall.Kill(pid, syscall.SIGCONT)
		}
	case "cancel":
		s.host.Execute(s.t.Context(), Call{Server: server, Tool: "hang", Timeout: time.Millisecond})
	default:
		s.host.Execute(s.t.Context(), Call{Server: server, Tool: "fault", Arguments: []byte(`{"kind":"` + fault + `"}`), Timeout: 100 * time.Millisecond})
	}
}

func (s *soak) connected(server string) {
	s.t.Helper()
	eventually(s.t, server+" is connected", func() bool { return status(s.t, s.host, server).State == StateConnected })
}

// descriptors counts the open descriptors of this process, or is 0 where the system does not tell.
func descriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// carriers returns the processes, other than this one, with a mark in their environment.
func carriers(mark string) (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), mark) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

func fromEnv(t *testing.T, name string, fallback int) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(name))
	if os.Getenv(name) == "" {
		return fallback
	} else if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSoak kills, hangs and garbles eight servers under load. No call may be lost or get another's answer; no
// process, descriptor or goroutine may be left, and every server must come back. TOOLSERVE_TEST_SOAK is how
// many faults there are, TOOLSERVE_TEST_SEED which.
func TestSoak(t *testing.T) {
	faults, seed := fromEnv(t, "TOOLSERVE_TEST_SOAK", 60), fromEnv(t, "TOOLSERVE_TEST_SEED", 1)
	mark := fmt.Sprintf("TOOLSERVE_TEST_SOAK_MARK=%d-%d", os.Getpid(), seed)
	cfg := scriptedConfig(t, map[string]string{"a": "hostile", "b": "hostile", "c": "hostile", "d": "hostile", "e": "hostile", "f": "hostile"})
	s := &soak{t: t, remotes: map[string]*shaky{}, pick: rand.New(rand.NewPCG(uint64(seed), 7))}
	for i := range cfg.Servers {
		name, value, _ := strings.Cut(mark, "=")
		cfg.Servers[i].Env[name] = value
		if i%2 == 0 {
			cfg.Servers[i].Sandbox.Level = SandboxOff
		}
	}
	for _, name := range []string{"g", "h"} {
		s.remotes[name] = newShaky(t)
		cfg.Servers = append(cfg.Servers, ServerConfig{Name: name, Transport: TransportHTTP, URL: s.remotes[name].server.URL})
	}
	cfg.Security.Tools.CallsPerMinute = policy.Unlimited
	fdsBefore, goroutines := descriptors(), runtime.NumGoroutine()
	s.host = start(t, cfg, Options{RetryMin: 5 * time.Millisecond, RetryMax: 40 * time.Millisecond, StopWait: 50 * time.Millisecond})
	for _, server := range cfg.Servers {
		s.names = append(s.names, server.Name)
		s.connected(server.Name)
	}
	for _, name := range s.names {
		s.call(name, "first-"+name)
	}

	stop := make(chan struct{})
	var load sync.WaitGroup
	for worker := range 16 {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				before := s.failed.Load()
				s.call(s.names[(worker+i)%len(s.names)], fmt.Sprintf("%d-%d", worker, i))
				if s.failed.Load() != before {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	began := time.Now()
	for range faults {
		s.harm()
		time.Sleep(time.Duration(s.pick.IntN(10)) * time.Millisecond)
	}
	took := time.Since(began)
	close(stop)
	load.Wait()

	restarts := 0
	for _, name := range s.names {
		if remote := s.remotes[name]; remote != nil {
			remote.fault.Store(nil)
		}
		s.connected(name)
		restarts += status(t, s.host, name).Restarts
	}
	answered := s.answered.Load()
	for _, name := range s.names {
		eventually(t, name+" answers again", func() bool {
			before := s.answered.Load()
			s.call(name, "last-"+name)
			return s.answered.Load() > before
		})
	}
	if got := s.answered.Load() + s.failed.Load(); got != s.asked.Load() {
		t.Errorf("of %d calls %d ended", s.asked.Load(), got)
	}
	if answered == 0 {
		t.Error("no call was answered")
	}
	if runtime.GOOS == "linux" {
		eventually(t, "each server has one process", func() bool { return len(carriers(mark)) <= 2*6 })
	}
	for _, remote := range s.remotes {
		remote.server.CloseClientConnections()
	}
	s.host.Close()
	for _, remote := range s.remotes {
		remote.close()
	}
	eventually(t, "no process is left", func() bool { return len(carriers(mark)) == 0 })
	eventually(t, "no descriptor is left", func() bool { return descriptors() <= fdsBefore })
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
	var kinds []string
	s.kinds.Range(func(kind, n any) bool {
		kinds = append(kinds, fmt.Sprintf("%v %d", kind, n.(*atomic.Int64).Load()))
		return true
	})
	t.Logf("seed %d: %d faults in %v, %d restarts; %d calls, %d answered, %d failed (%s); descriptors %d before, %d after",
		seed, faults, took.Round(time.Millisecond), restarts, s.asked.Load(), s.answered.Load(), s.failed.Load(), strings.Join(kinds, ", "), fdsBefore, descriptors())
}
