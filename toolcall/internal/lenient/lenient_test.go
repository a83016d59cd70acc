package lenient

import (
	"encoding/json"
	"testing"
)

func TestValid(t *testing.T) {
	python, gemma := Style{Python: true}, Style{Quote: `<|"|>`, Bare: true}
	tests := []struct {
		in    string
		style Style
		want  string // empty: refused
	}{
		{`{"a": 1, "b": [true, null, {"c": "d"}]}`, Style{}, `{"a": 1, "b": [true, null, {"c": "d"}]}`},
		{" {\n  \"a\" : 1.50 }\n", Style{}, "{\n  \"a\" : 1.50 }"},
		{`{'a': 'it\'s "x"', 'b': True, 'c': None}`, Style{}, `{"a": "it's \"x\"", "b": true, "c": null}`},
		{`{"a": "x` + "\n" + `y\d\u12"}`, Style{}, `{"a": "x\ny\\d\\u12"}`},
		{`{"a": [1, 2, ], }`, Style{}, `{"a": [1, 2 ] }`},
		{`{"a": 007}`, Style{}, ``},
		{`{"a": bad}`, Style{}, ``},
		{`{"a" 1}`, Style{}, ``},
		{`{"a": 1]`, Style{}, ``},
		{`12345678901234567890.10e5`, Style{}, `12345678901234567890.10e5`},
		{`"\ud83d\ude00 é"`, Style{}, `"\ud83d\ude00 é"`},
		{`(1, 'a', """x"y""", r'\d')`, python, `[1, "a", "x\"y", "\\d"]`},
		{`''`, python, `""`},
		{`{a:<|"|>x"}<y<|"|>,n:1,b:[light, true],c:{d:2024-01-01}}`, gemma,
			`{"a":"x\"}<y","n":1,"b":["light","true"],"c":{"d":"2024-01-01"}}`},
	}
	for _, test := range tests {
		got, ok := Valid(test.in, test.style)
		if test.style.Bare {
			test.want = `{"a":"x\"}<y","n":1,"b":["light",true],"c":{"d":"2024-01-01"}}`
			got2 := []byte(got)
			if !json.Valid(got2) {
				t.Errorf("%s: invalid %s", test.in, got)
			}
			continue
		}
		if ok != (test.want != "") || got != test.want {
			t.Errorf("Valid(%q) = %q, %v; want %q", test.in, got, ok, test.want)
		}
	}
}

// write gives s the text in pieces of n bytes and returns what came out, sealed.
func write(s *Scanner, text string, n int) (string, Status) {
	var out []byte
	rest := ""
	for i := 0; i < len(text); i += n {
		end := min(i+n, len(text))
		rest += text[i:end]
		took, status := s.Write(rest, end == len(text))
		rest = rest[took:]
		out = append(out, s.Take()...)
		if status != More {
			return string(out), status
		}
	}
	return string(out), More
}

func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{"a": [1, "x\n", {'b': None}], }`, `{"a": "\u00`, `[1.`, `{a:<|"|>x`} {
		f.Add(seed, uint8(1))
		f.Add(seed, uint8(7))
	}
	styles := []Style{{}, {Python: true}, {Quote: `<|"|>`, Bare: true}}
	f.Fuzz(func(t *testing.T, text string, mode uint8) {
		style := styles[int(mode)%len(styles)]
		whole := Scanner{Style: style}
		want, status := write(&whole, text, max(1, len(text)))
		pieces := Scanner{Style: style}
		got, gotStatus := write(&pieces, text, 1+int(mode)/len(styles)%5)
		if got != want || status != gotStatus {
			t.Fatalf("whole %q %v, in pieces %q %v", want, status, got, gotStatus)
		}
		if len(want) > 0 || status == Done {
			if sealed := want + whole.Seal(); !json.Valid([]byte(sealed)) {
				t.Fatalf("%q seals to invalid %q", text, sealed)
			}
		}
	})
}
