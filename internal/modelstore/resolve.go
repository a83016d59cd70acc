package modelstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/modelstore/host"
)

// resolveHub finds a model of the hub in the cache, or fetches it.
func (s *Store) resolveHub(ctx context.Context, ref hubRef, progress func(Progress), refresh bool) (Model, error) {
	dir := s.repoDir(ref.id())
	if !refresh {
		if m, ok, err := s.cached(dir, ref, s.hubOff); ok || err != nil {
			return m, err
		}
	}
	if s.hubOff {
		return Model{}, s.offlineError(dir, ref)
	}
	unlock, err := s.lock(ctx, dir, ref.String(), progress)
	if err != nil {
		return Model{}, err
	}
	defer unlock()
	if !refresh { // another process may have fetched it while this one waited
		if m, ok, err := s.cached(dir, ref, false); ok || err != nil {
			return m, err
		}
	}
	progress(Progress{Phase: PhaseResolve, Name: ref.String(), Source: s.endpoint.Host})
	l, err := s.listRepo(ctx, ref)
	if err != nil {
		if m, ok, _ := s.cached(dir, ref, true); ok && errors.Is(err, ErrNetwork) && !refresh {
			s.log.Warn("the hub cannot be reached; a model in the cache is used", "model", m.Ref, "error", err)
			return m, nil
		}
		return Model{}, err
	}
	all := variants(l.files)
	if len(all) == 0 {
		return Model{}, s.noGGUF(ctx, ref, l)
	}
	v, err := pick(ref, all)
	if err != nil {
		return Model{}, err
	}
	ix := s.readIndex(dir)
	ix.Repo, ix.Commit, ix.Files = ref.id(), l.commit, l.files
	if err := s.fetchVariant(ctx, dir, &ix, ref, v, progress); err != nil {
		return Model{}, err
	}
	return s.finishModel(ix.model(dir, ref, v))
}

func (s *Store) offlineError(dir string, ref hubRef) error {
	e := &Error{
		What: "model " + ref.String(), Kind: ErrNetwork, Reason: "it is not in the cache, and the hub may not be asked (HF_HUB_OFFLINE)",
		Mend: "unset HF_HUB_OFFLINE, or name a .gguf file",
	}
	if have := variants(s.readIndex(dir).onDisk(dir)); len(have) > 0 {
		e.Mend += "; the cache has " + sample(have, func(v variant) string { return ref.id() + ":" + v.files[0].Name })
	}
	return e
}

// cached returns the model if all its files are there. With the hub's last listing at hand, the choice
// is the one that the listing leads to; without it, or where anything will do, it is made among what is there.
func (s *Store) cached(dir string, ref hubRef, anything bool) (Model, bool, error) {
	ix := s.readIndex(dir)
	have := ix.onDisk(dir)
	files := have
	if ix.Commit != "" && !anything {
		files = ix.Files
	} else if ref.file == "" && ref.quant == "" && !anything {
		return Model{}, false, nil
	}
	v, err := pick(ref, variants(files))
	if err != nil {
		return Model{}, false, nil // the hub may have it by now
	}
	for _, f := range v.files {
		if !ix.has(dir, f) {
			return Model{}, false, nil
		}
	}
	m, err := s.finishModel(ix.model(dir, ref, v))
	return m, err == nil, err
}

// finishModel reads the headers of the files, so that a Model is known to be one.
func (s *Store) finishModel(m Model) (Model, error) {
	if err := m.inspect(); err != nil {
		return Model{}, &Error{
			What: "model " + m.Ref, Kind: ErrModel, Reason: strings.TrimPrefix(err.Error(), "gguf: "),
			Mend: "remove the file and fetch it again, or take another quant", Cause: err,
		}
	}
	return m, nil
}

// fetchVariant downloads the files of v that are not there, and notes each in the index as it arrives.
func (s *Store) fetchVariant(ctx context.Context, dir string, ix *index, ref hubRef, v variant, progress func(Progress)) error {
	var missing []hubFile
	var done int64
	for _, f := range v.files {
		if ix.has(dir, f) {
			done += f.Size
		} else {
			missing = append(missing, f)
		}
	}
	if err := ensureSpace(dir, v.size()-done-s.leftOver(dir, missing)); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, indexName), ix); err != nil {
		return err
	}
	for _, f := range missing {
		if len(f.SHA256) != 64 {
			return &Error{
				What: "model " + ref.String(), Kind: ErrChecksum, Reason: "the hub gives no SHA-256 of " + f.Name + ", so it cannot be checked",
				Mend: "download it yourself and give its path",
			}
		}
		at := fetchPlan{ref: ref, file: f, commit: ix.Commit, before: done, total: v.size()}
		if err := s.fetchFile(ctx, dir, ix, at, progress); err != nil {
			return err
		}
		done += f.Size
	}
	return nil
}

// leftOver counts the bytes that interrupted downloads of files have left in dir.
func (s *Store) leftOver(dir string, files []hubFile) (n int64) {
	for _, f := range files {
		if len(f.SHA256) == 64 {
			n += host.Size((&download{dst: filepath.Join(dir, filepath.FromSlash(f.Name)), sha256: f.SHA256}).partial())
		}
	}
	return n
}

// A fetchPlan is one file of a model on its way.
type fetchPlan struct {
	ref           hubRef
	file          hubFile
	commit        string
	before, total int64 // bytes of the model that are there already, and in all
}

func (s *Store) fetchFile(ctx context.Context, dir string, ix *index, p fetchPlan, progress func(Progress)) error {
	u := s.fileURL(p.ref.id(), p.commit, p.file.Name)
	d := s.newDownload(dir, u, p, progress)
	s.log.Info("downloading a model file", "repository", p.ref.id(), "file", p.file.Name, "bytes", p.file.Size, "from", u.Host)
	if err := d.run(ctx); err != nil {
		var e *Error
		if errors.As(err, &e) || ctx.Err() != nil {
			return err
		}
		var se *statusError
		if errors.As(err, &se) && se.status == http.StatusNotFound {
			return &Error{
				What: "model " + p.ref.String(), Kind: ErrNotFound, Cause: err,
				Reason: fmt.Sprintf("%s has no file %s at commit %s", s.endpoint.Host, p.file.Name, p.commit), Mend: "fetch it again: the repository may have changed just now",
			}
		}
		return s.hubError(ctx, p.ref, err)
	}
	host.RemoveAll(globQuote(d.dst) + ".*.partial") // what is left of other versions
	ix.Have[p.file.Name] = haveFile{hubFile: p.file, Commit: p.commit, Source: SourceHub, Fetched: time.Now().UTC().Truncate(time.Second)}
	return writeJSON(filepath.Join(dir, indexName), ix)
}

// globQuote makes a path a pattern for itself.
func globQuote(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}

func (s *Store) newDownload(dir string, u *url.URL, p fetchPlan, progress func(Progress)) *download {
	var last time.Time
	var phase Phase
	return &download{
		store: s, url: u, name: p.file.Name, size: p.file.Size, sha256: p.file.SHA256,
		dst: filepath.Join(dir, filepath.FromSlash(p.file.Name)),
		report: func(ph Phase, done int64) {
			if ph == phase && done < p.file.Size && time.Since(last) < 50*time.Millisecond {
				return
			}
			phase, last = ph, time.Now()
			progress(Progress{Phase: ph, Name: p.ref.String(), Source: u.Host, Done: p.before + done, Total: p.total})
		},
	}
}
