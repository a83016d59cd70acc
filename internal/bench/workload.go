package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// words makes texts that differ from each other. A text depends on the seed and on the numbers that name it,
// and on nothing else, so that every server gets the same.
type words struct{ seed uint64 }

func newWords(seed uint64) *words { return &words{seed} }

// vocabulary are common words, which most tokenizers have as one token each.
func vocabulary() []string {
	return strings.Fields(`time year people way day man thing woman life child world school state family student
		group country problem hand part place case week company system program question work government number
		night point home water room mother area money story fact month lot right study book eye job word business
		issue side kind head house service friend father power hour game line end member law car city name`)
}

// text returns n words.
func (w *words) text(n int, label ...uint64) string {
	seed := w.seed
	for _, l := range label {
		seed = (seed ^ l) * 0x9e3779b97f4a7c15
		seed ^= seed >> 29
	}
	rng := rand.New(rand.NewPCG(w.seed, seed))
	list := vocabulary()
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(list[rng.IntN(len(list))])
	}
	return b.String()
}

// What a text is for. It is the first number of its name.
const (
	forWarmUp uint64 = iota + 1
	forPrefill
	forDecode
)

// longPrompt is a request that is all prompt. The words come first, in the system message, because prompts
// with a common beginning share what a server has cached of it.
func (r *runner) longPrompt(t *target, label ...uint64) *chat.Request {
	return r.request(t, 1, r.words.text(r.opts.PromptTokens, label...), "Go on.")
}

// longAnswer is a request whose answer is measured. Its prompt is short: a story without end is asked for, or a
// call or an object.
func (r *runner) longAnswer(t *target, label ...uint64) *chat.Request {
	topics := r.words.text(8, label...)
	if r.opts.Work == Text {
		return r.request(t, r.opts.MaxTokens, topics+". You write very long stories.",
			fmt.Sprintf("Write a story in twenty long chapters. It is about: %s. Describe everything in detail.", topics))
	}
	req := r.request(t, r.opts.MaxTokens, "You book trips.", fmt.Sprintf("Book a trip for me. I like: %s.", topics))
	if r.opts.Work == Objects {
		req.ResponseFormat = chat.ResponseFormat{JSON: true, Schema: tripSchema()}
		return req
	}
	req.Tools = []chat.Tool{{Name: "book_trip", Description: "Books a trip.", Parameters: tripSchema()}}
	req.ToolChoice = chat.ToolChoice{Mode: chat.ToolRequired}
	req.SingleToolCall = true
	return req
}

func (r *runner) request(t *target, maxTokens int, system, user string) *chat.Request {
	req := &chat.Request{
		Model: t.model,
		Messages: []chat.Message{
			{Role: chat.RoleSystem, Content: chat.Text(system)},
			{Role: chat.RoleUser, Content: chat.Text(user)},
		},
		MaxTokens: maxTokens,
		Sampling:  chat.DefaultSampling(), // what equals it is not sent
	}
	req.Sampling.Temperature = 0
	return req
}

// tripSchema has one property of each common kind.
func tripSchema() json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{` +
		`"city":{"type":"string","description":"Where to"},` +
		`"reason":{"type":"string","description":"Why, in a sentence"},` +
		`"nights":{"type":"integer","minimum":1,"maximum":30},` +
		`"class":{"type":"string","enum":["economy","business","first"]},` +
		`"breakfast":{"type":"boolean"}` +
		`},"required":["city","reason","nights","class","breakfast"],"additionalProperties":false}`)
}

// fitsTrip reports whether an object is what tripSchema asks for.
func fitsTrip(object []byte) bool {
	var trip struct {
		City, Reason, Class *string
		Nights              *int
		Breakfast           *bool
	}
	if json.Unmarshal(object, &trip) != nil || trip.City == nil || trip.Reason == nil || trip.Breakfast == nil {
		return false
	}
	if trip.Nights == nil || *trip.Nights < 1 || *trip.Nights > 30 || trip.Class == nil {
		return false
	}
	return *trip.Class == "economy" || *trip.Class == "business" || *trip.Class == "first"
}
