package modelstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/toolserve/toolserve/internal/modelstore/host"
)

const (
	indexName = "index.json"
	lockName  = ".lock"
	maxIndex  = 16 << 20
)

// An index is what the cache knows of one repository. It is only written under the repository's lock.
type index struct {
	// Repo is ORG/REPO, as the hub or the user spells it.
	Repo string `json:"repo"`
	// Commit and Files are the hub's last listing; Commit is empty if there was none yet.
	Commit string    `json:"commit,omitempty"`
	Files  []hubFile `json:"files,omitempty"`
	// Have are the files on disk, by name.
	Have map[string]haveFile `json:"have"`
}

// A haveFile is a whole file in the cache.
type haveFile struct {
	hubFile
	Commit  string    `json:"commit"`
	Source  Source    `json:"source"`
	Fetched time.Time `json:"fetched"`
}

func (s *Store) modelsDir() string { return filepath.Join(s.dir, "models") }

func (s *Store) repoDir(id string) string {
	return filepath.Join(s.modelsDir(), filepath.FromSlash(id))
}

// readIndex returns the index in dir; an absent or unreadable one is empty, and grows anew.
func (s *Store) readIndex(dir string) index {
	ix := index{Have: map[string]haveFile{}}
	data, err := host.ReadSmall(filepath.Join(dir, indexName), maxIndex)
	if err == nil {
		err = json.Unmarshal(data, &ix)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("the index of a cached repository cannot be read and is made anew", "folder", dir, "error", err)
		ix = index{}
	}
	if ix.Have == nil {
		ix.Have = map[string]haveFile{}
	}
	return ix
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return unusable(filepath.Dir(path), err)
	}
	_, err = tmp.Write(append(data, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(unusable(path, err), os.Remove(tmp.Name()))
	}
	return nil
}

// has says whether a file of the index is on disk in full.
func (ix index) has(dir string, f hubFile) bool {
	h, ok := ix.Have[f.Name]
	if !ok || !safeName(f.Name) || h.SHA256 != f.SHA256 {
		return false
	}
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.Name)))
	return err == nil && info.Mode().IsRegular() && info.Size() == h.Size
}

// onDisk returns the files that are there in full, in the order of their names.
func (ix index) onDisk(dir string) (files []hubFile) {
	for name, h := range ix.Have {
		if f := h.hubFile; f.Name == name && ix.has(dir, f) {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b hubFile) int { return cmp.Compare(a.Name, b.Name) })
	return files
}

// lock waits for the exclusive use of dir and returns how to give it back.
func (s *Store) lock(ctx context.Context, dir, what string, progress func(Progress)) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(filepath.Join(dir, lockName), err)
	}
	for first := true; ; first = false {
		ok, err := host.TryLock(f)
		if ok {
			return func() { _ = f.Close() }, nil // closing gives the lock back
		}
		if err == nil {
			if first {
				s.log.Info("waiting for another process that fetches the same", "what", what)
				progress(Progress{Phase: PhaseWait, Name: what})
			}
			err = s.retries.sleep(ctx, s.retries.lockPoll)
		}
		if err != nil {
			if ctx.Err() == nil {
				err = unusable(f.Name(), err)
			}
			return nil, errors.Join(err, f.Close())
		}
	}
}

// list walks over the indexes in the cache.
func (s *Store) list(ctx context.Context) ([]Model, error) {
	dirs, err := filepath.Glob(filepath.Join(s.modelsDir(), "*", "*", indexName))
	if err != nil {
		return nil, unusable(s.modelsDir(), err)
	}
	var all []Model
	for _, path := range dirs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		dir := filepath.Dir(path)
		ix := s.readIndex(dir)
		ref, err := parseRef(ix.Repo)
		if err != nil {
			s.log.Warn("a folder in the cache belongs to no repository", "folder", dir)
			continue
		}
		for _, v := range variants(ix.onDisk(dir)) {
			m := ix.model(dir, ref, v)
			if m.Starter = s.isStarter(ref, v); m.Starter {
				m.Name = StarterName
			}
			if m.Quant = v.quant; m.Quant == "" {
				m.Quant = "unknown"
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Model) int { return cmp.Compare(a.Ref, b.Ref) })
	return all, nil
}

// model describes a variant whose files are all in dir.
func (ix index) model(dir string, ref hubRef, v variant) Model {
	m := Model{Name: ref.id(), Ref: ref.id() + ":" + v.files[0].Name, Size: v.size(), Quant: v.quant}
	for _, f := range v.files {
		m.Files = append(m.Files, filepath.Join(dir, filepath.FromSlash(f.Name)))
		h := ix.Have[f.Name]
		m.Source, m.Commit = h.Source, h.Commit
		if h.Fetched.After(m.Fetched) {
			m.Fetched = h.Fetched
		}
	}
	m.Path = m.Files[0]
	return m
}
