package content

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/chat"
)

// spell writes parts in a line each.
func spell(parts []chat.Part) string {
	var lines []string
	for _, p := range parts {
		switch p.Type {
		case chat.PartText:
			lines = append(lines, p.Text)
		case chat.PartImage:
			lines = append(lines, "<image "+p.URL+">")
		case chat.PartAudio:
			lines = append(lines, "<audio "+p.Format+" "+p.Data+">")
		}
	}
	return strings.Join(lines, "|")
}

func TestParts(t *testing.T) {
	big := strings.Repeat("QUJD", 4096) // 12 KB
	tests := []struct{ name, result, rich, poor string }{
		{"text", `{"content":[{"type":"text","text":"a\u00e9"}]}`, "aé", "aé"},
		{"nothing", `{"content":[]}`, "", ""},
		{"image", `{"content":[{"type":"image","data":"` + big + `","mimeType":"image/png"}]}`,
			"<image data:image/png;base64," + big + ">", "[image/png, 12 KB, not shown: the model takes no images]"},
		{"escaped slashes and a parameter", `{"content":[{"type":"image","data":"\/\/\/\/","mimeType":"IMAGE/JPEG; q=1"}]}`,
			"<image data:image/jpeg;base64,////>", "[image/jpeg, 3 bytes, not shown: the model takes no images]"},
		{"audio", `{"content":[{"type":"audio","data":"AAAA","mimeType":"audio/x-wav"}]}`,
			"<audio wav AAAA>", "[audio/x-wav, 3 bytes, not played: the model takes no audio]"},
		{"strange audio", `{"content":[{"type":"audio","data":"AAAA","mimeType":"audio/midi"}]}`,
			"[audio/midi, 3 bytes, not played: the model takes no audio of this type]", "[audio/midi, 3 bytes, not played: the model takes no audio]"},
		{"an image that is none", `{"content":[{"type":"image","data":"AAAA","mimeType":"text/html,x"}]}`,
			`[image, 3 bytes, not shown: the type "text/html,x" is none of image]`, `[image, 3 bytes, not shown: the type "text/html,x" is none of image]`},
		{"data that is none", `{"content":[{"type":"image","data":"\"><script>","mimeType":"image/png"}]}`,
			"[image/png, 7 bytes, not shown: its data is not base64]", "[image/png, 7 bytes, not shown: its data is not base64]"},
		{"no data", `{"content":[{"type":"image","mimeType":"image/png"}]}`,
			"[image/png, 0 bytes, not shown: its data is not base64]", "[image/png, 0 bytes, not shown: its data is not base64]"},
		{"link", `{"content":[{"type":"resource_link","uri":"file:///a","name":"a","mimeType":"text/plain","size":2048,"description":"the\nfirst] one"}]}`,
			"[link to a resource: file:///a, a, text/plain, 2 KB: the first) one]", "[link to a resource: file:///a, a, text/plain, 2 KB: the first) one]"},
		{"embedded text", `{"content":[{"type":"resource","resource":{"uri":"file:///a","mimeType":"text/plain","text":"inside"}}]}`,
			"[resource file:///a, text/plain]\ninside", "[resource file:///a, text/plain]\ninside"},
		{"embedded text in base64", `{"content":[{"type":"resource","resource":{"uri":"x:1","mimeType":"text/plain; charset=utf-8","blob":"aW5zaWRlIMOp"}}]}`,
			"[resource x:1, text/plain]\ninside é", "[resource x:1, text/plain]\ninside é"},
		{"embedded text that is none", `{"content":[{"type":"resource","resource":{"uri":"x:1","mimeType":"text/plain","blob":"/w=="}}]}`,
			"[resource x:1, text/plain, 1 byte, not shown: it is not text]", "[resource x:1, text/plain, 1 byte, not shown: it is not text]"},
		{"embedded image", `{"content":[{"type":"resource","resource":{"uri":"x:1","mimeType":"image/gif","blob":"R0lG"}}]}`,
			"[resource x:1]|<image data:image/gif;base64,R0lG>", "[resource x:1]|[image/gif, 3 bytes, not shown: the model takes no images]"},
		{"embedded binary", `{"content":[{"type":"resource","resource":{"uri":"x:1","mimeType":"application/zip","blob":"` + big + `"}}]}`,
			"[resource x:1, application/zip, 12 KB, not shown: it is not text]", "[resource x:1, application/zip, 12 KB, not shown: it is not text]"},
		{"embedded nothing", `{"content":[{"type":"resource"}]}`, "[resource , without content]", "[resource , without content]"},
		{"unknown", `{"content":[{"type":"holo]gram","beams":3}, 7]}`,
			"[holo)gram, 30 bytes, not shown: content of this type is not known here]|[content without a type, 1 byte, not shown]",
			"[holo)gram, 30 bytes, not shown: content of this type is not known here]|[content without a type, 1 byte, not shown]"},
		{"structured alone", `{"content":[],"structuredContent":{"a":1}}`, `{"a":1}`, `{"a":1}`},
		{"structured said", `{"content":[{"type":"text","text":"{ \"b\": [2], \"a\": 1 }"}],"structuredContent":{"a":1,"b":[2]}}`, `{ "b": [2], "a": 1 }`, `{ "b": [2], "a": 1 }`},
		{"structured not said", `{"content":[{"type":"text","text":"one"}],"structuredContent":{"a":12345678901234567890}}`,
			`one|{"a":12345678901234567890}`, `one|{"a":12345678901234567890}`},
		{"keys given twice", `{"content":[{"type":"text","text":"x"}],"content":[{"type":"text","text":"y"}]}`, "y", "y"},
	}
	for _, test := range tests {
		r, err := Read(json.RawMessage(test.result), 0)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := spell(r.Parts(true, true)); got != test.rich {
			t.Errorf("%s\n got %s\nwant %s", test.name, got, test.rich)
		}
		if got := spell(r.Parts(false, false)); got != test.poor {
			t.Errorf("%s, for a model of text\n got %s\nwant %s", test.name, got, test.poor)
		}
	}
}

