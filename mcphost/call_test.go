package mcphost

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestProgressOfACall(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "s", Version: "1"}, nil)
	asked := make(chan bool, 2)
	mcp.AddTool(server, &mcp.Tool{Name: "work"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		token := req.Params.GetProgressToken()
		asked <- token != nil
		for i := range 3 {
			if token != nil {
				note := &mcp.ProgressNotificationParams{ProgressToken: token, Progress: float64(i), Total: 3, Message: fmt.Sprint("step ", i)}
				if err := req.Session.NotifyProgress(ctx, note); err != nil {
					return nil, nil, err
				}
			}
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	})
	h := start(t, &Config{Servers: []ServerConfig{{Name: "s"}}}, Options{Transport: inMemory(server)})
	var notes []string
	result, err := h.Execute(t.Context(), Call{Server: "s", Tool: "work", OnProgress: func(p Progress) {
		notes = append(notes, fmt.Sprintf("%g/%g %s", p.Progress, p.Total, p.Message))
	}})
	if err != nil || result.Text() != "done" || !<-asked {
		t.Fatalf("%+v, %v", result, err)
	}
	if got := strings.Join(notes, ", "); got != "0/3 step 0, 1/3 step 1, 2/3 step 2" {
		t.Errorf("progress is %q", got)
	}
	if _, err := h.Execute(t.Context(), Call{Server: "s", Tool: "work", Timeout: time.Minute}); err != nil || <-asked {
		t.Errorf("the tool was asked for progress that nobody wants: %v", err)
	}
	if _, err := h.Execute(t.Context(), Call{Server: "s", Tool: "work"}); err != nil || !<-asked {
		t.Errorf("the tool was not asked for the progress that gives it more time: %v", err)
	}
}

// TestProgressThatDoesNotGrow wants only what grows to be passed on.
func TestProgressThatDoesNotGrow(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "s", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "work"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		for _, n := range []float64{-2, -3, 0, 0, 5, 4, 5, 5.5, -1} {
			note := &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: n}
			if err := req.Session.NotifyProgress(ctx, note); err != nil {
				return nil, nil, err
			}
		}
		return &mcp.CallToolResult{}, nil, nil
	})
	h := start(t, &Config{Servers: []ServerConfig{{Name: "s"}}}, Options{Transport: inMemory(server)})
	var heard []float64
	_, err := h.Execute(t.Context(), Call{Tool: "work", OnProgress: func(p Progress) { heard = append(heard, p.Progress) }})
	if err != nil || fmt.Sprint(heard) != "[-2 0 5 5.5]" {
		t.Errorf("heard %v, %v", heard, err)
	}
}

// TestProgressGivesTime runs tools under a clock of the test's own.
func TestProgressGivesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := mcp.NewServer(&mcp.Implementation{Name: "s", Version: "1"}, nil)
		type steps struct {
			Values []float64 `json:"values"`
		}
		mcp.AddTool(server, &mcp.Tool{Name: "work"}, func(ctx context.Context, req *mcp.CallToolRequest, in steps) (*mcp.CallToolResult, any, error) {
			for _, n := range in.Values { // one each 20 s
				select {
				case <-time.After(20 * time.Second):
				case <-ctx.Done():
					return nil, nil, ctx.Err()
				}
				note := &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: n}
				if err := req.Session.NotifyProgress(ctx, note); req.Params.GetProgressToken() != nil && err != nil {
					return nil, nil, err
				}
			}
			return &mcp.CallToolResult{}, nil, nil
		})
		h, err := New(&Config{DefaultTimeout: 30 * time.Second, Servers: []ServerConfig{
			{Name: "usual"}, {Name: "short", MaxTimeout: 70 * time.Second}, {Name: "off", MaxTimeout: time.Second},
		}}, Options{Transport: inMemory(server)})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := h.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			server, values string
			timeout        time.Duration
			want           string // part of the error
			after          time.Duration
		}{
			{"usual", "[1,2,3,4]", 0, "", 80 * time.Second},
			{"usual", "[1,2,2,2,2]", 0, "timed out after 70s: for 30s server 'usual' told of no progress", 70 * time.Second},
			{"usual", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", 0, `timed out after 300s, although server 'usual' told of progress of 'work': "max_timeout"`, 300 * time.Second},
			{"usual", "[1,2,3,4]", 50 * time.Second, "timed out after 50s: server 'usual' did not answer", 50 * time.Second},
			{"short", "[1,2,3,4]", 0, `timed out after 70s, although`, 70 * time.Second},
			{"off", "[1,2,3,4]", 0, "timed out after 30s: server 'off' did not answer", 30 * time.Second},
		} {
			began := time.Now()
			_, err := h.Execute(t.Context(), Call{Server: tt.server, Tool: "work", Timeout: tt.timeout, Arguments: json.RawMessage(`{"values":` + tt.values + `}`)})
			if took := time.Since(began); took != tt.after || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s %s: %v after %v", tt.server, tt.values, err, took)
			}
		}
	})
}

func TestReadProgress(t *testing.T) {
	for params, want := range map[string]string{
		`{"progressToken":1,"progress":0.5}`:                          "{0.5 0 } true",
		`{"progressToken":1,"progress":1,"total":2,"message":"a\nb"}`: "{1 2 a\nb} true",
		`{"progressToken":1,"progress":1,"message":7,"total":"x"}`:    "{1 0 } true",
		`{"progressToken":1,"progress":"half"}`:                       "{0 0 } false",
		`{"progressToken":1}`:                                         "{0 0 } false",
		`[]`:                                                          "{0 0 } false",
	} {
		p, ok := readProgress(json.RawMessage(params))
		if got := fmt.Sprint(p, ok); got != want {
			t.Errorf("%s: %s, want %s", params, got, want)
		}
	}
}

// TestArgumentsOfSeveralLines sends arguments that a person has laid out over a transport of lines.
func TestArgumentsOfSeveralLines(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "good"}), Options{})
	result, err := h.Execute(t.Context(), Call{Server: "s", Tool: "echo", Arguments: json.RawMessage("{\r\n  \"text\":\n\t\"two\\nlines\"\n}\n"), Timeout: 10 * time.Second})
	if err != nil || result.Text() != "two\nlines" {
		t.Errorf("%+v, %v", result, err)
	}
}
