package toolcall

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/constrain"
)

// TestGrammars writes texts at random from each family's grammar and reads them with the family's parser:
// what a grammar allows is nothing but reasoning and calls.
func TestGrammars(t *testing.T) {
	for _, f := range Families() {
		t.Run(f.Name(), func(t *testing.T) {
			for seed := range uint64(60) {
				r := rand.New(rand.NewPCG(seed, 7))
				opts := GrammarOptions{Tools: testTools, Single: seed%3 == 0}
				if seed%4 == 1 {
					opts.Choice = chat.ToolChoice{Mode: chat.ToolNamed, Name: testTools[seed%5].Name}
				}
				g, err := f.Grammar(opts)
				if err != nil {
					t.Fatal(err)
				}
				text := g.Sample(r)
				if !g.Match(text) {
					t.Fatalf("the grammar does not take its own text %q", text)
				}
				o := testCase{}.run(t, f, text)
				if strings.TrimSpace(o.content.String()) != "" || len(o.warnings) > 0 || len(o.calls) == 0 ||
					opts.Single && len(o.calls) != 1 || opts.Choice.Name != "" && o.calls[0].name != opts.Choice.Name {
					t.Fatalf("of %q the parser reads\n%s", text, o)
				}
				for _, c := range o.calls {
					fits(t, c, text)
				}
			}
			g, _ := f.Grammar(GrammarOptions{Tools: testTools, ReasoningOpen: true})
			if _, err := g.GBNF(); err != nil {
				t.Error(err)
			}
		})
	}
}

// fits checks the arguments of a call against the schema of its tool.
func fits(t *testing.T, c *callOutcome, text string) {
	t.Helper()
	for _, tool := range testTools {
		if tool.Name != c.name || len(tool.Parameters) == 0 {
			continue
		}
		g, err := constrain.JSONGrammar(tool.Parameters)
		if err != nil {
			t.Fatal(err)
		}
		if !g.Match(c.args.String()) {
			t.Errorf("of %q the arguments %s do not fit the schema", text, c.args.String())
		}
	}
}

func TestGrammarErrors(t *testing.T) {
	f, _ := Lookup("hermes")
	if _, err := f.Grammar(GrammarOptions{}); err != ErrNoTools {
		t.Errorf("no tools: %v", err)
	}
	choice := chat.ToolChoice{Mode: chat.ToolNamed, Name: "nonsense"}
	if _, err := f.Grammar(GrammarOptions{Tools: testTools, Choice: choice}); err == nil || !strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("an unknown tool: %v", err)
	}
	bad := []chat.Tool{{Name: "x", Parameters: json.RawMessage(`{"a":`)}}
	if _, err := f.Grammar(GrammarOptions{Tools: bad}); err == nil || !strings.Contains(err.Error(), `tool "x"`) {
		t.Errorf("a broken schema: %v", err)
	}
}
