package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"testing"
)

// TestChainAsDocumented computes the hashes as docs/audit-format.md says, with none of the log's code.
func TestChainAsDocumented(t *testing.T) {
	_, data := writeLog(t, 3)
	end := regexp.MustCompile(`^(.*"prev":"([0-9a-f]{64})"),"hash":"([0-9a-f]{64})"}$`)
	prev := string(bytes.Repeat([]byte("0"), 64))
	for line := range bytes.Lines(data) {
		m := end.FindSubmatch(bytes.TrimSuffix(line, []byte("\n")))
		if m == nil {
			t.Fatalf("not a record: %s", line)
		}
		sum := sha256.Sum256(m[1])
		if string(m[2]) != prev || hex.EncodeToString(sum[:]) != string(m[3]) {
			t.Errorf("the chain is not as documented at %s", line)
		}
		prev = string(m[3])
	}
}
