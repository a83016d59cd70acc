package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"
)

// Kind is the type of a metadata value, with the numbers of the file format.
type Kind uint32

// The kinds of values.
const (
	KindUint8 Kind = iota
	KindInt8
	KindUint16
	KindInt16
	KindUint32
	KindInt32
	KindFloat32
	KindBool
	KindString
	KindArray
	KindUint64
	KindInt64
	KindFloat64
	kindCount
)

// width returns the bytes of a value of fixed size, 0 for strings and arrays.
func (k Kind) width() int64 {
	switch k {
	case KindUint8, KindInt8, KindBool:
		return 1
	case KindUint16, KindInt16:
		return 2
	case KindUint32, KindInt32, KindFloat32:
		return 4
	case KindUint64, KindInt64, KindFloat64:
		return 8
	}
	return 0
}

// minWidth is the least number of bytes that one value takes in a file.
func (k Kind) minWidth() int64 {
	switch k {
	case KindString:
		return 8
	case KindArray:
		return 12
	}
	return k.width()
}

// A Value is one metadata value. The zero Value answers no question.
type Value struct {
	kind  Kind
	set   bool
	bits  uint64 // integers (sign-extended), booleans and the bits of a float64
	text  string
	array *Array
}

// Kind returns the type that the file gives the value.
func (v Value) Kind() Kind { return v.kind }

// Str returns the value of a string.
func (v Value) Str() (string, bool) { return v.text, v.set && v.kind == KindString }

// Array returns the value of an array.
func (v Value) Array() (*Array, bool) { return v.array, v.array != nil }

// Bool returns the value of a boolean.
func (v Value) Bool() (bool, bool) { return v.bits != 0, v.set && v.kind == KindBool }

// Int returns the value of an integer of any width.
func (v Value) Int() (int64, bool) {
	switch v.kind {
	case KindInt8, KindInt16, KindInt32, KindInt64, KindUint8, KindUint16, KindUint32:
		return int64(v.bits), v.set
	case KindUint64:
		return int64(v.bits), v.set && v.bits <= math.MaxInt64
	}
	return 0, false
}

// Uint returns the value of an integer of any width that is not negative.
func (v Value) Uint() (uint64, bool) {
	if v.kind == KindUint64 {
		return v.bits, v.set
	}
	n, ok := v.Int()
	return uint64(n), ok && n >= 0
}

// Float returns the value of a floating-point number of either width.
func (v Value) Float() (float64, bool) {
	return math.Float64frombits(v.bits), v.set && (v.kind == KindFloat32 || v.kind == KindFloat64)
}

// scalar decodes the bytes of a value of fixed size.
func scalar(k Kind, b []byte) Value {
	v := Value{kind: k, set: true}
	switch k {
	case KindUint8, KindBool:
		v.bits = uint64(b[0])
	case KindInt8:
		v.bits = uint64(int64(int8(b[0])))
	case KindUint16:
		v.bits = uint64(binary.LittleEndian.Uint16(b))
	case KindInt16:
		v.bits = uint64(int64(int16(binary.LittleEndian.Uint16(b))))
	case KindUint32:
		v.bits = uint64(binary.LittleEndian.Uint32(b))
	case KindInt32:
		v.bits = uint64(int64(int32(binary.LittleEndian.Uint32(b))))
	case KindFloat32:
		v.bits = math.Float64bits(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	default:
		v.bits = binary.LittleEndian.Uint64(b)
	}
	return v
}

// indexStep is how many strings lie between two recorded offsets of a string array.
const indexStep = 64

// An Array is an array value. Its elements stay in the file and are read one at a time.
type Array struct {
	elem  Kind
	count int
	start int64   // offset of the first element
	index []int64 // offsets of elements 0, indexStep, 2*indexStep, ... of a string array
	name  string  // the file, for errors
	src   io.ReaderAt
	end   int64 // offset after the last element
}

// Len returns the number of elements.
func (a *Array) Len() int { return a.count }

// Elem returns the kind of the elements.
func (a *Array) Elem() Kind { return a.elem }

// At returns element i. Nested arrays are not readable.
func (a *Array) At(i int) (Value, error) {
	if i < 0 || i >= a.count {
		return Value{}, fmt.Errorf("gguf: %s: array index %d out of range [0, %d)", a.name, i, a.count)
	}
	switch a.elem {
	case KindString:
		return a.stringAt(i)
	case KindArray:
		return Value{}, fmt.Errorf("gguf: %s: elements of nested arrays are not readable", a.name)
	}
	var buf [8]byte
	w := a.elem.width()
	if _, err := a.src.ReadAt(buf[:w], a.start+int64(i)*w); err != nil {
		return Value{}, fmt.Errorf("gguf: %s: read array element %d: %w", a.name, i, err)
	}
	return scalar(a.elem, buf[:w]), nil
}

// scalars yields the elements of an array of numbers or booleans in order, reading many at a time.
func (a *Array) scalars() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		w := int(a.elem.width())
		if w == 0 {
			yield(Value{}, fmt.Errorf("gguf: %s: the array holds no numbers", a.name))
			return
		}
		src := bufio.NewReaderSize(io.NewSectionReader(a.src, a.start, int64(a.count*w)), 64<<10)
		var buf [8]byte
		for i := range a.count {
			if _, err := io.ReadFull(src, buf[:w]); err != nil {
				yield(Value{}, fmt.Errorf("gguf: %s: read array element %d: %w", a.name, i, err))
				return
			}
			if !yield(scalar(a.elem, buf[:w]), nil) {
				return
			}
		}
	}
}

// Text returns element i of a string array.
func (a *Array) Text(i int) (string, error) {
	v, err := a.At(i)
	if err != nil {
		return "", err
	}
	s, ok := v.Str()
	if !ok {
		return "", fmt.Errorf("gguf: %s: array holds no strings", a.name)
	}
	return s, nil
}

// stringAt walks from the nearest recorded offset before element i.
func (a *Array) stringAt(i int) (Value, error) {
	d := newDecoder(io.NewSectionReader(a.src, 0, a.end), a.end, a.name)
	d.seek(a.index[i/indexStep])
	for range i % indexStep {
		n := d.stringLen("array element")
		d.skip(n, "array element")
	}
	s := d.text(maxStringLen, "array element")
	if d.err != nil {
		return Value{}, d.err
	}
	return Value{kind: KindString, set: true, text: s}, nil
}
