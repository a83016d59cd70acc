package mcpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// readBody reads a body within its bound.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const trusted = 64 << 10              // of a length that is said, so much is believed before it came
	if r.ContentLength > h.opts.MaxBody { // there is no need to wait for it
		return nil, &http.MaxBytesError{Limit: h.opts.MaxBody}
	}
	// ReadFrom wants that much room to see the end, and then grows nothing.
	body := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), trusted)+bytes.MinRead))
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, h.opts.MaxBody)); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// readObject reads the members of one JSON object, each key once. The values share the body's memory.
func readObject(body []byte) (map[string]json.RawMessage, error) {
	if !rawjson.Valid(body) {
		return nil, notAnObject(body)
	}
	fields := make(map[string]json.RawMessage, 8)
	var err error
	isObject := rawjson.Fields(body, func(key string, value json.RawMessage) bool {
		if !utf8.ValidString(key) {
			key = string([]rune(key)) // as encoding/json reads it
		}
		if _, twice := fields[key]; twice {
			err = badRequest(key, "the key %q is given twice", key)
		}
		fields[key] = value
		return err == nil
	})
	switch {
	case !isObject:
		return nil, notAnObject(body)
	case err != nil:
		return nil, err
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
