// Package packages finds out which package a runtime has fetched for a server, by the files in the runtime's
// cache: its version, and a hash that says what was in it. It asks nobody over the network.
package packages

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/trust"
)

// Caches are where runtimes keep what they fetched: absolute folders, or "".
type Caches struct{ NPM, UV string }

// Package is a package in a cache.
type Package struct {
	// Registry is "npm" or "pypi", Name the package's name there.
	Registry, Name, Version string
	// Integrity is npm's own hash of the archive ("sha512-..."), or "sha256-" and the hash of the list of
	// hashes in a wheel (RECORD, which names each of its files). "" says that the cache does not tell.
	Integrity string
}

const (
	// maxFile bounds a file that is read, maxFound the packages that are looked at.
	maxFile  = 16 << 20
	maxFound = 1000
)

// Find returns the versions of packages that the caches hold, sorted. What is not there is left out.
func Find(caches Caches, wanted []policy.Package) []Package {
	var found []Package
	for _, w := range wanted {
		switch w.Registry {
		case "npm":
			found = append(found, caches.npm(w)...)
		case "pypi":
			found = append(found, caches.pypi(w.Name)...)
		}
	}
	slices.SortFunc(found, func(a, b Package) int { return strings.Compare(a.key(), b.key()) })
	return slices.Compact(found)
}

func (p Package) key() string { return p.Registry + ":" + p.Name + "@" + p.Version }

// Item is the package as trust is put in it: by its version, so that another version is another item.
func (p Package) Item() trust.Item {
	definition, err := json.Marshal(map[string]string{"integrity": p.Integrity})
	if err != nil {
		definition = []byte(`{}`) // a map of strings can always be encoded
	}
	return trust.NewItem(trust.KindPackage, p.key(), definition)
}

// npm looks into the folders that npx installs into, of which each is for the packages of one command line.
func (c Caches) npm(w policy.Package) []Package {
	if c.NPM == "" {
		return nil
	}
	projects, _ := filepath.Glob(filepath.Join(c.NPM, "_npx", "*", "package.json"))
	var found []Package
	for _, project := range projects[:min(len(projects), maxFound)] {
		var asked struct {
			NPX struct {
				Packages []string `json:"packages"`
			} `json:"_npx"`
		}
		if !readJSON(project, &asked) || !slices.Contains(asked.NPX.Packages, w.Spec) {
			continue
		}
		var lock struct {
			Packages map[string]struct {
				Version   string `json:"version"`
				Integrity string `json:"integrity"`
			} `json:"packages"`
		}
		readJSON(filepath.Join(filepath.Dir(project), "node_modules", ".package-lock.json"), &lock)
		if p, ok := lock.Packages["node_modules/"+w.Name]; ok && p.Version != "" {
			found = append(found, Package{Registry: "npm", Name: w.Name, Version: p.Version, Integrity: p.Integrity})
		}
	}
	return found
}

var separators = regexp.MustCompile(`[-_.]+`)

// normal is a name as it compares: PEP 503.
func normal(name string) string { return separators.ReplaceAllString(strings.ToLower(name), "-") }

// pypi looks at the wheels that uv has unpacked.
func (c Caches) pypi(name string) []Package {
	if c.UV == "" {
		return nil
	}
	records, _ := filepath.Glob(filepath.Join(c.UV, "archive-v0", "*", "*.dist-info", "RECORD"))
	var found []Package
	for _, record := range records[:min(len(records), 10*maxFound)] {
		dir := strings.TrimSuffix(filepath.Base(filepath.Dir(record)), ".dist-info")
		distribution, version, ok := strings.Cut(dir, "-")
		if !ok || normal(distribution) != normal(name) {
			continue
		}
		p := Package{Registry: "pypi", Name: normal(name), Version: version}
		if data, err := readFile(record); err == nil {
			p.Integrity = integrity(data)
		}
		found = append(found, p)
	}
	return found
}

// integrity is the hash of a wheel's list of hashes, whatever the order of its lines.
func integrity(record []byte) string {
	lines := bytes.Split(bytes.TrimSpace(bytes.ReplaceAll(record, []byte("\r"), nil)), []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	sum := sha256.Sum256(bytes.Join(lines, []byte("\n")))
	return "sha256-" + hex.EncodeToString(sum[:])
}

func readJSON(path string, v any) bool {
	data, err := readFile(path)
	return err == nil && json.Unmarshal(data, v) == nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}
