package syntax

import "github.com/toolserve/toolserve/jinja/internal/value"

// Tree is a parsed template.
type Tree struct {
	Body []Stmt
	// Names are the variables that the template speaks of; the tree refers to them by index.
	Names []string
	// Filters and Tests are the names of those that the template uses, referred to by index.
	Filters, Tests []string
}

// At is an offset in the normalised source.
type At int

// Offset returns the offset.
func (a At) Offset() int { return int(a) }

// Expr is an expression.
type Expr interface{ Offset() int }

// The expressions.
type (
	// Literal is a constant.
	Literal struct {
		At
		Value value.Value
	}
	// Name is a variable.
	Name struct {
		At
		ID int
	}
	// Attr is x.name.
	Attr struct {
		At
		X    Expr
		Name string
	}
	// Index is x[key].
	Index struct {
		At
		X, Key Expr
	}
	// Slice is x[from:to:step], nil for what is left out.
	Slice struct {
		At
		X, From, To, Step Expr
	}
	// Call is fn(args).
	Call struct {
		At
		Fn   Expr
		Args Args
	}
	// Filter is x|name(args); X is nil where a block's text is filtered.
	Filter struct {
		At
		X    Expr
		ID   int
		Args Args
	}
	// Test is x is name(args).
	Test struct {
		At
		X      Expr
		ID     int
		Args   Args
		Negate bool
	}
	// Binary is an arithmetic operation.
	Binary struct {
		At
		Op   value.Op
		A, B Expr
	}
	// And and Or return one of their operands.
	And struct {
		At
		A, B Expr
	}
	Or struct {
		At
		A, B Expr
	}
	// Not is the negation.
	Not struct {
		At
		X Expr
	}
	// Sign is unary minus, or plus.
	Sign struct {
		At
		X     Expr
		Minus bool
	}
	// Compare is a chain of comparisons: x op1 y1 op2 y2.
	Compare struct {
		At
		X    Expr
		Ops  []string
		Rest []Expr
	}
	// Cond is then if test else els; Else may be nil.
	Cond struct {
		At
		Test, Then, Else Expr
	}
	// Concat joins the texts of its parts.
	Concat struct {
		At
		Parts []Expr
	}
	// List is a list or a tuple.
	List struct {
		At
		Items []Expr
		Tuple bool
	}
	// Dict is a dict literal.
	Dict struct {
		At
		Keys, Values []Expr
	}
)

// Args are the arguments of a call.
type Args struct {
	Pos  []Expr
	Kw   []Keyword
	Star Expr // *args
	Kws  Expr // **kwargs
}

// Keyword is name=value in a call.
type Keyword struct {
	Name  string
	Value Expr
}

// Stmt is a statement.
type Stmt interface{ Offset() int }

// The statements.
type (
	// Text is text outside the tags.
	Text struct {
		At
		Text string
	}
	// Output is {{ x }}.
	Output struct {
		At
		X Expr
	}
	// If runs the first branch whose test holds, or Else.
	If struct {
		At
		Branches []Branch
		Else     []Stmt
	}
	// For loops over Iter.
	For struct {
		At
		Target     Target
		Iter       Expr
		Filter     Expr // the if of the loop, or nil
		Body, Else []Stmt
		Recursive  bool
		// Closures says that a macro or call block in Body may keep the loop's variables.
		Closures bool
	}
	// Set assigns a value.
	Set struct {
		At
		Target Target
		X      Expr
	}
	// SetBlock assigns the text of its body.
	SetBlock struct {
		At
		Target  Target
		Filters []*Filter
		Body    []Stmt
	}
	// Macro defines a macro; the body of a call block is one too, an Anonymous one.
	Macro struct {
		At
		Anonymous                       bool
		Name                            string
		ID                              int
		Params                          []Param
		Body                            []Stmt
		UsesVarargs, UsesKw, UsesCaller bool
	}
	// CallBlock calls Call with its body as caller.
	CallBlock struct {
		At
		Call   *Call
		Caller *Macro
	}
	// FilterBlock filters the text of its body.
	FilterBlock struct {
		At
		Filters []*Filter
		Body    []Stmt
	}
	// With runs its body with more variables.
	With struct {
		At
		Targets []Target
		Values  []Expr
		Body    []Stmt
	}
	// Scope is a block that only opens a scope. Top drops the variables around it.
	Scope struct {
		At
		Body []Stmt
		Top  bool
	}
	// Break and Continue act on the loop around them.
	Break    struct{ At }
	Continue struct{ At }
)

// Branch is one test of an If and what it guards.
type Branch struct {
	Test Expr
	Body []Stmt
}

// Param is a parameter of a macro.
type Param struct {
	Name    string
	ID      int
	Default Expr // nil if there is none
}

// Target is what an assignment assigns to: a name, an attribute of a namespace, or several targets.
type Target struct {
	At
	ID   int
	Attr string // set for a namespace's attribute
	// Items are the parts of a tuple; then the other fields are unused.
	Items []Target
	Tuple bool
}

// any reports whether a part of t that is no tuple is as wanted.
func (t *Target) any(wanted func(*Target) bool) bool {
	if !t.Tuple {
		return wanted(t)
	}
	for i := range t.Items {
		if t.Items[i].any(wanted) {
			return true
		}
	}
	return false
}
