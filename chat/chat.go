// Package chat is the vocabulary that every other part of toolserve speaks: what a client asks of a
// model ([Request]) and what comes back while the model writes ([Event]). It holds data only and
// imports nothing but the standard library.
//
// The types follow the OpenAI Chat Completions API where that API has a word for the thing; they are
// not its wire format. Each API decodes its own wire format into these types and encodes events back.
package chat

import "encoding/json"

// Role says who wrote a message.
type Role string

// The roles of the Chat Completions API.
const (
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// PartType is the kind of a piece of message content.
type PartType string

// The kinds of content.
const (
	PartText  PartType = "text"
	PartImage PartType = "image"
	PartAudio PartType = "audio"
)

// Part is one piece of a message's content.
type Part struct {
	Type PartType
	// Text is the text of a PartText.
	Text string
	// URL locates the data of an image: an http(s) URL or a data: URL.
	URL string
	// Data is the base64 data of an audio part, and Format its encoding, such as "wav".
	Data, Format string
}

// Message is one turn of a conversation.
type Message struct {
	Role Role
	// Content holds the parts in order. A plain string is one text part; nil is JSON's null.
	Content []Part
	// Name is the optional name of the participant or, for a tool message, of the function.
	Name string
	// Reasoning is what the assistant thought before it answered, where the client sent it back.
	Reasoning string
	// ToolCalls are the calls that an assistant message made.
	ToolCalls []ToolCall
	// ToolCallID names the call that a tool message answers.
	ToolCallID string
	// Items are the steps that were taken for an assistant message, where the client sent them back.
	Items []Item
}

// Text returns the text parts joined without a separator.
func (m Message) Text() string {
	switch len(m.Content) {
	case 0:
		return ""
	case 1:
		return m.Content[0].Text
	}
	var text []byte
	for _, p := range m.Content {
		text = append(text, p.Text...)
	}
	return string(text)
}

// Text is message content of one text part.
func Text(s string) []Part { return []Part{{Type: PartText, Text: s}} }

// ToolCall is a call that the model made.
type ToolCall struct {
	ID   string
	Name string
	// Arguments is the JSON text of one object.
	Arguments string
}

// Tool is a function that the model may call.
type Tool struct {
	Name        string
	Description string
	// Parameters is a JSON Schema of type object, byte for byte as the client sent it: its key order
	// reaches the prompt. Empty means a function without parameters.
	Parameters json.RawMessage
	// Defer keeps the tool out of the prompt until the model searches for it.
	Defer bool
	// Strict asks for arguments that are guaranteed to fit Parameters.
	Strict bool
	// Function is the OpenAI function object as it was sent, or nil for a tool that came another way.
	// The prompt shows it as it is, so that no key and no order is lost.
	Function json.RawMessage
}

// ToolChoiceMode says whether the model calls tools.
type ToolChoiceMode string

// The modes of a tool choice.
const (
	// ToolAuto lets the model decide; it is what the zero ToolChoice means when there are tools.
	ToolAuto ToolChoiceMode = "auto"
	// ToolNone hides the tools; nothing in the output is read as a call.
	ToolNone ToolChoiceMode = "none"
	// ToolRequired forces at least one call.
	ToolRequired ToolChoiceMode = "required"
	// ToolNamed forces a call of ToolChoice.Name.
	ToolNamed ToolChoiceMode = "named"
)

// ToolChoice is the request's tool_choice.
type ToolChoice struct {
	Mode ToolChoiceMode
	// Name is the function that ToolNamed forces.
	Name string
	// Server, when set, is the label of the [ToolServer] whose tool Name is; an empty Name is any of them.
	Server string
}

// Sampling says how the next token is drawn from the model's distribution. The zero value is greedy:
// it takes the most likely token. [DefaultSampling] is what a request means that says nothing.
type Sampling struct {
	// Temperature scales the logits; 0 takes the most likely token.
	Temperature float64
	// TopK keeps the K most likely tokens; 0 keeps all.
	TopK int
	// TopP keeps the smallest set of tokens with at least this probability; 0 and 1 keep all.
	TopP float64
	// MinP drops tokens less likely than MinP times the most likely one; 0 drops none.
	MinP float64
	// Seed makes the draw repeatable; nil draws a fresh seed.
	Seed *uint64
	// FrequencyPenalty and PresencePenalty are OpenAI's, -2 to 2, over the generated tokens.
	FrequencyPenalty, PresencePenalty float64
	// RepetitionPenalty divides the logit of tokens already seen (prompt and output); 0 and 1 are off.
	RepetitionPenalty float64
	// LogitBias is added to the logit of a token id.
	LogitBias map[int32]float64
}

// DefaultSampling returns the sampling of a request that sets none: temperature 0.8, top-k 40,
// top-p 0.95, min-p 0.05, the defaults that local models are published and tested with.
func DefaultSampling() Sampling {
	return Sampling{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}
}

// ResponseFormat is the shape that the answer's text must have.
type ResponseFormat struct {
	// JSON asks for JSON output. Schema, when set, is the JSON Schema that it must fit.
	JSON   bool
	Schema json.RawMessage
}

// Request is one generation asked of a model.
type Request struct {
	// Model is the name the client used; "default" is the served model.
	Model    string
	Messages []Message
	// Prompt, when not empty, is text that the model goes on with as it is, special tokens spelt out and
	// without a chat template. There are then no messages and no tools.
	Prompt     string
	Tools      []Tool
	ToolChoice ToolChoice
	// ToolServers are the MCP servers whose tools are run here.
	ToolServers []ToolServer
	// MaxToolCalls bounds the calls of their tools while this request is answered; 0 sets no bound.
	MaxToolCalls int
	// SingleToolCall is parallel_tool_calls:false, at most one call in the answer.
	SingleToolCall bool
	Sampling       Sampling
	// MaxTokens bounds the output in tokens; 0 means up to the end of the context.
	MaxTokens int
	// Stop ends the output before any of these texts.
	Stop           []string
	ResponseFormat ResponseFormat
	// Logprobs asks for the log probability of each content token, with the TopLogprobs likeliest.
	Logprobs    bool
	TopLogprobs int
	// TemplateArgs is chat_template_kwargs: a JSON object of extra variables for the chat template.
	TemplateArgs json.RawMessage
	// ReasoningEffort is "low", "medium", "high" or empty; EnableThinking turns reasoning on or off
	// where the template knows how, nil leaves the template's default.
	ReasoningEffort string
	EnableThinking  *bool
	// ContinueFinalMessage lets the model go on with the last assistant message instead of opening a
	// new turn.
	ContinueFinalMessage bool
	// NoGenerationPrompt leaves out the opening of the assistant's turn (add_generation_prompt:false).
	NoGenerationPrompt bool
}
