package jinja_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/jinja"
)

// benchTools is the JSON text of n tools of about 560 bytes each.
func benchTools(n int) string {
	tools := make([]string, n)
	for i := range tools {
		tools[i] = fmt.Sprintf(`{"type":"function","function":{"name":"lookup_%d","description":"Look up records of kind %d and return those that match the query.","parameters":{"type":"object","properties":{"query":{"type":"string","description":"What to look for, \"quoted\" for an exact match"},"limit":{"type":"integer","minimum":1,"maximum":100,"default":10},"fields":{"type":"array","items":{"type":"string","enum":["id","name","created","owner"]}},"filter":{"type":"object","properties":{"since":{"type":"string"},"score":{"type":"number"}},"additionalProperties":false}},"required":["query"]}}}`, i, i)
	}
	return "[" + strings.Join(tools, ",") + "]"
}

// benchVars is the JSON text of a conversation of n messages with a number of tools.
func benchVars(n, tools int) []byte {
	messages := []string{`{"role":"system","content":"You are a helpful assistant."}`}
	for i := 1; i < n; i++ {
		switch i % 4 {
		case 1:
			messages = append(messages, fmt.Sprintf(`{"role":"user","content":"Question %d: what is known about the harbour of Valparaíso?"}`, i))
		case 2:
			messages = append(messages, fmt.Sprintf(`{"role":"assistant","content":"","tool_calls":[{"id":"c%d","type":"function","function":{"name":"lookup_0","arguments":{"query":"harbour","limit":%d}}}]}`, i, i))
		case 3:
			messages = append(messages, `{"role":"tool","tool_call_id":"c","content":"{\"records\": [{\"id\": 17, \"name\": \"Valparaíso\"}], \"more\": false}"}`)
		default:
			messages = append(messages, `{"role":"assistant","content":"<think>\nThe record says enough.\n</think>\n\nIt is a large harbour on the coast of Chile."}`)
		}
	}
	list := "null"
	if tools > 0 {
		list = benchTools(tools)
	}
	return []byte(`{"messages":[` + strings.Join(messages, ",") + `],"tools":` + list + `,"add_generation_prompt":true,"bos_token":"","eos_token":"<|im_end|>"}`)
}

var benchCases = []struct {
	name            string
	messages, tools int
}{
	{"2tools", 6, 2},
	{"100tools", 6, 100},
	{"200messages", 200, 0},
}

// BenchmarkRender renders from the JSON text of the variables to the prompt. Where python3 has jinja2,
// "jinja2/own" is how many times longer that takes, its variables decoded before.
func BenchmarkRender(b *testing.B) {
	source, err := os.ReadFile("testdata/chatml_tools.jinja")
	if err != nil {
		b.Fatal(err)
	}
	tmpl, err := jinja.Compile("chatml_tools", string(source))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range benchCases {
		vars := benchVars(c.messages, c.tools)
		b.Run(c.name, func(b *testing.B) {
			var text string
			once := func() {
				v, err := jinja.DecodeJSON(vars)
				if err != nil {
					b.Fatal(err)
				}
				if text, err = tmpl.Render(v.(*jinja.Dict), jinja.RenderOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
			if p := benchPython(b); p != nil {
				own := median(300, once)
				a := p.ask(b, pythonRequest{Template: string(source), Vars: json.RawMessage(vars), Repeat: 300})
				if a.Out == nil || *a.Out != text {
					b.Fatalf("jinja2 renders another text: %s", a.Err)
				}
				b.ReportMetric(a.Seconds/own, "jinja2/own")
			}
		})
	}
}

// median is the median time in seconds of n runs: unlike the mean, it does not count what other
// programs take in between.
func median(n int, run func()) float64 {
	times := make([]float64, n)
	for i := range times {
		start := time.Now()
		run()
		times[i] = time.Since(start).Seconds()
	}
	slices.Sort(times)
	return times[n/2]
}

// benchPython starts Python with jinja2, or returns nil.
func benchPython(b *testing.B) (p *python) {
	b.Helper()
	if p, _ = findPython(b); p == nil {
		b.Log("no python3 with jinja2: only our own time is measured")
	}
	return p
}

func BenchmarkCompile(b *testing.B) {
	source, err := os.ReadFile("testdata/chatml_tools.jinja")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := jinja.Compile("chatml_tools", string(source)); err != nil {
			b.Fatal(err)
		}
	}
}
