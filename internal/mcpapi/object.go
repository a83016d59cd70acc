package mcpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"unicode/utf8"
)

// readBody reads a body within its bound.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const trusted = 64 << 10 // of a length that is said, so much is believed before it came
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), trusted)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, h.opts.MaxBody))
	return body.Bytes(), err
}

// readObject reads the members of one JSON object, each key once. The values share the body's memory.
func readObject(body []byte) (map[string]json.RawMessage, error) {
	if !json.Valid(body) {
		return nil, notAnObject(body)
	}
	i := skipSpace(body, 0)
	if body[i] != '{' {
		return nil, notAnObject(body)
	}
	fields := make(map[string]json.RawMessage, 8)
	for i = skipSpace(body, i+1); body[i] != '}'; {
		end := skipString(body, i)
		var key string
		if !readText(body[i:end], &key) {
			return nil, badRequest("", "the body is not valid JSON")
		}
		if _, twice := fields[key]; twice {
			return nil, badRequest(key, "the key %q is given twice", key)
		}
		i = skipSpace(body, skipSpace(body, end)+1) // past the colon
		end = skipValue(body, i)
		fields[key] = json.RawMessage(body[i:end])
		if i = skipSpace(body, end); body[i] == ',' {
			i = skipSpace(body, i+1)
		}
	}
	return fields, nil
}

// notAnObject says what is wrong with a body that is not one JSON object.
func notAnObject(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return badRequest("", "the body must be a JSON object such as {\"server\":\"...\",\"tool\":\"...\",\"arguments\":{}}")
	}
	dec = json.NewDecoder(bytes.NewReader(body))
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return badRequest("", "the body is not valid JSON: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return badRequest("", "the body holds more than one JSON value")
	}
	return badRequest("", "the body is not valid JSON")
}

// readText reads a string, or null, which leaves to as it is.
func readText(raw []byte, to *string) bool {
	if len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		*to = string(raw[1 : len(raw)-1])
		return true
	}
	return json.Unmarshal(raw, to) == nil
}

// The functions below find their way in JSON that is known to be valid.

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that starts at i.
func skipString(data []byte, i int) int {
	for i++; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index after the value that starts at i.
func skipValue(data []byte, i int) int {
	for level := 0; i < len(data); {
		switch data[i] {
		case '"':
			i = skipString(data, i)
		case '{', '[':
			level++
			i++
		case '}', ']':
			if level == 0 {
				return i
			}
			level--
			i++
		case ',', ' ', '\t', '\n', '\r':
			if level == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			continue
		}
		if level == 0 {
			return i
		}
	}
	return i
}
