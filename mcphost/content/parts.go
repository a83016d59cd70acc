package content

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/rawjson"
)

const (
	// maxWord bounds a name or a type of the server's in a description, maxLine an address or a text.
	maxWord, maxLine = 100, 500
)

// Parts returns the content as the parts of a message: text as text; images and audio as parts of their
// own where the model takes them, and as a description such as
// "[image/png, 12 KB, not shown: the model takes no images]" where it does not; links and embedded
// resources under a line that names them. The structured result is added as text unless a text item
// says the same, or is all that it holds. Base64 data never becomes text, but for a resource whose type
// says that it is text, which is decoded. Without any content there are no parts.
func (r Result) Parts(images, audio bool) []chat.Part {
	m := mapper{images: images, audio: audio}
	said := r.Structured == nil
	for _, c := range r.Content {
		said = said || c.Type == "text" && (sameJSON(c.Text, r.Structured) || wraps(r.Structured, c.Text))
		m.item(c)
	}
	if !said {
		m.text(string(r.Structured))
	}
	return m.parts
}

// mapper turns items into parts.
type mapper struct {
	images, audio bool
	parts         []chat.Part
}

func (m *mapper) text(s string) {
	m.parts = append(m.parts, chat.Part{Type: chat.PartText, Text: s})
}

func (m *mapper) item(c Item) {
	switch c.Type {
	case "text":
		m.text(c.Text)
	case "image", "audio":
		f := readFields(c.Raw)
		m.media(c.Type, f.mimeType, f.data)
	case "resource":
		m.resource(readFields(readFields(c.Raw).resource))
	default:
		m.text(describe(c))
	}
}

// media appends an image or audio, or why it is not shown. Data may be that of a resource whose type
// alone says what it is.
func (m *mapper) media(kind, mimeType string, data []byte) {
	media, length := mediaType(mimeType), size(decodedSize(data))
	if !strings.HasPrefix(media, kind+"/") {
		m.text("[" + kind + ", " + length + ", not shown: the type " + strconv.Quote(word(mimeType)) + " is none of " + kind + "]")
		return
	}
	label, format := media+", "+length, audioFormat(media)
	switch isImage := kind == "image"; {
	case !validBase64(data):
		m.text("[" + label + ", not shown: its data is not base64]")
	case isImage && m.images:
		m.parts = append(m.parts, chat.Part{Type: chat.PartImage, URL: "data:" + media + ";base64," + string(data)})
	case isImage:
		m.text("[" + label + ", not shown: the model takes no images]")
	case format != "" && m.audio:
		m.parts = append(m.parts, chat.Part{Type: chat.PartAudio, Data: string(data), Format: format})
	case m.audio:
		m.text("[" + label + ", not played: the model takes no audio of this type]")
	default:
		m.text("[" + label + ", not played: the model takes no audio]")
	}
}

// resource appends an embedded resource under a line that names it.
func (m *mapper) resource(f fields) {
	name := "[resource " + line(f.uri)
	media := mediaType(f.mimeType)
	switch {
	case f.hasText:
		if media != "" {
			name += ", " + media
		}
		m.text(name + "]\n" + f.text)
	case strings.HasPrefix(media, "image/"), strings.HasPrefix(media, "audio/"):
		m.text(name + "]")
		kind, _, _ := strings.Cut(media, "/")
		m.media(kind, media, f.blob)
	case f.blob != nil:
		if text, ok := blobText(media, f.blob); ok {
			m.text(name + ", " + media + "]\n" + text)
			return
		}
		if media == "" {
			media = "binary"
		}
		m.text(name + ", " + media + ", " + size(decodedSize(f.blob)) + ", not shown: it is not text]")
	default:
		m.text(name + ", without content]")
	}
}

// blobText is the text of a blob whose type says that it is one, as some servers send it.
func blobText(media string, blob []byte) (string, bool) {
	if !strings.HasPrefix(media, "text/") && media != "application/json" {
		return "", false
	}
	data, err := base64.StdEncoding.DecodeString(string(blob))
	return string(data), err == nil && utf8.Valid(data)
}

// describe says in a line what an item is.
func describe(c Item) string {
	switch c.Type {
	case "text":
		return c.Text
	case "image", "audio", "resource":
		var m mapper
		m.item(c)
		texts := make([]string, len(m.parts))
		for i, p := range m.parts {
			texts[i] = p.Text
		}
		return strings.Join(texts, "\n")
	case "resource_link":
		return describeLink(readFields(c.Raw))
	case "":
		return fmt.Sprintf("[content without a type, %s, not shown]", size(len(c.Raw)))
	}
	return fmt.Sprintf("[%s, %s, not shown: content of this type is not known here]", word(c.Type), size(len(c.Raw)))
}

