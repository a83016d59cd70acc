package mcphost

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
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
	if _, err := h.Execute(t.Context(), Call{Server: "s", Tool: "work"}); err != nil || <-asked {
		t.Errorf("the tool was asked for progress that nobody wants: %v", err)
	}
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
