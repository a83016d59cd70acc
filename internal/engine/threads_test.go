package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestCountCores(t *testing.T) {
	for _, tt := range []struct {
		name     string
		siblings []string // by processor
		want     int
	}{
		{"two threads a core", []string{"0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7"}, 4},
		{"one thread a core", []string{"0", "1"}, 2},
		{"unknown", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for cpu, s := range tt.siblings {
				topology := filepath.Join(dir, fmt.Sprintf("cpu%d", cpu), "topology")
				if err := os.MkdirAll(topology, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(topology, "thread_siblings_list"), []byte(s+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := countCores(dir); got != tt.want {
				t.Errorf("countCores = %d, want %d", got, tt.want)
			}
		})
	}
	if n := physicalCores(); n < 1 {
		t.Errorf("physicalCores = %d, want at least 1", n)
	}
}
