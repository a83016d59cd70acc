package mcphost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toolserve/toolserve/policy"
)

// TestLibraryUnderFaults reads from servers that die, hang and talk nonsense at random while their lists
// change and the configuration is reloaded. No answer may be lost or be another's.
func TestLibraryUnderFaults(t *testing.T) {
	answer := func(name string) func(*rawServer, string, json.RawMessage) string {
		return func(s *rawServer, method string, params json.RawMessage) string {
			var p struct{ URI, Name string }
			json.Unmarshal(params, &p)
			switch rand.IntN(40) {
			case 0:
				return "close"
			case 1:
				return ""
			case 2:
				s.send(`{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}` + "\n" +
					`{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}`)
			case 3:
				return `{"contents":7,"prompts":"x"}`
			}
			switch method {
			case "resources/read":
				return fmt.Sprintf(`{"contents":[{"uri":%q,"text":%q}]}`, p.URI, name+" "+p.URI)
			case "prompts/get":
				return fmt.Sprintf(`{"messages":[{"role":"user","content":{"type":"text","text":%q}}]}`, name+" "+p.Name)
			case "resources/subscribe", "resources/unsubscribe":
				return `{}`
			}
			return emptyLists(method)
		}
	}
	servers, names := map[string]*rawServer{}, []string{"a", "b", "c", "d"}
	for _, name := range names {
		servers[name] = &rawServer{answer: answer(name)}
	}
	h := startRaw(t, Options{RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond}, servers, names...)
	cfg := *h.cfg()
	cfg.Security.Tools = policy.ToolRules{Reads: policy.ReadRules{PerMinute: policy.Unlimited}}
	if _, err := h.Reload(&cfg); err != nil {
		t.Fatal(err)
	}
	var good, bad atomic.Int32
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	enough := func() bool { return good.Load() >= 100 && bad.Load() > 0 }
	began := time.Now()
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() { readAtRandom(ctx, t, h, names[i%len(names)], i, &good, &bad) })
	}
	running.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
			next := cfg
			if _, err := h.Reload(&next); err != nil {
				t.Error(err)
			}
			if enough() && time.Since(began) > 1500*time.Millisecond {
				cancel()
			}
		}
	})
	running.Wait()
	if !enough() {
		t.Errorf("%d good answers and %d failures: the test shows nothing", good.Load(), bad.Load())
	}
	t.Logf("%d good answers, %d failures", good.Load(), bad.Load())
}

// readAtRandom asks one server for this and that until ctx ends.
func readAtRandom(ctx context.Context, t *testing.T, h *Host, server string, seed int, good, bad *atomic.Int32) {
	caller := Caller{Timeout: 50 * time.Millisecond}
	for n := 0; ctx.Err() == nil; n++ {
		want, got := "", ""
		var err error
		switch rand.IntN(4) {
		case 0:
			uri := fmt.Sprintf("x:%d/%d", seed, n)
			var r ResourceResult
			if r, err = h.ReadResource(ctx, ResourceRead{Caller: caller, Server: server, URI: uri}); err == nil {
				want, got = server+" "+uri, r.Contents[0].Text
			}
		case 1:
			var p PromptResult
			if p, err = h.GetPrompt(ctx, PromptGet{Caller: caller, Server: server, Name: "p"}); err == nil {
				want, got = server+" p", p.Messages[0].Content.Text
			}
		case 2:
			patience, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			_, err = h.Prompts(patience, "")
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
		case 3:
			var stop func()
			if stop, err = h.WatchResource(ctx, ResourceRead{Caller: caller, Server: server, URI: "x:1"}, func(string) {}); err == nil {
				stop()
			}
		}
		var e *Error
		switch {
		case err != nil && !errors.As(err, &e) && ctx.Err() == nil:
			t.Errorf("an error of another kind: %v", err)
		case err != nil:
			bad.Add(1)
		case got != want:
			t.Errorf("%q is answered with %q", want, got)
		default:
			good.Add(1)
		}
	}
}
