package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// VersionCmd prints the version of the program.
type VersionCmd struct{}

// Run prints one line.
func (c *VersionCmd) Run(streams IO) error {
	fmt.Fprintf(streams.Out, "toolserve %s %s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// buildVersion is the module's version or, in a build from a checkout, the commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "devel"
}
