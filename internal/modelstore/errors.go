package modelstore

import (
	"errors"
	"strings"
)

// The kinds of failure; [Error] wraps one of them.
var (
	ErrRef         = errors.New("bad model name")
	ErrNotFound    = errors.New("not found")
	ErrAccess      = errors.New("no access")          // private, gated, or a bad token
	ErrNetwork     = errors.New("network failure")    // the hub cannot be reached or does not answer
	ErrNoGGUF      = errors.New("no GGUF files")      // the repository holds other formats only
	ErrQuant       = errors.New("no such quant")      // missing or ambiguous
	ErrModel       = errors.New("unusable model")     // not a GGUF, truncated, parts missing
	ErrChecksum    = errors.New("wrong checksum")     // what was fetched is not what was announced
	ErrDiskSpace   = errors.New("not enough space")   // on the cache's file system
	ErrTool        = errors.New("program failed")     // npm, pip or uv is missing or failed
	ErrTampered    = errors.New("libraries changed")  // unpacked libraries differ from their manifest
	ErrUnsupported = errors.New("no libraries")       // for this platform or variant
	ErrUnusable    = errors.New("unusable directory") // the cache cannot be used
)

// An Error says what failed, why, and what to do about it.
type Error struct {
	What   string // the model, file, package or directory
	Kind   error  // one of the Err values
	Reason string
	Mend   string // what a person can do; may be empty
	Cause  error  // the underlying error, if it adds anything; not part of the text
}

// Error gives what, reason and mend in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.What)
	b.WriteString(": ")
	b.WriteString(e.Reason)
	if e.Mend != "" {
		b.WriteString("; ")
		b.WriteString(e.Mend)
	}
	return b.String()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}
