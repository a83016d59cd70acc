// Package gguf reads the metadata of GGUF model files (versions 2 and 3, little-endian) without an
// inference engine: architecture, context length, chat templates, tokens, quantisation, sizes.
//
// A file is hostile until read: every length and count in it is checked against a limit and against
// the bytes that are really there before anything is allocated, and reading takes time linear in the
// size of the metadata. Arrays stay on disk; [Array] reads single elements by index.
package gguf

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Limits on what a file may ask for. Real files stay far below every one of them.
const (
	maxKeys       = 1 << 16
	maxTensors    = 1 << 20
	maxKeyLen     = 1 << 16
	maxNameLen    = 1 << 10
	maxStringLen  = 16 << 20
	maxScalarText = 64 << 20  // all scalar strings together, which are kept in memory
	maxMetadata   = 512 << 20 // bytes before the tensor data
	maxDims       = 8
	maxNesting    = 4
)

// The reasons for which a file is refused; [FormatError] wraps one of them.
var (
	// ErrNotGGUF means that the file does not start with the GGUF magic.
	ErrNotGGUF = errors.New("not a GGUF file")
	// ErrVersion means a GGUF version or byte order that this package does not read.
	ErrVersion = errors.New("unsupported GGUF version")
	// ErrTruncated means that the file ends before what its header announces.
	ErrTruncated = errors.New("file is truncated")
	// ErrCorrupt means that the file contradicts the format or a limit.
	ErrCorrupt = errors.New("file is corrupt")
)

// A FormatError says which file was refused, where and why.
type FormatError struct {
	Name   string // the file
	Offset int64  // byte at which reading stopped
	Err    error  // ErrNotGGUF, ErrVersion, ErrTruncated or ErrCorrupt
	Detail string // what was being read or what is wrong
}

// Error names the file, the reason and the place.
func (e *FormatError) Error() string {
	s := fmt.Sprintf("gguf: %s: %v", e.Name, e.Err)
	if errors.Is(e.Err, ErrTruncated) || errors.Is(e.Err, ErrCorrupt) {
		s += fmt.Sprintf(" at byte %d", e.Offset)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap returns the reason.
func (e *FormatError) Unwrap() error { return e.Err }

// A File is the metadata of one GGUF file. It is safe for use by several goroutines.
type File struct {
	name      string
	size      int64
	version   uint32
	alignment uint64
	dataStart int64
	keys      []string
	values    map[string]Value
	tensors   []Tensor
	src       io.ReaderAt
	closer    io.Closer // nil when the caller owns src
}

// Open reads the metadata of the file at path and keeps the file open for its arrays until [File.Close].
func Open(path string) (*File, error) {
	fd, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	info, err := fd.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &FormatError{Name: path, Err: ErrNotGGUF, Detail: "not a regular file"}
	}
	var f *File
	if err == nil {
		f, err = Read(fd, info.Size(), path)
	}
	if err != nil {
		return nil, errors.Join(err, fd.Close())
	}
	f.closer = fd
	return f, nil
}

// Read reads the metadata of the size bytes in src; name stands for them in errors. The File reads
// its arrays from src, which must stay readable as long as they are used.
func Read(src io.ReaderAt, size int64, name string) (*File, error) {
	f := &File{name: name, size: size, src: src, values: map[string]Value{}, alignment: defaultAlignment}
	d := newDecoder(src, size, name)
	if err := f.decode(d); err != nil {
		return nil, err
	}
	return f, nil
}

// Close closes the file. Scalar metadata stays readable, arrays do not.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Name returns the path or name that the File was opened with.
func (f *File) Name() string { return f.name }

// Size returns the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// Version returns the GGUF version, 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Keys returns the metadata keys in file order.
func (f *File) Keys() []string { return append([]string(nil), f.keys...) }

// Tensors returns what the file says of each tensor, in file order. The slice must not be changed.
func (f *File) Tensors() []Tensor { return f.tensors }

// Get returns the value of a metadata key.
func (f *File) Get(key string) (Value, bool) {
	v, ok := f.values[key]
	return v, ok
}

// String returns a string value.
func (f *File) String(key string) (string, bool) { return f.values[key].Str() }

// Uint returns an integer value that is not negative, whatever integer type the file stored it in.
func (f *File) Uint(key string) (uint64, bool) { return f.values[key].Uint() }

// Float returns a floating-point value.
func (f *File) Float(key string) (float64, bool) { return f.values[key].Float() }

// Bool returns a boolean value.
func (f *File) Bool(key string) (bool, bool) { return f.values[key].Bool() }

// Array returns an array value.
func (f *File) Array(key string) (*Array, bool) { return f.values[key].Array() }
