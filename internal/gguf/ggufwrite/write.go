// Package ggufwrite writes GGUF files (version 3, little-endian): small ones for tests, and models with
// random weights that let an engine be tried where no real model can be had.
package ggufwrite

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/toolserve/toolserve/internal/gguf"
)

const alignment = 32

// A File is a GGUF file to be written. The zero value is an empty one.
type File struct {
	// Version is the GGUF version; 0 means 3.
	Version uint32
	pairs   []pair
	tensors []tensor
}

type pair struct {
	key   string
	kind  gguf.Kind
	value any
}

type tensor struct {
	name string
	typ  gguf.Type
	dims []uint64
	size uint64
	fill func(w io.Writer) error
}

// Set appends a metadata value: a string, bool, float32, float64, an integer of 32 or 64 bits, or a
// slice of strings, int32 or float32. It panics on any other type, which is a mistake in the caller.
func (f *File) Set(key string, value any) {
	f.pairs = append(f.pairs, pair{key, kindOf(value), value})
}

func kindOf(value any) gguf.Kind {
	switch value.(type) {
	case string:
		return gguf.KindString
	case bool:
		return gguf.KindBool
	case uint32:
		return gguf.KindUint32
	case int32:
		return gguf.KindInt32
	case uint64:
		return gguf.KindUint64
	case int64:
		return gguf.KindInt64
	case float32:
		return gguf.KindFloat32
	case float64:
		return gguf.KindFloat64
	case []string, []int32, []float32:
		return gguf.KindArray
	}
	panic(fmt.Sprintf("ggufwrite: %T is no type of a value", value))
}

// Tensor appends a tensor of numbers (F32, F16 and so on; no quantised types) whose bytes fill writes;
// nil writes zeros. dims has the innermost dimension first.
func (f *File) Tensor(name string, typ gguf.Type, dims []uint64, fill func(w io.Writer) error) {
	size := elementSize(typ)
	for _, d := range dims {
		size *= d
	}
	f.tensors = append(f.tensors, tensor{name, typ, dims, size, fill})
}

func elementSize(typ gguf.Type) uint64 {
	switch typ.String() {
	case "F32", "I32":
		return 4
	case "F16", "BF16", "I16":
		return 2
	}
	panic(fmt.Sprintf("ggufwrite: tensors of type %v are not written", typ))
}

// WriteTo writes the file.
func (f *File) WriteTo(dst io.Writer) (int64, error) {
	w := &writer{w: bufio.NewWriterSize(dst, 1<<20)}
	version := f.Version
	if version == 0 {
		version = 3
	}
	w.bytes([]byte("GGUF"))
	w.put(version)
	w.put(uint64(len(f.tensors)))
	w.put(uint64(len(f.pairs)))
	for _, p := range f.pairs {
		w.text(p.key)
		w.put(uint32(p.kind))
		w.value(p.value)
	}
	offset := uint64(0)
	for _, t := range f.tensors {
		w.text(t.name)
		w.put(uint32(len(t.dims)))
		w.put(t.dims)
		w.put(uint32(t.typ))
		w.put(offset)
		offset = align(offset + t.size)
	}
	for _, t := range f.tensors {
		w.pad()
		w.data(t)
	}
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.n, w.err
}

func align(n uint64) uint64 { return (n + alignment - 1) &^ (alignment - 1) }

// writer writes little-endian values. The first failure sticks.
type writer struct {
	w   *bufio.Writer
	n   int64
	err error
}

// Write makes writer the destination of a tensor's data.
func (w *writer) Write(b []byte) (int, error) {
	w.bytes(b)
	return len(b), w.err
}

func (w *writer) bytes(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
		w.n += int64(len(b))
	}
}

func (w *writer) put(v any) {
	if w.err == nil {
		w.err = binary.Write(w.w, binary.LittleEndian, v)
		w.n += int64(binary.Size(v))
	}
}

func (w *writer) text(s string) {
	w.put(uint64(len(s)))
	w.bytes([]byte(s))
}

func (w *writer) value(v any) {
	switch v := v.(type) {
	case string:
		w.text(v)
	case []string:
		w.array(gguf.KindString, len(v))
		for _, s := range v {
			w.text(s)
		}
	case []int32:
		w.array(gguf.KindInt32, len(v))
		w.put(v)
	case []float32:
		w.array(gguf.KindFloat32, len(v))
		w.put(v)
	default:
		w.put(v)
	}
}

func (w *writer) array(elem gguf.Kind, n int) {
	w.put(uint32(elem))
	w.put(uint64(n))
}

func (w *writer) pad() {
	w.bytes(make([]byte, align(uint64(w.n))-uint64(w.n)))
}

func (w *writer) data(t tensor) {
	start := w.n
	if t.fill == nil {
		for left := t.size; left > 0 && w.err == nil; {
			n := min(left, 1<<16)
			w.bytes(make([]byte, n))
			left -= n
		}
	} else if w.err == nil {
		w.err = t.fill(w)
	}
	if got := uint64(w.n - start); w.err == nil && got != t.size {
		w.err = fmt.Errorf("ggufwrite: tensor %s has %d bytes instead of %d", t.name, got, t.size)
	}
}
