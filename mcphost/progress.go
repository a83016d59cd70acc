package mcphost

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/internal/inbound"
)

// Progress is what a tool says while it runs.
type Progress struct {
	// Progress grows with each one, towards Total where that is not 0.
	Progress, Total float64
	Message         string
}

// readProgress reads the params of a notification of progress.
func readProgress(params json.RawMessage) (p Progress, ok bool) {
	rawjson.Fields(params, func(key string, value json.RawMessage) bool {
		switch key {
		case "progress":
			var err error
			p.Progress, err = strconv.ParseFloat(string(value), 64)
			ok = err == nil
		case "total":
			p.Total, _ = strconv.ParseFloat(string(value), 64)
		case "message":
			p.Message, _ = rawjson.Text(value)
		}
		return true
	})
	return p, ok && !math.IsInf(p.Progress, 0) && !math.IsNaN(p.Progress)
}

// usualLonger is how many times its timeout a call may take in all that tells of its progress, where the
// entry does not say.
const usualLonger = 10

// callTime is how long a call may take. One that tells of its progress is at work and gets its time anew,
// and one that hangs tells nothing; yet in the end each has to be over. A caller that sets a time means it.
func (s *server) callTime(asked time.Duration) inbound.Time {
	silent := s.callTimeout(asked)
	if asked > 0 {
		return inbound.Time{Silent: silent}
	}
	total := s.cfg().MaxTimeout
	if total <= 0 {
		total = usualLonger * silent
	}
	return inbound.Time{Silent: silent, Total: max(total, silent)}
}

// steps takes the progress of one call. Progress that does not grow is none (basic/utilities/progress: it
// MUST increase with each notification), also not where the call goes into another round.
type steps struct {
	asks *inbound.Call
	tell func(Progress) // nil where nobody listens
	last float64
	any  bool
}

// listener is what hears of progress, or nil where it would change nothing.
func (st *steps) listener() func(json.RawMessage) {
	if st.tell == nil && !st.asks.Extends() {
		return nil
	}
	return func(params json.RawMessage) {
		if p, ok := readProgress(params); ok {
			st.take(p)
		}
	}
}

func (st *steps) take(p Progress) {
	if st.any && p.Progress <= st.last {
		return
	}
	st.last, st.any = p.Progress, true
	st.asks.Goes()
	if st.tell != nil {
		st.tell(p)
	}
}

// said takes a text in the place of a number.
func (st *steps) said(text string) {
	st.take(Progress{Progress: math.Floor(st.last) + 1, Message: text})
}

// timedOut says of a call that took too long what it did with its time.
func timedOut(asks *inbound.Call, wait *queueWait, server, tool string) string {
	const round = 10 * time.Millisecond
	after, told, limit := asks.Took()
	switch {
	case !told:
		return fmt.Sprintf("Tool call timed out after %gs: %s", limit.Silent.Seconds(), wait.explain(server, tool))
	case after >= limit.Total:
		return fmt.Sprintf("Tool call timed out after %gs, although server '%s' told of progress of '%s': \"max_timeout\" of its entry allows more",
			limit.Total.Seconds(), server, tool)
	}
	return fmt.Sprintf("Tool call timed out after %gs: for %gs server '%s' told of no progress of '%s'; \"timeout\" of its entry allows more",
		after.Round(round).Seconds(), limit.Silent.Seconds(), server, tool)
}
