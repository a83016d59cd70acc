package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestHeaders(t *testing.T) {
	schema := `{"type":"object","x-mcp-header":"Root","properties":{
		"region":{"type":"string","x-mcp-header":"Region"},
		"plain":{"type":"string","description":"x-mcp-header"},
		"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"Depth"}}},
		"odd":{"type":"string","x-mcp-header":7}}}`
	tool, err := newTool("s", json.RawMessage(`{"name":"t","inputSchema":`+schema+`}`))
	if err != nil {
		t.Fatal(err)
	}
	for arguments, want := range map[string]string{
		`{"region":"eu","deep":{"n":3},"plain":"x","odd":"y"}`: "map[Mcp-Param-Depth:3 Mcp-Param-Region:eu]",
		`{"region":"é","deep":{"n":1e3}}`:                      "map[Mcp-Param-Depth:1000 Mcp-Param-Region:=?base64?w6k=?=]",
		`{"region":null,"deep":{"n":1.5}}`:                     "map[]",
		`{"region":["x"],"deep":{"n":9007199254740993e9}}`:     "map[]",
		`{"region":true,"deep":7}`:                             "map[Mcp-Param-Region:true]",
		`{}`:                                                   "map[]",
	} {
		if got := fmt.Sprint(tool.Headers(json.RawMessage(arguments))); got != want {
			t.Errorf("%s: %s, want %s", arguments, got, want)
		}
	}
	plain, err := newTool("s", json.RawMessage(`{"name":"t","inputSchema":{"type":"object"}}`))
	if err != nil || plain.Headers(json.RawMessage(`{}`)) != nil {
		t.Errorf("a tool without such arguments has headers, %v", err)
	}
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf(`"p%d":{"x-mcp-header":"H%d"}`, i, i))
	}
	if got := readHeaderParams(json.RawMessage(`{"properties":{` + strings.Join(many, ",") + `}}`)); len(got) != maxHeaderParams {
		t.Errorf("%d arguments are headers", len(got))
	}
}
