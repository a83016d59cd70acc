package repl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	var prompts bytes.Buffer
	lines := NewLines(t.Context(), strings.NewReader("one\r\ntwo\n\nlast"), &prompts)
	var got []string
	for {
		line, err := lines.ReadLine(t.Context(), "? ")
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	if strings.Join(got, "|") != "one|two||last" || prompts.String() != "? ? ? ? ? " {
		t.Errorf("read %q, prompted %q", got, prompts.String())
	}
	if _, err := lines.ReadLine(t.Context(), ""); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// TestALineThatWasWaitedForIsNotLost cancels a read and finds its line in the next one.
func TestALineThatWasWaitedForIsNotLost(t *testing.T) {
	reader, writer := io.Pipe()
	lines := NewLines(t.Context(), reader, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := lines.ReadLine(ctx, ""); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	go func() { // ends when the line is read
		_, _ = io.WriteString(writer, "kept\n")
		_ = writer.Close()
	}()
	if line, err := lines.ReadLine(t.Context(), ""); line != "kept" || err != nil {
		t.Errorf("read %q, %v", line, err)
	}
	if _, err := lines.ReadLine(t.Context(), ""); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestALineIsBounded(t *testing.T) {
	lines := NewLines(t.Context(), strings.NewReader(strings.Repeat("x", maxLine+1)+"\n"), nil)
	if _, err := lines.ReadLine(t.Context(), ""); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}

func TestCtrlCEmptiesTheLineThenEnds(t *testing.T) {
	for _, tt := range []struct {
		typed, want string
		interrupted bool
	}{
		{"ab\x03", "ab\x15", false},
		{"ab\x03\x03", "ab\x15\x03", false},
		{"\x03a\x03", "\x15a\x15", false},
		{"\x03", "\x03", true},
		{"a\x03", "a\x15", true},
	} {
		k := &keys{in: strings.NewReader(tt.typed), armed: tt.interrupted}
		if got, err := io.ReadAll(k); string(got) != tt.want || err != nil {
			t.Errorf("%q became %q, want %q", tt.typed, got, tt.want)
		}
	}
}

func TestOnlyFilesCanBeTerminals(t *testing.T) {
	input, interactive := OpenInput(t.Context(), strings.NewReader("x\n"), io.Discard, io.Discard)
	if _, ok := input.(*Lines); !ok || interactive || IsTerminal(io.Discard) {
		t.Errorf("%T, %v", input, interactive)
	}
	for name, want := range map[string]bool{"": true, "NO_COLOR": false, "TERM": false} {
		env := func(asked string) string {
			if asked == name {
				return "dumb"
			}
			return ""
		}
		if ColourWanted(env) != want {
			t.Errorf("with %s: %v", name, !want)
		}
	}
}
