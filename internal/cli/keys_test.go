package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestKeysNew(t *testing.T) {
	status, out, stderr := runLocal(t, "keys", "new", "alice", "--scopes", "chat,tools", "--rate-limit", "60")
	lines := strings.Split(out, "\n")
	if status != 0 || len(lines) != 3 || !strings.HasPrefix(lines[0], "tsk_") || strings.Contains(lines[1], lines[0]) || strings.Contains(stderr, lines[0]) {
		t.Fatalf("status %d\n%s%s", status, out, stderr)
	}
	var entry struct {
		Name, SHA256 string
		Scopes       []string
		Rate         int `json:"rate_limit"`
	}
	if err := json.Unmarshal([]byte(lines[1]), &entry); err != nil || entry.Name != "alice" || len(entry.SHA256) != 64 || strings.Join(entry.Scopes, " ") != "chat tools" || entry.Rate != 60 {
		t.Errorf("the entry is %s (%v)", lines[1], err)
	}
	var both struct {
		Key   string
		Entry struct{ Scopes []string }
	}
	if _, out, _ := runLocal(t, "keys", "new", "bob", "--json"); json.Unmarshal([]byte(out), &both) != nil || both.Key == "" || strings.Join(both.Entry.Scopes, " ") != "chat" {
		t.Errorf("as JSON: %s", out)
	}
	for _, args := range [][]string{{"a b"}, {""}, {"a", "--scopes", "root"}, {"a", "--rate-limit", "-1"}, {}} {
		if status, out, stderr := runLocal(t, append([]string{"keys", "new"}, args...)...); status != 2 || out != "" || stderr == "" {
			t.Errorf("%q: status %d, %s%s", args, status, out, stderr)
		}
	}
}
