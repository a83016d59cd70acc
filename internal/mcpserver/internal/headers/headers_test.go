package headers

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	schema := `{"type":"object","properties":{"a":{"x-mcp-header":"A"},"b":{"properties":{"c":{"x-mcp-header":"C"}}},"d":{"x-mcp-header":7},"e":7}}`
	found := Find(json.RawMessage(schema))
	if len(found) != 2 || found[0].header != "A" || strings.Join(found[1].path, ".") != "b.c" {
		t.Errorf("found %+v", found)
	}
	deep := strings.Repeat(`{"x-mcp-header":"X","properties":{"p":`, 100) + `{}` + strings.Repeat(`}}`, 100)
	if found := Find(json.RawMessage(deep)); len(found) > maxArguments || len(found) != maxDepth {
		t.Errorf("found %d arguments in a deep schema", len(found))
	}
	if Find(json.RawMessage(`{"x-mcp-header"`)) != nil {
		t.Error("found something in what is no JSON")
	}
}

func TestCheck(t *testing.T) {
	wanted := []Argument{{[]string{"s"}, "S"}}
	tests := []struct {
		arguments, header string
		good              bool
	}{
		{`{"s":"x"}`, "x", true}, {`{"s":"x"}`, "y", false}, {`{"s":"x"}`, "", false}, {`{}`, "", true}, {`{}`, "x", false},
		{`{"s":null}`, "", true}, {`{"s":null}`, "null", false}, {``, "", true}, {`{"s":true}`, "true", true}, {`{"s":true}`, "TRUE", false},
		{`{"s":7}`, "7", true}, {`{"s":7.0}`, "7", true}, {`{"s":7}`, "7.5", false}, {`{"s":7.5}`, "7.5", false}, {`{"s":1e300}`, "1e300", false},
		{`{"s":[1]}`, "[1]", false}, {`{"s":" x"}`, "=?base64?IHg=?=", true}, {`{"s":"=?base64?x"}`, "=?base64?x", true}, {`{"s":"x"}`, "=?base64?%?=", false},
	}
	for _, test := range tests {
		header := http.Header{}
		if test.header != "" {
			header.Set("Mcp-Param-S", test.header)
		}
		if err := Check(header, wanted, json.RawMessage(test.arguments)); (err == nil) != test.good {
			t.Errorf("%s with %q: %v", test.arguments, test.header, err)
		}
	}
	header := http.Header{"Mcp-Param-S": {"x", "x"}}
	if Check(header, wanted, json.RawMessage(`{"s":"x"}`)) == nil {
		t.Error("a header given twice passes")
	}
}
