package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	maxAlignment     = 1 << 20
)

// decoder reads forward through a file. The first failure sticks in err; later reads return zeros.
type decoder struct {
	src   io.ReaderAt
	size  int64
	off   int64
	buf   []byte // window of the file, starting at bufAt
	bufAt int64
	name  string
	kept  int64 // bytes of scalar strings kept so far
	err   error
}

func newDecoder(src io.ReaderAt, size int64, name string) *decoder {
	return &decoder{src: src, size: size, name: name}
}

func (d *decoder) seek(off int64) { d.off = off }

func (d *decoder) fail(reason error, format string, args ...any) {
	if d.err == nil {
		d.err = &FormatError{Name: d.name, Offset: d.off, Err: reason, Detail: fmt.Sprintf(format, args...)}
	}
}

// need checks that n more bytes are there.
func (d *decoder) need(n int64, what string) bool {
	if d.err != nil {
		return false
	}
	if n < 0 || n > d.size-d.off {
		d.fail(ErrTruncated, "%s needs %d more bytes, the file has %d in all", what, n, d.size)
		return false
	}
	if d.off+n > maxMetadata {
		d.fail(ErrCorrupt, "metadata is larger than %d bytes", maxMetadata)
		return false
	}
	return true
}

func (d *decoder) skip(n int64, what string) {
	if d.need(n, what) {
		d.off += n
	}
}

const window = 64 << 10

// bytes returns the next n bytes, valid until the next read; nil on failure. n is at most a window.
func (d *decoder) bytes(n int64, what string) []byte {
	if !d.need(n, what) {
		return nil
	}
	at := d.off - d.bufAt
	if at < 0 || at+n > int64(len(d.buf)) {
		if d.buf == nil {
			d.buf = make([]byte, min(window, d.size))
		}
		d.buf = d.buf[:min(int64(cap(d.buf)), d.size-d.off)]
		d.bufAt, at = d.off, 0
		if _, err := d.src.ReadAt(d.buf, d.off); err != nil {
			d.buf = d.buf[:0]
			d.readFailed(err, what)
			return nil
		}
	}
	d.off += n
	return d.buf[at : at+n]
}

// readFailed records a failed read: a file that shrank is truncated, anything else is an I/O error.
func (d *decoder) readFailed(err error, what string) {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		d.fail(ErrTruncated, "%s", what)
	} else if d.err == nil {
		d.err = fmt.Errorf("gguf: %s: read %s: %w", d.name, what, err)
	}
}

