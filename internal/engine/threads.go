package engine

import (
	"os"
	"path/filepath"
	"runtime"
)

// physicalCores returns how many cores compute best: one thread for each physical core, because two threads of
// one core share the units that matter, and no more than the process may use.
func physicalCores() int {
	usable := min(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	if cores := countCores("/sys/devices/system/cpu"); cores > 0 {
		return min(cores, usable)
	}
	return usable
}

// countCores counts the distinct sets of sibling threads below Linux's folder of processors, 0 elsewhere.
func countCores(dir string) int {
	paths, _ := filepath.Glob(filepath.Join(dir, "cpu[0-9]*", "topology", "thread_siblings_list"))
	cores := make(map[string]bool)
	for _, path := range paths {
		if siblings, err := os.ReadFile(path); err == nil {
			cores[string(siblings)] = true
		}
	}
	return len(cores)
}
