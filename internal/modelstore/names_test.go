package modelstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	for text, want := range map[string]hubRef{
		"Qwen/Qwen3-0.6B-GGUF":                        {org: "Qwen", repo: "Qwen3-0.6B-GGUF"},
		"Qwen/Qwen3-0.6B-GGUF:Q8_0":                   {org: "Qwen", repo: "Qwen3-0.6B-GGUF", quant: "Q8_0"},
		"Qwen/Qwen3-0.6B-GGUF:dir/a.gguf":             {org: "Qwen", repo: "Qwen3-0.6B-GGUF", file: "dir/a.gguf"},
		"hf.co/a/b:Q4_0":                              {org: "a", repo: "b", quant: "Q4_0"},
		"https://huggingface.co/a/b":                  {org: "a", repo: "b"},
		"https://huggingface.co/mlx-community/Qwen3/": {org: "mlx-community", repo: "Qwen3"},
		"mlx-community/Llama-3.2-3B-Instruct-4bit":    {org: "mlx-community", repo: "Llama-3.2-3B-Instruct-4bit"},
		"a_b/c.d-e_f":                                 {org: "a_b", repo: "c.d-e_f"},
	} {
		got, err := parseRef(text)
		if err != nil || got != want {
			t.Errorf("parseRef(%q) = %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"gpt-4", "a/b/c", "a/", "/b", "a/b:", "../b/c", "a/..", "a/b c", "a\x00/b", "a/b?x=1", "https://huggingface.co/", "a..b/c", ".a/b"} {
		if _, err := parseRef(text); !errors.Is(err, ErrRef) || !strings.Contains(err.Error(), "org/repo") {
			t.Errorf("parseRef(%q): %v", text, err)
		}
	}
}

func TestQuantOf(t *testing.T) {
	for name, want := range map[string]string{
		"Qwen3-4B-Q4_K_M":            "Q4_K_M",
		"SmolLM2-135M-Instruct.Q4_1": "Q4_1",
		"qwen2.5-0.5b-instruct-q8_0": "Q8_0",
		"Qwen3-30B-A3B-UD-Q4_K_XL":   "UD-Q4_K_XL",
		"model-IQ4_NL":               "IQ4_NL",
		"model_IQ2_XXS":              "IQ2_XXS",
		"gpt-oss-20b-mxfp4":          "MXFP4",
		"Llama-3.2-1B-Instruct-f16":  "F16",
		"BF16/Big-BF16":              "BF16",
		"Q4_K_M/Big":                 "Q4_K_M",
		"Model-Q4_K_M-imat":          "Q4_K_M",
		"Model.i1-Q6_K":              "Q6_K",
		"Qwen3-4B":                   "",
		"model":                      "",
		"TriLM-TQ1_0":                "TQ1_0",
	} {
		if got := quantOf(name); got != want {
			t.Errorf("quantOf(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestPickPrefers(t *testing.T) {
	files := func(names ...string) (list []hubFile) {
		for i, n := range names {
			list = append(list, hubFile{Name: n, Size: int64(i + 1)})
		}
		return list
	}
	for _, tt := range []struct {
		name  string
		ref   hubRef
		files []hubFile
		want  string // empty: an error
	}{
		{"default", hubRef{}, files("m-Q8_0.gguf", "m-Q4_0.gguf", "m-Q4_K_M.gguf"), "m-Q4_K_M.gguf"},
		{"second choice", hubRef{}, files("m-F16.gguf", "m-Q8_0.gguf", "m-Q2_K.gguf"), "m-Q8_0.gguf"},
		{"only one", hubRef{}, files("model.gguf"), "model.gguf"},
		{"unknown names", hubRef{}, files("a.gguf", "b.gguf"), ""},
		{"dynamic by its plain name", hubRef{quant: "q4_k_xl"}, files("m-UD-Q4_K_XL.gguf", "m-Q8_0.gguf"), "m-UD-Q4_K_XL.gguf"},
		{"exact before dynamic", hubRef{quant: "Q4_K_M"}, files("m-UD-Q4_K_M.gguf", "m-Q4_K_M.gguf"), "m-Q4_K_M.gguf"},
		{"by file", hubRef{file: "b.gguf"}, files("x/a.gguf", "x/b.gguf"), "x/b.gguf"},
		{"file in two folders", hubRef{file: "a.gguf"}, files("x/a.gguf", "y/a.gguf"), ""},
		{"by path", hubRef{file: "y/a.gguf"}, files("x/a.gguf", "y/a.gguf"), "y/a.gguf"},
		{"by part", hubRef{file: "m-00002-of-00002.gguf"}, files("m-00001-of-00002.gguf", "m-00002-of-00002.gguf"), "m-00001-of-00002.gguf"},
		{"projector only", hubRef{}, files("mmproj-F16.gguf", "imatrix.gguf"), ""},
		{"part 0", hubRef{}, files("m-00000-of-00001.gguf"), ""},
	} {
		v, err := pick(tt.ref, variants(tt.files))
		switch {
		case tt.want == "" && !errors.Is(err, ErrQuant):
			t.Errorf("%s: %+v, %v", tt.name, v, err)
		case tt.want != "" && (err != nil || v.files[0].Name != tt.want):
			t.Errorf("%s: %+v, %v", tt.name, v, err)
		}
	}
}

func TestBaseName(t *testing.T) {
	for repo, want := range map[string]string{
		"Qwen3-4B-4bit": "Qwen3-4B", "Qwen3-4B-MLX-4bit": "Qwen3-4B", "Llama-3.2-3B-Instruct-bf16": "Llama-3.2-3B-Instruct",
		"Qwen2.5-7B-Instruct-AWQ": "Qwen2.5-7B-Instruct", "Mistral-7B": "Mistral-7B", "Qwen3-8B-FP8": "Qwen3-8B", "4bit": "4bit",
		"gemma-3-4b-it-4bit-DWQ": "gemma-3-4b-it",
	} {
		if got := baseName(repo); got != want {
			t.Errorf("baseName(%q) = %q, want %q", repo, got, want)
		}
	}
}

func TestLocalModels(t *testing.T) {
	dir := t.TempDir()
	good, cut, junk := filepath.Join(dir, "good.gguf"), filepath.Join(dir, "cut.gguf"), filepath.Join(dir, "junk.gguf")
	content := model(t, 7, 4000)
	for path, data := range map[string][]byte{good: content, cut: content[:len(content)-1000], junk: []byte("not a model")} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := storeAt(t, nil, filepath.Join(dir, "cache"), nil)
	m := mustResolve(t, s, good)
	if m.Path != good || m.Name != "good" || m.Source != SourceFile || m.Quant != "Q8_0" || m.Size != int64(len(content)) {
		t.Errorf("model %+v", m)
	}
	for _, tt := range []struct {
		path string
		want error
		text string
	}{
		{cut, ErrModel, "file is truncated"},
		{junk, ErrModel, "not a GGUF file"},
		{filepath.Join(dir, "absent.gguf"), ErrNotFound, "there is no such file"},
		{"absent/model.gguf", ErrNotFound, "org/repo:FILE.gguf"},
		{dir, ErrModel, "cut.gguf, good.gguf"},
		{t.TempDir(), ErrModel, "the folder holds none"},
	} {
		_, err := s.Resolve(t.Context(), tt.path, nil)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.path) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
	if _, err := os.Stat(s.Dir()); err == nil {
		t.Error("a local model made a cache folder")
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a/b", "../x.gguf", "Q4_K_M/m-Q4_K_M-00001-of-00002.gguf", "a/b:Q4_0", "https://hf.co/a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if safeName(name) {
			root := filepath.Join(string(filepath.Separator), "cache", "repo")
			path := filepath.Join(root, filepath.FromSlash(name))
			if rel, err := filepath.Rel(root, path); err != nil || rel != filepath.FromSlash(name) || !filepath.IsLocal(rel) {
				t.Fatalf("%q leads to %q", name, path)
			}
		}
		if ref, err := parseRef(name); err == nil && !filepath.IsLocal(filepath.FromSlash(ref.id())) {
			t.Fatalf("%q leads to %q", name, ref.id())
		}
		for _, v := range variants([]hubFile{{Name: name}, {Name: name + "x"}}) {
			if len(v.files) == 0 {
				t.Fatal("a variant without files")
			}
		}
		baseName(name)
	})
}
