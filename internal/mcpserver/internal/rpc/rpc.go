// Package rpc reads and writes the JSON-RPC 2.0 messages of MCP. Reading is strict: keys are compared
// exactly and may be given once, so that two readers of one message cannot see different things; values
// keep their bytes.
package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// The codes of errors: those of JSON-RPC, and those that MCP adds.
const (
	CodeParse             = -32700
	CodeInvalidRequest    = -32600
	CodeMethodNotFound    = -32601
	CodeInvalidParams     = -32602
	CodeInternal          = -32603
	CodeUnavailable       = -32000 // a limit was reached, or what is asked for is not there now
	CodeResourceNotFound  = -32002 // up to revision 2025-11-25
	CodeHeaderMismatch    = -32020 // the three are of revision 2026-07-28
	CodeMissingCapability = -32021
	CodeVersion           = -32022
)

const (
	maxBatch = 64
	maxID    = 256
)

// Error is the error of a request.
type Error struct {
	Code    int64           `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Errorf returns an error with a formatted message.
func Errorf(code int64, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Message is a request, a notification or a response.
type Message struct {
	// ID is a JSON string or number, byte for byte; nil in a notification.
	ID json.RawMessage
	// Method is "" in a response.
	Method string
	// Params is nil or a JSON object.
	Params json.RawMessage
	// Result and Error are what a response holds; one of them is nil.
	Result, Error json.RawMessage
}

// IsRequest reports whether the message wants an answer.
func (m *Message) IsRequest() bool { return m.Method != "" && m.ID != nil }

// Read reads a message, or the messages of a batch. The error is about the first message that is wrong, and
// id is that message's, nil where it has none that can be used.
func Read(body []byte) (messages []Message, batch bool, id json.RawMessage, err *Error) {
	if !json.Valid(body) {
		return nil, false, nil, Errorf(CodeParse, "the body is not valid JSON")
	}
	if body = bytes.TrimSpace(body); body[0] != '[' {
		m, err := read(body)
		return []Message{m}, false, m.ID, err
	}
	var items []json.RawMessage
	if json.Unmarshal(body, &items) != nil || len(items) == 0 || len(items) > maxBatch {
		return nil, true, nil, Errorf(CodeInvalidRequest, "a batch holds 1 to %d messages", maxBatch)
	}
	for _, item := range items {
		m, err := read(item)
		if err != nil {
			return nil, true, m.ID, err
		}
		messages = append(messages, m)
	}
	return messages, true, nil, nil
}

func read(data []byte) (Message, *Error) {
	var m Message
	var version string
	err := Fields(data, func(key string, value json.RawMessage) error {
		switch key {
		case "jsonrpc":
			return text(value, key, &version)
		case "id":
			if len(value) > maxID || value[0] != '"' && value[0] != '-' && (value[0] < '0' || value[0] > '9') {
				return fmt.Errorf("the id must be a string or a number, of at most %d bytes", maxID)
			}
			m.ID = value
		case "method":
			return text(value, key, &m.Method)
		case "params":
			if value[0] != '{' {
				return errors.New("params must be an object")
			}
			m.Params = value
		case "result":
			m.Result = value
		case "error":
			m.Error = value
		}
		return nil
	})
	switch {
	case err != nil:
	case version != "2.0":
		err = errors.New(`"jsonrpc" must be "2.0"`)
	case m.Method == "" && m.Result == nil && m.Error == nil:
		err = errors.New("the message names no method and is no response")
	case m.Method == "" && (m.ID == nil || m.Result != nil && m.Error != nil):
		err = errors.New("a response has an id, and either a result or an error")
	case m.Method != "" && (m.Result != nil || m.Error != nil):
		err = errors.New("a message is a request or a response, not both")
	}
	if err != nil {
		return m, &Error{Code: CodeInvalidRequest, Message: err.Error()}
	}
	return m, nil
}

func text(value json.RawMessage, key string, to *string) error {
	s, ok := rawjson.Text(value)
	if !ok {
		return fmt.Errorf("%q must be a string", key)
	}
	*to = s
	return nil
}

// Result encodes the answer to a request.
func Result(id, result json.RawMessage) []byte {
	b := make([]byte, 0, len(id)+len(result)+40)
	b = append(append(b, `{"jsonrpc":"2.0","id":`...), id...)
	b = append(append(b, `,"result":`...), result...)
	return append(b, '}')
}

// Failure encodes the error of a request. The id is nil where it is not known.
func Failure(id json.RawMessage, e *Error) []byte {
	body, err := json.Marshal(e)
	if err != nil { // the data is no JSON
		body, _ = json.Marshal(&Error{Code: e.Code, Message: e.Message})
	}
	b := append(make([]byte, 0, len(body)+64), `{"jsonrpc":"2.0"`...)
	if id != nil {
		b = append(append(b, `,"id":`...), id...)
	}
	b = append(append(b, `,"error":`...), body...)
	return append(b, '}')
}

// Request encodes a request; without an id, a notification. Params may be nil.
func Request(id json.RawMessage, method string, params json.RawMessage) []byte {
	b := append(make([]byte, 0, len(params)+len(method)+64), `{"jsonrpc":"2.0"`...)
	if id != nil {
		b = append(append(b, `,"id":`...), id...)
	}
	b = append(append(append(b, `,"method":"`...), method...), '"')
	if params != nil {
		b = append(append(b, `,"params":`...), params...)
	}
	return append(b, '}')
}

// Encode is the JSON of v, without the escapes that only HTML needs. What cannot be encoded is null.
func Encode(v any) json.RawMessage {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
