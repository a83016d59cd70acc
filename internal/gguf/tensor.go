package gguf

import (
	"fmt"
	"math"
	"math/bits"
)

// A Tensor is what a file says of one tensor.
type Tensor struct {
	Name   string
	Dims   []uint64 // innermost first; empty means a single number
	Type   Type
	Offset uint64 // from the start of the tensor data
}

// Elements returns the number of elements.
func (t Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Dims {
		n *= d // checked for overflow when the file was read
	}
	return n
}

// Type is the storage type of a tensor, with the numbers of ggml.
type Type uint32

// block describes a storage type: its elements are stored in blocks of elems elements and size bytes.
type block struct {
	name  string
	elems uint64
	size  uint64
}

// layout returns how a type is stored; ok is false for a type that this version does not know.
func (t Type) layout() (b block, ok bool) {
	if int(t) >= len(layouts) {
		return block{}, false
	}
	b = layouts[t]
	return b, b.elems != 0
}

// String returns the usual name of the type, such as "Q4_K".
func (t Type) String() string {
	if b, ok := t.layout(); ok {
		return b.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// layouts is indexed by Type. Numbers without a row were removed from the format.
var layouts = [...]block{
	0: {"F32", 1, 4}, 1: {"F16", 1, 2}, 2: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20}, 6: {"Q5_0", 32, 22},
	7: {"Q5_1", 32, 24}, 8: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 36}, 10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110},
	12: {"Q4_K", 256, 144}, 13: {"Q5_K", 256, 176}, 14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50},
	20: {"IQ4_NL", 32, 18}, 21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8}, 28: {"F64", 1, 8},
	29: {"IQ1_M", 256, 56}, 30: {"BF16", 1, 2}, 34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66},
	39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36}, 41: {"Q1_0", 128, 18}, 42: {"Q2_0", 64, 18},
}

// tensor reads one tensor description.
func (f *File) tensor(d *decoder, i, n uint64) {
	what := fmt.Sprintf("tensor %d of %d", i+1, n)
	t := Tensor{Name: d.text(maxNameLen, what)}
	dims := d.u32(what)
	if dims > maxDims {
		d.fail(ErrCorrupt, "%s %q has %d dimensions", what, t.Name, dims)
		return
	}
	elems := uint64(1)
	for range dims {
		dim := d.u64(what)
		hi, lo := bits.Mul64(elems, dim)
		if hi != 0 || lo > math.MaxInt64 {
			d.fail(ErrCorrupt, "%s %q is too large", what, t.Name)
			return
		}
		elems = lo
		t.Dims = append(t.Dims, dim)
	}
	t.Type, t.Offset = Type(d.u32(what)), d.u64(what)
	if d.err == nil {
		f.tensors = append(f.tensors, t)
	}
}

// checkData checks that the data of every tensor of a known type lies inside the file, which tells a
// cut download apart from a whole one.
func (f *File) checkData(d *decoder) {
	start := (uint64(d.off) + f.alignment - 1) &^ (f.alignment - 1)
	f.dataStart = int64(start)
	for _, t := range f.tensors {
		b, ok := t.Type.layout()
		if !ok {
			continue
		}
		hi, size := bits.Mul64(t.Elements()/b.elems, b.size)
		end, carry1 := bits.Add64(size, t.Offset, 0)
		end, carry2 := bits.Add64(end, start, 0)
		if hi != 0 || carry1 != 0 || carry2 != 0 {
			d.fail(ErrCorrupt, "tensor %q lies outside of any file", t.Name)
			return
		}
		if end > uint64(f.size) {
			d.off = f.size
			d.fail(ErrTruncated, "tensor %q ends at byte %d; download the file again", t.Name, end)
			return
		}
	}
}
