package toolloop

import (
	"bytes"
	"compress/flate"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

// A run that stops because the client is needed goes on when the client sends the conversation back. Many
// clients keep of an assistant's message only what OpenAI's has: content and tool calls. So what the model
// and the tools said before the run stopped is carried by the id of the first tool call, which every client
// has to send back as it is:
//
//	mcpr_R              a call that waits for consent; R is a nonce and a MAC
//	ID                  a call of the client's own function, as the model or the parser named it
//	mcpr_R.mcp1.STATE   either of them, as the first call of a message
//	ID.mcp1.STATE
//
// STATE is the base64url of deflated JSON of type carried. The MAC covers the caller, the server, the name
// and the arguments of the call and STATE, so that what is approved is what was shown. A client can of course
// write any history that it likes, in a STATE as well as in plain messages: without the MAC it is only
// text for the model.
const (
	approvalPrefix = "mcpr_"
	carrierMark    = ".mcp1."
)

// Bounds on what is carried. One that is larger loses its reasoning first and then the ends of its results.
const (
	maxCarriedText  = 256 << 10 // of one message, before it is deflated
	maxCarried      = 1 << 20   // of one id
	maxInflated     = 2 << 20   // of one message: what escapes in JSON is up to six times as long
	maxInflatedAll  = 8 << 20   // of a request
	maxCarriedTurns = 256
	maxRun          = 128
	macSize         = 15
	nonceSize       = 9 // three bytes are four characters: the nonce is the beginning of R
)

// carried is what the run had come to.
type carried struct {
	// Run is the id of the request that the run began with: the rules on what may follow what, and the audit
	// log, look at the run as a whole.
	Run string `json:"q,omitempty"`
	// Turns are those of the assistant's message, in order. The last one has open calls.
	Turns []carriedTurn `json:"t"`
	// Answers are the results of calls of earlier messages that were approved, by the call's id.
	Answers map[string]string `json:"a,omitempty"`
}

type carriedTurn struct {
	Text      string        `json:"c,omitempty"`
	Reasoning string        `json:"r,omitempty"`
	Calls     []carriedCall `json:"k,omitempty"`
}

type carriedCall struct {
	ID        string `json:"i"`
	Name      string `json:"n"`
	Arguments string `json:"a"`
	// Result is what the call returned. Open, for a call without result, is its id in the client's message,
	// or mcpr_ and the nonce: the MAC is made when the state is.
	Result string `json:"r,omitempty"`
	Open   string `json:"o,omitempty"`
}

// lastCall finds a call of the last turn, or nil.
func (c *carried) lastCall(id string) *carriedCall {
	if len(c.Turns) == 0 {
		return nil
	}
	calls := c.Turns[len(c.Turns)-1].Calls
	for i := range calls {
		if calls[i].ID == id {
			return &calls[i]
		}
	}
	return nil
}

// isCarrier reports whether an id was made here.
func isCarrier(id string) bool {
	return strings.HasPrefix(id, approvalPrefix) || strings.Contains(id, carrierMark)
}

// cutCarrier splits an id into what names the call and the state, which may be "".
func cutCarrier(id string) (name, state string) {
	name, state, _ = strings.Cut(id, carrierMark)
	return name, state
}

// fit brings the state under its bound.
func (c *carried) fit() {
	size := c.size()
	if size > maxCarriedText {
		for i := range c.Turns {
			size -= len(c.Turns[i].Reasoning)
			c.Turns[i].Reasoning = ""
		}
	}
	for most := 16 << 10; size > maxCarriedText && most >= 64; most /= 2 {
		for i := range c.Turns {
			for k := range c.Turns[i].Calls {
				cutResult(&c.Turns[i].Calls[k].Result, most)
			}
		}
		for id, text := range c.Answers {
			cutResult(&text, most)
			c.Answers[id] = text
		}
		size = c.size()
	}
}

func cutResult(text *string, most int) {
	if len(*text) > most {
		*text = strings.ToValidUTF8((*text)[:most], "") + "\n[cut]"
	}
}

func (c *carried) size() int {
	n := 0
	for _, t := range c.Turns {
		n += len(t.Text) + len(t.Reasoning)
		for _, call := range t.Calls {
			n += len(call.ID) + len(call.Name) + len(call.Arguments) + len(call.Result)
		}
	}
	for _, text := range c.Answers {
		n += len(text)
	}
	return n
}

// encode returns STATE.
func (c *carried) encode() (string, error) {
	c.fit()
	data, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode the state of a run: %w", err)
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return "", err
	}
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	return base64.RawURLEncoding.EncodeToString(out.Bytes()), err
}

