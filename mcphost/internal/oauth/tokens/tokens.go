// Package tokens keeps OAuth credentials in a file that is encrypted with age. The key lies in the keyring
// of the operating system where there is one, else in a file beside it that its owner alone may read; or
// it is made from a passphrase.
package tokens

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
)

const (
	version    = 1
	maxFile    = 8 << 20
	maxRecords = 2000
	// lookEvery is how long the file is not looked at again for requests that have their credentials.
	lookEvery = 100 * time.Millisecond
)

// Record are the credentials for one server (URL) from one authorization server (Issuer).
type Record struct {
	URL, Resource, Issuer string
	// Grant is how they were got; "" is the authorization code.
	Grant  string `json:",omitempty"`
	Client Client
	// Access is "" where it has run out. Expiry is zero where it is not known.
	Access  string    `json:",omitempty"`
	Refresh string    `json:",omitempty"`
	Expiry  time.Time `json:",omitzero"`
	// Scopes were granted; Wanted were asked for by the server since, and wait for a login.
	Scopes, Wanted []string `json:",omitempty"`
	// DPoPKey is the private key that the tokens are bound to, in PEM, or "".
	DPoPKey string `json:",omitempty"`
	Saved   time.Time
}

// Client is what this program is registered as. The secret of a client that the configuration names is
// not kept here.
type Client struct {
	ID          string
	Secret      string `json:",omitempty"`
	Method      string
	RedirectURI string `json:",omitempty"`
	// Dynamic says that the client was registered by itself.
	Dynamic       bool      `json:",omitempty"`
	SecretExpires time.Time `json:",omitzero"`
}

// Secrets returns what must not be shown.
func (r *Record) Secrets() []string {
	return slices.DeleteFunc([]string{r.Access, r.Refresh, r.Client.Secret, r.DPoPKey}, func(s string) bool { return s == "" })
}

// Options say where credentials are kept. The zero value keeps them in memory.
type Options struct {
	// Path is the file, or "".
	Path string
	// Passphrase, unless "", is what the key is made from.
	Passphrase string
	// Keyring is the operating system's; nil is none.
	Keyring Keyring

	workFactor int // of a passphrase, for tests; 0 is the usual one
}

// Store keeps credentials. It is safe for concurrent use, also by several processes.
type Store struct {
	opts Options

	mu      sync.Mutex
	records []Record
	version string // of the file that records were read from
	changes int    // of a store without a file
	key     *key   // once it is known

	looked   string // version of the file when it was last looked at
	lookedAt time.Time
}

// NewMemory returns a store that keeps credentials until the end of the process.
func NewMemory() *Store { return &Store{} }

// Open returns the store of a file, which need not be there yet.
func Open(opts Options) *Store { return &Store{opts: opts} }

// Path returns the file, or "".
func (s *Store) Path() string { return s.opts.Path }

// Files are the paths of all files that hold credentials or the key to them, whether they are there or not.
func (s *Store) Files() []string {
	if s.opts.Path == "" {
		return nil
	}
	return []string{s.opts.Path, s.opts.Path + ".key"}
}

// Version is a text that changes when the credentials have; what another process changed may show up to
// a tenth of a second later.
func (s *Store) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Path == "" {
		return "memory " + strconv.Itoa(s.changes)
	}
	if now := time.Now(); now.Sub(s.lookedAt) > lookEvery {
		s.looked, s.lookedAt = FileVersion(s.opts.Path), now
	}
	return s.looked
}

// FileVersion is a text that changes when a file does. The file "" has none.
func FileVersion(path string) string {
	if path == "" {
		return "-"
	}
	info, err := os.Stat(path)
	if err != nil {
		return "absent"
	}
	return fmt.Sprintf("%d %d %d", info.ModTime().UnixNano(), info.Size(), inode(info))
}

// Find returns the credentials for a server, the newest first.
func (s *Store) Find(url string) ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return nil, err
	}
	var found []Record
	for _, r := range s.records {
		if r.URL == url {
			found = append(found, r)
		}
	}
	slices.SortStableFunc(found, func(a, b Record) int { return b.Saved.Compare(a.Saved) })
	return found, nil
}

// Fingerprint is a text that changes when the credentials for a server have.
func (s *Store) Fingerprint(url string) string {
	found, err := s.Find(url)
	if err != nil {
		return "unreadable " + s.Version()
	}
	var b strings.Builder
	for _, r := range found {
		fmt.Fprintf(&b, "%q %d ", r.Issuer, r.Saved.UnixNano())
	}
	return b.String()
}