func (d *decoder) u32(what string) uint32 {
	if b := d.bytes(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64(what string) uint64 {
	if b := d.bytes(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// stringLen reads the length of a string and checks that the string is there.
func (d *decoder) stringLen(what string) int64 {
	n := d.u64(what)
	if n > math.MaxInt64 || !d.need(int64(n), what) {
		d.fail(ErrTruncated, "%s claims a length of %d bytes", what, n)
		return 0
	}
	return int64(n)
}

func (d *decoder) text(limit int64, what string) string {
	n := d.stringLen(what)
	if n > limit {
		d.fail(ErrCorrupt, "%s is %d bytes long, the limit is %d", what, n, limit)
	}
	if d.err != nil {
		return ""
	}
	if n <= window {
		return string(d.bytes(n, what))
	}
	b := make([]byte, n)
	if _, err := d.src.ReadAt(b, d.off); err != nil {
		d.readFailed(err, what)
		return ""
	}
	d.off += n
	return string(b)
}

// decode reads header, metadata and tensor descriptions.
func (f *File) decode(d *decoder) error {
	f.header(d)
	tensors, keys := d.u64("tensor count"), d.u64("key count")
	if tensors > maxTensors || keys > maxKeys {
		d.fail(ErrCorrupt, "claims %d tensors and %d metadata keys", tensors, keys)
	}
	for i := uint64(0); i < keys && d.err == nil; i++ {
		f.pair(d, i, keys)
	}
	f.align(d)
	for i := uint64(0); i < tensors && d.err == nil; i++ {
		f.tensor(d, i, tensors)
	}
	if d.err == nil {
		f.checkData(d)
	}
	return d.err
}

func (f *File) header(d *decoder) {
	if d.size < 4 {
		d.fail(ErrNotGGUF, "it has %d bytes", d.size)
		return
	}
	if b := d.bytes(4, "magic"); b != nil && string(b) != magic {
		d.fail(ErrNotGGUF, "it starts with %q instead of %q%s", b, magic, hint(b))
		return
	}
	f.version = d.u32("version")
	switch {
	case d.err != nil || f.version == 2 || f.version == 3:
	case f.version&0xffff == 0:
		d.fail(ErrVersion, "the file is big-endian (version %d); convert it to little-endian", bits.ReverseBytes32(f.version))
	default:
		d.fail(ErrVersion, "version %d, readable are 2 and 3; convert or download the model anew", f.version)
	}
}

// hint names the file formats that are most often taken for a GGUF.
func hint(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("PK")):
		return " (a ZIP or PyTorch archive)"
	case bytes.HasPrefix(b, []byte("<")), bytes.HasPrefix(b, []byte("\n<")):
		return " (an HTML page?)"
	case bytes.HasPrefix(b, []byte("vers")):
		return " (a Git LFS pointer? fetch it with git lfs pull)"
	}
	for _, old := range []string{"tjgg", "lmgg", "fmgg", "algg"} { // little-endian ggjt, ggml, ggmf, ggla
		if string(b) == old {
			return " (a GGML file from before GGUF; download a GGUF of the model)"
		}
	}
	return ""
}

func (f *File) pair(d *decoder, i, n uint64) {
	key := d.text(maxKeyLen, fmt.Sprintf("metadata key %d of %d", i+1, n))
	kind := Kind(d.u32("type of " + key))
	if d.err != nil {
		return
	}
	if key == "" || kind >= kindCount {
		d.fail(ErrCorrupt, "metadata key %d %q has type %d", i+1, key, kind)
		return
	}
	if _, dup := f.values[key]; dup {
		d.fail(ErrCorrupt, "metadata key %q appears twice", key)
		return
	}
	v := d.value(kind, key)
	if d.err == nil {
		f.keys = append(f.keys, key)
		f.values[key] = v
	}
}

func (d *decoder) value(kind Kind, key string) Value {
	switch kind {
	case KindString:
		v := Value{kind: kind, set: true, text: d.text(maxStringLen, key)}
		if d.kept += int64(len(v.text)); d.kept > maxScalarText {
			d.fail(ErrCorrupt, "text values are larger than %d bytes", maxScalarText)
		}
		return v
	case KindArray:
		return Value{kind: kind, set: true, array: d.array(key, 0)}
	}
	b := d.bytes(kind.width(), key)
	if b == nil {
		return Value{}
	}
	return scalar(kind, b)
}

// array walks over an array, so that what follows it can be read, and records where it lies.
func (d *decoder) array(key string, depth int) *Array {
	elem, count := Kind(d.u32(key)), d.u64(key)
	if d.err != nil {
		return nil
	}
	if elem >= kindCount || depth >= maxNesting {
		d.fail(ErrCorrupt, "%s is an array of type %d at depth %d", key, elem, depth)
		return nil
	}
	if left := uint64(d.size - d.off); count > left/uint64(elem.minWidth()) {
		d.fail(ErrTruncated, "%s claims %d array elements, %d bytes are left", key, count, left)
		return nil
	}
	a := &Array{elem: elem, count: int(count), start: d.off, src: d.src, name: d.name}
	switch elem {
	case KindString:
		for i := 0; i < a.count && d.err == nil; i++ {
			if i%indexStep == 0 {
				a.index = append(a.index, d.off)
			}
			d.skip(d.stringLen(key), key)
		}
	case KindArray:
		for i := 0; i < a.count && d.err == nil; i++ {
			d.array(key, depth+1)
		}
	default:
		d.skip(int64(count)*elem.width(), key)
	}
	a.end = d.off
	return a
}

func (f *File) align(d *decoder) {
	v, ok := f.values["general.alignment"]
	if !ok || d.err != nil {
		return
	}
	n, ok := v.Uint()
	if !ok || n == 0 || n > maxAlignment || n&(n-1) != 0 {
		d.fail(ErrCorrupt, "general.alignment is not a power of two up to %d", maxAlignment)
		return
	}
	f.alignment = n
}
