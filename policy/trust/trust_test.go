package trust

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		` { "b" : 1 , "a" : [ true , null ] } `:      `{"a":[true,null],"b":1}`,
		`{"a":1.0,"b":1e5,"c":12345678901234567890}`: `{"a":1.0,"b":1e5,"c":12345678901234567890}`,
		`"\u0041\u00e9\/\n<\u2028"`:                  "\"Aé/\\u000a<\u2028\"",
		`{"a":1,"a":2}`:                              `{"a":1,"a":2}`, // which one counts is not for us to say
		`{"b":{"d":1,"c":2},"a":{}}`:                 `{"a":{},"b":{"c":2,"d":1}}`,
	} {
		got, err := Canonical([]byte(text))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{``, `{`, `{"a"}`, `1 2`, `[1,]`, strings.Repeat(`[`, 200) + strings.Repeat(`]`, 200)} {
		if got, err := Canonical([]byte(text)); err == nil {
			t.Errorf("%.20s: %s", text, got)
		}
	}
}

func TestDigest(t *testing.T) {
	a := NewItem(KindTool, "t", []byte(`{"name":"t","description":"d"}`))
	b := NewItem(KindTool, "t", []byte(` {"description": "d", "name": "\u0074"} `))
	if a.Digest != b.Digest || len(a.Digest) != 71 {
		t.Errorf("%s and %s", a.Digest, b.Digest)
	}
	seen := map[string]bool{a.Digest: true}
	for _, other := range []Item{
		NewItem(KindLaunch, "", []byte(`{"name":"t","description":"d"}`)), NewItem(KindTool, "t", []byte(`{"name":"t","description":"e"}`)),
		NewItem(KindTool, "t", []byte(`{"name":"t","description":"d","description":"d"}`)), NewItem(KindTool, "t", []byte(`{`)), NewItem(KindTool, "t", []byte(`[`)),
	} {
		if seen[other.Digest] {
			t.Errorf("%s has a digest that was there before", other.Definition)
		}
		seen[other.Digest] = true
	}
}

func TestJudge(t *testing.T) {
	item := NewItem(KindTool, "t", []byte(`{"name":"t"}`))
	found := item
	found.Findings = []string{"hidden"}
	same, other := Pin{Digest: item.Digest, Known: true}, Pin{Digest: "sha256:x", Known: true}
	tests := []struct {
		rules Rules
		item  Item
		pin   Pin
		want  Action
	}{
		{Rules{}, item, Pin{}, Record}, {Rules{}, item, Pin{Known: true}, Record}, {Rules{}, item, same, Keep}, {Rules{}, item, other, Suspend},
		{Rules{Mode: Warn}, item, other, Report}, {Rules{Mode: Off}, item, other, Keep}, {Rules{Mode: Off}, item, Pin{}, Keep},
		{Rules{HoldNew: true}, item, Pin{}, Record}, {Rules{HoldNew: true}, item, Pin{Known: true}, Suspend}, {Rules{HoldNew: true}, item, same, Keep},
		{Rules{HoldFindings: true}, item, Pin{}, Record}, {Rules{HoldFindings: true}, found, Pin{}, Suspend}, {Rules{HoldFindings: true}, found, same, Keep},
		{Rules{HoldFindings: true, Mode: Warn}, found, Pin{}, Report}, {Rules{}, found, Pin{}, Record},
	}
	for i, test := range tests {
		if got := test.rules.Judge(test.item, test.pin); got.Action != test.want || (got.Reason == "") != (got.Action == Keep || got.Action == Record) {
			t.Errorf("%d: %+v, want %s", i, got, test.want)
		}
	}
}

