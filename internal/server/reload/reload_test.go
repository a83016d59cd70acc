package reload

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestValue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	readings := 0
	read := func() (string, error) {
		readings++
		text, err := os.ReadFile(path)
		if string(text) == "bad" {
			return "", errors.New("bad text")
		}
		return string(text), err
	}
	if _, err := Open(read, nil, path); err == nil {
		t.Fatal("a missing file was opened")
	}
	write("a")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		v, err := Open(read, slog.New(slog.NewTextHandler(&log, nil)), path)
		if err != nil {
			t.Fatal(err)
		}
		readings = 0
		for _, step := range []struct {
			change         func()
			value, message string
		}{
			{func() {}, "a", ""},
			{func() { write("more") }, "more", "read again"},
			{func() { write("bad") }, "more", "bad text"},
			{func() { _ = os.Remove(path) }, "more", "no such file"},
			{func() { write("back again") }, "back again", "read again"},
		} {
			before := v.Get()
			step.change()
			if got := v.Get(); got != before {
				t.Errorf("within a second %q became %q", before, got)
			}
			time.Sleep(interval)
			log.Reset()
			if got := v.Get(); got != step.value || !strings.Contains(log.String(), step.message) {
				t.Errorf("the value is %q, want %q; the log has %q, want %q", got, step.value, &log, step.message)
			}
			log.Reset()
			time.Sleep(interval)
			if got := v.Get(); got != step.value || log.Len() > 0 {
				t.Errorf("a file that did not change: %q, log %q", got, &log)
			}
		}
		if readings != 4 {
			t.Errorf("the file was read %d times, want once for each of 4 changes", readings)
		}
	})
}
