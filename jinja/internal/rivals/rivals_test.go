package rivals_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ardan "github.com/ardanlabs/jinja"
	"github.com/mitsuhiko/minijinja/minijinja-go/v2"
	"github.com/mitsuhiko/minijinja/minijinja-go/v2/syntax"
	"github.com/nikolalohinski/gonja/v2"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"

	"github.com/toolserve/toolserve/jinja"
)

// render makes the prompt of the JSON text of variables.
type render func(vars []byte) (string, error)

// engines compile a template.
var engines = []struct {
	name    string
	compile func(source string) (render, error)
}{
	{"toolserve", own},
	{"ardanlabs", ardanlabs},
	{"minijinja", mini},
	{"gonja", gonjaEngine},
}

func own(source string) (render, error) {
	t, err := jinja.Compile("t", source)
	if err != nil {
		return nil, err
	}
	return func(vars []byte) (string, error) {
		v, err := jinja.DecodeJSON(vars)
		if err != nil {
			return "", err
		}
		return t.Render(v.(*jinja.Dict), jinja.RenderOptions{})
	}, nil
}

// onMap decodes the variables into Go maps, as the engines' own examples do.
func onMap(f func(map[string]any) (string, error)) render {
	return func(vars []byte) (string, error) {
		var m map[string]any
		if err := json.Unmarshal(vars, &m); err != nil {
			return "", err
		}
		return f(m)
	}
}

func ardanlabs(source string) (render, error) {
	t, err := ardan.Compile(source)
	if err != nil {
		return nil, err
	}
	return onMap(t.Render), nil
}

func mini(source string) (render, error) {
	env := minijinja.NewEnvironment()
	env.SetWhitespace(syntax.WhitespaceConfig{TrimBlocks: true, LstripBlocks: true})
	t, err := env.TemplateFromString(source)
	if err != nil {
		return nil, err
	}
	return onMap(func(m map[string]any) (string, error) { return t.Render(m) }), nil
}

func gonjaEngine(source string) (render, error) {
	gonja.SetLoggerOutput(io.Discard)
	config := gonja.NewConfig()
	config.TrimBlocks, config.LeftStripBlocks = true, true
	loader, err := loaders.NewMemoryLoader(map[string]string{"/t": source})
	if err != nil {
		return nil, err
	}
	t, err := exec.NewTemplate("/t", config, loader, gonja.DefaultEnvironment)
	if err != nil {
		return nil, err
	}
	return onMap(func(m map[string]any) (string, error) { return t.ExecuteToString(exec.NewContext(m)) }), nil
}

// variables is the JSON text of a conversation.
func variables(messages, tools int) []byte {
	turns := []any{message("system", "You are a helpful assistant.")}
	for i := 1; i < messages; i++ {
		switch i % 4 {
		case 1:
			turns = append(turns, message("user", fmt.Sprintf("Question %d: what is known about the harbour of Valparaíso?", i)))
		case 2:
			call := message("assistant", "")
			call["tool_calls"] = []any{map[string]any{"id": "c", "type": "function", "function": map[string]any{
				"name": "lookup_0", "arguments": map[string]any{"query": "harbour", "limit": i}}}}
			turns = append(turns, call)
		case 3:
			turns = append(turns, message("tool", `{"records": [{"id": 17, "name": "Valparaíso"}], "more": false}`))
		default:
			turns = append(turns, message("assistant", "It is a large harbour on the coast of Chile."))
		}
	}
	text, err := json.Marshal(map[string]any{"messages": turns, "tools": toolList(tools), "add_generation_prompt": true})
	if err != nil {
		panic(err)
	}
	return text
}

func message(role, content string) map[string]any {
	return map[string]any{"role": role, "content": content}
}

func toolList(n int) []any {
	var list []any
	text := map[string]any{"type": "string", "description": `What to look for, "quoted" for an exact match`}
	for i := range n {
		list = append(list, map[string]any{"type": "function", "function": map[string]any{
			"name":        fmt.Sprintf("lookup_%d", i),
			"description": fmt.Sprintf("Look up records of kind %d and return those that match the query.", i),
			"parameters": map[string]any{"type": "object", "required": []any{"query"}, "properties": map[string]any{
				"query":  text,
				"limit":  map[string]any{"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
				"fields": map[string]any{"type": "array", "items": map[string]any{"type": "string", "enum": []any{"id", "name", "owner"}}},
				"filter": map[string]any{"type": "object", "properties": map[string]any{"since": text}, "additionalProperties": false},
			}}}})
	}
	return list
}

var workloads = []struct {
	name            string
	messages, tools int
}{{"2tools", 6, 2}, {"100tools", 6, 100}, {"200messages", 200, 0}}

// BenchmarkEngines reports the median of 200 renders of each engine, the engines in turns, and how many
// times longer than toolserve that is.
func BenchmarkEngines(b *testing.B) {
	for name, file := range map[string]string{"plain": "testdata/plain.jinja", "thinking": filepath.Join("..", "..", "testdata", "chatml_tools.jinja")} {
		source, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		for _, w := range workloads {
			vars := variables(w.messages, w.tools)
			b.Run(name+"/"+w.name, func(b *testing.B) { compare(b, string(source), vars) })
		}
	}
}

func compare(b *testing.B, source string, vars []byte) {
	const rounds = 200
	type entrant struct {
		name   string
		render render
		times  []time.Duration
	}
	var entrants []*entrant
	var want string
	for _, e := range engines {
		r, err := e.compile(source)
		text := ""
		if err == nil {
			text, err = r(vars)
		}
		if err != nil {
			reason, _, _ := strings.Cut(err.Error(), "\n")
			b.Logf("%s refuses: %.120s", e.name, reason)
			continue
		}
		if e.name == "toolserve" {
			want = text
		} else if text != want {
			b.Logf("%s prints another text", e.name)
		}
		entrants = append(entrants, &entrant{name: e.name, render: r})
	}
	for b.Loop() {
		for _, e := range entrants {
			e.times = e.times[:0]
		}
		for range rounds {
			for _, e := range entrants {
				start := time.Now()
				_, _ = e.render(vars) // it did render before
				e.times = append(e.times, time.Since(start))
			}
		}
	}
	b.ReportMetric(0, "ns/op") // the sum of all engines says nothing
	var first float64
	for _, e := range entrants {
		slices.Sort(e.times)
		median := float64(e.times[rounds/2].Nanoseconds()) / 1e3
		if first == 0 {
			first = median
			b.ReportMetric(median, "µs-"+e.name)
			continue
		}
		b.ReportMetric(median/first, e.name+"/toolserve")
	}
}