var errCarried = errors.New("it was altered, or is not of this server")

// decodeCarried reads a STATE. size is how much it was inflated, also where it is refused.
func decodeCarried(state string) (c *carried, size int, err error) {
	if len(state) > maxCarried {
		return nil, len(state), errCarried
	}
	packed, err := base64.RawURLEncoding.DecodeString(state)
	if err != nil {
		return nil, len(state), errCarried
	}
	data, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxInflated+1))
	size = len(state) + len(data)
	if err != nil || len(data) > maxInflated {
		return nil, size, errCarried
	}
	c = &carried{}
	if json.Unmarshal(data, c) != nil || !c.sound() || len(c.Run) > maxRun {
		return nil, size, errCarried
	}
	return c, size, nil
}

// sound reports whether the state can be what a run left: arguments are objects, and only the last turn has
// open calls.
func (c *carried) sound() bool {
	if len(c.Turns) == 0 || len(c.Turns) > maxCarriedTurns {
		return false
	}
	open := 0
	for i, t := range c.Turns {
		if len(t.Calls) == 0 || len(t.Calls) > maxCarriedTurns {
			return false
		}
		for _, call := range t.Calls {
			var object map[string]json.RawMessage
			if json.Unmarshal([]byte(call.Arguments), &object) != nil || object == nil || call.ID == "" || call.Name == "" {
				return false
			}
			if call.Open != "" {
				open++
				if i < len(c.Turns)-1 {
					return false
				}
			}
		}
	}
	return open > 0
}

// sealer makes and checks the ids of approval requests.
type sealer struct {
	key   []byte
	newID func() string
}

// open returns the beginning of the id of a new approval request: the prefix and a nonce.
func (s *sealer) open() string {
	sum := sha256.Sum256([]byte(s.newID()))
	return approvalPrefix + base64.RawURLEncoding.EncodeToString(sum[:nonceSize])
}

// approvalID completes the id of a call that waits for consent.
func (s *sealer) approvalID(open, actor, server, state string, call chat.ToolCall) string {
	nonce, _ := base64.RawURLEncoding.DecodeString(open[len(approvalPrefix):]) // it is from open
	return open + base64.RawURLEncoding.EncodeToString(s.mac(nonce, actor, server, state, call))
}

// opens reports whether what a carried call has as Open is the call of an id.
func (c *carriedCall) opens(name string) bool {
	if strings.HasPrefix(c.Open, approvalPrefix) {
		const whole = len(approvalPrefix) + (nonceSize+macSize)/3*4
		return len(name) == whole && strings.HasPrefix(name, c.Open)
	}
	return c.Open != "" && c.Open == name
}

// made reports whether an id is that of the call to the server, asked of the actor.
func (s *sealer) made(id, actor, server, state string, call chat.ToolCall) bool {
	text, ok := strings.CutPrefix(id, approvalPrefix)
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(data) != nonceSize+macSize {
		return false
	}
	return hmac.Equal(data[nonceSize:], s.mac(data[:nonceSize], actor, server, state, call))
}

func (s *sealer) mac(nonce []byte, actor, server, state string, call chat.ToolCall) []byte {
	h := hmac.New(sha256.New, s.key)
	for _, part := range []string{string(nonce), actor, server, state, call.Name, call.Arguments} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		io.WriteString(h, part)
	}
	return h.Sum(nil)[:macSize]
}
