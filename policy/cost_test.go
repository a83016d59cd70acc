package policy_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/policy"
)

// oneCall decides a call and records it, as a host does.
func oneCall(tb testing.TB) func() {
	gate, err := policy.NewGate(policy.ToolRules{CallsPerMinute: policy.Unlimited, TotalCallsPerMinute: 1 << 30, Roots: []string{"/srv/data"}})
	if err != nil {
		tb.Fatal(err)
	}
	log, err := audit.Open(audit.Options{
		Path:     filepath.Join(tb.TempDir(), "audit.jsonl"),
		Redactor: audit.NewRedactor(audit.RedactorOptions{Secrets: []string{"hunter2", "another-secret"}}),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := log.Close(); err != nil {
			tb.Error(err)
		}
	})
	args := json.RawMessage(`{"path":"/srv/data/reports/summary.txt","content":"One line of text.\nAnd another one.","create":true,"tags":["a","b"]}`)
	profile := policy.NewToolProfile(json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"},"content":{"type":"string"}}}`), nil)
	return func() {
		d := gate.Decide(policy.Call{Server: "filesystem", Tool: "write_file", Arguments: args, Profile: profile})
		err := log.Append(audit.Record{Server: "filesystem", Tool: "write_file", Origin: "execute", Arguments: args,
			Decision: string(d.Action), Success: true, Result: "Successfully wrote to /srv/data/reports/summary.txt", DurationMS: 1.5})
		if err != nil || d.Action != policy.Allow {
			tb.Fatal(d.Reason, err)
		}
	}
}

// TestAllocations holds the budget of a decision and its record: 30 allocations.
func TestAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(200, oneCall(t)); n > 30 {
		t.Errorf("%.0f allocations for a decision and its record, the budget is 30", n)
	}
}

func BenchmarkDecisionAndRecord(b *testing.B) {
	f := oneCall(b)
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}