func describeLink(f fields) string {
	b := "[link to a resource: " + line(f.uri)
	if f.name != "" {
		b += ", " + line(f.name)
	}
	if media := mediaType(f.mimeType); media != "" {
		b += ", " + media
	}
	if n, err := strconv.ParseInt(string(f.size), 10, 63); err == nil && n >= 0 {
		b += ", " + size(int(n))
	}
	if f.description != "" {
		b += ": " + line(f.description)
	}
	return b + "]"
}

// fields are the members that items of the known types have.
type fields struct {
	mimeType, uri, name, description, text string
	hasText                                bool
	data, blob                             []byte // base64, without quotes
	size, resource                         json.RawMessage
}

func readFields(raw json.RawMessage) fields {
	var f fields
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "mimeType":
			f.mimeType, _ = rawjson.Text(value)
		case "uri":
			f.uri, _ = rawjson.Text(value)
		case "name":
			f.name, _ = rawjson.Text(value)
		case "title":
			if title, ok := rawjson.Text(value); ok && f.description == "" {
				f.description = title
			}
		case "description":
			if d, ok := rawjson.Text(value); ok && d != "" {
				f.description = d
			}
		case "text":
			f.text, f.hasText = rawjson.Text(value)
		case "data":
			f.data = base64Text(value)
		case "blob":
			f.blob = base64Text(value)
		case "size":
			f.size = value
		case "resource":
			f.resource = value
		}
		return true
	})
	return f
}

// base64Text returns what stands between the quotes: base64 has one spelling in JSON but for "\/".
func base64Text(value json.RawMessage) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	s, _ := rawjson.Text(value)
	return []byte(s)
}

// validBase64 reports whether data is what may stand behind ";base64," in a URL.
func validBase64(data []byte) bool {
	if len(data) == 0 || len(data)%4 != 0 {
		return false
	}
	body := bytes.TrimRight(data, "=")
	if len(data)-len(body) > 2 {
		return false
	}
	for _, c := range body {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

func decodedSize(data []byte) int {
	return base64.RawStdEncoding.DecodedLen(len(bytes.TrimRight(data, "=")))
}

// mediaType returns a type and subtype in lower case, without parameters, or "" for what is none.
func mediaType(s string) string {
	if s == "" || len(s) > maxWord {
		return ""
	}
	media, _, err := mime.ParseMediaType(s)
	if err != nil || !strings.Contains(media, "/") {
		return ""
	}
	return media
}

// audioFormat is what OpenAI's input_audio calls a type; "" for one that it has no name for.
func audioFormat(media string) string {
	switch media {
	case "audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave":
		return "wav"
	case "audio/mpeg", "audio/mp3", "audio/x-mp3":
		return "mp3"
	case "audio/flac", "audio/x-flac":
		return "flac"
	case "audio/ogg", "audio/opus":
		return "ogg"
	case "audio/mp4", "audio/m4a", "audio/x-m4a":
		return "m4a"
	}
	return ""
}

// size spells a number of bytes.
func size(n int) string {
	switch {
	case n >= 10<<20:
		return strconv.Itoa(n>>20) + " MB"
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MB"
	case n >= 1<<10:
		return strconv.Itoa((n+1<<9)>>10) + " KB"
	case n == 1:
		return "1 byte"
	}
	return strconv.Itoa(n) + " bytes"
}

func word(s string) string { return oneLine(s, maxWord) }
func line(s string) string { return oneLine(s, maxLine) }

// oneLine makes a server's text fit to stand inside a description: it cannot end the line or the brackets.
func oneLine(s string, most int) string {
	short := cut(s, most)
	if len(short) < len(s) {
		short += "..."
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029:
			return ' '
		case r == '[':
			return '('
		case r == ']':
			return ')'
		}
		return r
	}, short)
}

// wraps reports whether a structured result is an object whose only member is the text: so libraries for
// servers wrap a result that has no structure.
func wraps(value json.RawMessage, text string) bool {
	members, same := 0, false
	rawjson.Fields(value, func(_ string, member json.RawMessage) bool {
		said, isText := rawjson.Text(member)
		members, same = members+1, isText && said == text
		return members == 1
	})
	return members == 1 && same
}

// sameJSON reports whether a text is the JSON of value, however it is spaced and its keys are ordered.
func sameJSON(s string, value json.RawMessage) bool {
	trimmed := strings.TrimSpace(s)
	if trimmed == "" || len(value) == 0 || trimmed[0] != bytes.TrimSpace(value)[0] {
		return false
	}
	if trimmed == string(value) {
		return true
	}
	if len(trimmed) > 4*len(value)+1024 || len(value) > 4*len(trimmed)+1024 {
		return false // white space alone does not account for it
	}
	a, errA := decode([]byte(trimmed))
	b, errB := decode(value)
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

// decode keeps numbers as they are spelt.
func decode(data []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}
