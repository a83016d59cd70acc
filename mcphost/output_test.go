package mcphost

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/audit"
)

// TestOutputSchema holds structured results against what the tool promised. A misfit is said, and the
// result is delivered all the same.
func TestOutputSchema(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "structured"}), Options{})
	for _, test := range []struct{ structured, warning string }{
		{`{"temperature":21.5}`, ""},
		{`{"temperature":"warm"}`, "structuredContent does not fit the tool's output schema: temperature: "},
		{`{}`, "structuredContent does not fit the tool's output schema: "},
	} {
		result, err := h.Execute(t.Context(), Call{Server: "s", Tool: "forecast", Arguments: json.RawMessage(test.structured)})
		if err != nil || result.Text() != "rather warm" || string(result.Structured) != test.structured {
			t.Fatalf("%s: %+v, %v", test.structured, result, err)
		}
		if test.warning == "" && len(result.Warnings) > 0 {
			t.Errorf("%s: warnings %q", test.structured, result.Warnings)
		}
		warned := func(w string) bool { return strings.HasPrefix(w, test.warning) }
		if test.warning != "" && !slices.ContainsFunc(result.Warnings, warned) {
			t.Errorf("%s: warnings %q, want one of %q", test.structured, result.Warnings, test.warning)
		}
		records := h.Audit().Query(audit.Filter{Tool: "forecast", Limit: 1})
		if len(records) != 1 || !slices.Equal(records[0].Warnings, result.Warnings) {
			t.Errorf("%s: the record is %+v", test.structured, records)
		}
	}
}

func TestOutputMissing(t *testing.T) {
	h := start(t, scriptedConfig(t, map[string]string{"s": "structured"}), Options{})
	tool, e := h.resolve("s", "forecast")
	if e != nil {
		t.Fatal(e)
	}
	for _, test := range []struct {
		r    Result
		want string
	}{
		{Result{}, "the result has no structuredContent, which the tool's output schema promises"},
		{Result{IsError: true}, ""},
		{Result{Truncated: true}, ""},
	} {
		if got := checkOutput(tool, &test.r); got != test.want {
			t.Errorf("%+v: %q, want %q", test.r, got, test.want)
		}
	}
}
