package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"

	"github.com/toolserve/toolserve/chat"
)

// repeats counts equal calls: the same tool with the same arguments, whatever their spacing and the
// order of their keys. The zero value is ready.
type repeats struct{ counts map[[sha256.Size]byte]int }

// add counts the call and returns how often it has been made, this time included.
func (r *repeats) add(call chat.ToolCall) int {
	if r.counts == nil {
		r.counts = map[[sha256.Size]byte]int{}
	}
	key := sha256.Sum256([]byte(call.Name + "\x00" + canonical(call.Arguments)))
	r.counts[key]++
	return r.counts[key]
}

// canonical returns the JSON text with sorted keys and no spacing; a text that is no JSON stands for
// itself.
func canonical(text string) string {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber() // 1 and 1.0 may mean different things to a tool, and large integers stay whole
	var value any
	if err := decoder.Decode(&value); err != nil || decoder.More() {
		return text
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		return text
	}
	return string(sorted)
}

// SameArguments reports whether two JSON texts are equal but for their spacing and the order of their keys.
func SameArguments(a, b string) bool { return a == b || canonical(a) == canonical(b) }