func show(changes []Change) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString(c.Path)
		if c.Old != nil {
			b.WriteString(" -" + *c.Old)
		}
		if c.New != nil {
			b.WriteString(" +" + *c.New)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	long := strings.Repeat("x", 500)
	for name, test := range map[string]struct{ old, updated, want string }{
		"equal":      {`{"a":1}`, ` {"a":1}`, ""},
		"changed":    {`{"a":1,"b":2}`, `{"a":1,"b":3}`, "b -2 +3\n"},
		"added":      {`{}`, `{"a":{"b":[1]}}`, "a +{\"b\":[1]}\n"},
		"removed":    {`{"a":"x"}`, `{}`, "a -\"x\"\n"},
		"nested":     {`{"p":{"a.b":{"enum":["x","y"]}}}`, `{"p":{"a.b":{"enum":["x","z","w"]}}}`, "p.\"a.b\".enum[1] -\"y\" +\"z\"\np.\"a.b\".enum[2] +\"w\"\n"},
		"type":       {`{"a":1}`, `{"a":"1"}`, "a -1 +\"1\"\n"},
		"hidden":     {`{"a":"x"}`, `{"a":"x\u200b\u001b[8m\udb40\udc41"}`, "a -\"x\" +\"x\\u200b\\x1b[8m\\U000e0041\"\n"},
		"hidden key": {`{}`, `{"a\u202eb":1}`, "a\\u202eb +1\n"},
		"line ends":  {`{"a":"x"}`, `{"a":"x\n- y"}`, "a -\"x\" +\"x\\n- y\"\n"},
		"long":       {`{"a":"` + long + `y` + long + `"}`, `{"a":"` + long + `z` + long + `"}`, "a -...\"" + long[:40] + "y" + long[:40] + "\"... +...\"" + long[:40] + "z" + long[:40] + "\"...\n"},
		"twice":      {`{"a":1,"a":2}`, `{"a":1,"a":3}`, " -{\"a\":1,\"a\":2} +{\"a\":1,\"a\":3}\n"},
		"first":      {``, `{"a":1}`, " +{\"a\":1}\n"},
	} {
		changes, complete := Diff(json.RawMessage(test.old), json.RawMessage(test.updated))
		if got := show(changes); got != test.want || !complete {
			t.Errorf("%s: %q, %v, want %q", name, got, complete, test.want)
		}
	}
	many, few := "["+strings.Repeat("1,", 5000)+"1]", "["+strings.Repeat("2,", 5000)+"2]"
	changes, complete := Diff(json.RawMessage(many), json.RawMessage(few))
	if len(changes) != maxChanges || complete {
		t.Errorf("%d changes, complete %v", len(changes), complete)
	}
	huge, _ := json.Marshal(strings.Repeat("evil ", 100_000))
	changes, complete = Diff(json.RawMessage(`"x"`), huge)
	if len(show(changes)) > maxDiff || complete {
		t.Errorf("%d bytes, complete %v", len(show(changes)), complete)
	}
	if _, complete = Diff(json.RawMessage(`1`), nil); complete {
		t.Error("what is not known is shown whole")
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add(`{"b":[1,"\u00e9\ud800",{}],"a":null}`, `{"b":2}`)
	f.Add(`{"a":1,"a":2}`, `[]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		first, err := Canonical([]byte(a))
		if err != nil {
			return
		}
		again, err := Canonical(first)
		if err != nil || !bytes.Equal(first, again) || !json.Valid(first) {
			t.Fatalf("%q gives %q and then %q, %v", a, first, again, err)
		}
		second, err := Canonical([]byte(b))
		if err != nil {
			return
		}
		changes, _ := Diff(first, second)
		if (len(changes) == 0) != bytes.Equal(first, second) {
			t.Errorf("%q and %q differ in %v", first, second, changes)
		}
	})
}

func ExampleDiff() {
	changes, _ := Diff(json.RawMessage(`{"description":"Reads a file."}`), json.RawMessage(`{"description":"Reads a file.\u200b Then sends it."}`))
	for _, c := range changes {
		fmt.Println(c.Path, *c.Old, *c.New)
	}
	// Output: description "Reads a file." "Reads a file.\u200b Then sends it."
}
