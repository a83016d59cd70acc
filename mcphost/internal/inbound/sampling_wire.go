package inbound

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/rawjson"
)

// The bounds of a sampling request.
const (
	maxMessages = 256
	maxTools    = 64
	maxStops    = 16
)

type samplingParams struct {
	Messages []struct {
		Role    chat.Role       `json:"role"`
		Content json.RawMessage `json:"content"` // one block or a list of blocks
	} `json:"messages"`
	SystemPrompt  string   `json:"systemPrompt"`
	MaxTokens     float64  `json:"maxTokens"`
	Temperature   *float64 `json:"temperature"`
	StopSequences []string `json:"stopSequences"`
	Tools         []struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"inputSchema"`
	} `json:"tools"`
	ToolChoice *struct {
		Mode string `json:"mode"`
	} `json:"toolChoice"`
}

// block is one piece of content, of any kind.
type block struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Data     string `json:"data"`
	MimeType string `json:"mimeType"`
	// ID, Name and Input are those of a tool_use.
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
	// ToolUseID, Content, Structured and IsError are those of a tool_result.
	ToolUseID  string          `json:"toolUseId"`
	Content    []block         `json:"content"`
	Structured json.RawMessage `json:"structuredContent"`
}

// readSampling turns the parameters of sampling/createMessage into a request of the model.
// includeContext and modelPreferences have no effect: there is one model, and it sees what the server
// sends and nothing else.
func readSampling(params json.RawMessage) (chat.Request, error) {
	req := chat.Request{Model: "default", Sampling: chat.DefaultSampling()}
	var p samplingParams
	if err := decode(params, &p); err != nil {
		return req, err
	}
	switch {
	case len(p.Messages) == 0 || len(p.Messages) > maxMessages:
		return req, refusal(jsonrpc.CodeInvalidParams, "\"messages\" must hold 1 to %d messages, not %d", maxMessages, len(p.Messages))
	case len(p.StopSequences) > maxStops:
		return req, refusal(jsonrpc.CodeInvalidParams, "\"stopSequences\" must hold at most %d texts", maxStops)
	case p.Temperature != nil && (*p.Temperature < 0 || *p.Temperature > 2):
		return req, refusal(jsonrpc.CodeInvalidParams, "\"temperature\" must be from 0 to 2")
	case p.MaxTokens < 0:
		return req, refusal(jsonrpc.CodeInvalidParams, "\"maxTokens\" must not be negative")
	}
	if p.SystemPrompt != "" {
		req.Messages = append(req.Messages, chat.Message{Role: chat.RoleSystem, Content: chat.Text(p.SystemPrompt)})
	}
	for i, m := range p.Messages {
		if m.Role != chat.RoleUser && m.Role != chat.RoleAssistant {
			return req, refusal(jsonrpc.CodeInvalidParams, "messages[%d]: the role must be \"user\" or \"assistant\"", i)
		}
		turn, err := readTurn(m.Role, m.Content)
		if err != nil {
			return req, refusal(jsonrpc.CodeInvalidParams, "messages[%d]: %v", i, err)
		}
		req.Messages = append(req.Messages, turn...)
	}
	req.MaxTokens = int(min(p.MaxTokens, 1<<30))
	req.Stop = p.StopSequences
	if p.Temperature != nil {
		req.Sampling.Temperature = *p.Temperature
	}
	return req, readTools(&req, &p)
}

func readTools(req *chat.Request, p *samplingParams) error {
	if len(p.Tools) > maxTools {
		return refusal(jsonrpc.CodeInvalidParams, "\"tools\" must hold at most %d tools", maxTools)
	}
	for _, t := range p.Tools {
		req.Tools = append(req.Tools, chat.Tool{Name: t.Name, Description: t.Description, Parameters: t.InputSchema})
	}
	if p.ToolChoice == nil {
		return nil
	}
	switch p.ToolChoice.Mode {
	case "", "auto":
	case "none":
		req.ToolChoice.Mode = chat.ToolNone
	case "required":
		req.ToolChoice.Mode = chat.ToolRequired
	default:
		return refusal(jsonrpc.CodeInvalidParams, "the tool choice %q is not known; use \"auto\", \"required\" or \"none\"", clip(p.ToolChoice.Mode, 50))
	}
	return nil
}

// readTurn turns the content of one message into messages: results of tools stand alone.
func readTurn(role chat.Role, content json.RawMessage) ([]chat.Message, error) {
	if len(content) == 0 {
		return nil, errors.New("it has no content")
	}
	var blocks []block
	if !rawjson.Items(content, func(json.RawMessage) bool { return false }) {
		content = append(append(json.RawMessage{'['}, content...), ']')
	}
	if err := json.Unmarshal(content, &blocks); err != nil {
		return nil, err
	}
	var results []chat.Message
	turn := chat.Message{Role: role}
	for _, b := range blocks {
		switch b.Type {
		case "tool_use":
			turn.ToolCalls = append(turn.ToolCalls, chat.ToolCall{ID: b.ID, Name: b.Name, Arguments: string(orObject(b.Input))})
		case "tool_result":
			results = append(results, chat.Message{Role: chat.RoleTool, ToolCallID: b.ToolUseID, Content: chat.Text(b.resultText())})
		default:
			part, err := b.part()
			if err != nil {
				return nil, err
			}
			turn.Content = append(turn.Content, part)
		}
	}
	if len(turn.Content) > 0 || len(turn.ToolCalls) > 0 || len(results) == 0 {
		results = append(results, turn)
	}
	return results, nil
}

// part is a block of text, image or sound as the model reads it.
func (b *block) part() (chat.Part, error) {
	switch b.Type {
	case "text":
		return chat.Part{Type: chat.PartText, Text: b.Text}, nil
	case "image":
		return chat.Part{Type: chat.PartImage, URL: "data:" + b.MimeType + ";base64," + b.Data}, nil
	case "audio":
		format := strings.TrimPrefix(strings.TrimPrefix(b.MimeType, "audio/"), "x-")
		return chat.Part{Type: chat.PartAudio, Data: b.Data, Format: format}, nil
	}
	return chat.Part{}, refusal(jsonrpc.CodeInvalidParams, "the content type %q is not known", clip(b.Type, 50))
}

func (b *block) resultText() string {
	var texts []string
	for _, c := range b.Content {
		if c.Type == "text" {
			texts = append(texts, c.Text)
		}
	}
	if len(texts) == 0 {
		return string(b.Structured)
	}
	return strings.Join(texts, "\n")
}

func orObject(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

type sampleAnswer struct {
	Role       chat.Role `json:"role"`
	Content    any       `json:"content"`
	Model      string    `json:"model"`
	StopReason string    `json:"stopReason"`
}

type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type useBlock struct {
	Type  string          `json:"type"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

// writeSample is the result of sampling/createMessage. A single block stands alone, as revisions before
// 2025-11-25 know it.
func writeSample(r SampleResult) sampleAnswer {
	answer := sampleAnswer{Role: chat.RoleAssistant, Model: r.Model, StopReason: "endTurn"}
	switch r.Reason {
	case chat.FinishLength:
		answer.StopReason = "maxTokens"
	case chat.FinishToolCalls:
		answer.StopReason = "toolUse"
	}
	var blocks []any
	if r.Text != "" || len(r.Calls) == 0 {
		blocks = append(blocks, textBlock{Type: "text", Text: r.Text})
	}
	for _, c := range r.Calls {
		blocks = append(blocks, useBlock{Type: "tool_use", ID: c.ID, Name: c.Name, Input: orObject(json.RawMessage(c.Arguments))})
	}
	if answer.Content = blocks; len(blocks) == 1 {
		answer.Content = blocks[0]
	}
	return answer
}
