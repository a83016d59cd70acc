package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/internal/config"
	"github.com/toolserve/toolserve/internal/server/apikey"
)

func TestNewServer(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	digest, err := apikey.Of("", "one").Digest.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	good := write("good.json", `{"keys": [{"name": "a", "sha256": "`+string(digest)+`", "scopes": ["chat"]}]}`)
	taken := write("taken.json", `{"keys": [{"name": "default", "sha256": "`+string(digest)+`", "scopes": ["chat"]}]}`)
	empty := write("empty.json", `{"keys": []}`)
	for _, test := range []struct {
		name    string
		network config.Network
		keys    map[string]string // text to name; nil: open
		log     string
		err     string
	}{
		{"open", config.Network{Host: "127.0.0.1"}, nil, "", ""},
		{"one key", config.Network{Host: "127.0.0.1", APIKey: "k"}, map[string]string{"k": "default", "one": ""}, "", ""},
		{"keys", config.Network{Host: "127.0.0.1", APIKeysFile: good}, map[string]string{"one": "a", "": ""}, "", ""},
		{"both", config.Network{Host: "127.0.0.1", APIKeysFile: good, APIKey: "k"}, map[string]string{"one": "a", "k": "default", "x": ""}, "", ""},
		{"name taken", config.Network{Host: "127.0.0.1", APIKeysFile: taken, APIKey: "k"}, nil, "", "--api-keys-file: the keys file " + taken},
		{"no keys", config.Network{Host: "127.0.0.1", APIKeysFile: empty}, nil, "", "no keys"},
		{"no file", config.Network{Host: "127.0.0.1", APIKeysFile: good + ".none"}, nil, "", "no such file"},
		{"exposed", config.Network{Host: "0.0.0.0", AllowNoKey: true}, nil, "anyone who reaches this address", ""},
		{"exposed, short key", config.Network{Host: "0.0.0.0", APIKey: "k"}, map[string]string{"k": "default"}, "is short", ""},
		{"exposed, no TLS", config.Network{Host: "0.0.0.0", APIKeysFile: good}, map[string]string{"one": "a"}, "in the clear", ""},
		{"bad certificate", config.Network{Host: "127.0.0.1", TLSCert: good, TLSKey: good}, nil, "", "--tls-cert"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			a := &App{cfg: config.Serve{Network: test.network}, log: slog.New(slog.NewTextHandler(&log, nil))}
			_, err := a.newServer()
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(log.String(), test.log) || test.log == "" && log.Len() > 0 {
				t.Errorf("the log is %q, want %q", &log, test.log)
			}
			ring, err := a.keys()
			if err != nil || (ring == nil) != (test.keys == nil) {
				t.Fatalf("keys: %v, %v", ring, err)
			}
			for text, name := range test.keys {
				if key, ok := ring.Find(text); key.Name != name || ok != (name != "") {
					t.Errorf("%q is the key %q", text, key.Name)
				}
			}
		})
	}
}
