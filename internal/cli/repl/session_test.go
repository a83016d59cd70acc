package repl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/internal/client"
	"github.com/toolserve/toolserve/internal/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const twoTools = `{"tools":[
 {"name":"fs__list","server":"fs","tool":"list","description":"Lists\u001b[2J files.","function":{"name":"fs__list"}},
 {"name":"fs__shell","server":"fs","tool":"shell","description":"Runs.","function":{"name":"fs__shell"}},
 {"name":"fs__write","server":"fs","tool":"write","function":{"name":"fs__write"},"annotations":{"destructiveHint":true}}],"count":3}`

// talk runs a session over the lines of input and returns its two outputs.
func talk(t *testing.T, server *clienttest.Server, input string, change func(*Options)) (out, notes string, err error) {
	t.Helper()
	c, err := client.New(client.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var o, n bytes.Buffer
	opts := Options{
		Client: c, Input: NewLines(ctx, strings.NewReader(input), nil), Out: &o, Notes: &n, Model: "default",
		HighRisk: func(name string) bool { return name == "shell" },
	}
	if change != nil {
		change(&opts)
	}
	err = New(opts).Run(ctx)
	return o.String(), n.String(), err
}

func interactive(o *Options) { o.Interactive = true }

func call(name, arguments string) clienttest.Turn {
	return clienttest.Calls(clienttest.Call{ID: "c1", Name: name, Arguments: arguments})
}

func TestSession(t *testing.T) {
	for _, tt := range []struct {
		name   string
		turns  []clienttest.Turn
		input  string
		change func(*Options)
		out    string
		notes  []string // texts that must be there, in order
		absent []string
		err    error
	}{
		{
			name: "a pipe gets the answers alone", turns: []clienttest.Turn{clienttest.Reasoned("hm", "Hello there."), clienttest.Text("Again.")},
			input: "hi\n\nonce more\n", out: "Hello there.\nAgain.\n", absent: []string{"hm", "\x1b"},
		},
		{
			name: "call, result, answer", turns: []clienttest.Turn{call("fs__list", `{"path": "/tmp"}`), clienttest.Text("Two files.")},
			input: "list\n", out: "Two files.\n", notes: []string{`-> fs__list {"path": "/tmp"}`, "<- fs__list ran", "   ok"},
		},
		{
			name: "reasoning is shown dimmed", turns: []clienttest.Turn{clienttest.Reasoned("hm", "Hello.")},
			input: "hi\n", change: func(o *Options) { o.Reasoning, o.Colour = true, true }, out: "Hello.\n", notes: []string{"\x1b[2mhm\x1b[0m"},
		},
		{
			name: "high risk in a pipe is refused", turns: []clienttest.Turn{call("fs__shell", `{}`), clienttest.Text("I may not.")},
			input: "do\n", out: "I may not.\n",
			notes: []string{"fs__shell is a high-risk tool and nobody is there to approve it; --yes", "fs__shell denied"},
		},
		{
			name: "high risk with --yes", turns: []clienttest.Turn{call("fs__shell", `{}`), clienttest.Text("Done.")},
			input: "do\n", change: func(o *Options) { o.Yes = true }, out: "Done.\n", notes: []string{"fs__shell ran"},
		},
		{
			name: "the person says no by default", turns: []clienttest.Turn{call("fs__shell", `{"command":"rm"}`), clienttest.Text("Fine.")},
			input: "do\n\n", change: interactive, out: "Fine.\n",
			notes: []string{"fs__shell is a high-risk tool. It would be called with:", `"command": "rm"`, "fs__shell denied", "The user refused"},
		},
		{
			name:  "a destructive tool asks too, and always holds for the session",
			turns: []clienttest.Turn{call("fs__write", `{"n":1}`), call("fs__write", `{"n":2}`), clienttest.Text("Done.")},
			input: "do\na\nq\n", change: interactive, out: "Done.\n",
			notes:  []string{"fs__write says that it may destroy", "fs__write ran", "fs__write ran"},
			absent: []string{"denied"},
		},
		{
			name: "yes is for one call", turns: []clienttest.Turn{call("fs__write", `{"n":1}`), call("fs__write", `{"n":2}`), clienttest.Text("Done.")},
			input: "do\ny\nn\n", change: interactive, out: "Done.\n", notes: []string{"fs__write ran", "fs__write denied"},
		},
		{
			name: "commands", input: "/help\n/tools\n/system\n/system Be brief.\n/system\n/clear\n/nothing\n/exit\nnot sent\n",
			notes: []string{"list the tools", "fs__list", "Lists files.", "fs__shell (asks before it runs)", "3 tools", "no system prompt",
				"starts over with this", "Be brief.", "starts over", "/nothing is no command"},
			absent: []string{"Hello", "\x1b"},
		},
		{name: "q leaves", input: "q\nnot sent\n"},
		{name: "a path is a message", input: "/tmp/x what is it\n", out: "Hello.\n"},
		{
			name:  "a failed turn is told and counted, and the next one goes on",
			turns: []clienttest.Turn{{`{"error":{"message":"the prompt has 9 tokens,\u001b[31m the context 8"}}`}, clienttest.Text("Better.")},
			input: "long\nshort\n", out: "Better.\n", notes: []string{"the prompt has 9 tokens, the context 8 (HTTP 400)"}, err: ErrFailed,
		},
		{
			name: "no tools", input: "hi\n/tools\n", change: func(o *Options) { o.NoTools = true }, out: "Hello.\n", notes: []string{"tools are off"},
		},
		{
			name: "hostile text", turns: []clienttest.Turn{clienttest.Text("a\x1b]0;title\x07b \x1b[31mred\x1b[0m\r\x08c")},
			input: "hi\n", out: "a]0;titleb redc\n",
		},
		{
			name: "the limit of rounds", turns: []clienttest.Turn{call("fs__list", `{"n":1}`), clienttest.Text("So far.")},
			input: "hi\n", change: func(o *Options) { o.MaxRounds = 1 }, out: "So far.\n", notes: []string{"fs__list ran", "--max-rounds"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := clienttest.New(t)
			server.Tools = twoTools
			if tt.turns != nil {
				server.Turns = tt.turns
			}
			out, notes, err := talk(t, server, tt.input, tt.change)
			if out != tt.out {
				t.Errorf("out %q, want %q", out, tt.out)
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			rest := notes
			for _, want := range tt.notes {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is not, or not there, in\n%s", want, notes)
				}
				rest = after
			}
			for _, text := range tt.absent {
				if strings.Contains(out+notes, text) {
					t.Errorf("%q is in\n%s\n%s", text, out, notes)
				}
			}
		})
	}
}

func TestWhyThereAreNoToolsIsSaidOnce(t *testing.T) {
	_, notes, err := talk(t, clienttest.New(t), "a\nb\n", nil)
	if err != nil || strings.Count(notes, "no tools: no MCP server is configured") != 1 {
		t.Errorf("%v\n%s", err, notes)
	}
}

func TestServersThatAreDownAreNamedOnce(t *testing.T) {
	server := clienttest.New(t)
	server.Tools = `{"tools":[{"name":"a__b","function":{"name":"a__b"}}],"unavailable":[{"server":"db","state":"failed","error":"gone\u001b[2J"}]}`
	_, notes, err := talk(t, server, "a\nb\n", nil)
	if err != nil || strings.Count(notes, "no tools of db: failed: gone\n") != 1 {
		t.Errorf("%v\n%s", err, notes)
	}
}

func TestAFailedMessageIsNotKept(t *testing.T) {
	server := clienttest.New(t)
	server.Turns = []clienttest.Turn{{`{"error":{"message":"no"}}`}, clienttest.Text("Yes.")}
	if _, _, err := talk(t, server, "one\ntwo\n", nil); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	messages := server.Requests("/v1/chat/completions")[1].Body["messages"].([]any)
	if len(messages) != 1 || messages[0].(map[string]any)["content"] != "two" {
		t.Errorf("sent %v", messages)
	}
}

func TestProgressIsShown(t *testing.T) {
	server := clienttest.New(t)
	server.Tools = twoTools
	server.Turns = []clienttest.Turn{call("fs__list", `{}`), clienttest.Text("ok")}
	server.Execute = func(map[string]any) clienttest.Reply {
		return clienttest.Reply{Status: 200, Type: "text/event-stream", Body: "event: progress\ndata: {\"progress\":2,\"total\":5,\"message\":\"reading \\u001b[2Ja\"}\n\n" +
			"event: result\ndata: {\"result\":\"done\"}\n\n"}
	}
	out, notes, err := talk(t, server, "do\n", nil)
	if err != nil || out != "ok\n" || !strings.Contains(notes, "-> fs__list {}\n.. fs__list 2 of 5: reading a\n<- fs__list ran") {
		t.Errorf("%v %q\n%s", err, out, notes)
	}
}

func TestRefusalsOfTheServerReachTheModel(t *testing.T) {
	for status, want := range map[int]string{
		409: "held: it waits for an operator's approval on the server", 502: "held", 403: "held",
	} {
		server := clienttest.New(t)
		server.Tools = twoTools
		server.Turns = []clienttest.Turn{call("fs__list", `{}`), clienttest.Text("ok")}
		server.Execute = func(map[string]any) clienttest.Reply {
			return clienttest.Reply{Status: status, Body: `{"error":{"message":"held"},"is_error":true}`}
		}
		if _, notes, err := talk(t, server, "do\n", nil); err != nil || !strings.Contains(notes, "fs__list failed") {
			t.Errorf("%v\n%s", err, notes)
		}
		messages := server.Requests("/v1/chat/completions")[1].Body["messages"].([]any)
		if got := messages[2].(map[string]any)["content"]; got != "Error: "+want {
			t.Errorf("the model read %q, want %q", got, want)
		}
	}
}

func TestInterruptStopsTheAnswerAndKeepsTheChat(t *testing.T) {
	server := clienttest.New(t)
	server.Hold = make(chan struct{})
	server.Turns = []clienttest.Turn{clienttest.Text("half an answer")[:1], clienttest.Text("Yes.")}
	signals := make(chan os.Signal)
	go func() { // presses Ctrl-C once the first request is there, and ends
		for len(server.Requests("/v1/chat/completions")) == 0 {
			time.Sleep(time.Millisecond)
		}
		signals <- os.Interrupt
	}()
	out, notes, err := talk(t, server, "one\ntwo\n", func(o *Options) { o.Interactive, o.Interrupts = true, signals })
	<-server.Hold
	if err != nil || !strings.HasSuffix(out, "Yes.\n") || !strings.Contains(notes, "(interrupted)") {
		t.Errorf("%v\n%s\n%s", err, out, notes)
	}
}

func TestInterruptEndsAChatWithoutAPerson(t *testing.T) {
	server := clienttest.New(t)
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	reader, writer := io.Pipe()
	defer writer.Close()
	_, _, err := talk(t, server, "", func(o *Options) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		o.Input, o.Interrupts = NewLines(ctx, reader, nil), signals
	})
	if !errors.Is(err, ErrInterrupted) {
		t.Errorf("ended with %v", err)
	}
}

func TestResultText(t *testing.T) {
	for body, want := range map[string]string{
		`{"result":"text"}`: "text",
		`{"result":["a",{"type":"text","text":"b"},{"type":"image","mimeType":"image/png","data":"AAAA"}]}`: "a\nb\n[image image/png, 4 bytes in base64]",
		`{"result":[{"type":"resource_link","uri":"file:///x"}]}`:                                           `{"type":"resource_link","uri":"file:///x"}`,
		`{"result":[],"structured_content":{"n":1}}`:                                                        `{"n":1}`,
		`{"result":null,"is_error":true,"error_message":"failed"}`:                                          "failed",
		`{"result":"","is_error":false}`:                                                                    "",
		`{"result":{"type":"audio","mimeType":"audio/wav","data":"AA"}}`:                                    "[audio audio/wav, 2 bytes in base64]",
	} {
		server := clienttest.New(t)
		server.Execute = func(map[string]any) clienttest.Reply { return clienttest.Reply{Status: 200, Body: body} }
		c, err := client.New(client.Options{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		result, err := c.MCPCall(t.Context(), client.Call{Tool: "x"})
		c.Close()
		if got := ResultText(result); err != nil || got != want {
			t.Errorf("%s became %q (%v), want %q", body, got, err, want)
		}
	}
}
