package mcpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func TestReadObject(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: "", " {\n\"a\" : 1 ,\t\"b\":[{\"c\":\"}\\\"\"},2], \"\\u0063\":\"x\" } ": `a=1 b=[{"c":"}\""},2] c="x"`,
		`{"a":-1.5e3,"b":true,"c":null}`: "a=-1.5e3 b=true c=null",
		`{"a":1,"\u0061":2}`:             `the key "a" is given twice`,
		`[1]`:                            "must be a JSON object", `"x"`: "must be a JSON object", ``: "must be a JSON object", `nul`: "must be a JSON object",
		`{} {}`: "more than one JSON value", `{}x`: "more than one JSON value", `{"a":1`: "not valid JSON", `{"a" 1}`: "not valid JSON", `{"a":1,}`: "not valid JSON", `{"a":01}`: "not valid JSON",
	} {
		fields, err := readObject([]byte(body))
		var parts []string
		for _, key := range []string{"a", "b", "c"} {
			if value, ok := fields[key]; ok {
				parts = append(parts, key+"="+string(value))
			}
		}
		got := strings.Join(parts, " ")
		if err != nil {
			if got = err.Error(); strings.Contains(got, want) {
				got = want
			}
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
}

// unread is a body that must not be asked for.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("a body that is announced as too large is read")
	return 0, io.EOF
}

func TestAnnouncedLargeBody(t *testing.T) {
	h := NewHandler(Options{Host: &fakeHost{}, MaxBody: 1000})
	r := httptest.NewRequest("POST", "/v1/mcp/execute", unread{t})
	r.ContentLength = 1001
	var large *http.MaxBytesError
	if _, err := h.readBody(httptest.NewRecorder(), r); !errors.As(err, &large) || large.Limit != 1000 {
		t.Error(err)
	}
}

// FuzzReadObject compares with the standard library's reading of the same bytes.
func FuzzReadObject(f *testing.F) {
	f.Add([]byte(`{"a":{"b":["}",1.5]},"c":"\u00e9\\"}`))
	f.Add([]byte(`{"a":1 , "b":tru}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, err := readObject(body)
		var want map[string]json.RawMessage
		if wantErr := json.Unmarshal(body, &want); wantErr != nil || want == nil {
			if err == nil {
				t.Fatalf("%q is taken for an object", body)
			}
			return
		}
		if err != nil {
			if !strings.Contains(err.Error(), "twice") {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if len(fields) != len(want) {
			t.Fatalf("%q has %d members, want %d", body, len(fields), len(want))
		}
		for key, value := range want {
			if !bytes.Equal(fields[key], value) {
				t.Errorf("%q: %q is %s, want %s", body, key, fields[key], value)
			}
		}
	})
}

// TestAnswerAsJSON compares the answer with what the standard library makes of it.
func TestAnswerAsJSON(t *testing.T) {
	message := `failed: ,"result":null`
	for _, a := range []executeBody{
		{},
		{Server: `s,"result":null`, Tool: "<&>", ToolName: "é\xff", Result: json.RawMessage(`"x"`), Content: json.RawMessage(`"x"`)},
		{Result: json.RawMessage(`["content",{"a":1}]`), Content: json.RawMessage(`["content",{"a":1}]`), Structured: json.RawMessage(`{"structured_content":null}`),
			IsError: true, Error: &message, DurationMS: 1.5, Truncated: true, Warnings: []string{`,"content":`}},
	} {
		want, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var value, wanted any
		got := a.appendTo(nil)
		if err := errors.Join(json.Unmarshal(got, &value), json.Unmarshal(want, &wanted)); err != nil || !reflect.DeepEqual(value, wanted) {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
	}
}
