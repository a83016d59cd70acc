package value

import (
	"fmt"
	"strings"
)

// FailureKind says what sort of failure stopped a render.
type FailureKind uint8

// The kinds of failure.
const (
	// Runtime is an operation that Python would answer with an exception.
	Runtime FailureKind = iota
	// Raised is the template's own raise_exception.
	Raised
	// Limit is a limit of the Budget.
	Limit
	// Internal is a fault of the engine itself.
	Internal
)

// Failure is the panic value of this package and of the evaluator.
type Failure struct {
	Kind    FailureKind
	Message string
}

func (f *Failure) Error() string { return f.Message }

// Fail stops the render with a runtime failure.
func Fail(format string, args ...any) {
	panic(&Failure{Kind: Runtime, Message: fmt.Sprintf(format, args...)})
}

// FailUndefined stops the render because u was used.
func FailUndefined(u *Undefined) { panic(&Failure{Kind: Runtime, Message: u.Message()}) }

// FailLimit stops the render at a limit.
func FailLimit(format string, args ...any) {
	panic(&Failure{Kind: Limit, Message: fmt.Sprintf(format, args...)})
}

// MaxNesting bounds how deep values may be nested that are printed, compared or decoded.
const MaxNesting = 500

// Budget is what a render may still use. Its methods fail when it is used up.
type Budget struct {
	// Steps counts operations, each worth some tens of nanoseconds.
	Steps int64
	// Memory counts the bytes of the strings and lists that the template makes.
	Memory int64
	// MaxText is the longest single text in bytes.
	MaxText int
	// tails are long texts that were put together of late, latest at last: see Join.
	tails [4]*strings.Builder
	last  int
}

// Spend uses n steps.
func (b *Budget) Spend(n int) {
	b.Steps -= int64(n)
	if b.Steps < 0 {
		FailLimit("the template takes too many steps")
	}
}

// Alloc uses n bytes, and the steps that it takes to fill them.
func (b *Budget) Alloc(n int) {
	b.Memory -= int64(n)
	if b.Memory < 0 {
		FailLimit("the template uses too much memory")
	}
	b.Steps -= int64(n >> 6)
}

// valueSize is the weight of one element of a list: an interface and a share of what it points to.
const valueSize = 16

// minTail is the length from which Join expects a text to grow on.
const minTail = 256

// Join returns a + b. Templates collect long texts piece by piece, so a text that Join made is continued
// in its own memory, where that has room: many pieces then cost their length and not its square.
func (b *Budget) Join(s, t string) string {
	b.CheckText(len(s) + len(t))
	if len(s) < minTail {
		b.Alloc(len(s) + len(t))
		return s + t
	}
	for _, tail := range b.tails {
		// Equal texts in one place compare at once. What others hold of the memory stays as it is.
		if tail != nil && tail.Len() == len(s) && tail.String() == s {
			room := tail.Cap()
			tail.WriteString(t)
			if b.Alloc(len(t)); tail.Cap() != room {
				b.Alloc(tail.Cap())
			}
			return tail.String()
		}
	}
	tail := new(strings.Builder)
	tail.Grow(len(s) + max(len(t), len(s)/4))
	b.Alloc(tail.Cap())
	tail.WriteString(s)
	tail.WriteString(t)
	b.last = (b.last + 1) % len(b.tails)
	b.tails[b.last] = tail
	return tail.String()
}

// AllocItems uses the memory of a list of n elements.
func (b *Budget) AllocItems(n int) {
	if n > int(b.Memory/valueSize) {
		FailLimit("the template uses too much memory")
	}
	b.Memory -= int64(n) * valueSize
	b.Spend(n >> 1)
}

// CheckText fails if a text of n bytes is too long to be made.
func (b *Budget) CheckText(n int) {
	if n < 0 || n > b.MaxText {
		FailLimit("a text of more than %d bytes", b.MaxText)
	}
}

// Buffer collects text up to the budget's longest text.
type Buffer struct {
	b      []byte
	budget *Budget
}

// NewBuffer returns an empty buffer.
func NewBuffer(budget *Budget) *Buffer { return &Buffer{budget: budget} }

// WriteString appends s.
func (b *Buffer) WriteString(s string) {
	if len(b.b)+len(s) > cap(b.b) {
		b.grow(len(s))
	}
	b.b = append(b.b, s...)
}

// WriteByte appends one byte. It never returns an error: a full buffer fails.
func (b *Buffer) WriteByte(c byte) error {
	if len(b.b) == cap(b.b) {
		b.grow(1)
	}
	b.b = append(b.b, c)
	return nil
}

// grow makes room for n more bytes, and fails where that is more than the longest text. The room is
// never larger than that text, so that writing within it needs no check.
func (b *Buffer) grow(n int) {
	b.budget.CheckText(len(b.b) + n)
	size := min(max(2*cap(b.b), len(b.b)+n, 512), b.budget.MaxText)
	grown := make([]byte, len(b.b), size)
	copy(grown, b.b)
	b.b = grown
}

// Pad appends n times c.
func (b *Buffer) Pad(c string, n int) {
	if n <= 0 || c == "" {
		return
	}
	b.budget.CheckRepeat(len(c), n)
	if total := len(c) * n; len(b.b)+total > cap(b.b) {
		b.grow(total)
	}
	for ; n > 0; n-- {
		b.b = append(b.b, c...)
	}
}

// Len is the number of bytes so far.
func (b *Buffer) Len() int { return len(b.b) }

// Cut removes what follows the first n bytes and returns it.
func (b *Buffer) Cut(n int) string {
	s := string(b.b[n:])
	b.b = b.b[:n]
	b.budget.Alloc(len(s))
	return s
}

// String returns the text so far.
func (b *Buffer) String() string { return string(b.b) }

// CheckRepeat fails if n texts of size bytes are too long to be made.
func (b *Budget) CheckRepeat(size, n int) {
	if n > 0 && size > b.MaxText/n {
		FailLimit("a text of more than %d bytes", b.MaxText)
	}
}
