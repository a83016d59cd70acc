package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/toolserve/toolserve/chat"
)

// Bounds on a request, well above what clients send. What they bound costs time for each token or each
// request, so that a body within the size limit could otherwise keep a processor busy.
const (
	maxMessages  = 16384
	maxCalls     = 128  // in one message
	maxPending   = 1024 // calls that wait for their answer
	maxTools     = 1024
	maxStops     = 16
	maxStopBytes = 1024
	maxBias      = 4096
	maxTop       = 20 // OpenAI's own
)

// wireRequest is a decoded request and what only the encoding of its answer needs.
type wireRequest struct {
	chat.Request
	stream       bool
	includeUsage bool
	// legacy: the request has "functions", so its answer has "function_call".
	legacy bool
	wanted wanted
}

// DecodeRequest reads the body of a chat completions request. An error is the client's fault, and its text
// is for the client.
func DecodeRequest(body []byte) (*chat.Request, error) {
	req, err := decode(body)
	if err == nil && req.wanted.any() {
		err = invalid("mcp_prompt", "unsupported_value", "mcp_prompt and mcp_resources are fetched by a running server only; leave them out")
	}
	if err != nil {
		return nil, &chat.Error{Kind: chat.KindInvalid, Param: err.param, Code: err.code, Message: err.message}
	}
	return &req.Request, nil
}

// decode reads the body of a chat completions request. The request shares the body's memory.
func decode(body []byte) (*wireRequest, *apiError) {
	f, err := decodeBody(body)
	if err != nil {
		return nil, err
	}
	req := &wireRequest{}
	req.Model, _ = f.str("model")
	req.wanted = decodeWanted(f)
	decodeMessages(f, req)
	decodeTools(f, req)
	decodeSampling(f, &req.Sampling)
	decodeLimits(f, req)
	decodeLogprobs(f, req)
	decodeFormat(f, req)
	decodeTemplate(f, req)
	decodeStream(f, req)
	if f.err != nil {
		return nil, f.err
	}
	return req, nil
}

// decodeBody reads a request up to its members.
func decodeBody(body []byte) (*fields, *apiError) {
	if !json.Valid(body) {
		return nil, syntaxFailure(body)
	}
	if !utf8.Valid(body) {
		return nil, invalid("", "invalid_utf8", "the body is not UTF-8 (byte %d); encode it as UTF-8", invalidAt(body))
	}
	f := object(bytes.TrimSpace(body), "")
	return f, f.err
}

// invalidAt is the offset of the first byte that is not UTF-8.
func invalidAt(body []byte) int {
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(body)
}

func decodeSampling(f *fields, s *chat.Sampling) {
	*s = chat.DefaultSampling()
	if n, ok := f.number("temperature", 0, 2); ok {
		s.Temperature = n
	}
	if n, ok := f.integer("top_k", -1, math.MaxInt32); ok {
		s.TopK = int(max(n, 0)) // -1 is another way to say all
	}
	if n, ok := f.number("top_p", 0, 1); ok {
		s.TopP = n
		if n == 0 { // the smallest set with probability 0 is the likeliest token
			s.TopP, s.TopK = 1, 1
		}
	}
	if n, ok := f.number("min_p", 0, 1); ok {
		s.MinP = n
	}
	if n, ok := f.integer("seed", math.MinInt64, math.MaxInt64); ok && n != -1 { // -1 is another way to say none
		seed := uint64(n)
		s.Seed = &seed
	}
	s.FrequencyPenalty, _ = f.number("frequency_penalty", -2, 2)
	s.PresencePenalty, _ = f.number("presence_penalty", -2, 2)
	if n, ok := f.number("repetition_penalty", 0, 10); ok {
		if n == 0 {
			f.fail(invalid("repetition_penalty", "out_of_range", "repetition_penalty is 0; it must be above 0, and 1 turns it off"))
		}
		s.RepetitionPenalty = n
	}
	decodeBias(f, s)
}

func decodeBias(f *fields, s *chat.Sampling) {
	bias := f.child("logit_bias")
	if bias == nil || len(bias.members) == 0 {
		return
	}
	if len(bias.members) > maxBias {
		f.fail(invalid("logit_bias", "too_many", "logit_bias has %d tokens; at most %d are taken", len(bias.members), maxBias))
		return
	}
	s.LogitBias = make(map[int32]float64, len(bias.members))
	for _, m := range bias.members {
		id, err := strconv.ParseInt(m.key, 10, 32)
		if err != nil || id < 0 {
			f.fail(invalid("logit_bias", "invalid_value", "logit_bias has the key %s; keys are token ids of this model", quote(m.key)))
			return
		}
		s.LogitBias[int32(id)], _ = bias.number(m.key, -100, 100)
	}
	f.fail(bias.err)
}

