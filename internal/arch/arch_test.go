package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/toolserve/toolserve/"

// imports lists, for each package, every import inside the module that it may have. It is a statement
// of policy: to add an edge, add it here and say in the commit why an interface would not do.
// A package below another one (toolcall/internal/x) may be imported by its parent and its siblings.
var imports = map[string][]string{
	"chat":      {},
	"constrain": {},
	"jinja":     {},
	"toolcall":  {"chat", "constrain"},
	"policy":    {"chat"},
	"audit":     {},
	"mcphost":   {"chat", "policy", "policy/screen", "policy/trust", "audit", "internal/sandbox", "internal/sandbox/egress", "internal/sandbox/orphan", "internal/sandbox/profile", "internal/rawjson", "internal/sse"},

	"internal/llama":      {},
	"internal/gguf":       {},
	"internal/sandbox":    {},
	"internal/modelstore": {"internal/gguf"},
	"internal/engine":     {"internal/llama", "constrain"},
	"internal/prompt":     {"chat", "jinja"},
	"internal/inference":  {"chat", "internal/prompt", "internal/engine", "toolcall", "constrain"},
	"internal/agent":      {"chat"},
	"internal/toolloop":   {"chat", "internal/agent", "internal/toolsearch", "mcphost", "policy"},
	"internal/toolsearch": {},
	"internal/rawjson":    {},
	"internal/sse":        {},
	"internal/openai":     {"chat", "internal/sse"},
	"internal/mcpserver":  {"mcphost", "policy", "policy/screen", "internal/rawjson", "internal/sse"},
	"internal/mcpapi":     {"chat", "mcphost", "audit", "internal/rawjson", "internal/sse"},
	"internal/server":     {"internal/openai", "internal/mcpapi"},
	"internal/client":     {"chat", "internal/sse"},
	"internal/bench":      {"chat", "internal/sse", "internal/client"},
	"internal/config":     {},
	"internal/filewatch":  {},
	"internal/oauthtest":  {},
	"internal/app":        {"*"},
	"internal/cli":        {"*"},
	"internal/e2e":        {"*"},
	"internal/arch":       {},
	"internal/testreport": {},
	"cmd/toolserve":       {"internal/cli"},
	"examples/go":         {},
}

// spawners are the packages that may start goroutines: they own something that lives on its own.
var spawners = []string{
	"internal/engine", "mcphost", "internal/sandbox", "internal/server", "internal/app", "internal/cli",
	"internal/bench",
	"internal/mcpserver", // the ends of a session's subscriptions, which may wait for servers
	"internal/mcpapi",    // the writer of a call's events, so that a slow client holds up nobody else
}

// The limits. A file or function between soft and hard needs an entry in long with its reason.
const (
	softFile, hardFile         = 400, 700
	softFunc, hardFunc         = 50, 100
	packageLines, packageFiles = 2500, 15
	interfaceMethods           = 4
)

type file struct {
	path   string // relative to the root, slashes
	pkg    string // directory relative to the root
	test   bool
	lines  int
	syntax *ast.File
	fset   *token.FileSet
}

func TestImports(t *testing.T) {
	for _, f := range load(t) {
		if f.test {
			continue
		}
		for _, spec := range f.syntax.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			target, ours := strings.CutPrefix(path, module)
			if ours && !allowed(f.pkg, target) {
				t.Errorf("%s imports %s: add the edge to the table here, or use an interface", f.path, target)
			}
		}
	}
}

// allowed reports whether pkg may import target. A sub-package follows the rules of the package above it.
func allowed(pkg, target string) bool {
	owner, edges := entry(pkg)
	if targetOwner, _ := entry(target); targetOwner == owner {
		return true
	}
	return slices.Contains(edges, "*") || slices.Contains(edges, target)
}

func entry(pkg string) (owner string, edges []string) {
	for dir := pkg; dir != "."; dir = filepath.ToSlash(filepath.Dir(dir)) {
		if e, ok := imports[dir]; ok {
			return dir, e
		}
	}
	return pkg, nil
}

func TestEveryPackageHasAnEntry(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range load(t) {
		owner, _ := entry(f.pkg)
		if _, ok := imports[owner]; !ok {
			t.Errorf("%s: package %s is not in the import table", f.path, f.pkg)
		}
		seen[owner] = true
	}
	for pkg := range imports {
		if !seen[pkg] {
			t.Errorf("the import table names %s, which does not exist", pkg)
		}
	}
}

func TestSizes(t *testing.T) {
	lines, files := map[string]int{}, map[string]int{}
	used := map[string]bool{}
	tooLong := func(where string, n, soft, hard int) {
		switch _, ok := long[where]; {
		case n > hard:
			t.Errorf("%s: %d lines, the hard limit is %d", where, n, hard)
		case n > soft && !ok:
			t.Errorf("%s: %d lines, the limit is %d: split it, or give the reason in the table long", where, n, soft)
		case n > soft:
			used[where] = true
		}
	}
	for _, f := range load(t) {
		if strings.HasSuffix(f.path, "_gen.go") {
			continue
		}
		if f.test {
			tooLong(f.path, f.lines, hardFile, hardFile)
			continue
		}
		lines[f.pkg] += f.lines
		files[f.pkg]++
		tooLong(f.path, f.lines, softFile, hardFile)
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
				tooLong(f.path+" "+fn.Name.Name, n, softFunc, hardFunc)
			}
		}
	}
	for pkg, n := range lines {
		_, ok := long[pkg]
		if n <= packageLines && files[pkg] <= packageFiles {
			continue
		}
		if !ok {
			t.Errorf("%s: %d lines in %d files, the limits are %d and %d: look for a second package, or give the reason in long",
				pkg, n, files[pkg], packageLines, packageFiles)
		}
		used[pkg] = true
	}
	for where := range long {
		if !used[where] {
			t.Errorf("long names %s, which is within the limits: remove the entry", where)
		}
	}
}

func TestInterfacesAreSmall(t *testing.T) {
	for _, f := range load(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if it, ok := spec.Type.(*ast.InterfaceType); ok && it.Methods.NumFields() > interfaceMethods {
				t.Errorf("%s: interface %s has %d methods, at most %d", f.path, spec.Name, it.Methods.NumFields(), interfaceMethods)
			}
			return true
		})
	}
}

func TestGoroutinesStartWhereTheyAreOwned(t *testing.T) {
	for _, f := range load(t) {
		owner, _ := entry(f.pkg)
		if f.test || slices.Contains(spawners, owner) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: starts a goroutine outside %s", f.fset.Position(g.Pos()), strings.Join(spawners, ", "))
			}
			return true
		})
	}
}

func TestNoHiddenState(t *testing.T) {
	for _, f := range load(t) {
		if f.test {
			continue
		}
		base := filepath.Base(f.pkg)
		if base == "util" || base == "utils" || base == "common" || base == "helpers" {
			t.Errorf("%s: a package named %s says nothing about what is in it", f.path, base)
		}
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: has an init function", f.path)
			}
		}
	}
}

// load parses every Go file of the module.
func load(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (name == "testdata" || name[0] == '.' || name[0] == '_') {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files = append(files, file{
			path: filepath.ToSlash(rel), pkg: filepath.ToSlash(filepath.Dir(rel)),
			test: strings.HasSuffix(name, "_test.go"), syntax: syntax, fset: fset,
			lines: fset.Position(syntax.FileEnd).Line,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].path < files[j].path })
	return files
}
