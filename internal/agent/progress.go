package agent

import "context"

// Progress says how far a call has come: it grows with each report, towards Total where that is not 0.
type Progress struct {
	Progress, Total float64
	Message         string
}

// maxReports is how many reports may wait to be read. Further ones are lost, so that nobody has to wait.
const maxReports = 16

// report is the progress of one call.
type report struct {
	index    int
	progress Progress
}

// reporterKey is the context's key of the function that takes the reports of a call.
type reporterKey struct{}

// Report says how far the call has come whose context [Tools] were given. Elsewhere it does nothing.
func Report(ctx context.Context, p Progress) {
	if tell, ok := ctx.Value(reporterKey{}).(func(Progress)); ok {
		tell(p)
	}
}

// withReports returns the context of a call whose reports go to a channel.
func withReports(ctx context.Context, index int, reports chan<- report) context.Context {
	return context.WithValue(ctx, reporterKey{}, func(p Progress) {
		select {
		case reports <- report{index, p}:
		default:
		}
	})
}
