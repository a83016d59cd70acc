package constrain

import "encoding/json"

// JSONGrammar returns the grammar of the JSON texts that fit schema. An empty schema means any JSON
// object.
func JSONGrammar(schema json.RawMessage) (*Grammar, error) {
	var b Builder
	e, err := b.JSONSchema(schema)
	if err != nil {
		return nil, err
	}
	return b.Grammar(e), nil
}
