// Package apikey is who may use the server: named keys with scopes, of which only hashes are kept.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/internal/server/reload"
)

// Scope is a part of the API that a key may open.
type Scope string

// The scopes.
const (
	Chat  Scope = "chat"  // completions and models
	Tools Scope = "tools" // the MCP servers' state, their tools and calls
	Admin Scope = "admin" // the audit log and approvals
)

// AllScopes returns every scope.
func AllScopes() []Scope { return []Scope{Chat, Tools, Admin} }

// Digest is the SHA-256 of a key's text, written in hexadecimal. A plain hash is enough: [Generate] makes
// keys of 256 random bits, so there is no list of likely ones to try, and a slow or salted hash would add
// its cost to every request and nothing to the search.
type Digest [sha256.Size]byte

// MarshalText writes 64 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != 2*sha256.Size {
		return fmt.Errorf("a SHA-256 has %d hexadecimal digits, not %d", 2*sha256.Size, len(text))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("a SHA-256 has hexadecimal digits only: %w", err)
	}
	return nil
}

// Key is what the server knows of a key.
type Key struct {
	// Name stands for the key in logs. It is public.
	Name   string  `json:"name"`
	Digest Digest  `json:"sha256"`
	Scopes []Scope `json:"scopes"`
	// RateLimit is the most requests a minute; 0 leaves it to the server's setting.
	RateLimit int `json:"rate_limit,omitempty"`
}

// Of returns the Key of a text that somebody chose.
func Of(name, text string, scopes ...Scope) Key {
	return Key{Name: name, Digest: sha256.Sum256([]byte(text)), Scopes: scopes}
}

// prefix begins every generated key, so that it is recognised where it should not be.
const prefix = "tsk_"

// Generate returns a new key and what a keys file needs of it. The text exists nowhere else. A rateLimit of
// 0 leaves the rate to the server.
func Generate(name string, rateLimit int, scopes ...Scope) (text string, key Key, err error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it does not fail
	text = prefix + base64.RawURLEncoding.EncodeToString(random)
	key = Of(name, text, scopes...)
	key.RateLimit = rateLimit
	return text, key, key.check()
}

// May reports whether the key has a scope. Every key has the empty one.
func (k Key) May(scope Scope) bool { return scope == "" || slices.Contains(k.Scopes, scope) }

// maxName bounds a name, which stands in every log line.
const maxName = 64

// check says what is wrong with a key.
func (k Key) check() error {
	if k.Name == "" || len(k.Name) > maxName || strings.ContainsFunc(k.Name, outsideName) {
		return fmt.Errorf("the name %.80q: a name has 1 to %d letters, digits, and \".\", \"_\", \"-\", \"@\"", k.Name, maxName)
	}
	if len(k.Scopes) == 0 {
		return fmt.Errorf("the key %q has no scopes; give some of %s", k.Name, List(AllScopes()))
	}
	for _, scope := range k.Scopes {
		if !slices.Contains(AllScopes(), scope) {
			return fmt.Errorf("the key %q: %.40q is no scope; give some of %s", k.Name, scope, List(AllScopes()))
		}
	}
	switch {
	case k.Digest == Digest{}:
		return fmt.Errorf("the key %q has no sha256", k.Name)
	case k.Digest == sha256.Sum256(nil):
		return fmt.Errorf("the key %q is the empty key: its sha256 is that of nothing", k.Name)
	case k.RateLimit < 0 || k.RateLimit > 1e9:
		return fmt.Errorf("the key %q: a rate_limit is a positive number of requests a minute", k.Name)
	}
	return nil
}

func outsideName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@", r))
}

// List writes scopes for people.
func List(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// Ring is the keys that open a server. It is safe for concurrent use.
type Ring struct {
	fixed []Key
	file  *reload.Value[[]Key] // nil without a file
}

// NewRing returns a ring of fixed keys.
func NewRing(keys ...Key) (*Ring, error) { return &Ring{fixed: keys}, checkAll(keys) }

// Open returns a ring of the keys in a file and of fixed ones. The file is read again when it changes; log
// is told of that, and nil is silent.
func Open(path string, log *slog.Logger, fixed ...Key) (*Ring, error) {
	read := func() ([]Key, error) { return load(path, fixed) }
	file, err := reload.Open(read, log, path)
	if err != nil {
		return nil, err
	}
	return &Ring{fixed: fixed, file: file}, nil
}

// Find returns the key of a text. It compares with every key, and takes the same time for each text that
// is none, so that the time tells nothing about any key.
func (r *Ring) Find(text string) (Key, bool) {
	digest, found := sha256.Sum256([]byte(text)), -1
	keys := r.keys()
	for i := range keys {
		same := subtle.ConstantTimeCompare(digest[:], keys[i].Digest[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return Key{}, false
	}
	return keys[found], true
}

func (r *Ring) keys() []Key {
	if r.file == nil {
		return r.fixed
	}
	return r.file.Get() // load puts the fixed ones with them
}

// checkAll says what is wrong with a set of keys.
func checkAll(keys []Key) error {
	if len(keys) == 0 {
		return errors.New("there are no keys")
	}
	names, digests := map[string]bool{}, map[Digest]string{}
	for _, k := range keys {
		if err := k.check(); err != nil {
			return err
		}
		if names[k.Name] {
			return fmt.Errorf("there are two keys with the name %q", k.Name)
		}
		if other, twice := digests[k.Digest]; twice {
			return fmt.Errorf("%q and %q are the same key", other, k.Name)
		}
		names[k.Name], digests[k.Digest] = true, k.Name
	}
	return nil
}
