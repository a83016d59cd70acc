package eval

import (
	"fmt"

	"github.com/toolserve/toolserve/jinja/internal/builtin"
	"github.com/toolserve/toolserve/jinja/internal/syntax"
	"github.com/toolserve/toolserve/jinja/internal/value"
)

// loop is the variable of that name in the body of a for.
type loop struct {
	iter value.Iter
	// index counts from 0; it is -1 before the first iteration.
	index, depth           int
	before, current, after value.Value
	// length is -1 until it is known.
	length  int
	changed []value.Value
	in      *interp
	// again runs the loop's body over other values; nil unless the loop is recursive.
	again func(value.Value) value.Value
}

// Type implements [value.Value].
func (*loop) Type() string { return "LoopContext" }

// Repr is how the loop prints.
func (l *loop) Repr() string { return fmt.Sprintf("<LoopContext %d/%d>", l.index+1, l.Len()) }

func (in *interp) forLoop(n *syntax.For, v value.Value, sc *scope, depth int) {
	in.at = n.Offset()
	in.Budget.Spend(value.Size(v) >> 5)
	l := &loop{iter: value.Iterate(v), index: -1, depth: depth, length: -1, in: in}
	if n.Filter != nil {
		l.iter = in.loopFilter(n, l.iter, sc)
	}
	if n.Recursive {
		l.again = func(v value.Value) value.Value {
			in.enter()
			start := in.out.Len()
			in.forLoop(n, v, sc, depth+1)
			in.depth--
			return value.String(in.out.Cut(start))
		}
	}
	body := newScope(sc)
	done := false
	for l.advance() {
		in.Budget.Spend(2)
		if l.index > 0 {
			if n.Closures {
				body = newScope(sc)
			} else {
				body.clear()
			}
		}
		in.assign(&n.Target, l.current, body)
		if in.t.loopID >= 0 {
			in.set(in.t.loopID, l, body)
		}
		j := in.exec(n.Body, body)
		if j == jumpBreak {
			break
		}
		done = done || j == jumpNone
	}
	if !done { // as in jinja2, where break and continue leave before the loop has noted its iteration
		in.exec(n.Else, newScope(sc))
	}
}

// loopFilter yields the values for which the loop's condition holds, each judged when it is needed.
func (in *interp) loopFilter(n *syntax.For, it value.Iter, sc *scope) value.Iter {
	return value.FuncIter(func() (value.Value, bool) {
		for {
			v, ok := it.Next()
			if !ok {
				return nil, false
			}
			in.Budget.Spend(2)
			test := newScope(sc)
			in.assign(&n.Target, v, test)
			if value.Truth(in.eval(n.Filter, test)) {
				return v, true
			}
		}
	})
}

func (l *loop) advance() bool {
	next := l.after
	l.after = nil
	if next == nil {
		var ok bool
		if next, ok = l.iter.Next(); !ok {
			return false
		}
	}
	l.index++
	l.before, l.current = l.current, next
	return true
}

// peek returns the next value without moving to it, or nil at the end.
func (l *loop) peek() value.Value {
	if l.after == nil {
		l.after, _ = l.iter.Next()
	}
	return l.after
}

// Len is loop.length.
func (l *loop) Len() int {
	if l.length >= 0 {
		return l.length
	}
	if l.length = l.iter.Size(); l.length >= 0 {
		return l.length
	}
	rest := l.iter.Rest(&l.in.Budget)
	l.iter = value.SliceIter(rest)
	l.length = l.index + 1 + len(rest)
	if l.after != nil {
		l.length++
	}
	return l.length
}

// Attr implements [builtin.Object].
func (l *loop) Attr(name string) value.Value {
	switch name {
	case "index":
		return value.Int(l.index + 1)
	case "index0":
		return value.Int(l.index)
	case "revindex":
		return value.Int(l.Len() - l.index)
	case "revindex0":
		return value.Int(l.Len() - l.index - 1)
	case "first":
		return value.Bool(l.index == 0)
	case "last":
		return value.Bool(l.peek() == nil)
	case "length":
		return value.Int(l.Len())
	case "depth":
		return value.Int(l.depth + 1)
	case "depth0":
		return value.Int(l.depth)
	case "previtem":
		if l.index == 0 {
			return &value.Undefined{Hint: "there is no previous item"}
		}
		return l.before
	case "nextitem":
		if next := l.peek(); next != nil {
			return next
		}
		return &value.Undefined{Hint: "there is no next item"}
	case "cycle":
		return &builtin.Function{Name: name, Fn: l.cycle}
	case "changed":
		return &builtin.Function{Name: name, Fn: l.hasChanged}
	}
	return nil
}

func (l *loop) cycle(_ *builtin.Env, pos []value.Value, _ *value.Dict) value.Value {
	if len(pos) == 0 {
		value.Fail("no items for cycling given")
	}
	return pos[l.index%len(pos)]
}

func (l *loop) hasChanged(env *builtin.Env, pos []value.Value, _ *value.Dict) value.Value {
	if l.changed != nil && value.Equal(value.NewList(l.changed...), value.NewList(pos...), &env.Budget) {
		return value.Bool(false)
	}
	l.changed = append([]value.Value{}, pos...)
	return value.Bool(true)
}
