package openai

// completionTokens is how long a text completion is that says nothing: OpenAI's own default.
const completionTokens = 16

// decodeCompletion reads the body of a text completions request.
func decodeCompletion(body []byte) (*wireRequest, *apiError) {
	f, err := decodeBody(body)
	if err != nil {
		return nil, err
	}
	req := &wireRequest{}
	req.Model, _ = f.str("model")
	req.Prompt = decodePrompt(f)
	decodeSampling(f, &req.Sampling)
	decodeLimits(f, req)
	if !f.has("max_tokens") && !f.has("max_completion_tokens") {
		req.MaxTokens = completionTokens
	}
	decodeFormat(f, req)
	decodeStream(f, req)
	for _, key := range []string{"suffix", "echo", "logprobs", "best_of"} {
		refuseUnlessOff(f, key)
	}
	if f.err != nil {
		return nil, f.err
	}
	return req, nil
}

// decodePrompt reads a prompt of one text.
func decodePrompt(f *fields) string {
	raw := f.get("prompt")
	at := "prompt"
	if raw != nil && raw[0] == '[' {
		items := f.items("prompt")
		if len(items) != 1 {
			f.fail(invalid("prompt", "unsupported_value", "prompt has %d items; this server takes one text a request", len(items)))
			return ""
		}
		raw, at = items[0], item("prompt", 0)
	}
	if f.err != nil {
		return ""
	}
	if raw == nil || string(raw) == `""` {
		f.fail(invalid(at, "missing", "%s is missing or empty; send the text to go on with", at))
		return ""
	}
	if raw[0] != '"' {
		f.fail(wrongType(at, "a string", raw))
		return ""
	}
	return text(raw)
}

// refuseUnlessOff refuses a field of the old API that would change the answer.
func refuseUnlessOff(f *fields, key string) {
	switch raw := string(f.get(key)); {
	case raw == "" || raw == "false" || raw == `""` || key == "best_of" && raw == "1":
	default:
		f.fail(invalid(key, "unsupported_value", "%s is not served for text completions; leave it out, or use /v1/chat/completions", key))
	}
}
