package library

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/mcphost/content"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/policy/screen"
)

// The bounds of answers.
const (
	maxContents = 1000
	maxMessages = 1000
	maxValues   = 100 // the protocol's own
	maxValue    = 4 << 10
)

// Content is one piece of a resource. A resource may hold several, a folder its files, each with a URI.
type Content struct {
	URI, MIMEType string
	// Text is the content of a text; Blob, in base64, that of anything else. One of them is used.
	Text, Blob string
	IsText     bool
	// Size is the content's length in bytes before anything was cut.
	Size int
	// Truncated says that Text is only the beginning, or that Blob was left out, for its size.
	Truncated bool
	// Raw is the content as the server sent it, or nil where it was truncated.
	Raw json.RawMessage
}

// ReadAnswer is what reading a resource gave.
type ReadAnswer struct {
	Contents  []Content
	Truncated bool
	// TTL is how long the server says that the contents are good, or 0, and Scope for whom: "public",
	// "private" or "".
	TTL   time.Duration
	Scope string
	// Findings are what screening says of the texts.
	Findings []string
}

// limitOf is the room for content, which is that of tools' results where nothing else is said.
func limitOf(limit int) int {
	if limit <= 0 {
		return content.DefaultLimit
	}
	return limit
}

// isNull reports whether a list is null, which is what servers in Go send for an empty one.
func isNull(value json.RawMessage) bool { return string(value) == "null" }

// ParseRead reads the result of resources/read. Content beyond limit bytes is cut or left out; 0 means 4 MiB. mode says
// whether texts are screened.
func ParseRead(raw json.RawMessage, limit int, mode screen.Mode) (ReadAnswer, error) {
	var a ReadAnswer
	var look screen.Screener
	rest := limitOf(limit)
	isList, count := false, 0
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "contents":
			isList = isNull(value) || rawjson.Items(value, func(item json.RawMessage) bool {
				if count++; count > maxContents {
					a.Truncated = true
					return false
				}
				c := readContent(item)
				if c.IsText && mode != screen.Off {
					look.Text(fmt.Sprintf("contents[%d].text", count-1), c.Text)
				}
				c.fit(&rest)
				a.Truncated = a.Truncated || c.Truncated
				a.Contents = append(a.Contents, c)
				return true
			})
		case "ttlMs":
			a.TTL = readTTL(value)
		case "cacheScope":
			a.Scope, _ = rawjson.Text(value)
		}
		return true
	})
	if !isList {
		return a, errors.New(`the answer holds no list "contents"`)
	}
	a.Findings = Texts(look.Findings())
	return a, nil
}

func readContent(item json.RawMessage) Content {
	c := Content{Raw: item}
	rawjson.Fields(item, func(key string, value json.RawMessage) bool {
		switch key {
		case "uri":
			c.URI, _ = rawjson.Text(value)
		case "mimeType":
			c.MIMEType, _ = rawjson.Text(value)
		case "text":
			c.Text, c.IsText = rawjson.Text(value)
		case "blob":
			c.Blob, _ = rawjson.Text(value)
		}
		return true
	})
	c.URI, c.MIMEType = catalog.Cut(c.URI, maxURI), catalog.Cut(c.MIMEType, maxName)
	if c.IsText {
		c.Blob, c.Size = "", len(c.Text)
	} else {
		c.Size = base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(c.Blob, "=")))
	}
	return c
}

// fit cuts the content to the room that is left.
func (c *Content) fit(rest *int) {
	if len(c.Raw) <= *rest {
		*rest -= len(c.Raw)
		return
	}
	c.Truncated, c.Raw, c.Blob = true, nil, ""
	c.Text = catalog.Cut(c.Text, max(*rest, 0))
	*rest -= len(c.Text)
	if c.IsText {
		*rest = 0
	}
}

// MarshalJSON writes the content as MCP does: what the server sent, or what is left of it with a mark.
func (c Content) MarshalJSON() ([]byte, error) {
	if c.Raw != nil {
		return c.Raw, nil
	}
	short := struct {
		URI       string  `json:"uri"`
		MIMEType  string  `json:"mimeType,omitempty"`
		Text      *string `json:"text,omitempty"`
		Truncated bool    `json:"truncated"`
		Size      int     `json:"size"`
	}{URI: c.URI, MIMEType: c.MIMEType, Truncated: c.Truncated, Size: c.Size}
	text := c.Text + c.Mark()
	short.Text = &text
	return json.Marshal(short)
}

// Mark says what was cut, in words for a reader of the text; "" where nothing was.
func (c Content) Mark() string {
	switch {
	case !c.Truncated:
		return ""
	case c.IsText:
		return fmt.Sprintf("\n[cut by toolserve: %d of %d bytes shown]", len(c.Text), c.Size)
	}
	return fmt.Sprintf("[%d bytes left out by toolserve: the resource is too large]", c.Size)
}

// Message is one message of a prompt.
type Message struct {
	// Role is "user" or "assistant".
	Role string
	// Content is one content object of MCP.
	Content json.RawMessage
}

