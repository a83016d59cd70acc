package rawjson

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		text  string
		depth int
		want  string // part of the error; "" for none
	}{
		{`{"a":{"a":1},"b":[{"a":1},{"a":2}]}`, 3, ""},
		{`{"a":1,"a":2}`, 9, `"a" is given twice`},
		{`[{"x":[{"k":1,"\u006b":2}]}]`, 9, `"k" is given twice`},
		{`{"a":"{\"a\":1,\"a\":2}"}`, 9, ""},
		{`[[[1]]]`, 2, "nested too deep"},
		{`"[[["`, 0, ""},
		{`{"a":`, 9, "unexpected end"},
		{`{} {}`, 9, "after top-level value"},
		{``, 9, "unexpected end"},
	}
	for _, test := range tests {
		err := Check([]byte(test.text), test.depth)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("Check(%s) = %v, want %q", test.text, err, test.want)
		}
	}
	var many strings.Builder
	for range 40 {
		many.WriteString(`"k":1,`)
	}
	for i, text := range []string{"{" + strings.TrimSuffix(many.String(), ",") + "}", `{"a0":0,"a1":0,"a2":0,"a3":0,"a4":0,"a5":0,"a6":0,"a7":0,"a8":0,"a9":0,"b0":0,"b1":0,"b2":0,"b3":0,"b4":0,"b5":0,"b6":0,"b7":0,"a3":1}`} {
		if err := Check([]byte(text), 9); err == nil {
			t.Errorf("object %d with a key given twice passes", i)
		}
	}
	if err := Check([]byte(`[[]]`), 1); !errors.Is(err, ErrDepth) {
		t.Errorf("depth error is %v", err)
	}
}

func TestFieldsAndItems(t *testing.T) {
	var got []string
	ok := Fields([]byte(" {\"a\" : 12345678901234567890 , \"b}\\\"\":[1, {\"c\":\"]\"}] ,\"d\":{}, \"e\":null}\n"), func(key string, value json.RawMessage) bool {
		got = append(got, key+"="+string(value))
		return true
	})
	if want := `a=12345678901234567890|b}"=[1, {"c":"]"}]|d={}|e=null`; !ok || strings.Join(got, "|") != want {
		t.Errorf("fields are %q, want %q", got, want)
	}
	got = nil
	Items([]byte(`[ "a,b" , [1,[2]],true ]`), func(item json.RawMessage) bool {
		got = append(got, string(item))
		return len(got) < 2
	})
	if want := `"a,b"|[1,[2]]`; strings.Join(got, "|") != want {
		t.Errorf("items are %q, want %q", got, want)
	}
	if Fields([]byte(`[]`), nil) || Items([]byte(`{}`), nil) || Fields(nil, nil) || Items(nil, nil) {
		t.Error("the wrong kind of value is taken")
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"a":[1,{"b":"\""}],"c":-1.5e3}`)
	f.Add(`[[],{},"x"]`)
	f.Fuzz(func(t *testing.T, text string) {
		data := []byte(text)
		if !json.Valid(data) {
			return
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		got := map[string]json.RawMessage{}
		Fields(data, func(key string, value json.RawMessage) bool {
			if !json.Valid(value) {
				t.Errorf("the value of %q is %q", key, value)
			}
			got[key] = value
			return true
		})
		if Check(data, 1000) == nil && len(got) != len(want) {
			t.Errorf("%d fields of %d in %s", len(got), len(want), text)
		}
	})
}

// FuzzValue compares with the standard library.
func FuzzValue(f *testing.F) {
	f.Add(`{"a":[1,-2.5e3,{"b":"\""}],"c":null,"d":true, "e" : [ ] ,"\u0066":{ },"g":false}`)
	f.Add(`[[],{},"x\ud800",1e400]`)
	f.Add("\"\xff\xfe\"")
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return
		}
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var want any
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := Value([]byte(text)); !reflect.DeepEqual(got, want) {
			t.Errorf("%q\n got %#v\nwant %#v", text, got, want)
		}
	})
}

func FuzzAppendText(f *testing.F) {
	f.Add("a\"b\\c\n\r\t\x00\x1f\x7fé\u2028😀\xff")
	f.Fuzz(func(t *testing.T, s string) {
		data := AppendText([]byte("x"), s)[1:]
		var got string
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%q becomes %s: %v", s, data, err)
		}
		var want string
		if data, err := json.Marshal(s); err != nil || json.Unmarshal(data, &want) != nil || got != want {
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	})
}

func TestValid(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	long := strings.Repeat("é", 100)
	for _, text := range []string{
		"", " ", "{}", "[]", " { } ", `{"a":1}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, "[1,]", "[,1]", "[1 2]", "[1,2]", "]", "}",
		"true", "tru", "truex", "null", "nul", "false", "0", "-0", "01", "-", "1.", ".5", "1.5", "1e5", "1E+5", "1e-", "1e", "1.e5", "+1", "0x1", "1 2", "Infinity",
		`""`, `"`, `"abcdefgh"`, `"abcdefg`, `"abcdefg\"`, `"1234567\"8"`, `"\u00e9"`, `"\u00g9"`, `"\u12`, `"\x"`, `"\`, "\"\x1f\"", "\"\x7f\xff\x80\"", "\"a\nb\"", "\"1234567\n\"",
		`"` + long + `"`, `"` + long + "\t" + `"`, nested(maxNesting), nested(maxNesting + 1), strings.Repeat("[", 20_000), `{"a":[{"b":"c"},null,true,-1.5e+3]}`, "\u00a01", "\x00", "1\x00",
	} {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q is valid: %v, want %v", text, got, want)
		}
	}
}

// FuzzValid compares with the standard library, which is what the other parts decode with.
func FuzzValid(f *testing.F) {
	f.Add([]byte(`{"a":[1.5e3,"\u00e9\"text that is long enough"],"b":{"c":null}}`))
	f.Add([]byte("\"abcdefgh\x1fijklmnop\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := Valid(data), json.Valid(data); got != want {
			t.Errorf("%q is valid: %v, want %v", data, got, want)
		}
		quoted := append(append([]byte{'"'}, data...), '"')
		if got, want := Valid(quoted), json.Valid(quoted); got != want {
			t.Errorf("%q is valid: %v, want %v", quoted, got, want)
		}
		if json.Valid(quoted) {
			if end := skipString(append(quoted, `,"x"`...), 0); end != len(quoted) {
				t.Errorf("%q ends at %d, want %d", quoted, end, len(quoted))
			}
		}
	})
}

func BenchmarkValid(b *testing.B) {
	text, err := json.Marshal(map[string]any{"text": strings.Repeat("A line of text, and another.\n", 10_000)})
	if err != nil {
		b.Fatal(err)
	}
	for name, valid := range map[string]func([]byte) bool{"here": Valid, "standard": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if !valid(text) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
