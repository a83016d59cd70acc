package inbound

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// checkParams bounds the parameters of a request.
func checkParams(params json.RawMessage) error {
	if len(params) == 0 {
		return nil
	}
	if len(params) > maxParams {
		return refusal(jsonrpc.CodeInvalidParams, "the request is larger than %d bytes", maxParams)
	}
	if err := rawjson.Check(params, maxDepth); err != nil {
		return refusal(jsonrpc.CodeInvalidParams, "the request's parameters: %v", err)
	}
	return nil
}

// decode reads parameters into v.
func decode(params json.RawMessage, v any) error {
	if len(params) == 0 {
		params = json.RawMessage("{}")
	}
	if err := json.Unmarshal(params, v); err != nil {
		return refusal(jsonrpc.CodeInvalidParams, "the request's parameters: %v", err)
	}
	return nil
}

// clip cuts a text at a number of bytes.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// clean takes out of a text for people what they would not see: control characters but line breaks and
// tabs, and marks that turn the direction of writing.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case hidden(r):
			return -1
		}
		return r
	}, s)
}

func hidden(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
}
