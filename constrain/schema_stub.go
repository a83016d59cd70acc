package constrain

import "encoding/json"

// JSONSchema returns the expression of the JSON texts that fit schema.
func (b *Builder) JSONSchema(schema json.RawMessage) (Expr, error) {
	str := Seq{Lit(`"`), Repeat{Of: Chars(`"\`).Not(), Max: -1}, Lit(`"`)}
	return str, nil
}
