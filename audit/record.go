// Package audit keeps the record of what tools were asked to do and what came of it: a ring in
// memory for queries and, where a path is given, an append-only file of JSON Lines in which each
// record holds the hash of the one before, so that a changed record is found by [Verify].
//
// Everything that goes in passes the log's [Redactor] first. The format of the file is described
// byte for byte in docs/audit-format.md.
package audit

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Kind says what a record is about.
type Kind string

// The kinds of records. KindClear, KindRotate and KindRecover are written by the log, the others come from
// callers.
const (
	KindCall   Kind = "call"   // a tool call: refused, failed or done
	KindRead   Kind = "read"   // a resource, a prompt or a completion: refused, failed or done
	KindServer Kind = "server" // a server: allowed, refused, started, failed
	KindTrust  Kind = "trust"  // what a server is or offers: trusted as new, changed, approved
	// KindSampling is what a server asked of the model, KindElicitation what it asked of a person.
	KindSampling    Kind = "sampling"
	KindElicitation Kind = "elicitation"

	KindClear   Kind = "clear"   // the ring was emptied
	KindRotate  Kind = "rotate"  // first record of a new file
	KindRecover Kind = "recover" // the end of the file was torn by a crash and cut off
)

// Record is one entry of the log.
type Record struct {
	// Seq counts the records of a log from 1; the log sets it. Time is when it was appended, where it
	// is zero the log sets it.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	// Kind is KindCall where it is empty.
	Kind Kind `json:"kind"`
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
	// DurationMS is how long the call ran, in milliseconds; 0 for one that never ran.
	DurationMS float64 `json:"duration_ms,omitempty"`
	// Note is what the log's own records say.
	Note string `json:"note,omitempty"`
}

// redact replaces what is secret in the record. Its slices are new.
func (r *Record) redact(red *Redactor) {
	for _, s := range [...]*string{&r.Server, &r.Tool, &r.Origin, &r.Actor, &r.Request, &r.Code, &r.Reason, &r.Error, &r.Result, &r.Note} {
		*s = red.Text(*s)
	}
	if len(r.Warnings) > 0 {
		warnings := make([]string, min(len(r.Warnings), maxWarnings))
		for i := range warnings {
			warnings[i] = red.Text(r.Warnings[i])
		}
		r.Warnings = warnings
	}
	if len(r.Arguments) > 0 {
		r.Arguments = red.JSON(r.Arguments)
	}
}

const maxWarnings = 32

// timeLayout is RFC 3339 in UTC with nine digits of a second, so that every time has one spelling.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// appendTo appends the record as one JSON object without its closing brace, which the chain's
// members follow. The members stand in the order of the fields; empty ones are left out.
func (r *Record) appendTo(b []byte) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, r.Seq, 10)
	b = append(b, `,"time":"`...)
	b = r.Time.UTC().AppendFormat(b, timeLayout)
	b = append(b, '"')
	b = appendMember(b, "kind", string(r.Kind))
	b = appendMember(b, "server", r.Server)
	b = appendMember(b, "tool", r.Tool)
	b = appendMember(b, "origin", r.Origin)
	b = appendMember(b, "actor", r.Actor)
	b = appendMember(b, "request", r.Request)
	if len(r.Arguments) > 0 {
		b = append(append(b, `,"arguments":`...), r.Arguments...)
	}
	b = appendMember(b, "decision", r.Decision)
	b = appendMember(b, "code", r.Code)
	b = appendMember(b, "reason", r.Reason)
	for i, w := range r.Warnings {
		if i == 0 {
			b = append(b, `,"warnings":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendString(b, w)
	}
	if len(r.Warnings) > 0 {
		b = append(b, ']')
	}
	b = strconv.AppendBool(append(b, `,"success":`...), r.Success)
	b = appendMember(b, "error", r.Error)
	b = appendMember(b, "result", r.Result)
	if ms := r.DurationMS; ms > 0 && !math.IsInf(ms, 0) {
		b = strconv.AppendFloat(append(b, `,"duration_ms":`...), ms, 'f', 3, 64)
	}
	return appendMember(b, "note", r.Note)
}

func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendString(b, value)
}

// Filter picks records of a query. The zero value picks the newest 100.
type Filter struct {
	// Limit is how many records are returned at most: 0 means 100, negative all.
	Limit int
	// Tool and Server must be contained in the record's names, as the guide's filters are.
	Tool, Server string
	// ErrorsOnly leaves out successful records, and the log's own.
	ErrorsOnly bool
}

const defaultLimit = 100

func (f *Filter) picks(r *Record) bool {
	if f.ErrorsOnly && (r.Success || r.Kind == KindClear || r.Kind == KindRotate || r.Kind == KindRecover) {
		return false
	}
	return strings.Contains(r.Tool, f.Tool) && strings.Contains(r.Server, f.Server)
}
