package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/client/clienttest"
)

// counted is a turn that says how many tokens it took.
func counted() clienttest.Turn {
	turn := clienttest.Text("one two")
	end := len(turn) - 1
	usage := `{"choices":[],"usage":{"prompt_tokens":30,"completion_tokens":2}}`
	return append(append(turn[:end:end], usage), turn[end])
}

func TestBench(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		turn   clienttest.Turn
		status int
		out    string // part of the output
		err    string // part of the errors
	}{
		{name: "table", turn: counted(), out: "1 of 1 rounds", err: "bench: round 1 of 1"},
		{name: "names", turn: counted(), args: []string{"--name", "mine"}, out: "server    mine: http://"},
		{name: "no usage", turn: clienttest.Text("one two"), status: 1, err: "usage"},
		{name: "more names than servers", args: []string{"--name", "a", "--name", "b"}, status: 2, err: "2 --name for 1 --url"},
		{name: "no rounds", args: []string{"--rounds", "0"}, status: 2, err: "--rounds"},
		{name: "nothing at once", args: []string{"--concurrency", "1,0"}, status: 2, err: "concurrency 0"},
		{name: "two kinds of work", args: []string{"--tools", "required", "--schema"}, status: 2, err: "not both"},
		{name: "no time", args: []string{"--timeout", "0s"}, status: 2, err: "--timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := clienttest.New(t)
			server.Turns = []clienttest.Turn{tt.turn}
			args := append([]string{"bench", "--rounds", "1"}, tt.args...)
			status, out, stderr := runRemote(t, server.URL, "", args...)
			if status != tt.status || !strings.Contains(out, tt.out) || !strings.Contains(stderr, tt.err) {
				t.Errorf("status %d, want %d\n%s\n%s\nwant %q and %q", status, tt.status, out, stderr, tt.out, tt.err)
			}
		})
	}
}

func TestBenchJSON(t *testing.T) {
	server := clienttest.New(t)
	server.Turns = []clienttest.Turn{counted()}
	status, out, stderr := runRemote(t, server.URL, "", "bench", "--rounds", "1", "--json")
	var report struct {
		Levels []struct {
			Results []struct {
				AnswerTokens float64 `json:"answer_tokens"`
				Requests     int     `json:"requests"`
			} `json:"results"`
		} `json:"levels"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != 0 || len(report.Levels) != 1 {
		t.Fatalf("status %d, %v\n%s\n%s", status, err, out, stderr)
	}
	if r := report.Levels[0].Results[0]; r.AnswerTokens != 2 || r.Requests != 2 {
		t.Errorf("the result is %+v, want 2 requests and answers of 2 tokens", r)
	}
}

func TestBenchWithoutServer(t *testing.T) {
	status, _, stderr := runRemote(t, "http://127.0.0.1:1", "", "bench", "--rounds", "1")
	if status != unreachableStatus {
		t.Errorf("status %d, want %d: %s", status, unreachableStatus, stderr)
	}
}
