package apikey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"github.com/tailscale/hujson"
)

// The bounds of a keys file.
const (
	maxFile = 1 << 20
	maxKeys = 4096
)

// load reads the keys of a file and puts fixed ones with them.
func load(path string, fixed []Key) ([]Key, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("the keys file %s: %w", path, err)
	}
	keys = slices.Concat(fixed, keys)
	if err := checkAll(keys); err != nil {
		return nil, fmt.Errorf("the keys file %s: %w", path, err)
	}
	return keys, nil
}

// Parse reads {"keys": [{"name", "sha256", "scopes", "rate_limit"?}, ...]}. Comments and commas at the end
// of a list may stand in it. A file without keys is an error, because nobody could come in, and so is a
// member that is not known: a misspelt one must not widen what a key may do.
func Parse(data []byte) ([]Key, error) {
	plain, err := hujson.Standardize(data)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	var file struct {
		Keys []Key `json:"keys"`
	}
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("not {\"keys\": [{\"name\", \"sha256\", \"scopes\"}]}: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is more than one JSON value")
	}
	switch {
	case len(file.Keys) == 0:
		return nil, errors.New("it has no keys; toolserve keys new NAME makes one")
	case len(file.Keys) > maxKeys:
		return nil, fmt.Errorf("it has %d keys; at most %d", len(file.Keys), maxKeys)
	}
	return file.Keys, checkAll(file.Keys)
}

// readFile reads a file that nobody else can write to: who can, makes himself a key.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the keys file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("the keys file: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("the keys file %s is a folder", path)
	}
	if mode := info.Mode(); mode.IsRegular() && mode&fs.FileMode(0o002) != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("the keys file %s can be written by everyone on this machine: chmod 600 it", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("the keys file: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("the keys file %s has more than %d bytes", path, maxFile)
	}
	return data, nil
}
