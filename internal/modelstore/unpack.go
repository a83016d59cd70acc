package modelstore

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"

	"github.com/toolserve/toolserve/internal/modelstore/host"
)

// Limits on an archive of libraries; the largest known one has 30 entries and 400 MB.
const (
	maxEntries  = 1000
	maxUnpacked = 1 << 30
	maxManifest = 1 << 20

	manifestName = "manifest.json"
)

// A manifest lies beside unpacked libraries and says what each of them must be.
type manifest struct {
	Package   string    `json:"package"`
	Integrity string    `json:"integrity"`
	Files     []libFile `json:"files"`
}

type libFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

var libName = regexp.MustCompile(`^lib[A-Za-z0-9][A-Za-z0-9._-]*$`)

func badArchive(archive, reason string) error {
	return &Error{
		What: "engine archive " + filepath.Base(archive), Kind: ErrChecksum, Reason: reason,
		Mend: "nothing of it was used; clear npm's cache (npm cache clean --force), check which registry npm uses, and try again",
	}
}

// checkArchive compares the archive with the SHA-512 that toolserve pins.
func checkArchive(archive string, p enginePackage) error {
	sum, err := host.HashFile(archive, sha512.New())
	if err != nil {
		return unusable(archive, err)
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum); got != p.integrity {
		return badArchive(archive, fmt.Sprintf("its hash is %s, but %s has %s", got, p.spec(), p.integrity))
	}
	return nil
}

// unpack writes the libraries that lie directly in the folder prefix of the archive into dir. Anything
// else in the archive is skipped; a link, an odd name, or more than limit bytes
// refuse it all.
func unpack(ctx context.Context, archive, prefix, dir string, limit int64) (files []libFile, err error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, unusable(archive, err)
	}
	defer f.Close() // read only
	zr, err := gzip.NewReader(f)
	if err != nil {
		return nil, badArchive(archive, "it is not a gzip file")
	}
	limited := &io.LimitedReader{R: zr, N: limit}
	tr := tar.NewReader(limited)
	for n := 0; ; n++ {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		h, err := tr.Next()
		switch {
		case err == io.EOF:
			return files, nil
		case limited.N <= 0:
			return nil, badArchive(archive, fmt.Sprintf("it unpacks to more than %s", bytesText(limit)))
		case err != nil:
			return nil, badArchive(archive, "it is damaged: "+err.Error())
		case n >= maxEntries:
			return nil, badArchive(archive, fmt.Sprintf("it has more than %d entries", maxEntries))
		}
		base, wanted, err := library(h, prefix)
		if err != nil {
			return nil, badArchive(archive, err.Error())
		}
		if !wanted {
			continue
		}
		file, err := writeLibrary(tr, filepath.Join(dir, base), h.Size)
		if err != nil {
			if limited.N <= 0 {
				err = badArchive(archive, fmt.Sprintf("it unpacks to more than %s", bytesText(limit)))
			}
			return nil, err
		}
		files = append(files, file)
	}
}

// library judges an entry: whether it is one of the libraries in prefix, and whether it may be.
func library(h *tar.Header, prefix string) (base string, wanted bool, err error) {
	dir, base := path.Split(h.Name)
	if dir != prefix+"/" || len(base) < 3 || base[:3] != "lib" {
		return "", false, nil
	}
	switch {
	case h.Typeflag != tar.TypeReg:
		return "", false, fmt.Errorf("its entry %s is not a plain file", host.Printable(h.Name, 200))
	case !libName.MatchString(base) || len(base) > 100:
		return "", false, fmt.Errorf("its entry %s has an odd name", host.Printable(h.Name, 200))
	}
	return base, true, nil
}

func writeLibrary(src io.Reader, dst string, size int64) (libFile, error) {
	f, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return libFile{}, unusable(dst, err)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), src)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return libFile{}, writeError(filepath.Dir(dst), size-n, err)
	}
	return libFile{Name: filepath.Base(dst), Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// checkManifest checks that dir holds exactly the libraries that its manifest lists, unchanged, and
// that nobody else may change them. An absent dir gives an error that wraps [fs.ErrNotExist].
func checkManifest(dir, integrity string) error {
	bad := func(format string, args ...any) error {
		return &Error{
			What: "engine libraries in " + dir, Kind: ErrTampered, Reason: fmt.Sprintf(format, args...),
			Mend: "install them again with 'toolserve engine install'",
		}
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{What: "engine libraries in " + dir, Kind: fs.ErrNotExist, Reason: "they are not installed", Mend: "install them with 'toolserve engine install'"}
	}
	if err != nil {
		return unusable(dir, err)
	}
	if othersMayChange(dir) || othersMayChange(filepath.Dir(dir)) {
		return bad("the folder may be changed by other accounts")
	}
	var m manifest
	data, err := host.ReadSmall(filepath.Join(dir, manifestName), maxManifest)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return bad("the manifest cannot be read: %v", err)
	}
	if m.Integrity != integrity || len(m.Files) == 0 {
		return bad("the manifest belongs to another package")
	}
	want := map[string]libFile{}
	for _, f := range m.Files {
		want[f.Name] = f
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok && e.Name() != manifestName {
			return bad("%s is not part of the package", e.Name())
		}
	}
	for _, f := range want {
		if reason := checkLibrary(dir, f); reason != "" {
			return bad("%s %s", host.Printable(f.Name, 100), reason)
		}
	}
	return nil
}

func othersMayChange(path string) bool {
	info, err := os.Stat(path)
	return err != nil || host.OthersMayChange(info)
}

// checkLibrary says what is wrong with one library, or nothing.
func checkLibrary(dir string, f libFile) string {
	if !libName.MatchString(f.Name) {
		return "has an odd name"
	}
	file := filepath.Join(dir, f.Name)
	info, err := os.Lstat(file)
	switch {
	case err != nil:
		return "is missing"
	case !info.Mode().IsRegular():
		return "is not a plain file"
	case info.Size() != f.Size:
		return fmt.Sprintf("has %d bytes instead of %d", info.Size(), f.Size)
	case host.OthersMayChange(info):
		return "may be changed by other accounts"
	}
	sum, err := host.HashFile(file, sha256.New())
	if err != nil {
		return "cannot be read: " + err.Error()
	}
	if hex.EncodeToString(sum) != f.SHA256 {
		return "has been changed (its SHA-256 is not the one of the package)"
	}
	return ""
}
