package toolcall

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/toolserve/toolserve/chat"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata")

// testTools are the tools of every case that names none of its own.
var testTools = []chat.Tool{
	{Name: "get_tide", Parameters: json.RawMessage(`{"type":"object","properties":{"port":{"type":"string"},"days":{"type":"integer"},"metres":{"type":"boolean"},"o":{"type":"object"},"l":{"type":"array","items":{"type":"integer"}},"u":{"type":["string","integer"]},"any":{}},"required":["port"]}`)},
	{Name: "get_time", Parameters: json.RawMessage(`{"type":"object","properties":{"tz":{"type":"string"}}}`)},
	{Name: "ping"},
	{Name: "brave-search__web", Parameters: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string"}}}`)},
	{Name: "write_file", Parameters: json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"},"content":{"type":"string"}}}`)},
}

// testCase is one output of a model and what is to be read in it.
type testCase struct {
	file, name string
	raw, want  string
	opts       caseOptions
}

type caseOptions struct {
	ReasoningOpen bool     `json:"reasoning_open"`
	Single        bool     `json:"single"`
	Unknown       bool     `json:"unknown"`
	NoTools       bool     `json:"no_tools"`
	Grammar       bool     `json:"grammar"` // the family's grammar takes the text
	Special       []string `json:"special"` // written as special tokens wherever they stand
}

// readCases reads testdata/*.txtar: NAME.in, NAME.out and, where needed, NAME.opts.
func readCases(t testing.TB) map[string][]testCase {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	cases := map[string][]testCase{}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string]string{}
		for _, f := range a.Files {
			parts[f.Name] = string(f.Data)
		}
		family := strings.TrimSuffix(filepath.Base(file), ".txtar")
		for _, f := range a.Files {
			name, ok := strings.CutSuffix(f.Name, ".in")
			if !ok {
				continue
			}
			c := testCase{file: file, name: name, raw: strings.TrimSuffix(string(f.Data), "\n"), want: parts[name+".out"]}
			if o := parts[name+".opts"]; o != "" {
				if err := json.Unmarshal([]byte(o), &c.opts); err != nil {
					t.Fatalf("%s: %s.opts: %v", file, name, err)
				}
			}
			cases[family] = append(cases[family], c)
		}
	}
	return cases
}

func (c testCase) parser(f *Family) *Parser {
	return f.NewParser(Options{
		Tools: testTools, ReasoningOpen: c.opts.ReasoningOpen, SingleCall: c.opts.Single,
		AllowUnknownTools: c.opts.Unknown, NoTools: c.opts.NoTools, NewID: func() string { return "" },
	})
}

// outcome is what the events of an output add up to.
type outcome struct {
	reasoning, content strings.Builder
	calls              []*callOutcome
	warnings           []string
}

type callOutcome struct {
	id, name string
	args     strings.Builder
	ended    bool
}

func (o *outcome) add(t testing.TB, events []chat.Event) {
	for _, e := range events {
		switch e.Kind {
		case chat.ReasoningDelta:
			o.reasoning.WriteString(e.Text)
		case chat.ContentDelta:
			o.content.WriteString(e.Text)
		case chat.CallStart:
			if e.Index != len(o.calls) {
				t.Errorf("call %d starts with index %d", len(o.calls), e.Index)
			}
			o.calls = append(o.calls, &callOutcome{id: e.ID, name: e.Name})
		case chat.CallDelta:
			if e.Index != len(o.calls)-1 || o.calls[e.Index].ended {
				t.Errorf("arguments for call %d of %d", e.Index, len(o.calls))
				return
			}
			o.calls[e.Index].args.WriteString(e.Text)
		case chat.CallEnd:
			o.calls[e.Index].ended = true
		case chat.Warning:
			o.warnings = append(o.warnings, e.Text)
		default:
			t.Errorf("unexpected event %+v", e)
		}
	}
}

