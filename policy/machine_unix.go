//go:build unix

package policy

import (
	"io/fs"
	"os"
	"syscall"
)

func isForeign(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid != 0 && int(st.Uid) != os.Getuid()
}
