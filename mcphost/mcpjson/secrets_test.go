package mcpjson

import (
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/policy"
)

func TestVariablesOfTheEntry(t *testing.T) {
	cfg, _ := mustParse(t, `{"mcpServers":{
		"r":{"command":"npx","args":["-y","mcp-remote","https://h/sse","--header","Authorization:${AUTH_HEADER}","${TOKEN}"],"env":{"AUTH_HEADER":"Bearer ${TOKEN}-abc","TOKEN":"own","SELF":"${TOKEN}"}},
		"other":{"command":"npx","args":["${AUTH_HEADER}"]}}}`)
	r := cfg.Servers[0]
	if r.Problem != nil || r.Args[4] != "Authorization:Bearer t0k-abc" || r.Args[5] != "own" || r.Env["SELF"] != "t0k" {
		t.Errorf("%v: %q, %q", r.Problem, r.Args, r.Env)
	}
	if cfg.Servers[1].Problem == nil {
		t.Error("the variables of one entry count in another")
	}
	if v := (&policy.LaunchRules{}).CheckServer(r.Spec()); !v.Allowed {
		t.Error(v.Reason)
	}
}

func TestSecretsOfAConfiguration(t *testing.T) {
	text := `{"mcpServers":{
		"a":{"command":"npx","args":["-y","x","--api-key=s3c-a","--token","s3c-b","--name","plain-c","postgres://u:s3c-d@h/db","--db=mysql://u:s3c-e@h/x?a=1",
			"--header","Authorization: Bearer s3c-f","${TOKEN}","https://h/?api_key=s3c-g&q=plain-h","mongodb://u:s3c%20-i@h","redis://u:s3c i^j@h/0"],
			"env":{"API_KEY":"s3c-k","MODE":"plain-l","DATABASE_URL":"postgres://u:s3c-m@h/d","WITH":"x ${TOKEN} y"}},
		"b":{"url":"https://h/mcp?access_token=s3c-n&v=plain-o","headers":{"Authorization":"Bearer s3c-p","X-Trace":"plain-q"}}}}`
	cfg, _ := mustParse(t, text)
	got := cfg.Secrets()
	for _, want := range []string{"s3c-a", "s3c-b", "s3c-d", "s3c-e", "s3c-f", "s3c-g", "s3c -i", "s3c i^j", "s3c-k", "s3c-m", "s3c-n", "s3c-p", "t0k"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if joined := strings.Join(got, "\n"); strings.Contains(joined, "plain") {
		t.Errorf("what is no secret is in %q", got)
	}
	line := cfg.AuditOptions().Redactor.Hide(`cannot dial: s3c-a s3c-b s3c-f s3c-k s3c-p, postgres://u:s3c-d@h and "s3c-m"`)
	if strings.Contains(line, "s3c") || strings.Count(line, audit.Redacted) != 7 {
		t.Errorf("an error reads %q", line)
	}
}
