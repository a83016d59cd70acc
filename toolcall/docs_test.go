package toolcall

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/toolcall/internal/notation"
)

const (
	docsFile  = "../docs/tool-calls.md"
	docsBegin = "<!-- families: written by go test ./toolcall -run TestDocs -update -->\n"
	docsEnd   = "<!-- end of families -->\n"
)

// TestDocs compares the table in the documentation with the rows.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(data), docsBegin)
	old, tail, ok2 := strings.Cut(rest, docsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s: no place for the table", docsFile)
	}
	table := familyTable()
	if *update {
		if err := os.WriteFile(docsFile, []byte(head+docsBegin+table+docsEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("%s is out of date: run go test ./toolcall -run TestDocs -update", docsFile)
	}
}

func familyTable() string {
	var b strings.Builder
	b.WriteString("| family | other names | a call | reasoning |\n|---|---|---|---|\n")
	code := func(s string) string {
		s = strings.NewReplacer("|", `\|`, "\n", "⏎").Replace(s)
		if strings.Contains(s, "`") {
			return "````` " + s + " `````"
		}
		return "`" + s + "`"
	}
	for _, f := range table {
		var forms, spans []string
		for _, fm := range f.format.Forms {
			open, closer := "", ""
			if len(fm.Open) > 0 {
				open = fm.Open[0]
			}
			if len(fm.Close) > 0 {
				closer = fm.Close[0]
			}
			forms = append(forms, code(open+fm.Gap+notationSample(fm.Body.(notation.Body))+fm.Gap+closer))
		}
		for _, s := range f.format.Reasoning {
			open := s.Open
			if open == "" {
				open = s.Write
			}
			spans = append(spans, code(open+"..."+s.Close))
		}
		if f.name == "auto" {
			forms, spans = []string{"all of the above that cannot be mistaken"}, nil
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, strings.Join(f.aliases, ", "), strings.Join(forms, "<br>"), strings.Join(spans, "<br>"))
	}
	return b.String()
}

// notationSample shows one call of the notation.
func notationSample(b notation.Body) string {
	first := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return list[0]
	}
	or := func(s, fallback string) string {
		if s == "" {
			return fallback
		}
		return s
	}
	switch b := b.(type) {
	case notation.JSON:
		call := fmt.Sprintf(`{"%s": NAME, "%s": {...}}`, or(b.Name, "name"), or(b.Args, "arguments"))
		if b.Keyed {
			call = `{NAME: {...}}`
		}
		if b.Array {
			return "[" + call + ", ...]"
		}
		return call
	case notation.Named:
		return first(b.Lead) + "NAME" + first(b.Seps) + "{...}"
	case notation.Python:
		if b.Bracket || b.List {
			return "[NAME(key=value), ...]"
		}
		return "NAME(key=value)"
	case notation.Header:
		return "... NAME ..." + first(b.Ends) + "{...}"
	case notation.Nested:
		return b.Mark + "<invoke name=NAME>" + b.Mark + "<key>value" + b.Mark + "</key>" + b.Mark + "</invoke>"
	case notation.Tagged:
		name := first(b.NameOpen) + "NAME" + or(b.TagEnd, ">")
		if b.Attr != "" {
			name = first(b.NameOpen) + " " + b.Attr + "=NAME" + or(b.TagEnd, ">")
		} else if len(b.NameOpen) == 0 {
			name = "NAME" + first(b.NameEnd)
		}
		key := b.Key[0] + "key" + or(b.KeyEnd, or(b.TagEnd, ">"))
		if b.KeyAttr != "" {
			key = b.Key[0] + " " + b.KeyAttr + "=key" + or(b.TagEnd, ">")
		}
		return name + key + b.ValOpen + "value" + b.ValClose[0] + first(b.End)
	}
	return "?"
}
