// Package audit keeps the record of what tools were asked to do and what came of it: a ring in
// memory for queries and, where a path is given, an append-only file of JSON Lines in which each
// record holds the hash of the one before, so that a changed record is found by [Verify].
//
// Everything that goes in passes the log's [Redactor] first. The format of the file is described
// byte for byte in docs/audit-format.md.
package audit

import (
	"encoding/json"
	"time"
)

// Kind says what a record is about.
type Kind string

// The kinds of records. KindCall comes from callers; the log writes the others itself.
const (
	KindCall    Kind = "call"    // a tool call: refused, failed or done
	KindServer  Kind = "server"  // a server: allowed, refused, started, failed
	KindClear   Kind = "clear"   // the ring was emptied
	KindRotate  Kind = "rotate"  // first record of a new file
	KindRecover Kind = "recover" // the end of the file was torn by a crash and cut off
)

// Record is one entry of the log.
type Record struct {
	// Seq counts the records of a log from 1 and Time is when it was appended; the log sets both
	// where they are zero.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	// Server and Tool are the names as they were dispatched.
	Server string `json:"server,omitempty"`
	Tool   string `json:"tool,omitempty"`
	// Origin says which path the call took ("execute", "chat", "loop"), Actor whose key it was and
	// Request which request it belongs to.
	Origin  string `json:"origin,omitempty"`
	Actor   string `json:"actor,omitempty"`
	Request string `json:"request,omitempty"`
	// Arguments is the JSON text of the call's arguments.
	Arguments json.RawMessage `json:"arguments,omitempty"`
	// Decision is "allow", "ask" or "deny"; Code and Reason say why.
	Decision string   `json:"decision,omitempty"`
	Code     string   `json:"code,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Success says that the call ran and the tool reported no error.
	Success bool `json:"success"`
	// Error is what went wrong. Result is what the tool answered, as text.
	Error  string `json:"error,omitempty"`
	Result string `json:"result,omitempty"`
	// Duration is how long the call ran; 0 for one that never ran. In JSON: duration_ms.
	Duration time.Duration `json:"-"`
	// Note is what the log's own records say.
	Note string `json:"note,omitempty"`
}

// Filter picks records of a query. The zero value picks the newest 100.
type Filter struct {
	// Limit is how many records are returned at most: 0 means 100, negative all.
	Limit int
	// Tool and Server must be contained in the record's names, as the guide's filters are.
	Tool, Server string
	// ErrorsOnly leaves out successful calls.
	ErrorsOnly bool
}
