package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/toolserve/toolserve/chat"
)

// sample is what was seen of one request.
type sample struct {
	sent, first, end time.Time // first is when the answer's first piece came
	usage            chat.Usage
	text             [sha256.Size]byte // digest of the whole answer, calls included
	fits             bool              // a call's arguments, or the whole text, are what the schema asks for
	err              error
}

// ask sends a request and reads its answer to the end.
func ask(ctx context.Context, g generator, req *chat.Request) (s sample) {
	digest := sha256.New()
	var object []byte // a call's arguments or the text
	s.sent = time.Now()
	for ev, err := range g.Generate(ctx, req) {
		if s.first.IsZero() {
			s.first = time.Now()
		}
		if err != nil {
			s.err = err
			break
		}
		switch ev.Kind {
		case chat.CallStart:
			object = object[:0]
			fmt.Fprintf(digest, "\x00call %s\x00", ev.Name)
		case chat.CallDelta, chat.ContentDelta:
			if len(object)+len(ev.Text) <= maxObject {
				object = append(object, ev.Text...)
			}
		case chat.CallEnd:
			s.fits = s.fits || fitsTrip(object)
		case chat.Finish:
			s.usage = ev.Usage
			s.fits = s.fits || ev.Reason == chat.FinishStop && fitsTrip(object)
		}
		digest.Write([]byte(ev.Text))
	}
	s.end = time.Now()
	digest.Sum(s.text[:0])
	if s.err == nil && (s.usage.CompletionTokens <= 0 || s.usage.PromptTokens <= 0) {
		s.err = fmt.Errorf("the answer came without usage, which the request asked for in stream_options")
	}
	return s
}

// maxObject bounds what is kept of an answer to look at its shape.
const maxObject = 1 << 16

// burst sends requests all at once and returns what was seen of each.
func (r *runner) burst(ctx context.Context, t *target, requests []*chat.Request) []sample {
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.RequestTimeout,
		fmt.Errorf("the request took longer than %v", r.opts.RequestTimeout))
	defer cancel()
	samples := make([]sample, len(requests))
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i, req := range requests {
		all.Go(func() {
			<-begin
			samples[i] = ask(ctx, t.client, req)
		})
	}
	close(begin)
	all.Wait()
	return samples
}

// compareTexts asks the warm-up requests one at a time and then at once, at each concurrency, and counts the
// answers that are the same. A server that fails the very first request is given up.
func (r *runner) compareTexts(ctx context.Context, t *target) error {
	most := 0
	for _, c := range r.opts.Concurrency {
		most = max(most, c)
	}
	requests := make([]*chat.Request, most)
	for i := range requests {
		requests[i] = r.longAnswer(t, forWarmUp, uint64(i))
		s := r.burst(ctx, t, requests[i:i+1])[0]
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.err != nil && i == 0:
			return s.err
		case s.err != nil:
			t.rows[0].fail(s.err)
			s.text = [sha256.Size]byte{}
		}
		t.alone = append(t.alone, s.text)
	}
	for level, concurrency := range r.opts.Concurrency {
		row := &t.rows[level]
		for i, s := range r.burst(ctx, t, requests[:concurrency]) {
			if s.err != nil {
				row.fail(s.err)
				continue
			}
			row.compared++
			if s.text == t.alone[i] {
				row.same++
			}
		}
	}
	return context.Cause(ctx)
}

// digest is a short form of a server's warm-up answers, to compare servers by.
func (t *target) digest() string {
	h := sha256.New()
	for _, d := range t.alone {
		h.Write(d[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// prefill measures how fast prompts are read: answers of one token, so that nothing else is computed.
func (r *runner) prefill(ctx context.Context, t *target, level, concurrency, round int) {
	requests := make([]*chat.Request, concurrency)
	for i := range requests {
		requests[i] = r.longPrompt(t, forPrefill, uint64(round), uint64(concurrency), uint64(i))
	}
	if samples := r.burst(ctx, t, requests); ctx.Err() == nil { // what was cut off says nothing about the server
		t.rows[level].addPrefill(samples)
	}
}

// decode measures how fast answers are written.
func (r *runner) decode(ctx context.Context, t *target, level, concurrency, round int) {
	requests := make([]*chat.Request, concurrency)
	for i := range requests {
		requests[i] = r.longAnswer(t, forDecode, uint64(round), uint64(concurrency), uint64(i))
	}
	if samples := r.burst(ctx, t, requests); ctx.Err() == nil {
		t.rows[level].addDecode(samples, r.opts.Work)
	}
}
