package constrain

import "fmt"

// check reports a grammar that an engine could loop on: a repetition of something that may be empty,
// or a rule that can begin with itself.
func (g *Grammar) check() error {
	c := checker{g: g, nullable: make([]bool, len(g.rules))}
	for changed := true; changed; {
		changed = false
		for i, r := range g.rules {
			if !c.nullable[i] && c.empty(r.expr) {
				c.nullable[i], changed = true, true
			}
		}
	}
	if err := c.repeats(g.Root); err != nil {
		return err
	}
	for _, r := range g.rules {
		if err := c.repeats(r.expr); err != nil {
			return err
		}
	}
	return c.leftRecursion()
}

type checker struct {
	g        *Grammar
	nullable []bool
}

// empty reports whether e may match the empty text.
func (c *checker) empty(e Expr) bool {
	switch e := e.(type) {
	case Lit:
		return e == ""
	case Until:
		return true
	case Ref:
		return c.nullable[e.index]
	case Repeat:
		return e.Min == 0 || c.empty(e.Of)
	case Seq:
		for _, p := range e {
			if !c.empty(p) {
				return false
			}
		}
		return true
	case Alt:
		for _, p := range e {
			if c.empty(p) {
				return true
			}
		}
	}
	return false
}

func (c *checker) repeats(e Expr) error {
	switch e := e.(type) {
	case Repeat:
		if e.Max != 1 && c.empty(e.Of) {
			return fmt.Errorf("constrain: a repetition of something that may be empty: %T", e.Of)
		}
		return c.repeats(e.Of)
	case Seq:
		return c.repeatsAll(e)
	case Alt:
		return c.repeatsAll(e)
	}
	return nil
}

func (c *checker) repeatsAll(parts []Expr) error {
	for _, p := range parts {
		if err := c.repeats(p); err != nil {
			return err
		}
	}
	return nil
}

// leftRecursion walks the rules that each rule can begin with.
func (c *checker) leftRecursion() error {
	const (
		open = 1
		done = 2
	)
	state := make([]int, len(c.g.rules))
	var visit func(i int) error
	visit = func(i int) error {
		switch state[i] {
		case done:
			return nil
		case open:
			return fmt.Errorf("constrain: rule %q begins with itself", c.g.rules[i].name)
		}
		state[i] = open
		for _, next := range c.first(c.g.rules[i].expr, nil) {
			if err := visit(next); err != nil {
				return err
			}
		}
		state[i] = done
		return nil
	}
	for i := range c.g.rules {
		if err := visit(i); err != nil {
			return err
		}
	}
	return nil
}

// first appends the rules that e can begin with.
func (c *checker) first(e Expr, to []int) []int {
	switch e := e.(type) {
	case Ref:
		to = append(to, e.index)
	case Repeat:
		to = c.first(e.Of, to)
	case Alt:
		for _, p := range e {
			to = c.first(p, to)
		}
	case Seq:
		for _, p := range e {
			to = c.first(p, to)
			if !c.empty(p) {
				break
			}
		}
	}
	return to
}