func decodeLimits(f *fields, req *wireRequest) {
	if n, ok := f.integer("n", math.MinInt64, math.MaxInt64); ok && n != 1 {
		f.fail(invalid("n", "unsupported_value", "n is %d; this server gives one answer a request: leave n out, or send the request several times", n))
	}
	for _, key := range []string{"max_tokens", "max_completion_tokens"} { // the second wins: the first is its old name
		if n, ok := f.integer(key, -1, math.MaxInt32); ok {
			if n == 0 {
				f.fail(invalid(key, "out_of_range", "%s is 0; ask for at least 1 token, or leave it out", key))
			}
			req.MaxTokens = int(max(n, 0)) // -1 is another way to say no limit
		}
	}
	decodeStop(f, req)
	for i, raw := range f.items("modalities") {
		if string(raw) != `"text"` {
			path := item("modalities", i)
			f.fail(invalid(path, "unsupported_value", "%s is %s; this server answers with \"text\" only", path, describe(raw)))
		}
	}
}

func decodeLogprobs(f *fields, req *wireRequest) {
	req.Logprobs = f.on("logprobs")
	if n, ok := f.integer("top_logprobs", 0, maxTop); ok {
		req.TopLogprobs = int(n)
		if n > 0 && !req.Logprobs {
			f.fail(invalid("top_logprobs", "invalid_value", "top_logprobs needs logprobs: true"))
		}
	}
}

func decodeStop(f *fields, req *wireRequest) {
	raw := f.get("stop")
	switch {
	case raw == nil:
		return
	case raw[0] == '"':
		if s := text(raw); s != "" { // "" stops nowhere; some clients send it for none
			req.Stop = []string{s}
		}
	case raw[0] == '[':
		for i, raw := range f.items("stop") {
			if raw[0] != '"' {
				f.fail(wrongType(item("stop", i), "a string", raw))
				return
			}
			s := text(raw)
			if s == "" {
				f.fail(invalid(item("stop", i), "invalid_value", "%s is empty; leave it out", item("stop", i)))
			}
			req.Stop = append(req.Stop, s)
		}
	default:
		f.fail(wrongType("stop", "a string or a list of strings", raw))
	}
	if len(req.Stop) > maxStops {
		f.fail(invalid("stop", "too_many", "stop has %d texts; at most %d are taken", len(req.Stop), maxStops))
	}
	if slices.ContainsFunc(req.Stop, func(s string) bool { return len(s) > maxStopBytes }) {
		f.fail(invalid("stop", "too_long", "stop has a text of more than %d bytes", maxStopBytes))
	}
}

func decodeFormat(f *fields, req *wireRequest) {
	format := f.child("response_format")
	if format == nil {
		return
	}
	switch kind := format.word("type", "text", "json_object", "json_schema"); {
	case format.err != nil:
	case kind == "":
		f.fail(invalid("response_format.type", "missing", `response_format.type is missing; it must be "text", "json_object" or "json_schema"`))
	case kind == "json_object":
		req.ResponseFormat.JSON = true
	case kind == "json_schema":
		req.ResponseFormat.JSON = true
		spec := format.child("json_schema")
		if spec == nil {
			f.fail(format.err)
			f.fail(invalid("response_format.json_schema", "missing", "response_format.json_schema is missing; put {\"name\", \"schema\"} there"))
			return
		}
		req.ResponseFormat.Schema = schema(spec, "schema")
		format.fail(spec.err)
	}
	f.fail(format.err)
}

func decodeTemplate(f *fields, req *wireRequest) {
	if args := f.child("chat_template_kwargs"); args != nil {
		req.TemplateArgs = json.RawMessage(f.get("chat_template_kwargs"))
	}
	switch effort := f.word("reasoning_effort", "none", "minimal", "low", "medium", "high", "xhigh"); effort {
	case "none":
		off := false
		req.EnableThinking = &off
	case "minimal":
		req.ReasoningEffort = "low"
	case "xhigh":
		req.ReasoningEffort = "high"
	default:
		req.ReasoningEffort = effort
	}
	if on := f.flag("enable_thinking"); on != nil {
		req.EnableThinking = on
	}
	req.ContinueFinalMessage = f.on("continue_final_message")
	prompt := f.flag("add_generation_prompt")
	req.NoGenerationPrompt = prompt != nil && !*prompt || req.ContinueFinalMessage
	if !req.ContinueFinalMessage || f.err != nil {
		return
	}
	if prompt != nil && *prompt {
		f.fail(invalid("add_generation_prompt", "invalid_value", "add_generation_prompt and continue_final_message exclude each other; leave the first out"))
	}
	if last := len(req.Messages) - 1; last < 0 {
		f.fail(invalid("continue_final_message", "invalid_value", "continue_final_message needs an assistant message at the end of messages"))
	} else if req.Messages[last].Role != chat.RoleAssistant {
		f.fail(invalid("continue_final_message", "invalid_value", "continue_final_message needs an assistant message at the end; the last one is from %q", req.Messages[last].Role))
	}
}

func decodeStream(f *fields, req *wireRequest) {
	req.stream = f.on("stream")
	for _, s := range req.ToolServers {
		if s.Asks && !req.stream {
			f.fail(invalid(fmt.Sprintf("tools[%d].elicitation", s.Index), "unsupported_value",
				"tools[%d].elicitation needs stream: true: what the server asks is an event of the stream, answered while it lasts", s.Index))
		}
	}
	options := f.child("stream_options")
	if options == nil {
		return
	}
	req.includeUsage = options.on("include_usage")
	f.fail(options.err)
	if !req.stream {
		f.fail(invalid("stream_options", "invalid_value", "stream_options needs stream: true"))
	}
}
