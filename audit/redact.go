package audit

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

const (
	// Redacted stands where a secret was.
	Redacted = "[REDACTED]"
	// longText is how many characters a value may have; of a longer one, keptText are kept.
	longText, keptText = 1000, 100
	// maxJSON bounds the arguments in a record, in bytes.
	maxJSON = 64 << 10
	// maxScan bounds how much of a long text is looked at.
	maxScan = 8 << 10
	// minSecret is the length from which a literal secret is hidden: a shorter one stands in ordinary
	// text by chance.
	minSecret = 4
)

// RedactorOptions configure a Redactor.
type RedactorOptions struct {
	// Secrets are literal values that must never be shown, such as those of the config's environment.
	// Values of fewer than 4 bytes are not hidden.
	Secrets []string
	// Keys are further words that mark a field as secret. A word matches a whole word of the field's
	// name, whatever its case.
	Keys []string
	// NoRedaction keeps everything and only shortens long values.
	NoRedaction bool
}

// Redactor replaces secrets by "[REDACTED]" and shortens long values. It finds them by the name of
// the field, by the shape of the value and by their literal text. It is safe for concurrent use.
type Redactor struct {
	keys     atomic.Pointer[map[string]bool] // never changed, but replaced
	off      bool
	literals atomic.Pointer[literals] // nil while there is none

	mu      sync.Mutex // guards secrets and owned, and the replacing of keys
	secrets []string
	owned   map[string][]string // secrets that are replaced, by owner
}

// NewRedactor returns a redactor.
func NewRedactor(opts RedactorOptions) *Redactor {
	r := &Redactor{off: opts.NoRedaction}
	r.keys.Store(&map[string]bool{})
	r.AddKeys(opts.Keys...)
	r.AddSecrets(opts.Secrets...)
	return r
}

// AddKeys adds words that mark a field as secret, as Keys of [RedactorOptions] does.
func (r *Redactor) AddKeys(words ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := maps.Clone(*r.keys.Load())
	for _, word := range words {
		keys[strings.ToLower(word)] = true
	}
	r.keys.Store(&keys)
}

// AddSecrets adds literal values to hide, as they are and as they look in a URL and in base64.
func (r *Redactor) AddSecrets(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets = append(r.secrets, spellings(secrets)...)
	slices.Sort(r.secrets)
	r.secrets = slices.Compact(r.secrets)
	r.rebuild()
}

// SetSecrets replaces the literal values to hide that an owner has: of secrets that come and go, such as
// tokens, the old ones must not pile up.
func (r *Redactor) SetSecrets(owner string, secrets []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owned == nil {
		r.owned = map[string][]string{}
	}
	r.owned[owner] = spellings(secrets)
	if len(r.owned[owner]) == 0 {
		delete(r.owned, owner)
	}
	r.rebuild()
}

// rebuild puts the secrets in force. The caller holds mu.
func (r *Redactor) rebuild() {
	all := slices.Clone(r.secrets)
	for _, texts := range r.owned {
		all = append(all, texts...)
	}
	if len(all) == 0 {
		r.literals.Store(nil)
		return
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a) // the longest match wins
		}
		return strings.Compare(a, b)
	})
	r.literals.Store(newLiterals(slices.Compact(all)))
}

// Text returns s without secrets and, when it has more than 1000 characters, as its first 100 and a
// note of its length.
func (r *Redactor) Text(s string) string {
	if len(s) <= longText {
		return r.Hide(s)
	}
	total := utf8.RuneCountInString(s)
	if total <= longText {
		return r.Hide(s)
	}
	head := s
	if len(head) > maxScan {
		head = strings.ToValidUTF8(head[:maxScan], "")
	}
	head = r.Hide(head)
	chars := 0
	for i := range head {
		if chars == keptText {
			head = head[:i]
			break
		}
		chars++
	}
	return head + "... [truncated, " + strconv.Itoa(total) + " chars total]"
}

// Hide returns s without secrets at its full length, for a log line or an error message.
func (r *Redactor) Hide(s string) string {
	if r.off || s == "" {
		return s
	}
	if s[0] == '{' || s[0] == '[' {
		if hidden, ok := r.hideDocument(s); ok {
			return hidden
		}
	}
	if plain := unescape(s); plain != s {
		if hidden := r.hide(plain); hidden != plain {
			return hidden // the escapes hid it
		}
	}
	return r.hide(s)
}

func (r *Redactor) hide(s string) string {
	if lit := r.literals.Load(); lit != nil {
		s = lit.hide(s)
	}
	return hidePatterns(s)
}

// secretKey says whether a field of this name is secret.
func (r *Redactor) secretKey(name string) bool {
	if r.off {
		return false
	}
	keys := *r.keys.Load()
	return SecretName(name) || len(keys) > 0 && hasWord(name, keys)
}
