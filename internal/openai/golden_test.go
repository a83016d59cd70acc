package openai

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/toolserve/toolserve/chat"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestAnswers plays testdata/chat and testdata/text: request.json is sent to the route, events is what the
// generator does, and response is the whole answer, byte for byte.
func TestAnswers(t *testing.T) {
	for dir, route := range routes {
		each(t, "testdata/"+dir+"/*.txtar", func(t *testing.T, files map[string]string) map[string]string {
			h := testHandler(script(t, files["events"]))
			return map[string]string{"response": post(h, route, files["request.json"])}
		})
	}
}

// TestRefused plays testdata/chat_refused and testdata/text_refused, whose files each hold many cases:
// NAME.json is sent and NAME.response is the answer. The generator must not be asked.
func TestRefused(t *testing.T) {
	for dir, route := range routes {
		each(t, "testdata/"+dir+"_refused/*.txtar", func(t *testing.T, files map[string]string) map[string]string {
			got := map[string]string{}
			for name, body := range files {
				if base, ok := strings.CutSuffix(name, ".json"); ok {
					h := testHandler(func(context.Context, *chat.Request) iter.Seq2[chat.Event, error] {
						t.Errorf("%s: the generator was asked", base)
						return func(func(chat.Event, error) bool) {}
					})
					got[base+".response"] = post(h, route, strings.TrimSuffix(body, "\n"))
				}
			}
			return got
		})
	}
}

// routes are the routes by the folder of their cases.
var routes = map[string]string{"chat": "/v1/chat/completions", "text": "/v1/completions"}

// each runs a test for each archive; the returned files must be the archive's.
func each(t *testing.T, pattern string, run func(*testing.T, map[string]string) map[string]string) {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s (%v)", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, f := range archive.Files {
				files[f.Name] = string(f.Data)
			}
			got := run(t, files)
			if *update {
				rewrite(t, path, archive, got)
				return
			}
			for _, name := range slices.Sorted(maps.Keys(got)) {
				if got[name] != files[name] {
					t.Errorf("%s is\n%s\nwant\n%s", name, got[name], files[name])
				}
			}
		})
	}
}

// rewrite puts each file of got behind the request that it answers.
func rewrite(t *testing.T, path string, archive *txtar.Archive, got map[string]string) {
	var files []txtar.File
	for _, f := range archive.Files {
		if _, answer := got[f.Name]; answer {
			continue
		}
		files = append(files, f)
		for _, name := range []string{"response", strings.TrimSuffix(f.Name, ".json") + ".response"} {
			if text, ok := got[name]; ok && (name != "response" || f.Name == "events") {
				files = append(files, txtar.File{Name: name, Data: []byte(text)})
			}
		}
	}
	archive.Files = files
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

type generatorFunc func(context.Context, *chat.Request) iter.Seq2[chat.Event, error]

func (f generatorFunc) Generate(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
	return f(ctx, req)
}

func testHandler(g generatorFunc) *Handler {
	return NewHandler(Options{
		Generator:   g,
		Model:       Model{ID: "org/model", Aliases: []string{"small"}, Created: time.Unix(1700000000, 0), ContextLength: 4096},
		Fingerprint: "fp_test",
		KeepAlive:   time.Hour,
		Now:         func() time.Time { return time.Unix(1767600000, 0) },
		NewID:       func() string { return "ID" },
	})
}

// post sends a body and returns status, headers and body of the answer.
func post(h *Handler, route, body string) string {
	r := httptest.NewRequest(http.MethodPost, route, strings.NewReader(body))
	w := httptest.NewRecorder()
	mux := http.NewServeMux()
	h.Register(mux)
	mux.ServeHTTP(w, r)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", w.Code)
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		fmt.Fprintf(&b, "%s: %s\n", name, w.Header().Get(name))
	}
	fmt.Fprintf(&b, "\n%s", w.Body)
	return b.String()
}

