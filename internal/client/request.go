package client

import (
	"encoding/json"

	"github.com/toolserve/toolserve/chat"
)

// The wire form of a streaming chat completion request. Fields at their default are left out, so that
// the server's own settings hold.
type (
	wireRequest struct {
		Model         string            `json:"model"`
		Messages      []wireMessage     `json:"messages"`
		Stream        bool              `json:"stream"`
		StreamOptions wireStreamOptions `json:"stream_options"`
		Tools         []wireTool        `json:"tools,omitempty"`
		ToolChoice    any               `json:"tool_choice,omitempty"`
		ParallelCalls *bool             `json:"parallel_tool_calls,omitempty"`
		MaxTokens     int               `json:"max_tokens,omitempty"`
		Stop          []string          `json:"stop,omitempty"`
		Format        *wireFormat       `json:"response_format,omitempty"`
		TemplateArgs  json.RawMessage   `json:"chat_template_kwargs,omitempty"`
		Effort        string            `json:"reasoning_effort,omitempty"`
		wireSampling
	}
	wireStreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	}
	wireSampling struct {
		Temperature       *float64          `json:"temperature,omitempty"`
		TopP              *float64          `json:"top_p,omitempty"`
		TopK              *int              `json:"top_k,omitempty"`
		MinP              *float64          `json:"min_p,omitempty"`
		Seed              *uint64           `json:"seed,omitempty"`
		FrequencyPenalty  float64           `json:"frequency_penalty,omitempty"`
		PresencePenalty   float64           `json:"presence_penalty,omitempty"`
		RepetitionPenalty float64           `json:"repetition_penalty,omitempty"`
		LogitBias         map[int32]float64 `json:"logit_bias,omitempty"`
	}
	wireFormat struct {
		Type   string          `json:"type"`
		Schema *wireJSONSchema `json:"json_schema,omitempty"`
	}
	wireJSONSchema struct {
		Name   string          `json:"name"`
		Schema json.RawMessage `json:"schema"`
	}
	wireMessage struct {
		Role       chat.Role  `json:"role"`
		Content    any        `json:"content"`
		Name       string     `json:"name,omitempty"`
		Reasoning  string     `json:"reasoning_content,omitempty"`
		ToolCalls  []wireCall `json:"tool_calls,omitempty"`
		ToolCallID string     `json:"tool_call_id,omitempty"`
	}
	wirePart struct {
		Type  string     `json:"type"`
		Text  *string    `json:"text,omitempty"`
		Image *wireImage `json:"image_url,omitempty"`
		Audio *wireAudio `json:"input_audio,omitempty"`
	}
	wireImage struct {
		URL string `json:"url"`
	}
	wireAudio struct {
		Data   string `json:"data"`
		Format string `json:"format"`
	}
	wireCall struct {
		ID       string           `json:"id"`
		Type     string           `json:"type"`
		Function wireCallFunction `json:"function"`
	}
	wireCallFunction struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	wireTool struct {
		Type     string          `json:"type"`
		Function json.RawMessage `json:"function"`
	}
	wireFunction struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters,omitempty"`
		Strict      bool            `json:"strict,omitempty"`
	}
	wireChoice struct {
		Type     string         `json:"type"`
		Function wireChoiceName `json:"function"`
	}
	wireChoiceName struct {
		Name string `json:"name"`
	}
)

func encodeRequest(req *chat.Request) (*wireRequest, error) {
	wire := &wireRequest{
		Model:         req.Model,
		Messages:      make([]wireMessage, 0, len(req.Messages)),
		Stream:        true,
		StreamOptions: wireStreamOptions{IncludeUsage: true},
		ToolChoice:    encodeChoice(req.ToolChoice),
		MaxTokens:     req.MaxTokens,
		Stop:          req.Stop,
		Format:        encodeFormat(req.ResponseFormat),
		TemplateArgs:  req.TemplateArgs,
		Effort:        req.ReasoningEffort,
		wireSampling:  encodeSampling(req.Sampling),
	}
	for _, m := range req.Messages {
		wire.Messages = append(wire.Messages, encodeMessage(m))
	}
	for _, t := range req.Tools {
		function, err := encodeTool(t)
		if err != nil {
			return nil, err
		}
		wire.Tools = append(wire.Tools, wireTool{Type: "function", Function: function})
	}
	if len(wire.Tools) == 0 && req.ToolChoice.Mode != chat.ToolNone {
		wire.ToolChoice = nil // a choice without tools is an error; none keeps a server from offering its own
	}
	if req.SingleToolCall {
		wire.ParallelCalls = new(false)
	}
	return wire, nil
}

func encodeTool(t chat.Tool) (json.RawMessage, error) {
	if t.Function != nil {
		return t.Function, nil
	}
	return json.Marshal(wireFunction{Name: t.Name, Description: t.Description, Parameters: t.Parameters, Strict: t.Strict})
}

func encodeChoice(choice chat.ToolChoice) any {
	switch choice.Mode {
	case "":
		return nil
	case chat.ToolNamed:
		return wireChoice{Type: "function", Function: wireChoiceName{Name: choice.Name}}
	default:
		return string(choice.Mode)
	}
}

func encodeFormat(f chat.ResponseFormat) *wireFormat {
	switch {
	case len(f.Schema) > 0:
		return &wireFormat{Type: "json_schema", Schema: &wireJSONSchema{Name: "answer", Schema: f.Schema}}
	case f.JSON:
		return &wireFormat{Type: "json_object"}
	default:
		return nil
	}
}

// encodeSampling sends what differs from [chat.DefaultSampling].
func encodeSampling(s chat.Sampling) wireSampling {
	usual := chat.DefaultSampling()
	wire := wireSampling{
		Seed: s.Seed, FrequencyPenalty: s.FrequencyPenalty, PresencePenalty: s.PresencePenalty,
		RepetitionPenalty: s.RepetitionPenalty, LogitBias: s.LogitBias,
	}
	if s.Temperature != usual.Temperature {
		wire.Temperature = &s.Temperature
	}
	if s.TopP != usual.TopP {
		wire.TopP = &s.TopP
	}
	if s.TopK != usual.TopK {
		wire.TopK = &s.TopK
	}
	if s.MinP != usual.MinP {
		wire.MinP = &s.MinP
	}
	return wire
}

func encodeMessage(m chat.Message) wireMessage {
	wire := wireMessage{
		Role: m.Role, Content: encodeContent(m.Content), Name: m.Name, Reasoning: m.Reasoning, ToolCallID: m.ToolCallID,
	}
	for _, call := range m.ToolCalls {
		wire.ToolCalls = append(wire.ToolCalls, wireCall{
			ID: call.ID, Type: "function", Function: wireCallFunction{Name: call.Name, Arguments: call.Arguments},
		})
	}
	return wire
}

// encodeContent sends text as one string, which every server reads, and parts only where other kinds
// are among them.
func encodeContent(content []chat.Part) any {
	if content == nil {
		return nil
	}
	parts := make([]wirePart, 0, len(content))
	plain := true
	for _, p := range content {
		switch p.Type {
		case chat.PartImage:
			parts = append(parts, wirePart{Type: "image_url", Image: &wireImage{URL: p.URL}})
			plain = false
		case chat.PartAudio:
			parts = append(parts, wirePart{Type: "input_audio", Audio: &wireAudio{Data: p.Data, Format: p.Format}})
			plain = false
		default:
			parts = append(parts, wirePart{Type: "text", Text: &p.Text})
		}
	}
	if plain {
		return chat.Message{Content: content}.Text()
	}
	return parts
}
