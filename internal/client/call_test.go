package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/internal/client"
)

// stream serves events for each call, and takes answers with a status.
func stream(t *testing.T, events string, status int) (c *client.Client, answers *[]string) {
	t.Helper()
	answers = &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/v1/mcp/execute" {
			*answers = append(*answers, r.URL.Path+" "+string(body))
			w.WriteHeader(status)
			fmt.Fprint(w, `{"error":{"message":"refused"}}`)
			return
		}
		if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			t.Errorf("the call accepts %q", r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		fmt.Fprint(w, events)
	}))
	t.Cleanup(s.Close)
	return connect(t, s.URL), answers
}

const eventsBefore = ": hello\n\nevent: progress\ndata: {\"progress\":1,\"total\":2,\"message\":\"half\"}\n\nevent: log\ndata: {\"level\":\"info\",\"data\":{\"a\":1}}\n\n" +
	"event: elicitation\ndata: {\"id\":\"e1\",\"server\":\"s\",\"tool\":\"t\",\"mode\":\"form\",\"message\":\"Who?\",\"schema\":{\"type\":\"object\"}}\n\nevent: unknown\ndata: 1\n\n"

const resultEvent = "event: result\ndata: {\"server\":\"s\",\"result\":\"done\",\"is_error\":false}\n\n"

func TestMCPWatch(t *testing.T) {
	c, answers := stream(t, eventsBefore+resultEvent, 200)
	var seen []string
	result, err := c.MCPWatch(t.Context(), client.Call{Tool: "t"}, client.Watcher{
		Progress: func(p client.Progress) { seen = append(seen, fmt.Sprint(p)) },
		Log:      func(l client.LogLine) { seen = append(seen, l.Level+string(l.Data)) },
		Ask: func(_ context.Context, q client.Question) (client.Answer, error) {
			seen = append(seen, q.Server+q.Tool+q.Mode+q.Message+string(q.Schema))
			return client.Answer{Action: "accept", Content: json.RawMessage(`{"a":1}`)}, nil
		},
	})
	if err != nil || result.Server != "s" || string(result.Result) != `"done"` || string(result.Raw) != `{"server":"s","result":"done","is_error":false}` {
		t.Errorf("%+v %v", result, err)
	}
	if got := strings.Join(seen, ";"); got != `{1 2 half};info{"a":1};stformWho?{"type":"object"}` {
		t.Errorf("seen %s", got)
	}
	if got := strings.Join(*answers, ";"); got != `/v1/mcp/elicitations/e1 {"action":"accept","content":{"a":1}}` {
		t.Errorf("answered %s", got)
	}
}

func TestMCPWatchEnds(t *testing.T) {
	c, answers := stream(t, eventsBefore+"event: error\ndata: {\"error\":{\"message\":\"slow down\",\"code\":\"rate_limited\"},\"status\":429,\"retry_after\":2}\n\n", 404)
	_, err := c.MCPWatch(t.Context(), client.Call{Tool: "t"}, client.Watcher{})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Status != 429 || refused.Message != "slow down" || refused.RetryAfter != 2*time.Second || !strings.Contains(string(refused.Body), "retry_after") {
		t.Errorf("%+v", err)
	}
	if len(*answers) != 1 || !strings.HasSuffix((*answers)[0], ` {"action":"decline"}`) {
		t.Errorf("nobody is there, and the answer is %q", *answers)
	}
	for name, test := range map[string]struct {
		events string
		status int
		want   string
	}{
		"no result":           {eventsBefore, 200, "broke off"},
		"half an event":       {"event: result\ndata: {", 200, "broke off"},
		"garbage":             {"event: result\ndata: {\n\n", 200, "unexpected end"},
		"a garbled error":     {"event: error\ndata: {\n\n", 200, "cannot be read"},
		"a garbled question":  {"event: elicitation\ndata: {\n\n", 200, "cannot be read"},
		"a hostile id":        {"event: elicitation\ndata: {\"id\":\"../approve\"}\n\n", 200, "an id that is none"},
		"the answer is wrong": {eventsBefore + resultEvent, 400, "refused"},
	} {
		c, _ := stream(t, test.events, test.status)
		if _, err := c.MCPWatch(t.Context(), client.Call{Tool: "t"}, client.Watcher{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	c, _ = stream(t, eventsBefore+resultEvent, 200)
	left := errors.New("left")
	_, err = c.MCPWatch(t.Context(), client.Call{Tool: "t"}, client.Watcher{Ask: func(context.Context, client.Question) (client.Answer, error) { return client.Answer{}, left }})
	if !errors.Is(err, left) {
		t.Errorf("%v", err)
	}
}
