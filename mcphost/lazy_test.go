package mcphost

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// lazily is a configuration of a lazy scripted server with a lock file.
func lazily(t *testing.T, mode string) *Config {
	t.Helper()
	cfg := scriptedConfig(t, map[string]string{"s": mode})
	cfg.Security.LockFile = lockPath(t)
	cfg.Security.Tools.CallsPerMinute = -1
	s := entryOf(cfg, "s")
	s.Lazy, s.IdleTimeout = true, 150*time.Millisecond
	return cfg
}

func echo(h *Host, word string) (string, error) {
	result, err := h.Execute(context.Background(), Call{Server: "s", Tool: "echo", Arguments: []byte(`{"text":"` + word + `"}`)})
	return result.Text(), err
}

func TestLazyServer(t *testing.T) {
	cfg := lazily(t, "good")
	h := start(t, cfg, Options{})
	// It may rest again by now.
	if st := status(t, h, "s"); st.State != StateConnected && st.State != StateIdle || len(h.Tools()) != 10 {
		t.Fatalf("a server whose tools nobody knows: %+v", st)
	}
	eventually(t, "it rests", func() bool { return status(t, h, "s").State == StateIdle })
	if st := status(t, h, "s"); st.PID != 0 || st.Tools != 10 || st.Restarts != 0 || len(h.Tools()) != 10 || st.Error != "" {
		t.Errorf("a server that rests: %+v", st)
	}
	h.Close()

	h = start(t, cfg, Options{})
	if st := status(t, h, "s"); st.State != StateIdle || st.Tools != 10 || len(h.Tools()) != 10 {
		t.Fatalf("a server whose tools are on record: %+v", st)
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			word := fmt.Sprint("word ", i)
			if got, err := echo(h, word); err != nil || got != word {
				t.Errorf("%s is answered with %s, %v", word, got, err)
			}
		})
	}
	wg.Wait()
	called, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1) // the calling goroutine sends once
	go func() {
		_, err := h.Execute(called, Call{Server: "s", Tool: "hang"})
		ended <- err
	}()
	s := h.server("s")
	eventually(t, "the call runs", func() bool { return s.turns.Ahead() == 1 && status(t, h, "s").State == StateConnected })
	pid := status(t, h, "s").PID
	time.Sleep(4 * entryOf(cfg, "s").IdleTimeout)
	if st := status(t, h, "s"); st.PID != pid || pid == 0 {
		t.Errorf("it ended while it was called: %+v", st)
	}
	leave()
	wantKind(t, <-ended, Canceled)
	eventually(t, "it rests again", func() bool { return status(t, h, "s").State == StateIdle })
	for i := range 5 {
		if got, err := echo(h, "again"); err != nil || got != "again" {
			t.Errorf("call %d after a rest: %s, %v", i, got, err)
		}
		eventually(t, "it rests again", func() bool { return status(t, h, "s").State == StateIdle })
	}
	_, err := h.Execute(t.Context(), call("nothing", "{}"))
	wantKind(t, err, Unknown)
}

// TestLazyServerRests checks that a server is started once for each time that it is wanted.
func TestLazyServerRests(t *testing.T) {
	var log bytes.Buffer
	h := start(t, lazily(t, "good"), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	const calls = 4
	for i := range calls {
		eventually(t, "it rests", func() bool { return status(t, h, "s").State == StateIdle && status(t, h, "s").PID == 0 })
		if got, err := echo(h, "again"); err != nil || got != "again" {
			t.Errorf("call %d: %s, %v", i, got, err)
		}
	}
	h.Close()
	if n := strings.Count(log.String(), "MCP server connected"); n != 1+calls {
		t.Errorf("it was started %d times to be asked and for %d calls", n, calls)
	}
}

// TestLazyServerChanged checks that what was judged by the record is judged anew by what the server says.
func TestLazyServerChanged(t *testing.T) {
	cfg := lazily(t, "turncoat")
	start(t, cfg, Options{}).Close()
	if err := os.WriteFile(entryOf(cfg, "s").Env["TOOLSERVE_TEST_STATE"], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, cfg, Options{})
	if st := status(t, h, "s"); st.State != StateIdle {
		t.Fatalf("it is %+v", st)
	}
	_, err := echo(h, "x")
	wantKind(t, err, NeedsApproval, "is held")
	h.Close()
	// A tool that waits is not told from one that does not before the server is asked.
	entryOf(cfg, "s").IdleTimeout = time.Hour
	h = start(t, cfg, Options{})
	if st := status(t, h, "s"); st.State != StateConnected || len(st.Pending) != 1 {
		t.Errorf("it is %+v", st)
	}
	next := changed(cfg, func(c *Config) { entryOf(c, "s").Args = []string{"--other"} })
	reload(t, h, next)
	eventually(t, "the changed launch is held", func() bool { return status(t, h, "s").State == StateHeld })
}

func TestLazyServerThatDoesNotComeUp(t *testing.T) {
	cfg := lazily(t, "good")
	start(t, cfg, Options{}).Close()
	entryOf(cfg, "s").Env[modeVariable] = "exit"
	h := start(t, cfg, Options{RetryMin: 50 * time.Millisecond, RetryMax: 50 * time.Millisecond})
	if st := status(t, h, "s"); st.State != StateIdle {
		t.Fatalf("it is %+v", st)
	}
	_, err := echo(h, "x")
	wantKind(t, err, NotConnected, "no licence")
	eventually(t, "it rests after a failure", func() bool { return status(t, h, "s").State == StateIdle })
	if st := status(t, h, "s"); st.Restarts == 0 || !strings.Contains(st.LastError, "no licence") {
		t.Errorf("it is %+v", st)
	}
	entryOf(cfg, "s").Env[modeVariable] = "silent"
	entryOf(cfg, "s").ConnectTimeout = 100 * time.Millisecond
	silent := start(t, cfg, Options{RetryMin: time.Hour, RetryMax: time.Hour})
	_, err = echo(silent, "x")
	wantKind(t, err, NotConnected, "no answer to the handshake within 100ms")
}
