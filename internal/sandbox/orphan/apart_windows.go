package orphan

import "syscall"

// groupsOutlive is false: a job ends with the process that holds it.
const groupsOutlive = false

func apart() *syscall.SysProcAttr { return nil }
