package main

import (
	"fmt"
	"slices"
	"strings"
)

// What is printed at most: of each test the lines of its complaints and of the end of its log.
const (
	maxTests, maxComplaint, maxLog = 40, 60, 25
	maxLine                        = 1000 // bytes
)

// withoutParents leaves out the tests that failed only because a test within them did.
func (r *report) withoutParents() []outcome {
	var kept []outcome
	for _, o := range r.failed {
		within := slices.ContainsFunc(r.failed, func(other outcome) bool {
			return other.pkg == o.pkg && o.test != "" && strings.HasPrefix(other.test, o.test+"/")
		})
		if said, _ := r.sort(o); !within || len(said) > 0 {
			kept = append(kept, o)
		}
	}
	return kept
}

func (r *report) print(o outcome) {
	fmt.Fprintf(r.out, "-- %s %s (%.1fs)\n", short(o.pkg), o.test, o.seconds)
	said, log := r.sort(o)
	for _, line := range said[:min(len(said), maxComplaint)] {
		fmt.Fprintln(r.out, cut(line))
	}
	if more := len(said) - maxComplaint; more > 0 {
		fmt.Fprintf(r.out, "    (and %d lines more)\n", more)
	}
	if len(log) > 0 {
		fmt.Fprintf(r.out, "    the end of its log, of %d lines:\n", len(log))
	}
	for _, line := range log[max(0, len(log)-maxLog):] {
		fmt.Fprintln(r.out, cut(line))
	}
}

func cut(line string) string {
	if len(line) > maxLine {
		return strings.ToValidUTF8(line[:maxLine], "") + fmt.Sprintf(" (and %d bytes more)", len(line)-maxLine)
	}
	return line
}

// sort parts the output of a test into what it complains of and its log. The testing package writes errors and
// log lines alike, with the place that wrote them: the source tells which it is. Panics and races are complaints.
func (r *report) sort(o outcome) (said, log []string) {
	complaint, fatal := o.test == "", false
	for _, line := range o.lines {
		line = strings.TrimRight(line, "\n")
		bare := strings.TrimSpace(line)
		file, number, placed := at(line)
		switch {
		case fatal && strings.HasPrefix(bare, "======"): // the end of a race
			fatal = false
		case bare == "WARNING: DATA RACE", strings.HasPrefix(bare, "panic: "), strings.HasPrefix(bare, "fatal error: "):
			fatal = true
		case fatal:
		case bare == "", strings.HasPrefix(bare, "=== "), strings.HasPrefix(bare, "--- "), strings.HasPrefix(bare, "======"):
			continue
		case placed:
			complaint = !strings.Contains(r.source(o.pkg, file, number), ".Log")
		case bare == "it did not end":
			complaint = true
		case !strings.HasPrefix(line, "        ") && o.test != "": // neither a place nor what goes on from one
			complaint = false
		}
		if complaint || fatal {
			said = append(said, line)
		} else {
			log = append(log, line)
		}
	}
	return said, log
}

func trimmed(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimSpace(line)
	}
	return out
}
