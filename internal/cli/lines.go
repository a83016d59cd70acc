package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxInput bounds what a command reads from standard input when it is one document, and maxLine one line
// of JSON lines.
const (
	maxInput = 64 << 20
	maxLine  = 64 << 20
)

// readAll reads the whole of in, at most maxInput bytes.
func readAll(in io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if len(data) > maxInput {
		return nil, fmt.Errorf("standard input: more than %d MiB", maxInput>>20)
	}
	return data, nil
}

// eachLine answers every line of JSON on in with one line of JSON on out. Empty lines are skipped.
func eachLine(in io.Reader, out io.Writer, answer func(line []byte) any) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	w := bufio.NewWriter(out)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := enc.Encode(answer(line)); err != nil {
			return err
		}
		// Who feeds cases one by one waits for each answer.
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("standard input: a line is longer than %d MiB", maxLine>>20)
	}
	return lines.Err()
}

// lineError is the answer to a line that could not be handled.
type lineError struct {
	Error string `json:"error"`
}
