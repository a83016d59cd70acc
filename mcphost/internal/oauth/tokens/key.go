package tokens

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/zalando/go-keyring"
)

// workFactor is the cost of making a key from a passphrase, as a power of two: about a tenth of a second.
const workFactor = 15

// keyringWait bounds how long the keyring may take: it may ask a person to unlock it.
const keyringWait = 30 * time.Second

// Keyring keeps secrets for a person. A secret that is not there is [keyring.ErrNotFound].
type Keyring interface {
	Get(service, user string) (string, error)
	Set(service, user, secret string) error
}

// System returns the keyring of the operating system, or nil where none can be there.
func System(getenv func(string) string) Keyring {
	if getenv("TOOLSERVE_TOKENS_KEYRING") == "off" {
		return nil
	}
	// Without a session bus there is no secret service, and looking for one would start programs.
	if runtime.GOOS != "darwin" && runtime.GOOS != "windows" && getenv("DBUS_SESSION_BUS_ADDRESS") == "" {
		return nil
	}
	return system{}
}

type system struct{}

func (system) Get(service, user string) (string, error) { return keyring.Get(service, user) }

func (system) Set(service, user, secret string) error { return keyring.Set(service, user, secret) }

// key is what the file is encrypted with.
type key struct {
	identity  age.Identity
	recipient age.Recipient
	// from says where the key is from, mend what to look at where it does not fit.
	from, mend string
}

// identity returns the key of the file. data is the file, or nil where it is about to be written.
func (s *Store) identity(data []byte) (*key, error) {
	if data != nil && isScrypt(data) != (s.opts.Passphrase != "") {
		if s.opts.Passphrase == "" {
			return nil, errors.New("a passphrase protects it; set TOOLSERVE_TOKENS_PASSPHRASE")
		}
		return nil, errors.New("no passphrase protects it, but one is set; unset TOOLSERVE_TOKENS_PASSPHRASE, or remove the file and log in again")
	}
	if s.key != nil {
		return s.key, nil
	}
	k, err := s.findKey()
	if err == nil {
		s.key = k
	}
	return k, err
}

func (s *Store) findKey() (*key, error) {
	if s.opts.Passphrase != "" {
		return passphraseKey(s.opts.Passphrase, cmp.Or(s.opts.workFactor, workFactor))
	}
	path := s.opts.Path + ".key"
	if _, err := os.Stat(path); err == nil {
		return readKey(path)
	}
	if s.opts.Keyring != nil {
		k, err := keyringKey(s.opts.Keyring, s.opts.Path)
		if err == nil {
			return k, nil
		}
		if _, exists := os.Stat(s.opts.Path); exists == nil {
			return nil, fmt.Errorf("its key is not to be had from the keyring of this session: %w", err)
		}
	} else if _, err := os.Stat(s.opts.Path); err == nil {
		return nil, fmt.Errorf("its key is neither in %s nor in a keyring that this session can reach; run in the session that logged in, or remove the file and log in again with TOOLSERVE_TOKENS_KEYRING=off", path)
	}
	return createKey(path)
}

func passphraseKey(passphrase string, factor int) (*key, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(workFactor + 5)
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(factor)
	return &key{identity, recipient, "the key is made from TOOLSERVE_TOKENS_PASSPHRASE", "is TOOLSERVE_TOKENS_PASSPHRASE the one that it was written with?"}, nil
}

func parse(text, mend string) (*key, error) {
	identity, err := age.ParseX25519Identity(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("the key is not one of age (%s)", mend)
	}
	return &key{identity, identity.Recipient(), mend, mend}, nil
}

// keyringKey takes the key from the keyring, or puts a new one there.
func keyringKey(ring Keyring, path string) (*key, error) {
	sum := sha256.Sum256([]byte(path))
	service, user := "toolserve", "mcp-tokens "+hex.EncodeToString(sum[:8])
	mend := "its key is in the keyring, as " + service + ", " + user
	text, err := bounded(func() (string, error) { return ring.Get(service, user) })
	if err == nil {
		return parse(text, mend)
	}
	if _, exists := os.Stat(path); exists == nil || !errors.Is(err, keyring.ErrNotFound) {
		return nil, err
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	if _, err := bounded(func() (string, error) { return "", ring.Set(service, user, identity.String()) }); err != nil {
		return nil, err
	}
	return &key{identity, identity.Recipient(), mend, mend}, nil
}

// bounded gives up waiting for the keyring. What still waits there ends with the process.
func bounded(ask func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1) // the goroutine sends once
	go func() {
		text, err := ask()
		done <- answer{text, err}
	}()
	timer := time.NewTimer(keyringWait)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.text, a.err
	case <-timer.C:
		return "", fmt.Errorf("the keyring did not answer within %s", keyringWait)
	}
}

func readKey(path string) (*key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key %s may be read by others (%s); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	data, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, err
	}
	return parse(string(data), "its key is "+path)
}

// createKey makes a key. Where another process was faster, its key is taken.
func createKey(path string) (*key, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return readKey(path)
	}
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(identity.String() + "\n")
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return &key{identity, identity.Recipient(), "its key is " + path, "its key is " + path}, err
}
