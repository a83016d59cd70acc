//go:build unix

package orphan

import "syscall"

// groupsOutlive says that a process group stays when the process that made it dies.
const groupsOutlive = true

// apart keeps the watcher out of what the terminal sends.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
