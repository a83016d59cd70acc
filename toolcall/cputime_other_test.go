//go:build !unix

package toolcall

import "time"

func now() time.Duration { return time.Since(started) }
