package apikey

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestGenerate(t *testing.T) {
	text, key, err := Generate("alice", 0, Chat, Tools)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, prefix) || len(text) != len(prefix)+43 {
		t.Errorf("the key is %q", text)
	}
	entry, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"alice","sha256":"` + hash(text) + `","scopes":["chat","tools"]}`; string(entry) != want {
		t.Errorf("the entry is %s, want %s", entry, want)
	}
	if again, _, _ := Generate("alice", 0, Chat); again == text {
		t.Error("the same key came twice")
	}
	keys, err := Parse([]byte(`{"keys": [` + string(entry) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := NewRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	if found, ok := ring.Find(text); !ok || found.Name != "alice" || !found.May(Tools) || found.May(Admin) || !found.May("") {
		t.Errorf("found %+v, %v", found, ok)
	}
	if _, _, err := Generate("a b", 0, Chat); err == nil {
		t.Error("a name with a space was taken")
	}
}

func TestFind(t *testing.T) {
	ring, err := NewRing(Of("a", "one", Chat), Of("b", "two", Tools), Of("c", "three", Admin))
	if err != nil {
		t.Fatal(err)
	}
	for text, name := range map[string]string{
		"one": "a", "two": "b", "three": "c",
		"": "", "on": "", "onee": "", "ONE": "", "one\x00": "", " one": "", "a": "", hash("one"): "", strings.Repeat("one", 100_000): "",
	} {
		if key, ok := ring.Find(text); ok != (name != "") || key.Name != name {
			t.Errorf("%.20q is the key %q", text, key.Name)
		}
	}
}

func TestParse(t *testing.T) {
	a, b := hash("a"), hash("b")
	for _, test := range []struct{ text, want string }{
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": ["chat"]}, // who
			{"name": "b@x.org", "sha256": "` + strings.ToUpper(b) + `", "scopes": ["tools", "admin"], "rate_limit": 60},]}`, ""},
		{``, "not JSON"},
		{`{}`, "no keys"},
		{`{"keys": []}`, "no keys"},
		{`{"keys": null}`, "no keys"},
		{`[]`, "keys"},
		{`{"keys": [{}]}`, "the name"},
		{`{"keys": [{"name": "a", "sha256": "` + a + `"}]}`, "no scopes"},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": []}]}`, "no scopes"},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": ["chat", "root"]}]}`, `"root" is no scope`},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": ["Chat"]}]}`, `"Chat" is no scope`},
		{`{"keys": [{"name": "a", "scopes": ["chat"]}]}`, "no sha256"},
		{`{"keys": [{"name": "a", "sha256": "secret", "scopes": ["chat"]}]}`, "64 hexadecimal digits"},
		{`{"keys": [{"name": "a", "sha256": "` + strings.Repeat("g", 64) + `", "scopes": ["chat"]}]}`, "hexadecimal digits only"},
		{`{"keys": [{"name": "a", "sha256": "` + strings.Repeat("0", 64) + `", "scopes": ["chat"]}]}`, "no sha256"},
		{`{"keys": [{"name": "a", "sha256": "` + hash("") + `", "scopes": ["chat"]}]}`, "the empty key"},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scope": ["chat"]}]}`, `unknown field "scope"`},
		{`{"keys": [{"name": "a", "key": "plain", "scopes": ["chat"]}]}`, `unknown field "key"`},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": ["chat"], "rate_limit": -1}]}`, "rate_limit"},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": ["chat"], "rate_limit": "60"}]}`, "rate_limit"},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": ["chat"]}, {"name": "a", "sha256": "` + b + `", "scopes": ["chat"]}]}`, "two keys"},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": ["chat"]}, {"name": "b", "sha256": "` + a + `", "scopes": ["admin"]}]}`, "the same key"},
		{`{"keys": [{"name": "a\nb", "sha256": "` + a + `", "scopes": ["chat"]}]}`, "the name"},
		{`{"keys": [{"name": "` + strings.Repeat("a", 65) + `", "sha256": "` + a + `", "scopes": ["chat"]}]}`, "the name"},
		{`{"keys": [{"name": "a", "sha256": "` + a + `", "scopes": ["chat"]}]} {"keys": []}`, "JSON"},
	} {
		_, err := Parse([]byte(test.text))
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.text, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", test.text, err, test.want)
		}
	}
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	fixed := Of("default", "fixed", AllScopes()...)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(name, text string) string {
		return `{"name": "` + name + `", "sha256": "` + hash(text) + `", "scopes": ["chat"]}`
	}
	if _, err := Open(path, nil); err == nil {
		t.Error("a missing file was opened")
	}
	write(`{"keys": [` + entry("default", "x") + `]}`)
	if _, err := Open(path, nil, fixed); err == nil || !strings.Contains(err.Error(), "two keys") || !strings.Contains(err.Error(), path) {
		t.Errorf("a name that is taken: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		write(`{"keys": [` + entry("a", "one") + `]}`)
		ring, err := Open(path, slog.New(slog.NewTextHandler(&log, nil)), fixed)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, texts map[string]bool) {
			t.Helper()
			time.Sleep(2 * time.Second)
			for text, want := range texts {
				if _, ok := ring.Find(text); ok != want {
					t.Errorf("%s: %q opens: %v", what, text, ok)
				}
			}
		}
		check("first", map[string]bool{"one": true, "fixed": true, "two": false})
		write(`{"keys": [` + entry("a", "one") + `, ` + entry("b", "two") + `]}`)
		check("a key was added", map[string]bool{"one": true, "fixed": true, "two": true})
		write(`{"keys": [` + entry("b", "two") + `]}`)
		check("a key was taken back", map[string]bool{"one": false, "fixed": true, "two": true})
		write(`{"keys": []}`)
		check("the file is wrong", map[string]bool{"one": false, "fixed": true, "two": true, "": false})
		if !strings.Contains(log.String(), "no keys") {
			t.Errorf("the log is silent about a wrong file: %s", &log)
		}
	})
}

func TestFileOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no such modes")
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	text := `{"keys": [{"name": "a", "sha256": "` + hash("a") + `", "scopes": ["chat"]}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, fine := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: true, 0o666: false, 0o602: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, nil); (err == nil) != fine || !fine && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := Open(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder: %v", err)
	}
	big := filepath.Join(t.TempDir(), "big.json")
	if err := os.WriteFile(big, bytes.Repeat([]byte(" "), maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(big, nil); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file that is too large: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"keys": [{"name": "a", "sha256": "` + hash("a") + `", "scopes": ["chat"], "rate_limit": 1}]}`))
	f.Add([]byte(`{"keys": [{"name": "a"},]} // x`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := Parse(data)
		if err != nil {
			return
		}
		for _, k := range keys {
			if k.Name == "" || len(k.Scopes) == 0 || k.Digest == (Digest{}) {
				t.Errorf("%q was taken as %+v", data, k)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	var keys []Key
	for range 100 {
		_, k, _ := Generate("n", 0, Chat)
		keys = append(keys, k)
	}
	ring := &Ring{fixed: keys}
	for b.Loop() {
		ring.Find("tsk_wrong")
	}
}
