package chat

// EventKind says what an [Event] carries.
type EventKind uint8

// The kinds of events. A generation is any number of deltas and calls, then one Finish.
const (
	// ReasoningDelta carries more of the model's reasoning in Text.
	ReasoningDelta EventKind = iota + 1
	// ContentDelta carries more of the answer in Text.
	ContentDelta
	// CallStart opens call Index with its ID and Name.
	CallStart
	// CallDelta carries the next piece of call Index's arguments in Text. The pieces of one call,
	// concatenated, are the JSON text of one object.
	CallDelta
	// CallEnd closes call Index: its arguments are complete.
	CallEnd
	// Warning says in Text what an operator or a client should know, such as output that looked like a
	// call and was handed on as content.
	Warning
	// Finish ends the generation with Reason and Usage. Nothing follows it.
	Finish
	// ItemStart says that Item has begun, ItemEnd that it is complete. An item may end without having
	// started.
	ItemStart
	ItemEnd
	// ItemProgress says in Item.Progress how far an item has come that has started.
	ItemProgress
)

// FinishReason says why a generation ended, in OpenAI's words.
type FinishReason string

// The reasons of a Finish event.
const (
	FinishStop      FinishReason = "stop"
	FinishLength    FinishReason = "length"
	FinishToolCalls FinishReason = "tool_calls"
)

// Event is one step of a generation. Which fields are set depends on Kind.
type Event struct {
	Kind EventKind
	Text string
	// Index counts the calls of this generation from 0. ID and Name come with CallStart.
	Index    int
	ID, Name string
	// Incomplete marks the CallEnd of a call that broke off: its arguments are an object, but not all of
	// what the model meant to write. It must not be executed.
	Incomplete bool
	// Logprobs are the tokens of a ContentDelta, when the request asked for them.
	Logprobs []Logprob
	Reason   FinishReason
	Usage    Usage
	// Item comes with ItemStart, ItemProgress and ItemEnd. It is not changed afterwards.
	Item *Item
}

// Usage counts the tokens of a generation.
type Usage struct {
	PromptTokens int
	// CachedTokens are the prompt tokens whose state was still there from an earlier request.
	CachedTokens     int
	CompletionTokens int
	// ReasoningTokens are the completion tokens spent on reasoning.
	ReasoningTokens int
}

// TokenProb is a token's text and the natural logarithm of its probability.
type TokenProb struct {
	Token   string
	Logprob float64
}

// Logprob is a token of the output and the likeliest tokens at its place.
type Logprob struct {
	TokenProb
	Top []TokenProb
}
