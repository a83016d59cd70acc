package rpc

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	messages, batch, _, err := Read([]byte(` {"jsonrpc":"2.0","id":"a\u0062","method":"m","params":{ "x": 1e400 }} `))
	if err != nil || batch || len(messages) != 1 {
		t.Fatalf("%v %v %v", messages, batch, err)
	}
	if m := messages[0]; string(m.ID) != `"a\u0062"` || m.Method != "m" || string(m.Params) != `{ "x": 1e400 }` || !m.IsRequest() {
		t.Errorf("%+v", m)
	}
	messages, batch, _, err = Read([]byte(`[{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":1,"error":{"code":-1}}]`))
	if err != nil || !batch || len(messages) != 2 || messages[0].IsRequest() || messages[1].IsRequest() {
		t.Errorf("%v %v %v", messages, batch, err)
	}
	_, _, id, err := Read([]byte(`{"jsonrpc":"2.0","id":5,"method":7}`))
	if err == nil || string(id) != "5" {
		t.Errorf("the id of a message that is wrong is %s, the error %v", id, err)
	}
}

func TestWrite(t *testing.T) {
	for want, got := range map[string][]byte{
		`{"jsonrpc":"2.0","id":1,"result":{"a":"<"}}`:                  Result(json.RawMessage("1"), json.RawMessage(`{"a":"<"}`)),
		`{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}`:      Failure(nil, Errorf(CodeParse, "x")),
		`{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"x"}}`: Failure(json.RawMessage(`"a"`), &Error{Code: -1, Message: "x", Data: json.RawMessage(`{`)}),
		`{"jsonrpc":"2.0","method":"m"}`:                               Request(nil, "m", nil),
		`{"jsonrpc":"2.0","id":2,"method":"m","params":{"a":1}}`:       Request(json.RawMessage("2"), "m", json.RawMessage(`{"a":1}`)),
		`"<\u2028>"`: Encode("<\u2028>"),
	} {
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestFieldsIsBounded(t *testing.T) {
	many := `{"k0":0` + strings.Repeat(`,"k":1`, maxKeys) + `}`
	if err := Fields([]byte(many), func(string, json.RawMessage) error { return nil }); err == nil {
		t.Error("a key given often was taken")
	}
}

// FuzzRead checks that what is read is what another reader sees: the same id, method and params.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":[1,2]}}}`,
		`[{"jsonrpc":"2.0","method":"n"}]`, `{"jsonrpc":"2.0","id":"x","result":{}}`, `{"Method":"m","method":"n"}`, "[[", `{"id":1,"id":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		messages, batch, _, err := Read(body)
		if err != nil || batch {
			return
		}
		var seen map[string]json.RawMessage
		if json.Unmarshal(body, &seen) != nil {
			t.Fatalf("%q was read and is no JSON object", body)
		}
		m := messages[0]
		if string(m.ID) != string(seen["id"]) || string(m.Params) != string(seen["params"]) {
			t.Errorf("%q was read as %+v", body, m)
		}
		var method string
		if json.Unmarshal(seen["method"], &method); method != m.Method {
			t.Errorf("%q has the method %q, not %q", body, method, m.Method)
		}
		if out := Result(m.ID, json.RawMessage("{}")); m.IsRequest() && !json.Valid(out) {
			t.Errorf("the answer is %s", out)
		}
	})
}
