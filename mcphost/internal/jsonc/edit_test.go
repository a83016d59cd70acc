package jsonc

import (
	"slices"
	"testing"
)

func keys(t *testing.T, text []byte) []string {
	t.Helper()
	doc, err := Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	members, err := doc.Members()
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var names []string
	for _, m := range members {
		names = append(names, m.Key)
	}
	return names
}

func TestEdit(t *testing.T) {
	for text, want := range map[string]struct{ inserted, removed string }{
		"{}":                            {"{\n  \"n\": 1\n}", ""},
		"{ }":                           {"{\n  \"n\": 1\n}", ""},
		"{\n}":                          {"{\n  \"n\": 1\n}", ""},
		"{\"a\":1}":                     {"{\n  \"n\": 1,\n  \"a\":1}", "{}"},
		"{\n\t\"a\": 1,\n\t\"b\": 2\n}": {"{\n\t\"n\": 1,\n\t\"a\": 1,\n\t\"b\": 2\n}", "{\n\t\"b\": 2\n}"},
		"{ // x\n  \"b\": 2, // y\n  \"a\": 1 // z\n}": {"{\n  \"n\": 1, // x\n  \"b\": 2, // y\n  \"a\": 1 // z\n}", "{ // x\n  \"b\": 2 // y\n   // z\n}"},
		"{\"b\":2,\"a\":1,}":                           {"{\n  \"n\": 1,\n  \"b\":2,\"a\":1,}", "{\"b\":2,}"},
	} {
		doc, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := doc.Insert("n", []byte("1"))
		if err != nil || string(got) != want.inserted {
			t.Errorf("%q with n is %q, want %q, %v", text, got, want.inserted, err)
		}
		before := keys(t, []byte(text))
		if after := keys(t, got); !slices.Equal(after, append([]string{"n"}, before...)) {
			t.Errorf("%q with n has %q", text, after)
		}
		got, ok := doc.Remove("a")
		if ok != (want.removed != "") || string(got) != want.removed {
			t.Errorf("%q without a is %q, want %q", text, got, want.removed)
		}
	}
}

func FuzzEdit(f *testing.F) {
	f.Add("{\"a\":1, // x\n/* , */ \"b\":{\"a\":[1,],},\n}")
	f.Add("\xef\xbb\xbf{ \"b\" : 1 /*,*/ , \"a\" : 2 /* , */\n, }")
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := Parse([]byte(text))
		if err != nil {
			return
		}
		members, err := doc.Members()
		if err != nil {
			return
		}
		var names []string
		for _, m := range members {
			names = append(names, m.Key)
		}
		if !slices.Contains(names, "new") {
			added, err := doc.Insert("new", []byte("{\n  \"x\": 1\n}"))
			if err != nil {
				t.Fatal(err)
			}
			if got := keys(t, added); !slices.Equal(got, append([]string{"new"}, names...)) {
				t.Errorf("%q became %q", text, added)
			}
		}
		for i, name := range names {
			left, ok := doc.Remove(name)
			if !ok {
				t.Fatalf("%q has no %q", text, name)
			}
			if got := keys(t, left); !slices.Equal(got, slices.Delete(slices.Clone(names), i, i+1)) {
				t.Errorf("%q without %q became %q", text, name, left)
			}
		}
	})
}
