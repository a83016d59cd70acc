package modelstore

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/toolserve/toolserve/internal/gguf"
	"github.com/toolserve/toolserve/internal/modelstore/host"
)

// A hubRef names a model on the hub.
type hubRef struct {
	org, repo string
	quant     string // empty: the default
	file      string // a file of the repository, in place of a quant
}

func (r hubRef) id() string { return r.org + "/" + r.repo }

func (r hubRef) String() string {
	if sel := r.quant + r.file; sel != "" {
		return r.id() + ":" + sel
	}
	return r.id()
}

var hubName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$`)

// isPath tells paths from hub names: a path is rooted or dotted, ends in .gguf, or exists.
func isPath(ref string) bool {
	if filepath.IsAbs(ref) || strings.HasPrefix(ref, "./") || strings.HasPrefix(ref, "../") || strings.HasPrefix(ref, "~/") ||
		ref == "." || ref == ".." || strings.Contains(ref, `\`) {
		return true
	}
	if hasGGUFSuffix(ref) && !strings.Contains(ref, ":") {
		return true
	}
	_, err := os.Stat(ref)
	return err == nil
}

func hasGGUFSuffix(s string) bool { return strings.EqualFold(filepath.Ext(s), ".gguf") }

func parseRef(text string) (hubRef, error) {
	bad := func(reason string) (hubRef, error) {
		return hubRef{}, &Error{
			What: fmt.Sprintf("model %q", host.Printable(text, 200)), Kind: ErrRef, Reason: reason,
			Mend: "give the path of a .gguf file, or org/repo[:quant] on the Hugging Face hub, such as Qwen/Qwen3-0.6B-GGUF:Q8_0",
		}
	}
	name := text
	for _, prefix := range []string{"https://", "http://", "huggingface.co/", "hf.co/"} {
		name = strings.TrimPrefix(name, prefix)
	}
	name, selection, selected := strings.Cut(strings.TrimSuffix(name, "/"), ":")
	org, repo, ok := strings.Cut(name, "/")
	switch {
	case !ok:
		return bad("it is neither a file here nor a name of the form org/repo")
	case strings.Contains(repo, "/"):
		return bad("it has more than one slash; a file of a repository is written org/repo:FILE.gguf")
	case !hubName.MatchString(org) || !hubName.MatchString(repo) || strings.Contains(name, ".."):
		return bad("the hub allows letters, digits, '-', '_' and '.' in a name")
	case selected && selection == "":
		return bad("nothing stands after the colon")
	}
	ref := hubRef{org: org, repo: repo}
	if hasGGUFSuffix(selection) {
		ref.file = selection
	} else {
		ref.quant = selection
	}
	return ref, nil
}

// localModel checks the file at path, and that all parts of a split model are beside it.
func localModel(path string) (Model, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, rest)
		}
	}
	fail := func(reason, mend string, cause error) (Model, error) {
		return Model{}, &Error{What: "model " + path, Kind: ErrModel, Reason: reason, Mend: mend, Cause: cause}
	}
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		m, e := fail("there is no such file", "check the path; a file on the hub is written org/repo:FILE.gguf", err)
		e.(*Error).Kind = ErrNotFound
		return m, e
	case err != nil:
		return fail(err.Error(), "", err)
	case info.IsDir():
		return fail("it is a folder", "name a .gguf file"+ggufIn(path), nil)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fail(err.Error(), "", err)
	}
	files, missing := partFiles(abs)
	if missing != "" {
		return fail("part "+missing+" of the split model is missing", "put all parts into one folder", nil)
	}
	m := Model{Path: files[0], Files: files, Ref: abs, Source: SourceFile, Name: stem(filepath.Base(abs))}
	if err := m.inspect(); err != nil {
		return fail(strings.TrimPrefix(err.Error(), "gguf: "+files[0]+": "), "name a GGUF model file", err)
	}
	return m, nil
}

// ggufIn names a few models in dir, as help after a mistake.
func ggufIn(dir string) string {
	found, _ := filepath.Glob(filepath.Join(dir, "*.gguf"))
	if len(found) == 0 {
		return "; the folder holds none"
	}
	names := found[:min(len(found), 5)]
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return " in it, such as " + strings.Join(names, ", ")
}

// partFiles returns the files of the model that path belongs to, and the first that is not there.
func partFiles(path string) (files []string, missing string) {
	dir, base := filepath.Split(path)
	name, _, total := splitPart(base)
	if total <= 1 {
		return []string{path}, ""
	}
	for i := 1; i <= total; i++ {
		part := filepath.Join(dir, fmt.Sprintf("%s-%05d-of-%05d%s", name, i, total, filepath.Ext(base)))
		if _, err := os.Stat(part); err != nil {
			return nil, filepath.Base(part)
		}
		files = append(files, part)
	}
	return files, ""
}

// inspect reads the headers of the model's files, and fills in size and quantisation.
func (m *Model) inspect() error {
	m.Size = 0
	for i, path := range m.Files {
		f, err := gguf.Open(path)
		if err != nil {
			return err
		}
		m.Size += f.Size()
		if i == 0 {
			m.Quant = f.Quantization()
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