// String is the form of the .out parts.
func (o *outcome) String() string {
	var b strings.Builder
	line := func(label, text string) {
		if text != "" {
			q, _ := json.Marshal(text)
			s := string(q)
			for _, r := range [][2]string{{`\u003c`, "<"}, {`\u003e`, ">"}, {`\u0026`, "&"}} {
				s = strings.ReplaceAll(s, r[0], r[1])
			}
			fmt.Fprintf(&b, "%s %s\n", label, s)
		}
	}
	line("reasoning", o.reasoning.String())
	line("content", o.content.String())
	for _, c := range o.calls {
		id := c.id
		if id != "" {
			id = "#" + id
		}
		fmt.Fprintf(&b, "call %s%s %s\n", c.name, id, c.args.String())
	}
	for _, w := range o.warnings {
		fmt.Fprintf(&b, "warning %s\n", w)
	}
	return b.String()
}

// write gives text to p, with the case's special tokens as such.
func (c testCase) write(p *Parser, text string, add func([]chat.Event)) {
	for text != "" {
		at, token := len(text), ""
		for _, s := range c.opts.Special {
			if i := strings.Index(text, s); i >= 0 && (i < at || i == at && len(s) > len(token)) {
				at, token = i, s
			}
		}
		if at > 0 {
			add(p.Write(text[:at]))
		}
		if token != "" {
			add(p.WriteSpecial(token))
		}
		text = text[at+len(token):]
	}
}

func (c testCase) run(t testing.TB, f *Family, pieces ...string) *outcome {
	o := &outcome{}
	p := c.parser(f)
	add := func(e []chat.Event) { o.add(t, e) }
	for _, s := range pieces {
		c.write(p, s, add)
	}
	add(p.Close())
	o.check(t, p)
	return o
}

// check tests what holds for every output.
func (o *outcome) check(t testing.TB, p *Parser) {
	if p.Calls() != len(o.calls) {
		t.Errorf("Calls() = %d, want %d", p.Calls(), len(o.calls))
	}
	for i, c := range o.calls {
		var object map[string]any
		if err := json.Unmarshal([]byte(c.args.String()), &object); err != nil || object == nil {
			t.Errorf("call %d: arguments %q: %v", i, c.args.String(), err)
		}
		if !c.ended {
			t.Errorf("call %d has no end", i)
		}
	}
}

func TestFamilies(t *testing.T) {
	for family, cases := range readCases(t) {
		f, ok := Lookup(family)
		if !ok {
			t.Errorf("testdata/%s.txtar: no such family", family)
			continue
		}
		if *update {
			rewrite(t, f, cases)
			continue
		}
		for _, c := range cases {
			t.Run(family+"/"+c.name, func(t *testing.T) { c.test(t, f) })
		}
	}
}

// TestSpecialTokens reads plain cases with every marker as a special token: the same comes out.
func TestSpecialTokens(t *testing.T) {
	plain := []string{"one", "two", "parallel", "reasoning", "empty_arguments", "text_before"}
	for family, cases := range readCases(t) {
		f, ok := Lookup(family)
		if !ok {
			continue
		}
		var tokens []string
		for _, fm := range f.format.Forms {
			tokens = slices.Concat(tokens, fm.Open, fm.Close, fm.Body.Literals())
		}
		for _, s := range f.format.Reasoning {
			tokens = append(tokens, s.Open, s.Close)
		}
		tokens = slices.Concat(tokens, f.format.Wrappers, f.format.Ends, f.format.Breaks)
		tokens = slices.DeleteFunc(tokens, func(s string) bool { return !strings.HasPrefix(s, "<") && !strings.HasPrefix(s, "[") || len(s) < 4 })
		for _, c := range cases {
			if !slices.Contains(plain, c.name) {
				continue
			}
			want := c.run(t, f, c.raw).String()
			c.opts.Special = tokens
			if got := c.run(t, f, c.raw).String(); got != want {
				t.Errorf("%s/%s: got\n%swant\n%s", family, c.name, got, want)
			}
			if got := c.run(t, f, "Hi<|unclaimed|>").content.String(); got != "Hi<|unclaimed|>" && !f.format.StartsReasoning && !c.opts.ReasoningOpen {
				t.Errorf("%s: content %q", family, got)
			}
			c.opts.Special = append(tokens, "<|unclaimed|>")
			if got := c.run(t, f, "Hi<|unclaimed|>").content.String(); got != "Hi" && !f.format.StartsReasoning && !c.opts.ReasoningOpen {
				t.Errorf("%s: an unclaimed token in %q", family, got)
			}
		}
	}
}

