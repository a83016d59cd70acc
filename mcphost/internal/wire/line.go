package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/toolserve/toolserve/internal/rawjson"
)

var errTooLong = errors.New("line too long")

// keepEnds is how much of either end of a line that is too long is kept, to find its id.
const keepEnds = 512

// lineReader reads lines of at most max bytes. It keeps what it has when a read fails for a deadline.
type lineReader struct {
	r   io.Reader
	max int

	buf        []byte // read and not yet returned, from start
	start      int
	scanned    int // bytes of buf from start that hold no line end
	skipping   bool
	head, tail []byte // the ends of the line being skipped
}

// next returns the next line without its end; it is the caller's to keep. With errTooLong it returns
// both ends of the line that was skipped.
func (l *lineReader) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.buf[l.start+l.scanned:], '\n'); i >= 0 {
			line := l.buf[l.start : l.start+l.scanned+i]
			l.start += l.scanned + i + 1
			l.scanned = 0
			if l.skipping || len(line) > l.max {
				return l.endSkip(line), errTooLong
			}
			return bytes.Clone(bytes.TrimSuffix(line, []byte{'\r'})), nil
		}
		l.scanned = len(l.buf) - l.start
		if l.skipping || l.scanned > l.max {
			l.skip()
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more into buf.
func (l *lineReader) fill() error {
	if l.start > 0 && l.start == len(l.buf) {
		l.buf, l.start = l.buf[:0], 0
		if cap(l.buf) > 1<<20 {
			l.buf = nil
		}
	}
	if len(l.buf) == cap(l.buf) {
		grown := make([]byte, len(l.buf)-l.start, max(64<<10, 2*(len(l.buf)-l.start)))
		copy(grown, l.buf[l.start:])
		l.buf, l.start = grown, 0
	}
	n, err := l.r.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		return nil
	}
	return err
}

// skip drops what was read of a line that is too long, but its ends.
func (l *lineReader) skip() {
	l.keepEnds(l.buf[l.start:])
	l.buf, l.start, l.scanned = l.buf[:0], 0, 0
}

func (l *lineReader) keepEnds(part []byte) {
	if !l.skipping {
		l.skipping = true
		l.head = bytes.Clone(part[:min(len(part), keepEnds)])
		l.tail = nil
	}
	l.tail = append(l.tail, part[max(0, len(part)-keepEnds):]...)
	if len(l.tail) > keepEnds {
		l.tail = bytes.Clone(l.tail[len(l.tail)-keepEnds:])
	}
}

func (l *lineReader) endSkip(rest []byte) []byte {
	l.keepEnds(rest)
	ends := append(append(l.head, ' '), l.tail...)
	l.skipping, l.head, l.tail = false, nil, nil
	return ends
}

// findID looks for the id of a response in the ends of its text.
func findID(ends []byte) (jsonrpc.ID, bool) {
	found := regexp.MustCompile(`"id"\s*:\s*(\d{1,18})\s*[,}]`).FindAllSubmatch(ends, -1)
	if len(found) != 1 {
		return jsonrpc.ID{}, false
	}
	return decodeID(found[0][1])
}

var errNotMessage = errors.New("not a JSON-RPC message")

// eachMessage reads a line as one message or as a batch of them, and stops at the first error.
func eachMessage(line []byte, yield func(envelope) error) error {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' && line[0] != '[' || !rawjson.Valid(line) {
		return errNotMessage
	}
	if !utf8.Valid(line) {
		line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
	}
	one := func(data []byte) error {
		e, ok := readEnvelope(data)
		if !ok {
			return errNotMessage
		}
		return yield(e)
	}
	if line[0] == '{' {
		return one(line)
	}
	var err error
	rawjson.Items(line, func(item json.RawMessage) bool {
		err = one(item)
		return err == nil
	})
	return err
}

// envelope is a message with its parts as they were sent.
type envelope struct{ version, id, method, params, result, wireErr json.RawMessage }

// readEnvelope takes a message apart. Keys are compared exactly; one given twice makes it no message.
func readEnvelope(data []byte) (envelope, bool) {
	var e envelope
	once := true
	isObject := rawjson.Fields(data, func(key string, value json.RawMessage) bool {
		var to *json.RawMessage
		switch key {
		case "jsonrpc":
			to = &e.version
		case "id":
			to = &e.id
		case "method":
			to = &e.method
		case "params":
			to = &e.params
		case "result":
			to = &e.result
		case "error":
			to = &e.wireErr
		default:
			return true
		}
		once = *to == nil
		*to = value
		return once
	})
	return e, isObject && once && string(e.version) == `"2.0"`
}

// message decodes what the library is to see.
func (e envelope) message() (jsonrpc.Message, error) {
	id, hasID := decodeID(e.id)
	if e.method != nil {
		method, ok := rawjson.Text(e.method)
		if !ok || !hasID && e.id != nil && string(e.id) != "null" {
			return nil, errNotMessage
		}
		return &jsonrpc.Request{ID: id, Method: method, Params: e.params}, nil
	}
	if !hasID {
		return nil, errNotMessage
	}
	resp := &jsonrpc.Response{ID: id, Result: e.result}
	if e.wireErr != nil && string(e.wireErr) != "null" {
		resp.Result, resp.Error = nil, decodeError(e.wireErr)
	} else if e.result == nil {
		return nil, errNotMessage
	}
	return resp, nil
}

// decodeID reads a number or a string; null and nothing are no id.
func decodeID(raw []byte) (jsonrpc.ID, bool) {
	var value any
	if text, ok := rawjson.Text(raw); ok {
		value = text
	} else if n, err := strconv.ParseFloat(string(raw), 64); err == nil && n == float64(int64(n)) {
		value = n
	} else {
		return jsonrpc.ID{}, false
	}
	id, err := jsonrpc.MakeID(value)
	return id, err == nil
}

func decodeError(raw json.RawMessage) *jsonrpc.Error {
	e := &jsonrpc.Error{}
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "code":
			e.Code, _ = strconv.ParseInt(string(value), 10, 64)
		case "message":
			e.Message, _ = rawjson.Text(value)
		case "data":
			e.Data = value
		}
		return true
	})
	return e
}
