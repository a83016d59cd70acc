package mcpjson

import (
	"strings"
	"testing"
	"time"
)

func TestAsks(t *testing.T) {
	cfg, warnings, err := Parse([]byte(`{"mcpServers":{
		"plain":{"command":"a"},
		"all":{"command":"a","sampling":true,"elicitation":false,"roots":false,"log_level":"warning"},
		"some":{"command":"a","sampling":{"enabled":true,"max_tokens":64,"max_requests":2,"timeout":1.5},"elicitation":{"form":true,"url":false,"timeout":60},"roots":["/srv"]},
		"bad":{"command":"a","sampling":{"enabled":"yes"}},
		"worse":{"command":"a","elicitation":{"form":1}},
		"loud":{"command":"a","log_level":"trace"}}}`), ParseOptions{})
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	by := map[string]ServerConfig{}
	for _, s := range cfg.Servers {
		by[s.Name] = s
	}
	if s := by["plain"]; s.Sampling.Enabled || s.Elicitation != (Elicitation{}) || s.NoRoots || s.LogLevel != "" {
		t.Errorf("plain: %+v", s)
	}
	if s := by["all"]; !s.Sampling.Enabled || !s.Elicitation.NoForms || !s.Elicitation.NoURLs || !s.NoRoots || s.LogLevel != "warning" {
		t.Errorf("all: %+v", s)
	}
	s := by["some"]
	if s.Sampling != (Sampling{Enabled: true, MaxTokens: 64, MaxRequests: 2, Timeout: 1500 * time.Millisecond}) ||
		s.Elicitation != (Elicitation{NoURLs: true, Timeout: time.Minute}) || s.NoRoots || s.Roots[0] != "/srv" {
		t.Errorf("some: %+v", s)
	}
	for name, want := range map[string]string{"bad": `"enabled"`, "worse": `"form"`, "loud": `"log_level"`} {
		if p := by[name].Problem; p == nil || !strings.Contains(p.Error(), want) {
			t.Errorf("%s: %v", name, p)
		}
	}
}