// script reads a generator's events: a line each, with quoted texts.
//
//	content "..." | reasoning "..." | warning "..."
//	logprob "TOKEN" -0.5 "OTHER" -1.5      content with the likeliest tokens
//	call INDEX ID NAME | args INDEX "..." | end INDEX | broken INDEX
//	finish REASON prompt cached completion reasoning
//	item TYPE ID STATUS SERVER NAME ARGUMENTS OUTPUT ERROR; itemend likewise
//	error KIND CODE "..."                  KIND: internal, invalid, busy, unavailable
func script(t *testing.T, text string) generatorFunc {
	type step struct {
		ev  chat.Event
		err error
	}
	var steps []step
	for line := range strings.Lines(text) {
		if fields := split(t, strings.TrimSpace(line)); len(fields) > 0 {
			ev, err := parseStep(t, fields)
			steps = append(steps, step{ev, err})
		}
	}
	return func(context.Context, *chat.Request) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			for _, s := range steps {
				if !yield(s.ev, s.err) {
					return
				}
			}
		}
	}
}

func parseStep(t *testing.T, f []string) (chat.Event, error) {
	number := func(i int) int {
		n, err := strconv.Atoi(f[i])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	probability := func(i int) chat.TokenProb {
		p, err := strconv.ParseFloat(f[i+1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return chat.TokenProb{Token: f[i], Logprob: p}
	}
	switch f[0] {
	case "content":
		return chat.Event{Kind: chat.ContentDelta, Text: f[1]}, nil
	case "reasoning":
		return chat.Event{Kind: chat.ReasoningDelta, Text: f[1]}, nil
	case "warning":
		return chat.Event{Kind: chat.Warning, Text: f[1]}, nil
	case "logprob":
		top := []chat.TokenProb{probability(1), probability(3)}
		return chat.Event{Kind: chat.ContentDelta, Text: f[1], Logprobs: []chat.Logprob{{TokenProb: top[0], Top: top}}}, nil
	case "call":
		return chat.Event{Kind: chat.CallStart, Index: number(1), ID: f[2], Name: f[3]}, nil
	case "args":
		return chat.Event{Kind: chat.CallDelta, Index: number(1), Text: f[2]}, nil
	case "end":
		return chat.Event{Kind: chat.CallEnd, Index: number(1)}, nil
	case "broken":
		return chat.Event{Kind: chat.CallEnd, Index: number(1), Incomplete: true}, nil
	case "item", "itemend": // TYPE ID STATUS SERVER NAME ARGUMENTS OUTPUT ERROR
		kind := chat.ItemStart
		if f[0] == "itemend" {
			kind = chat.ItemEnd
		}
		it := &chat.Item{Type: chat.ItemType(f[1]), ID: f[2], Status: chat.ItemStatus(f[3]), Server: f[4], Name: f[5], Arguments: f[6], Output: f[7], Error: f[8], Ran: f[8] == "ran"}
		if kind == chat.ItemEnd && (it.Type == chat.ItemTools || it.Type == chat.ItemFound) {
			it.Tools = []chat.ListedTool{{Name: "read", FullName: "files__read", Description: "Reads.", Schema: []byte("{\n\"type\": \"object\"}")}}
		}
		return chat.Event{Kind: kind, Item: it}, nil
	case "finish":
		return chat.Event{Kind: chat.Finish, Reason: chat.FinishReason(f[1]), Usage: chat.Usage{
			PromptTokens: number(2), CachedTokens: number(3), CompletionTokens: number(4), ReasoningTokens: number(5),
		}}, nil
	case "error":
		kinds := map[string]chat.ErrorKind{"invalid": chat.KindInvalid, "busy": chat.KindBusy, "unavailable": chat.KindUnavailable}
		if kind, ok := kinds[f[1]]; ok {
			return chat.Event{}, &chat.Error{Kind: kind, Code: f[2], Message: f[3], RetryAfter: 1500 * time.Millisecond}
		}
		return chat.Event{}, fmt.Errorf("%s", f[3])
	}
	t.Fatalf("unknown step %q", f)
	return chat.Event{}, nil
}

// split cuts a line into words and quoted texts.
func split(t *testing.T, line string) []string {
	var fields []string
	for line != "" {
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			text, _ := strconv.Unquote(quoted)
			fields = append(fields, text)
			line = strings.TrimSpace(line[len(quoted):])
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		fields = append(fields, word)
		line = strings.TrimSpace(rest)
	}
	return fields
}
