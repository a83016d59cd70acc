package engine

import "github.com/toolserve/toolserve/constrain"

// Request is one generation asked of an [Engine].
type Request struct {
	// Prompt is the tokens to continue; at least one.
	Prompt []int32
	// MaxTokens bounds the output; 0 means up to the end of the context.
	MaxTokens int
	Sampling  Sampling
	// Grammar, when not nil, is what the whole output must match.
	Grammar *constrain.Grammar
	// Logprobs asks for the log probability of each token, with the TopLogprobs likeliest (at most 20).
	Logprobs    bool
	TopLogprobs int
	// OnStart, when not nil, is called once when the prompt's evaluation begins, from the goroutine that
	// ranges over the tokens and before the first of them.
	OnStart func(Start)
}

// Sampling says how the next token is drawn from the model's distribution. The zero value is greedy.
// The steps are, in order: penalties and bias, top-k, temperature, top-p, min-p, draw.
type Sampling struct {
	// Temperature divides the logits; 0 takes the most likely token.
	Temperature float64
	// TopK keeps the K most likely tokens; 0 keeps all.
	TopK int
	// TopP keeps the smallest set of tokens with at least this probability; 0 and 1 keep all.
	TopP float64
	// MinP drops tokens less likely than MinP times the most likely one; 0 drops none.
	MinP float64
	// Seed makes the draw repeatable; nil draws a fresh seed.
	Seed *uint64
	// FrequencyPenalty and PresencePenalty are subtracted from the logits of the tokens generated so far,
	// the first once for each time.
	FrequencyPenalty, PresencePenalty float64
	// RepetitionPenalty divides the logit of tokens already seen, in prompt or output (it multiplies a
	// negative one); 0 and 1 are off.
	RepetitionPenalty float64
	// LogitBias is added to the logit of a token id; ids that the model does not have are ignored.
	LogitBias map[int32]float64
}

// Finish says why a generation ended.
type Finish string

// The reasons. A token that is not the last has FinishNone.
const (
	FinishNone Finish = ""
	// FinishStop is an end-of-generation token, or the end of the grammar.
	FinishStop Finish = "stop"
	// FinishLength is Request.MaxTokens or the context's end.
	FinishLength Finish = "length"
)

// Token is one token of a generation.
type Token struct {
	ID int32
	// Text is the characters that this token completes. A token may end inside a character, whose bytes
	// then come with the token that completes it; bytes that can belong to no character come as U+FFFD.
	Text string
	// Before is text of earlier tokens that came to light with this one: the U+FFFD of a character that
	// a Special or End token cut off. It belongs before this token's own Text; it is nearly always empty.
	Before string
	// Special marks a control token, such as "<|im_start|>"; Text is its spelling.
	Special bool
	// End marks an end-of-generation token; Text is its spelling, which is not part of the output.
	End bool
	// Finish is set on the last token of a generation and on no other.
	Finish Finish
	// Logprob is the natural logarithm of the token's probability, before penalties and temperature, and
	// Top the likeliest tokens at this place, best first. Both need Request.Logprobs.
	Logprob float64
	Top     []TokenProb
}

// TokenProb is a token and the natural logarithm of its probability.
type TokenProb struct {
	ID int32
	// Text is the token's bytes, which need not be whole characters.
	Text    string
	Logprob float64
}

// Start is what is known of a request when its prompt's evaluation begins.
type Start struct {
	PromptTokens int
	// CachedTokens are the prompt tokens whose evaluation was reused.
	CachedTokens int
}
