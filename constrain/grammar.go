// Package constrain describes what a model is allowed to write. A [Grammar] is a small syntax tree of
// rules over characters, built by hand, from a JSON Schema ([JSONGrammar], [Builder.JSONSchema]) or by
// package toolcall for a tool call. It is written out as the grammar text of llama.cpp ([Grammar.GBNF])
// and can check a text by itself ([Grammar.Match]).
//
// The package knows nothing of tokens, models or engines. Every schema is taken as hostile: depth, size
// and references are bounded, and what a grammar cannot say is loosened and listed in [Grammar.Notes],
// so a constraint is sometimes wider than its schema and never narrower by accident.
package constrain

// Grammar is a set of named rules and the expression that a whole text must match.
type Grammar struct {
	// Root is what the whole text must match.
	Root Expr
	// Notes says, one sentence each, which parts of a schema the grammar does not enforce.
	Notes []string

	rules []rule
}

// rule is a named expression, which a [Ref] points to by its position.
type rule struct {
	name string
	expr Expr
}

// Expr is an expression: one of [Lit], [Class], [Seq], [Alt], [Repeat], [Until] and [Ref].
type Expr interface{ isExpr() }

// Lit matches exactly this text. The empty Lit matches the empty text.
type Lit string

// Seq matches its parts one after another. The empty Seq matches the empty text.
type Seq []Expr

// Alt matches any one of its parts. The empty Alt matches nothing.
type Alt []Expr

// Repeat matches Of at least Min and at most Max times; Max < 0 is without bound. Of must not match
// the empty text.
type Repeat struct {
	Of       Expr
	Min, Max int
}

// Range is an inclusive range of Unicode code points.
type Range struct{ Lo, Hi rune }

// Class matches one code point that lies in one of Ranges, or in none of them where Negated.
type Class struct {
	Ranges  []Range
	Negated bool
}

// Until matches any text, the empty one too, in which none of Stops occurs: what may stand before a
// closing marker. The marker itself is not part of it.
type Until struct{ Stops []string }

// Ref matches the rule that it names. A [Builder] makes it.
type Ref struct{ index int }

func (Lit) isExpr()    {}
func (Seq) isExpr()    {}
func (Alt) isExpr()    {}
func (Repeat) isExpr() {}
func (Class) isExpr()  {}
func (Until) isExpr()  {}
func (Ref) isExpr()    {}

// Opt matches e or the empty text.
func Opt(e Expr) Expr { return Repeat{Of: e, Min: 0, Max: 1} }

// Chars returns a class of the ranges given as a string of pairs: "azAZ" is a to z and A to Z. An odd
// last code point stands for itself.
func Chars(pairs string) Class {
	var c Class
	runes := []rune(pairs)
	for i := 0; i < len(runes); i += 2 {
		hi := runes[i]
		if i+1 < len(runes) {
			hi = runes[i+1]
		}
		c.Ranges = append(c.Ranges, Range{runes[i], hi})
	}
	return c
}

// Not returns the class of all code points that c does not hold.
func (c Class) Not() Class { return Class{Ranges: c.Ranges, Negated: !c.Negated} }

// has reports whether r is in the class.
func (c Class) has(r rune) bool {
	for _, g := range c.Ranges {
		if g.Lo <= r && r <= g.Hi {
			return !c.Negated
		}
	}
	return c.Negated
}

// Builder collects the rules of one grammar. The zero Builder is ready to use.
type Builder struct {
	rules []rule
	names map[string]int
	notes []string
	json  jsonRules
}

// Rule adds a named rule and returns the reference to it. The name is only a hint for readers of the
// grammar: it is made unique and fit for every grammar format.
func (b *Builder) Rule(name string, e Expr) Ref {
	ref := b.declare(name)
	b.define(ref, e)
	return ref
}

// Declare adds a rule without a body yet, so that rules can refer to each other; [Builder.Define]
// gives the body. A rule that is never defined matches nothing.
func (b *Builder) Declare(name string) Ref { return b.declare(name) }

// Define gives a declared rule its body.
func (b *Builder) Define(r Ref, e Expr) { b.define(r, e) }

// Grammar returns the grammar of the rules collected so far with the given root.
func (b *Builder) Grammar(root Expr) *Grammar {
	return &Grammar{Root: root, Notes: b.notes, rules: b.rules}
}

func (b *Builder) declare(name string) Ref {
	if b.names == nil {
		b.names = map[string]int{"root": 1}
	}
	b.rules = append(b.rules, rule{name: b.unique(name), expr: Alt(nil)})
	return Ref{len(b.rules) - 1}
}

func (b *Builder) define(r Ref, e Expr) {
	if r.index >= 0 && r.index < len(b.rules) {
		b.rules[r.index].expr = e
	}
}
