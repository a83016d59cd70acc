package tokens

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zalando/go-keyring"
)

// ring is a keyring in memory, or one that fails.
type ring struct {
	mu     sync.Mutex
	values map[string]string
	err    error
}

func (r *ring) Get(service, user string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok := r.values[service+"/"+user]
	if !ok && r.err == nil {
		return "", keyring.ErrNotFound
	}
	return value, r.err
}

func (r *ring) Set(service, user, secret string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil {
		r.values = map[string]string{}
	}
	r.values[service+"/"+user] = secret
	return r.err
}

func record(url, issuer, access string) Record {
	return Record{URL: url, Issuer: issuer, Access: access, Refresh: "refresh-" + access, Saved: time.Unix(1000, 0)}
}

func put(t *testing.T, s *Store, r Record) {
	t.Helper()
	if err := s.Put(r); err != nil {
		t.Fatal(err)
	}
}

func access(t *testing.T, s *Store, url string) string {
	t.Helper()
	found, err := s.Find(url)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range found {
		all = append(all, r.Access)
	}
	return strings.Join(all, " ")
}

func TestStores(t *testing.T) {
	dir := t.TempDir()
	for name, opts := range map[string]Options{
		"memory":     {},
		"key file":   {Path: filepath.Join(dir, "a", "tokens.age")},
		"keyring":    {Path: filepath.Join(dir, "b", "tokens.age"), Keyring: &ring{}},
		"passphrase": {Path: filepath.Join(dir, "c", "tokens.age"), Passphrase: "correct horse", workFactor: 8},
	} {
		t.Run(name, func(t *testing.T) {
			s := Open(opts)
			if got := access(t, s, "u"); got != "" {
				t.Fatalf("an empty store has %q", got)
			}
			if text, err := s.Describe(); err != nil || opts.Path != "" && text != opts.Path+" (none yet)" {
				t.Errorf("an empty store is described as %q, %v", text, err)
			}
			if gone, err := s.Delete("u"); err != nil || len(gone) > 0 || opts.Path != "" && FileVersion(opts.Path) != "absent" {
				t.Errorf("nothing was deleted: %v, %v", gone, err)
			}
			put(t, s, record("u", "i1", "one"))
			version, fingerprint := s.Version(), s.Fingerprint("u")
			newer := record("u", "i2", "two")
			newer.Saved = time.Unix(2000, 0)
			put(t, s, newer)
			put(t, s, record("v", "i1", "three"))
			if s.Version() == version || s.Fingerprint("u") == fingerprint {
				t.Error("the version is the same after a change")
			}
			fingerprint = s.Fingerprint("u")
			put(t, s, record("v", "i1", "four"))
			if s.Fingerprint("u") != fingerprint {
				t.Error("a change for another server shows")
			}
			again := s
			if opts.Path != "" {
				again = Open(opts)
			}
			if got := access(t, again, "u") + "," + access(t, again, "v"); got != "two one,four" {
				t.Errorf("found %q", got)
			}
			gone, err := again.Delete("u")
			if err != nil || len(gone) != 2 || access(t, s, "u") != "" || access(t, s, "v") != "four" {
				t.Errorf("deleted %d, %v", len(gone), err)
			}
			if text, err := again.Describe(); err != nil || opts.Path != "" && !strings.HasPrefix(text, opts.Path+" (for 1 servers; ") {
				t.Errorf("described as %q, %v", text, err)
			}
			checkFiles(t, opts.Path)
		})
	}
}

// checkFiles looks at what lies on the disk: nobody else may read it, and no token is in it.
func checkFiles(t *testing.T, path string) {
	t.Helper()
	if path == "" {
		return
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %s", e.Name(), info.Mode())
		}
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil || bytes.Contains(data, []byte("four")) {
			t.Errorf("%s shows a token: %v", e.Name(), err)
		}
		if strings.HasSuffix(e.Name(), ".age") && !bytes.HasPrefix(data, []byte("age-encryption.org/v1\n")) {
			t.Errorf("%s is not encrypted", e.Name())
		}
	}
}

// TestManyWriters: what several processes keep at the same time is all kept.
func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.age")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s := Open(Options{Path: path}) // a lock and a cache of its own, as another process has
			for j := range 5 {
				if err := s.Put(record(fmt.Sprintf("u%d-%d", i, j), "i", "a")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	s := Open(Options{Path: path})
	for i := range 8 {
		for j := range 5 {
			if got := access(t, s, fmt.Sprintf("u%d-%d", i, j)); got != "a" {
				t.Errorf("u%d-%d is lost", i, j)
			}
		}
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	secret := &ring{}
	file := func(name string, opts Options) string {
		opts.Path = filepath.Join(dir, name)
		put(t, Open(opts), record("u", "i", "a"))
		return opts.Path
	}
	inKeyring := file("keyring.age", Options{Keyring: secret})
	phrase := file("phrase.age", Options{Passphrase: "right", workFactor: 8})
	plain := file("plain.age", Options{})
	open := file("open.age", Options{})
	if err := os.Chmod(open+".key", 0o644); err != nil {
		t.Fatal(err)
	}
	broken := file("broken.age", Options{})
	if err := os.WriteFile(broken, []byte("age-encryption.org/v1\nnonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		opts Options
		want string
	}{
		"no keyring":         {Options{Path: inKeyring}, "TOOLSERVE_TOKENS_KEYRING=off"},
		"a failing keyring":  {Options{Path: inKeyring, Keyring: &ring{err: errors.New("locked")}}, "locked"},
		"another keyring":    {Options{Path: inKeyring, Keyring: &ring{}}, "keyring"},
		"no passphrase":      {Options{Path: phrase}, "set TOOLSERVE_TOKENS_PASSPHRASE"},
		"a wrong passphrase": {Options{Path: phrase, Passphrase: "wrong"}, "TOOLSERVE_TOKENS_PASSPHRASE"},
		"a passphrase":       {Options{Path: plain, Passphrase: "x"}, "unset TOOLSERVE_TOKENS_PASSPHRASE"},
		"an open key":        {Options{Path: open}, "chmod 600"},
		"broken":             {Options{Path: broken}, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := os.ReadFile(test.opts.Path)
			if err != nil {
				t.Fatal(err)
			}
			s := Open(test.opts)
			if _, err := s.Find("u"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("reading: %v, want %q", err, test.want)
			}
			if err := s.Put(record("v", "i", "b")); err == nil {
				t.Error("what cannot be read is written over")
			}
			if after, _ := os.ReadFile(test.opts.Path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestKeyringThatFails: where there is no file yet, a keyring that cannot be used costs nothing.
func TestKeyringThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.age")
	put(t, Open(Options{Path: path, Keyring: &ring{err: errors.New("no service")}}), record("u", "i", "a"))
	if got := access(t, Open(Options{Path: path}), "u"); got != "a" {
		t.Errorf("found %q", got)
	}
}

func TestDefaultPath(t *testing.T) {
	env := map[string]string{"XDG_CONFIG_HOME": "/home/x/.config"}
	get := func(name string) string { return env[name] }
	if got := DefaultPath(get); got != filepath.FromSlash("/home/x/.config/toolserve/mcp-tokens.age") {
		t.Errorf("the path is %q", got)
	}
	env["TOOLSERVE_TOKENS_FILE"] = "/elsewhere"
	if got := DefaultPath(get); got != "/elsewhere" {
		t.Errorf("the path is %q", got)
	}
	env["TOOLSERVE_TOKENS_KEYRING"] = "off"
	if System(get) != nil {
		t.Error("a keyring that was turned off is used")
	}
}