// Put keeps credentials in place of those for the same server from the same authorization server.
func (s *Store) Put(r Record) error {
	return s.change(func(records []Record) []Record {
		records = slices.DeleteFunc(records, func(o Record) bool { return o.URL == r.URL && o.Issuer == r.Issuer })
		records = append(records, r)
		return records[max(0, len(records)-maxRecords):]
	})
}

// Describe says where the credentials are and what protects them. The error is why they cannot be read.
func (s *Store) Describe() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Path == "" {
		return "in memory, until the end of the process: nothing says where the person's home is", nil
	}
	if err := s.load(); err != nil {
		return s.opts.Path, err
	}
	if s.key == nil {
		return s.opts.Path + " (none yet)", nil
	}
	servers := map[string]bool{}
	for _, r := range s.records {
		servers[r.URL] = true
	}
	return fmt.Sprintf("%s (for %d servers; %s)", s.opts.Path, len(servers), s.key.from), nil
}

// Delete forgets the credentials for a server and returns them.
func (s *Store) Delete(url string) (gone []Record, err error) {
	if found, err := s.Find(url); err != nil || len(found) == 0 {
		return nil, err
	}
	err = s.change(func(records []Record) []Record {
		return slices.DeleteFunc(records, func(r Record) bool {
			if r.URL == url {
				gone = append(gone, r)
			}
			return r.URL == url
		})
	})
	return gone, err
}

// Turn waits until no other process has the turn to renew credentials, and takes it.
func (s *Store) Turn(ctx context.Context) (release func(), err error) {
	if s.opts.Path == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(filepath.Dir(s.opts.Path), 0o700); err != nil {
		return nil, err
	}
	return lock(ctx, s.opts.Path+".turn", time.Minute)
}

// change replaces the records: in the file first, under a lock, from what it holds at that moment.
func (s *Store) change(edit func([]Record) []Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Path == "" {
		s.records = edit(slices.Clone(s.records))
		s.changes++
		return nil
	}
	dir := filepath.Dir(s.opts.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	release, err := lock(context.Background(), s.opts.Path+".lock", 10*time.Second)
	if err != nil {
		return err
	}
	defer release()
	if err := s.load(); err != nil {
		return err
	}
	records := edit(slices.Clone(s.records))
	data, err := json.Marshal(struct {
		Version int
		Records []Record
	}{version, records})
	if err != nil {
		return err
	}
	if data, err = s.encrypt(data); err != nil {
		return err
	}
	if err := replace(s.opts.Path, data); err != nil {
		return err
	}
	s.records, s.version = records, FileVersion(s.opts.Path)
	s.looked, s.lookedAt = s.version, time.Now()
	return nil
}

// load reads the file if it has changed.
func (s *Store) load() error {
	if s.opts.Path == "" {
		return nil
	}
	found := FileVersion(s.opts.Path)
	if s.version == found {
		return nil
	}
	f, err := os.Open(s.opts.Path)
	if errors.Is(err, os.ErrNotExist) {
		s.records, s.version = nil, found
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	records, err := s.read(data)
	if err != nil {
		return fmt.Errorf("the credentials in %s cannot be read: %w", s.opts.Path, err)
	}
	s.records, s.version = records, found
	return nil
}

func (s *Store) read(data []byte) ([]Record, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	k, err := s.identity(data)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(bytes.NewReader(data), k.identity)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, k.mend)
	}
	var file struct {
		Version int
		Records []Record
	}
	if err := json.NewDecoder(io.LimitReader(plain, maxFile)).Decode(&file); err != nil {
		return nil, err
	}
	if file.Version != version || len(file.Records) > maxRecords {
		return nil, fmt.Errorf("it was written by another version of toolserve (format %d)", file.Version)
	}
	return file.Records, nil
}

func (s *Store) encrypt(data []byte) ([]byte, error) {
	k, err := s.identity(nil)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.recipient)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// replace writes a file that its owner alone may read, whole or not at all.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// DefaultPath is where credentials are kept for the person who runs the program, or "" where nothing says
// who that is. getenv reads the environment: TOOLSERVE_TOKENS_FILE comes first.
func DefaultPath(getenv func(string) string) string {
	if path := getenv("TOOLSERVE_TOKENS_FILE"); path != "" {
		return path
	}
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return ""
		}
	}
	return filepath.Join(dir, "toolserve", "mcp-tokens.age")
}

// isScrypt reports whether a file was encrypted with a passphrase.
func isScrypt(data []byte) bool {
	head := string(data[:min(len(data), 200)])
	return strings.Contains(head, "\n-> scrypt ")
}
