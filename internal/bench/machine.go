package bench

import (
	"os"
	"runtime"
	"strings"
)

// Machine is where the measurement ran.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Cores int    `json:"cores"`
	// CPU is the processor's name, LoadBefore and LoadAfter the one-minute load averages, which tell whether
	// the machine did something else; empty where the system does not say.
	CPU        string `json:"cpu,omitempty"`
	LoadBefore string `json:"load_before,omitempty"`
	LoadAfter  string `json:"load_after,omitempty"`
}

// describeMachine describes the machine as it is before the measurement.
func describeMachine() Machine {
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo") // only Linux has it
	return Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(),
		CPU: processor(string(cpuinfo)), LoadBefore: load(),
	}
}

// processor finds the processor's name in the text of /proc/cpuinfo.
func processor(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg") // only Linux has it
	one, _, _ := strings.Cut(string(text), " ")
	return one
}