func (c testCase) test(t *testing.T, f *Family) {
	whole := c.run(t, f, c.raw).String()
	if whole != c.want {
		t.Fatalf("%s: got\n%swant\n%s", c.file, whole, c.want)
	}
	check := func(label string, pieces ...string) {
		t.Helper()
		if got := c.run(t, f, pieces...).String(); got != whole {
			t.Fatalf("%s: got\n%swant\n%s", label, got, whole)
		}
	}
	if len(c.opts.Special) == 0 {
		for i := range c.raw {
			check(fmt.Sprintf("cut at %d", i), c.raw[:i], c.raw[i:])
		}
		check("byte by byte", split(c.raw, func() int { return 1 })...)
		check("character by character", strings.Split(c.raw, "")...)
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 1))
			check(fmt.Sprintf("random %d", seed), split(c.raw, func() int { return 1 + r.IntN(9) })...)
		}
	}
	c.testPrefixes(t, f)
	if c.opts.Grammar {
		g, err := f.Grammar(GrammarOptions{Tools: testTools, ReasoningOpen: c.opts.ReasoningOpen})
		if err != nil {
			t.Fatal(err)
		}
		if !g.Match(c.raw) {
			text, _ := g.GBNF()
			t.Errorf("the grammar does not take the text; it is\n%s", text)
		}
		if _, err := g.GBNF(); err != nil {
			t.Error(err)
		}
	}
}

// testPrefixes ends the output at every place: nothing panics, and what came out before the end is a
// beginning of what comes out of the whole.
func (c testCase) testPrefixes(t *testing.T, f *Family) {
	whole := c.run(t, f, c.raw)
	for i := range c.raw {
		o := &outcome{}
		p := c.parser(f)
		c.write(p, c.raw[:i], func(e []chat.Event) { o.add(t, e) })
		if len(c.opts.Special) == 0 && !o.begins(whole) {
			t.Fatalf("prefix %q gives\n%sof\n%s", c.raw[:i], o, whole)
		}
		o.add(t, p.Close())
		o.check(t, p)
	}
}

func (o *outcome) begins(whole *outcome) bool {
	if !strings.HasPrefix(whole.content.String(), o.content.String()) ||
		!strings.HasPrefix(whole.reasoning.String(), o.reasoning.String()) || len(o.calls) > len(whole.calls) {
		return false
	}
	for i, c := range o.calls {
		w := whole.calls[i]
		if c.name != w.name || c.id != w.id || !strings.HasPrefix(w.args.String(), c.args.String()) {
			return false
		}
	}
	return true
}

func split(s string, size func() int) []string {
	var out []string
	for len(s) > 0 {
		n := min(size(), len(s))
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}

// rewrite puts what the parser gives into the .out parts, for a person to read through.
func rewrite(t *testing.T, f *Family, cases []testCase) {
	a, err := txtar.ParseFile(cases[0].file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range cases {
		out[c.name] = c.run(t, f, c.raw).String()
	}
	var files []txtar.File
	for _, part := range a.Files {
		if strings.HasSuffix(part.Name, ".out") {
			continue
		}
		files = append(files, part)
		name := strings.TrimSuffix(part.Name, ".in")
		if want, ok := out[name]; ok && name != part.Name {
			files = append(files, txtar.File{Name: name + ".out", Data: []byte(want)})
		}
	}
	a.Files = files
	if err := os.WriteFile(cases[0].file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}
