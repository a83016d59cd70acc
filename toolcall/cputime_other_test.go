//go:build !linux

package toolcall

import "time"

func now() time.Duration { return time.Since(started) }
