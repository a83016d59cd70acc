package shape

import (
	"encoding/json"
	"testing"
)

func TestItem(t *testing.T) {
	for raw, want := range map[string]string{
		`{ "uri":"a://1", "name":"n","size":5, "x-own":[1e400] }`: `{ "uri":"a://1", "name":"n","size":5, "x-own":[1e400] }`,
		`{"uri":"a://1"}`:      `{"name":"N","uri":"a://1"}`,
		`{"uri":"a","name":5}`: `{"name":"N","uri":"a"}`,
		`{"name":"n","title":null,"description":5,"mimeType":[]}`:                   `{"name":"n"}`,
		`{"name":"n","size":"big","_meta":"x"}`:                                     `{"name":"n"}`,
		`{"name":"n","annotations":{"audience":["user"],"priority":0.5,"own":1}}`:   `{"name":"n","annotations":{"audience":["user"],"priority":0.5,"own":1}}`,
		`{"name":"n","annotations":{"audience":"user"}}`:                            `{"name":"n"}`,
		`{"name":"n","annotations":{"audience":["bot"]}}`:                           `{"name":"n"}`,
		`{"name":"n","annotations":{"priority":7}}`:                                 `{"name":"n"}`,
		`{"name":"n","annotations":"x"}`:                                            `{"name":"n"}`,
		`{"name":"n","icons":[{"src":"https://s","sizes":["1x1"],"theme":"dark"}]}`: `{"name":"n","icons":[{"src":"https://s","sizes":["1x1"],"theme":"dark"}]}`,
		`{"name":"n","icons":[{}]}`:                                                 `{"name":"n"}`,
		`{"name":"n","icons":[{"src":"https://s","sizes":"1x1"}]}`:                  `{"name":"n"}`,
		`{"name":"n","icons":{}}`:                                                   `{"name":"n"}`,
		`{"name":"n","arguments":[{"name":"a","required":true},{"name":"b"}]}`:      `{"name":"n","arguments":[{"name":"a","required":true},{"name":"b"}]}`,
		`{"name":"n","arguments":[{"name":"a","required":"yes"}]}`:                  `{"name":"n"}`,
		`{"name":"n","arguments":["a"]}`:                                            `{"name":"n"}`,
		`{"name":"n","arguments":"x","description":"d"}`:                            `{"name":"n","description":"d"}`,
	} {
		if got, err := item(json.RawMessage(raw), "N"); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", raw, got, err)
		}
	}
	if _, err := item(json.RawMessage(`{"name":"a","name":"b"}`), "N"); err == nil {
		t.Error("a definition with a key twice is taken apart")
	}
}

func TestInput(t *testing.T) {
	const object = `{"type":"object"}`
	for raw, want := range map[string]string{
		`{"properties":{"a":true,"b":{}},"required":["a"],"type":"object"}`: `{"properties":{"a":true,"b":{}},"required":["a"],"type":"object"}`,
		`{}`:                                       object,
		`{ "properties" : {} }`:                    `{"type":"object","properties":{}}`,
		`{"type":"array"}`:                         object,
		`{"type":["object","null"]}`:               object,
		`{"type":"object","properties":[]}`:        object,
		`{"type":"object","properties":{"a":"b"}}`: object,
		`{"type":"object","required":"a"}`:         object,
		`{"type":"object","required":[1]}`:         object,
		`{"type":"object","$schema":5}`:            object,
		`{"type":"object","type":"array"}`:         object,
	} {
		if got := input(json.RawMessage(raw)); string(got) != want {
			t.Errorf("%s became %s", raw, got)
		}
	}
}

func TestOutput(t *testing.T) {
	for raw, want := range map[string][2]string{ // of any type, of objects only
		`{"type":"object"}`: {`{"type":"object"}`, `{"type":"object"}`},
		`{"type":"array"}`:  {`{"type":"array"}`, ""},
		`{}`:                {`{}`, ""},
		`true`:              {"", ""},
		`"x"`:               {"", ""},
	} {
		if got := [2]string{string(output(json.RawMessage(raw), false)), string(output(json.RawMessage(raw), true))}; got != want {
			t.Errorf("%s became %q", raw, got)
		}
	}
}

func TestHints(t *testing.T) {
	for raw, want := range map[string]string{
		`{"readOnlyHint":true, "title":"t","own":[]}`:            `{"readOnlyHint":true, "title":"t","own":[]}`,
		`{"readOnlyHint":"yes","title":5,"openWorldHint":false}`: `{"openWorldHint":false}`,
		`"x"`:                       "",
		`null`:                      "",
		`{"title":"a","title":"b"}`: "",
	} {
		if got := hints(json.RawMessage(raw)); string(got) != want {
			t.Errorf("%s became %s", raw, got)
		}
	}
	if hints(nil) != nil {
		t.Error("no annotations became some")
	}
}

func TestMetaOfNothing(t *testing.T) {
	for _, raw := range []string{"", "null", "[]", "{}", "{ }", "{\n}", `{"progressToken":1}`, `{ "io.toolserve/x" : 1 }`} {
		if got := Meta(json.RawMessage(raw)); got != nil {
			t.Errorf("%q: %s", raw, got)
		}
	}
	if got := string(Meta(json.RawMessage(`{ "a" : 1 }`))); got != `{ "a" : 1 }` {
		t.Errorf("kept %s", got)
	}
}
