//go:build unix && !linux

package sandbox

// runAttempts has nothing to try where no kernel confines.
func runAttempts() {}

// runOwner has nobody to kill it.
func runOwner() {}
