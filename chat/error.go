package chat

import "time"

// ErrorKind says whose fault a failed generation is, and so what a caller can do about it.
type ErrorKind uint8

// The kinds of errors. The zero kind is a fault of this side that the caller cannot mend.
const (
	// KindInternal is a failure of the model or of the server.
	KindInternal ErrorKind = iota
	// KindInvalid is a request that cannot be served as it is; sending it again gives the same.
	KindInvalid
	// KindBusy means that too much is asked of the model right now.
	KindBusy
	// KindUnavailable means that there is no model to answer, or that a server it needs is not there now.
	KindUnavailable
	// KindForbidden means that this caller may not ask for that.
	KindForbidden
)

// Error is a failed generation in terms that every API can hand on to its client.
type Error struct {
	Kind ErrorKind
	// Param is the request's field at fault, such as "messages[2].role", and Code a short stable name of
	// the error, such as "context_length_exceeded". Both may be empty.
	Param, Code string
	// Message is for people: the thing, the reason and the mend.
	Message string
	// RetryAfter says when it may be worth trying again; 0 says nothing.
	RetryAfter time.Duration
	// Err is what lies behind, or nil.
	Err error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the error behind this one.
func (e *Error) Unwrap() error { return e.Err }