// PromptAnswer is what getting a prompt gave.
type PromptAnswer struct {
	Description string
	Messages    []Message
	// Truncated says that messages were left out for their size.
	Truncated bool
	// Findings are what screening says of the texts.
	Findings []string
}

// ParsePrompt reads the result of prompts/get. Content beyond limit bytes is cut or left out; 0 means 4 MiB. mode says
// whether texts are screened.
func ParsePrompt(raw json.RawMessage, limit int, mode screen.Mode) (PromptAnswer, error) {
	var a PromptAnswer
	var bad error
	rest := limitOf(limit)
	isList := false
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "description":
			a.Description, _ = rawjson.Text(value)
			a.Description = catalog.CutDescription(a.Description)
		case "messages":
			isList = isNull(value) || rawjson.Items(value, func(item json.RawMessage) bool {
				bad = a.add(item, &rest)
				return bad == nil && !a.Truncated
			})
		}
		return true
	})
	switch {
	case bad != nil:
		return a, bad
	case !isList:
		return a, errors.New(`the answer holds no list "messages"`)
	}
	if mode != screen.Off {
		var look screen.Screener
		for i, m := range a.Messages {
			look.Text(fmt.Sprintf("messages[%d]", i), contentText(m.Content))
		}
		a.Findings = Texts(look.Findings())
	}
	return a, nil
}

// contentText is the text of a text item or of an embedded resource, or "".
func contentText(item json.RawMessage) (text string) {
	rawjson.Fields(item, func(key string, value json.RawMessage) bool {
		switch key {
		case "text":
			text, _ = rawjson.Text(value)
		case "resource":
			text = contentText(value)
		}
		return true
	})
	return text
}

// add takes a message, whose content may be one object or, as some servers send it, a list of them.
func (a *PromptAnswer) add(item json.RawMessage, rest *int) error {
	m := Message{}
	rawjson.Fields(item, func(key string, value json.RawMessage) bool {
		switch key {
		case "role":
			m.Role, _ = rawjson.Text(value)
		case "content":
			m.Content = value
		}
		return true
	})
	if m.Role != "user" && m.Role != "assistant" {
		return fmt.Errorf("message %d has the role %q; it must be \"user\" or \"assistant\"", len(a.Messages)+1, catalog.Cut(m.Role, 40))
	}
	var bad error
	one := func(item json.RawMessage) bool {
		if len(item) == 0 || item[0] != '{' {
			bad = fmt.Errorf("message %d has no content object", len(a.Messages)+1)
			return false
		}
		a.fit(Message{m.Role, item}, rest)
		return !a.Truncated
	}
	if !rawjson.Items(m.Content, one) {
		one(m.Content)
	}
	return bad
}

// fit appends a message as far as there is room. What is left out is said in its place, once.
func (a *PromptAnswer) fit(m Message, rest *int) {
	if len(m.Content) <= *rest && len(a.Messages) < maxMessages {
		*rest -= len(m.Content)
		a.Messages = append(a.Messages, m)
		return
	}
	a.Truncated = true
	text := contentText(m.Content)
	kept := catalog.Cut(text, max(*rest, 0))
	mark := fmt.Sprintf("[%d bytes, and what follows, left out by toolserve: the prompt is too large]", len(m.Content))
	if kept != "" {
		mark = fmt.Sprintf("%s\n[cut by toolserve: %d of %d bytes shown, what follows is left out]", kept, len(kept), len(text))
	}
	item, err := json.Marshal(map[string]string{"type": "text", "text": mark})
	if err == nil {
		a.Messages = append(a.Messages, Message{m.Role, item})
	}
}

// Completion is what a server proposes for an argument.
type Completion struct {
	// Values are at most 100 proposals.
	Values []string
	// Total is how many there are, -1 where the server does not say. HasMore says that there are more.
	Total   int
	HasMore bool
}

// ParseCompletion reads the result of completion/complete.
func ParseCompletion(raw json.RawMessage) (Completion, error) {
	c := Completion{Values: []string{}, Total: -1}
	isList := false
	each := func(item json.RawMessage) bool {
		value, ok := rawjson.Text(item)
		if !ok || !utf8.ValidString(value) || len(value) > maxValue {
			return true // nothing that could be sent back as an argument
		}
		if len(c.Values) == maxValues {
			c.HasMore = true
			return false
		}
		c.Values = append(c.Values, value)
		return true
	}
	member := func(key string, value json.RawMessage) bool {
		switch key {
		case "values":
			isList = isNull(value) || rawjson.Items(value, each)
		case "total":
			var total float64
			if json.Unmarshal(value, &total) == nil && total >= 0 && total <= math.MaxInt32 {
				c.Total = int(total)
			}
		case "hasMore":
			c.HasMore = c.HasMore || string(value) == "true"
		}
		return true
	}
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		if key == "completion" {
			rawjson.Fields(value, member)
		}
		return true
	})
	if !isList {
		return c, errors.New(`the answer holds no list "completion.values"`)
	}
	return c, nil
}
