package policy

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/purpose"
)

// FlowMode says what is done about a call that may carry out what was read before.
type FlowMode string

// The modes of FlowRules. The zero value means FlowOff.
const (
	FlowOff   FlowMode = "off"
	FlowWarn  FlowMode = "warn"
	FlowAsk   FlowMode = "ask"
	FlowBlock FlowMode = "block"
)

// FlowRules hold back tools that reach the outside in a run that has read private data before.
//
// What the rules do not name is told from its definition: a tool is outward when it says openWorldHint, or
// has a name such as "send" or "fetch"; it reads private data when it says readOnlyHint, or has a name such
// as "read" or "query", and is not outward. That a tool denies to be outward does not count.
type FlowRules struct {
	Mode FlowMode
	// Private and Outward name tools, as ToolRules does. Exempt are neither, whatever they say.
	Private, Outward, Exempt []string
}

const (
	// maxRuns bounds the runs that are remembered; beyond, those that rested longest are forgotten.
	maxRuns = 4096
	// runRest is how long a run may rest before it is forgotten, unnamedRest how long one without a name.
	runRest, unnamedRest = 24 * time.Hour, 10 * time.Minute
)

// flows remembers which runs have read private data. It is safe for concurrent use.
type flows struct {
	mu   sync.Mutex
	runs map[string]run
}

type run struct {
	source string // the tool that read first
	last   time.Time
	rest   time.Duration
}

// outward and private are words of tools' names.
var (
	outwardWords = set(`send post email mail sms message notify publish share upload push tweet reply comment forward
		fetch http https request webhook browse navigate goto visit download curl wget crawl scrape invite transfer
		export sync submit deploy call dispatch broadcast`)
	privateWords = set(`read get list query search find show view load open select cat dump retrieve lookup describe
		inspect recall history inbox secret secrets credentials env environment`)
)

func set(text string) map[string]bool {
	m := make(map[string]bool)
	for word := range strings.FieldsSeq(text) {
		m[word] = true
	}
	return m
}

func hasWord(name string, words map[string]bool) bool {
	found := false
	purpose.EachWord(name, func(word []byte) bool {
		found = words[string(word)]
		return !found
	})
	return found
}

// kind says what a tool is to the flow of data.
func (g *Gate) kind(c *Call, full string) (outward, private bool) {
	f := &g.rules.Flow
	if anyMatches(f.Exempt, c.Tool, full, true) {
		return false, false
	}
	outward, private = anyMatches(f.Outward, c.Tool, full, true), anyMatches(f.Private, c.Tool, full, true)
	if outward || private {
		return outward, private
	}
	var hints Hints
	if c.Profile != nil {
		hints = c.Profile.hints
	}
	outward = isTrue(hints.OpenWorld) || hasWord(c.Tool, outwardWords)
	private = !outward && (isTrue(hints.ReadOnly) || hasWord(c.Tool, privateWords))
	return outward, private
}

func isTrue(b *bool) bool { return b != nil && *b }

// Unnamed is the run of a call that belongs to no request or conversation that could be told from others.
const Unnamed = "-"

// runsOf are the names under which a call's run is remembered: its request, and what that belongs to. Calls
// that name none are one run per actor.
func runsOf(c *Call) []string {
	named := func(name string) bool { return name != "" && name != Unnamed }
	var runs []string
	if named(c.Run) {
		runs = append(runs, "run "+c.Actor+" "+c.Run)
	}
	if named(c.Conversation) {
		runs = append(runs, "conversation "+c.Actor+" "+c.Conversation)
	}
	if runs == nil || c.Conversation == Unnamed {
		runs = append(runs, "actor "+c.Actor)
	}
	return runs
}

// flow judges a call by what its run has read. It returns what a person is to be asked, or why not.
func (g *Gate) flow(c *Call, full string, d *Decision) (ask, refusal string) {
	mode := g.rules.Flow.Mode
	if mode == FlowOff {
		return "", ""
	}
	outward, _ := g.kind(c, full)
	if !outward {
		return "", ""
	}
	source := ""
	for _, name := range runsOf(c) {
		source = cmp.Or(source, g.flows.source(name, g.rules.Now()))
	}
	if source == "" {
		return "", ""
	}
	text := fmt.Sprintf("Tool '%s' reaches the outside, and '%s' has read private data in the same run",
		argv.Quote(c.Tool), argv.Quote(source))
	switch mode {
	case FlowBlock:
		return "", text + ". Start a new run, or name the tool in security.flow.exempt"
	case FlowAsk:
		return text, ""
	}
	d.Warnings = append(d.Warnings, text+".")
	return "", ""
}

// note remembers an allowed call that reads private data.
func (g *Gate) note(c *Call) {
	if g.rules.Flow.Mode == FlowOff {
		return
	}
	full := c.Server + "__" + c.Tool
	if _, private := g.kind(c, full); private {
		g.noteRuns(c, full)
	}
}

// noteRuns remembers of all runs of a call that source has read private data.
func (g *Gate) noteRuns(c *Call, source string) {
	for _, name := range runsOf(c) {
		rest := runRest
		if strings.HasPrefix(name, "actor ") {
			rest = unnamedRest
		}
		g.flows.add(name, source, rest, g.rules.Now())
	}
}

func (f *flows) source(name string, now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.runs[name]
	if !ok || now.Sub(r.last) > r.rest {
		return ""
	}
	return r.source
}

func (f *flows) add(name, source string, rest time.Duration, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.runs == nil {
		f.runs = make(map[string]run)
	}
	r, ok := f.runs[name]
	if !ok || now.Sub(r.last) > r.rest {
		r.source = source
	}
	if !ok && len(f.runs) >= maxRuns {
		f.makeRoom(now)
	}
	r.last, r.rest = now, rest
	f.runs[name] = r
}

// makeRoom forgets runs that rested too long and, while that is not enough, those that rested longest.
func (f *flows) makeRoom(now time.Time) {
	for age := runRest; len(f.runs) > maxRuns*3/4; age /= 2 {
		if age == 0 {
			clear(f.runs) // the clock was set back
		}
		for name, r := range f.runs {
			if rested := now.Sub(r.last); rested > r.rest || rested >= age {
				delete(f.runs, name)
			}
		}
	}
}
