package toolsearch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// tools are those of three well-known servers, in short.
func tools() []Doc {
	return []Doc{
		{"filesystem__read_text_file", "Read the complete contents of a file from the file system as text.", []string{"path", "head", "tail"}},
		{"filesystem__read_media_file", "Read an image or audio file. Returns the base64 encoded data and MIME type.", []string{"path"}},
		{"filesystem__write_file", "Create a new file or completely overwrite an existing file with new content.", []string{"path", "content"}},
		{"filesystem__edit_file", "Make line-based edits to a text file.", []string{"path", "edits", "dryRun"}},
		{"filesystem__create_directory", "Create a new directory or ensure a directory exists.", []string{"path"}},
		{"filesystem__list_directory", "Get a detailed listing of all files and directories in a specified path.", []string{"path"}},
		{"filesystem__move_file", "Move or rename files and directories.", []string{"source", "destination"}},
		{"filesystem__search_files", "Recursively search for files and directories matching a pattern.", []string{"path", "pattern", "excludePatterns"}},
		{"memory__create_entities", "Create multiple new entities in the knowledge graph", []string{"entities"}},
		{"memory__search_nodes", "Search for nodes in the knowledge graph based on a query", []string{"query"}},
		{"memory__delete_observations", "Delete specific observations from entities in the knowledge graph", []string{"deletions"}},
		{"time__get_current_time", "Get current time in a specific timezone", []string{"timezone"}},
		{"web__fetchURL", "Fetches a page from the internet and extracts its contents as markdown.", []string{"url", "maxLength"}},
		{"weather__forecast", "天気予報を取得します", []string{"city"}},
	}
}

func TestSearch(t *testing.T) {
	docs := tools()
	ix := New(docs)
	for query, want := range map[string]string{
		"list the files in a folder or directory": "filesystem__list_directory",
		"what time is it":                         "time__get_current_time",
		"rename a file":                           "filesystem__move_file",
		"read file contents":                      "filesystem__read_text_file",
		"creating directories":                    "filesystem__create_directory",
		"knowledge graph search":                  "memory__search_nodes",
		"fetch url":                               "web__fetchURL",
		"overwrite":                               "filesystem__write_file",
		"dir":                                     "filesystem__create_directory",
		"excludePatterns":                         "filesystem__search_files",
		"filesystem__edit_file":                   "filesystem__edit_file",
		"timezones":                               "time__get_current_time",
		"weatherman":                              "weather__forecast",
		"予報":                                      "weather__forecast",
	} {
		got := ix.Search(query, 3)
		if len(got) == 0 || docs[got[0]].Name != want {
			var names []string
			for _, i := range got {
				names = append(names, docs[i].Name)
			}
			t.Errorf("%q finds %v, want %s first", query, names, want)
		}
	}
	for _, query := range []string{"", "   ", "??", "zzz qqq", "ab"} {
		if got := ix.Search(query, 3); len(got) != 0 {
			t.Errorf("%q finds %v", query, got)
		}
	}
	if got := ix.Search("file", 2); len(got) != 2 {
		t.Errorf("2 were wanted, %d came", len(got))
	}
	if got := New(nil).Search("file", 2); len(got) != 0 {
		t.Errorf("no tools give %v", got)
	}
}

func TestTheAnswerIsTheSameEachTime(t *testing.T) {
	docs := tools()
	want := New(docs).Search("search files and nodes in the graph by pattern", 14)
	for range 50 {
		if got := New(docs).Search("search files and nodes in the graph by pattern", 14); !slices.Equal(got, want) {
			t.Fatalf("%v, then %v", want, got)
		}
	}
	twins := []Doc{{"b", "same", nil}, {"a", "same", nil}}
	if got := New(twins).Search("same", 2); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("equal tools come as %v", got)
	}
}

func TestTerms(t *testing.T) {
	for text, want := range map[string]string{
		"read_text_file":       "read text file",
		"readTextFile":         "read text file",
		"HTTPServer2Go":        "http server 2 go",
		"Lists directories.":   "list directory",
		"creating created":     "creat creat",
		"create":               "creat",
		"running getting pass": "run get pass",
		"status boxes matches": "status box match",
		"éléments naïfs":       "élément naïf",
		"天気 today":             "天 気 today",
		"":                     "",
	} {
		if got := strings.Join(terms(text), " "); got != want {
			t.Errorf("%q has the terms %q, want %q", text, got, want)
		}
	}
}

func FuzzSearch(f *testing.F) {
	f.Add("read_file", "Reads a file.", "file")
	f.Add("", "\xff\xfe", "ss us ing")
	f.Fuzz(func(t *testing.T, name, description, query string) {
		ix := New([]Doc{{name, description, []string{query}}, {query, name, nil}})
		got := ix.Search(query, 5)
		if len(got) > 2 || len(got) != len(slices.Compact(slices.Clone(got))) {
			t.Fatalf("%q finds %v", query, got)
		}
		if len(terms(query)) > 0 && len(query) < maxText && len(got) != 2 {
			t.Fatalf("%q does not find both tools that have it: %v", query, got)
		}
	})
}

// catalogue is a large set of tools.
func catalogue(n int) []Doc {
	var docs []Doc
	for i := range n {
		d := tools()[i%14]
		d.Name = fmt.Sprintf("%s_%d", d.Name, i)
		d.Description += strings.Repeat(" It takes paths of files and returns what they hold.", 4)
		docs = append(docs, d)
	}
	return docs
}

func BenchmarkNew(b *testing.B) {
	docs := catalogue(1000)
	b.ReportAllocs()
	for b.Loop() {
		New(docs)
	}
}

func BenchmarkSearch(b *testing.B) {
	ix := New(catalogue(1000))
	b.ReportAllocs()
	for b.Loop() {
		ix.Search("list the files of a directory", 5)
	}
}
