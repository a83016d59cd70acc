package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// hashMember separates what a record's hash is taken over from the hash.
	hashMember = `,"hash":"`
	// maxLine bounds a line when it is read: more than any record can have.
	maxLine = 1 << 20
)

// ChainError names the first record of a log that is not as it was written.
type ChainError struct {
	// File is the file's name where it is known, and Line counts its lines from 1.
	File string
	Line int
	// Seq is the number of the record that should stand there; 0 where that is not known.
	Seq uint64
	// Reason says what is wrong.
	Reason string
}

func (e *ChainError) Error() string {
	where := fmt.Sprintf("line %d", e.Line)
	if e.File != "" {
		where = e.File + ": " + where
	}
	if e.Seq > 0 {
		where += fmt.Sprintf(" (record %d)", e.Seq)
	}
	return where + ": " + e.Reason
}

// Summary is what VerifyFile found.
type Summary struct {
	// Files and Records were checked.
	Files, Records int
	// First and Last are the numbers of the first and the last record. A First above 1 means that
	// older files are gone.
	First, Last uint64
	// Head is the hash of the last record, to compare with one kept elsewhere.
	Head string
}

// Verify reads one file of a log and returns a *ChainError for the first bad record. What the first
// record continues cannot be known from one file, unless it is record 1; see [VerifyFile]. Records
// cut off at the end leave no trace in the file: compare [Log.Head].
func Verify(r io.Reader) error {
	v := verifier{}
	return v.read("", r)
}

// VerifyFile verifies the log at path with all its rotated files, oldest first, as one chain.
func VerifyFile(path string) (Summary, error) {
	oldest := 0
	for exists(numbered(path, oldest+1)) {
		oldest++
	}
	v := verifier{}
	for n := oldest; n >= 0; n-- {
		if err := v.open(numbered(path, n)); err != nil {
			return v.sum, err
		}
	}
	v.sum.Last, v.sum.Head = v.seq, hex.EncodeToString(v.last[:])
	return v.sum, nil
}

type verifier struct {
	sum     Summary
	seq     uint64
	last    [sha256.Size]byte
	started bool
}

func (v *verifier) open(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("verify audit log: %w", err)
	}
	defer f.Close()
	v.sum.Files++
	return v.read(name, f)
}

func (v *verifier) read(name string, r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := readLine(br)
		bad := &ChainError{File: name, Line: n}
		if v.started {
			bad.Seq = v.seq + 1
		}
		switch {
		case err == io.EOF && len(line) == 0:
			return nil
		case err == io.EOF:
			bad.Reason = "the last line is not complete"
			return bad
		case errors.Is(err, errLongLine):
			bad.Reason = err.Error()
			return bad
		case err != nil:
			return fmt.Errorf("verify audit log: %w", err)
		}
		if bad.Reason = v.line(line); bad.Reason != "" {
			return bad
		}
	}
}

var errLongLine = errors.New("the line is longer than any record")

// readLine returns the next line without its newline.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, errLongLine
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return line, err
		}
		return line[:len(line)-1], nil
	}
}

// line checks one record against the one before and returns what is wrong with it.
func (v *verifier) line(line []byte) string {
	rec, err := parseLine(line)
	switch {
	case err != nil:
		return err.Error()
	case !v.started && rec.seq == 1 && rec.prev != [sha256.Size]byte{}:
		return "the first record continues another one"
	case v.started && rec.seq != v.seq+1:
		return fmt.Sprintf("record %d stands here: records are missing or out of order", rec.seq)
	case v.started && rec.prev != v.last:
		return "it does not continue the record before: that one was changed or replaced"
	}
	if !v.started {
		v.started, v.sum.First = true, rec.seq
	}
	v.seq, v.last = rec.seq, rec.hash
	v.sum.Records++
	return ""
}

// chained is what the chain is made of.
type chained struct {
	seq        uint64
	prev, hash [sha256.Size]byte
}

// parseLine reads a line and checks its own hash.
func parseLine(line []byte) (chained, error) {
	var rec chained
	at := bytes.LastIndex(line, []byte(hashMember))
	if at < 0 || len(line) != at+len(hashMember)+2*sha256.Size+2 || !bytes.HasSuffix(line, []byte(`"}`)) {
		return rec, errors.New("it is not a record with a hash at its end")
	}
	written := line[at+len(hashMember) : len(line)-2]
	rec.hash = sha256.Sum256(line[:at])
	if string(hex.AppendEncode(nil, rec.hash[:])) != string(written) {
		return rec, errors.New("its hash is not that of its text: it was changed")
	}
	var fields struct {
		Seq  uint64 `json:"seq"`
		Prev string `json:"prev"`
	}
	if err := json.Unmarshal(line, &fields); err != nil {
		return rec, errors.New("it is not JSON")
	}
	prev, err := hex.DecodeString(fields.Prev)
	if err != nil || len(prev) != sha256.Size || fields.Seq == 0 {
		return rec, errors.New("it has no number or no hash of the record before")
	}
	rec.seq = fields.Seq
	copy(rec.prev[:], prev)
	return rec, nil
}
