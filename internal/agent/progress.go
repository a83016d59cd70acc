package agent

import (
	"context"
	"errors"
)

// Progress says how far a call has come: it grows with each report, towards Total where that is not 0.
type Progress struct {
	Progress, Total float64
	Message         string
}

// maxReports is how many reports may wait to be read. Further ones are lost, so that nobody has to wait.
const maxReports = 16

// report is the progress of one call, or a note that is not to be lost.
type report struct {
	index    int
	progress Progress
	note     any
}

// reporterKey is the context's key of the function that takes the reports of a call.
type reporterKey struct{}

// Report says how far the call has come whose context [Tools] were given. Elsewhere it does nothing.
func Report(ctx context.Context, p Progress) {
	if tell, ok := ctx.Value(reporterKey{}).(func(Progress)); ok {
		tell(p)
	}
}

// Tell hands a note on to whoever ranges over the run, of the call whose context [Tools] were given. It waits
// until there is room, and fails when ctx ends first, or where there is no run.
func Tell(ctx context.Context, note any) error {
	tell, ok := ctx.Value(tellerKey{}).(func(context.Context, any) error)
	if !ok {
		return errors.New("no run is there to be told")
	}
	return tell(ctx, note)
}

// tellerKey is the context's key of the function that takes the notes of a call.
type tellerKey struct{}

// withReports returns the context of a call whose reports go to a channel.
func withReports(ctx context.Context, index int, reports chan<- report) context.Context {
	tell := func(own context.Context, note any) error {
		select {
		case reports <- report{index: index, note: note}:
			return nil
		case <-own.Done():
			return own.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return context.WithValue(context.WithValue(ctx, tellerKey{}, tell), reporterKey{}, func(p Progress) {
		select {
		case reports <- report{index: index, progress: p}:
		default:
		}
	})
}
