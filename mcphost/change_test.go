package mcphost

import (
	"sync/atomic"
	"testing"
)

func TestOnChange(t *testing.T) {
	h := start(t, scriptedConfig(t, nil), Options{})
	var first, second atomic.Int32
	stopFirst := h.OnChange(func() { first.Add(1) })
	stopSecond := h.OnChange(func() { second.Add(1) })
	before := h.Versions()
	h.reindex()
	if after := h.Versions(); after.Tools != before.Tools+1 || after.Prompts != before.Prompts || after.Resources != before.Resources {
		t.Errorf("the versions went from %+v to %+v", before, after)
	}
	stopFirst()
	stopFirst()
	h.changes.add(allLists())
	stopSecond()
	h.reindex()
	if first.Load() != 1 || second.Load() != 2 {
		t.Errorf("the listeners were called %d and %d times, want 1 and 2", first.Load(), second.Load())
	}
}