func TestContentThatIsNoList(t *testing.T) {
	if r, err := Read(json.RawMessage(`{"content":"done","structuredContent":{"a":1}}`), 0); err == nil {
		t.Errorf("a text in place of the list became %+v", r)
	}
	for _, raw := range []string{`{}`, `{"content":null}`, `{"content":[]}`} {
		if r, err := Read(json.RawMessage(raw), 0); err != nil || len(r.Content) != 0 {
			t.Errorf("%s became %+v, %v", raw, r, err)
		}
	}
}

func TestCaps(t *testing.T) {
	item := func(text string) string { return fmt.Sprintf(`{"type":"text","text":%q}`, text) }
	raw := `{"content":[` + item("short") + "," + item(strings.Repeat("é", 100)) + "," + item("never") + `],"structuredContent":{"x":"` + strings.Repeat("y", 200) + `"}}`
	r, err := Read(json.RawMessage(raw), 100)
	if err != nil {
		t.Fatal(err)
	}
	want := "short\n" + strings.Repeat("é", 35) + "\n[cut by toolserve: 70 of 200 bytes shown]\n[structured result left out by toolserve: larger than 100 bytes]"
	if got := r.Text(); got != want || !r.Truncated || r.Structured != nil {
		t.Errorf("truncated %v\n got %s\nwant %s", r.Truncated, got, want)
	}
	r, err = Read(json.RawMessage(`{"content":[{"type":"image","data":"`+strings.Repeat("A", 400)+`","mimeType":"image/png"}]}`), 100)
	if want := "[image of 449 bytes left out by toolserve: the result is too large]"; err != nil || r.Text() != want || !r.Truncated {
		t.Errorf("an image: %q, %v", r.Text(), err)
	}
}

func TestType(t *testing.T) {
	for raw, want := range map[string]string{
		`{}`: Complete, `{"resultType":"input_required"}`: InputRequired, `{"resultType":"complete"}`: Complete,
		`{"ResultType":"input_required"}`: Complete, `{"resultType":7}`: "", `[]`: Complete,
	} {
		if got := Type(json.RawMessage(raw)); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	if _, err := Read(json.RawMessage(`[]`), 0); err == nil {
		t.Error("a list is taken for a result")
	}
}

// FuzzRead checks that whatever a server sends, what comes out is bounded, is JSON where it says so, and
// shows no base64 as text.
func FuzzRead(f *testing.F) {
	f.Add(`{"content":[{"type":"image","data":"QUJD","mimeType":"image/png"},{"type":"resource","resource":{"uri":"a","blob":"QUJD"}}]}`)
	f.Add(`{"content":[{"type":"text","text":"\ud800"}],"structuredContent":{"a":[1]},"isError":true}`)
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) {
			return
		}
		r, err := Read(json.RawMessage(raw), 50)
		if err != nil {
			return
		}
		if !json.Valid(r.Value()) {
			t.Errorf("%q: the value is not JSON: %s", raw, r.Value())
		}
		total := 0
		for _, p := range r.Parts(true, true) {
			total += len(p.Text) + len(p.URL) + len(p.Data)
		}
		if total > 50+4*200+4*len(raw) {
			t.Errorf("%q: %d bytes of parts", raw, total)
		}
		_ = r.Text()
	})
}

func TestAWrappedTextIsShownOnce(t *testing.T) {
	for structured, parts := range map[string]int{
		`{"content":"a\nb"}`: 1, `{"result":"a\nb"}`: 1, `{"content":"a"}`: 2, `{"content":"a\nb","n":1}`: 2, `{"content":["a\nb"]}`: 2, `"a\nb"`: 2,
	} {
		r, err := Read([]byte(`{"content":[{"type":"text","text":"a\nb"}],"structuredContent":`+structured+`}`), DefaultLimit)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Parts(false, false); len(got) != parts {
			t.Errorf("%s: %d parts, want %d: %v", structured, len(got), parts, got)
		}
	}
}
