package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/toolserve/toolserve/internal/rawjson"
)

const (
	maxArguments      = 1 << 20
	maxArgumentsDepth = 64
	// maxSchemaWork bounds how many subschemas one value can be held against: a schema of a few lines
	// can refer to itself in ways that would never end.
	maxSchemaWork = 100_000
	// maxNamedRefs bounds the references that are not JSON pointers.
	maxNamedRefs = 8
)

// ReadArguments returns the JSON object that a call passes: an object, or a string that holds one as
// models write it, or nothing. Keys given twice and deep nesting are refused. What it returns is one line.
func ReadArguments(raw json.RawMessage) (json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > maxArguments {
		return nil, fmt.Errorf("larger than %d KiB", maxArguments>>10)
	}
	if len(raw) > 0 && raw[0] == '"' && json.Valid(raw) {
		text, _ := rawjson.Text(raw)
		raw = bytes.TrimSpace([]byte(text))
	}
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}"), nil
	}
	if err := rawjson.Check(raw, maxArgumentsDepth); err != nil {
		if errors.Is(err, rawjson.ErrDepth) {
			return nil, fmt.Errorf("nested deeper than %d levels", maxArgumentsDepth)
		}
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	if raw[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	return oneLine(raw), nil
}

// Fit returns the arguments as they are to be sent, or what is wrong with them. A null that the schema does
// not know stands for an argument that is not given, as many models write it, and is left out.
func (t *Tool) Fit(arguments json.RawMessage) (json.RawMessage, *Misfit) {
	if t.Check == nil {
		return arguments, nil
	}
	misfit := t.Check.Validate(arguments)
	if misfit == nil {
		return arguments, nil
	}
	if given, fewer := withoutNulls(arguments, misfit.members); fewer && t.Check.Validate(given) == nil {
		return given, nil
	}
	return nil, misfit
}

// withoutNulls returns an object without those of some members that are null, and whether there are any.
func withoutNulls(object json.RawMessage, members map[string]bool) (given json.RawMessage, fewer bool) {
	given = append(given, '{')
	rawjson.Fields(object, func(key string, value json.RawMessage) bool {
		if members[key] && string(value) == "null" {
			fewer = true
			return true
		}
		if len(given) > 1 {
			given = append(given, ',')
		}
		given = append(rawjson.AppendText(given, key), ':')
		given = append(given, value...)
		return true
	})
	return append(given, '}'), fewer
}

// oneLine returns JSON without line breaks, which can only be white space: over the pipes of a process a
// message is a line.
func oneLine(raw json.RawMessage) json.RawMessage {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	raw = bytes.Clone(raw)
	for i, c := range raw {
		if c == '\n' || c == '\r' {
			raw[i] = ' '
		}
	}
	return raw
}

// SchemaCheck holds arguments or structured results against a tool's schema. It may be used by several
// calls at once.
type SchemaCheck struct {
	schema *jsonschema.Schema
	// loops is how often the schema refers back to itself.
	loops int
	// unchecked are its patterns that texts are not held against, in the order of the schema.
	unchecked []string
}

// Unchecked says which patterns of the schema texts are not held against, and why; "" where there are none.
func (c *SchemaCheck) Unchecked() string {
	if c == nil || len(c.unchecked) == 0 {
		return ""
	}
	shown := make([]string, 0, maxShownPatterns)
	for _, pattern := range c.unchecked[:min(len(c.unchecked), maxShownPatterns)] {
		shown = append(shown, strconv.Quote(Cut(pattern, 100)))
	}
	more := ""
	if n := len(c.unchecked) - len(shown); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("texts are not held against the pattern %s%s, which RE2 does not know (it has no lookaround and no backreferences): that is left to the server",
		strings.Join(shown, ", "), more)
}

// maxShownPatterns bounds how many patterns a problem shows.
const maxShownPatterns = 3

// NewSchemaCheck compiles a schema: draft 2020-12 unless it names another, nothing fetched.
func NewSchemaCheck(schema json.RawMessage) (*SchemaCheck, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	work := schemaWork{root: doc, refs: map[string]refWork{}}
	if work.of(doc, 0) > maxSchemaWork {
		return nil, errors.New("its references multiply beyond what can be checked")
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	var unchecked []string
	compiler.UseRegexpEngine(func(pattern string) (jsonschema.Regexp, error) {
		re, known := compilePattern(pattern)
		if !known && !slices.Contains(unchecked, pattern) && len(unchecked) < maxUnchecked {
			unchecked = append(unchecked, pattern)
		}
		return re, nil
	})
	const url = "https://schema.invalid/tool.json"
	if err := compiler.AddResource(url, doc); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("%s", strings.ReplaceAll(err.Error(), url, ""))
	}
	return &SchemaCheck{schema: compiled, loops: work.loops, unchecked: unchecked}, nil
}

// noLoader refuses to fetch what a schema refers to: a server must not make us open anything.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %s, and references outside the schema are not followed", url)
}

// maxUnchecked bounds how many patterns that are not checked are remembered.
const maxUnchecked = 100

// compilePattern compiles a pattern in time linear in its text. One that Go's engine does not know,
// such as a lookahead, matches everything: the server checks it anyway.
func compilePattern(pattern string) (re jsonschema.Regexp, known bool) {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return anyText(pattern), false
	}
	return compiled, true
}

type anyText string

func (anyText) MatchString(string) bool { return true }
func (p anyText) String() string        { return string(p) }

// Validate returns what does not fit, or nil. Where a schema refers to itself in several places, the
// work can double with each level of the value: those too deep for it pass.
func (c *SchemaCheck) Validate(raw json.RawMessage) *Misfit {
	if c.loops > 1 && math.Pow(float64(c.loops), float64(rawjson.Depth(raw))) > maxSchemaWork {
		return nil
	}
	if !rawjson.Valid(raw) {
		return &Misfit{Message: "not valid JSON"}
	}
	err := c.schema.Validate(rawjson.Value(raw))
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return &Misfit{Message: err.Error()}
	}
	return newMisfit(invalid)
}

// Misfit is a place in a value and what is wrong there.
type Misfit struct {
	Path, Message string
	members       map[string]bool // of the value's own, those that something is wrong with as a whole
}

// pointerName reads the name of a member in a JSON pointer.
var pointerName = strings.NewReplacer("~1", "/", "~0", "~")

// newMisfit picks the innermost complaints, three at most.
func newMisfit(invalid *jsonschema.ValidationError) *Misfit {
	m := &Misfit{members: map[string]bool{}}
	var parts []string
	for _, unit := range invalid.BasicOutput().Errors {
		if name, own := strings.CutPrefix(unit.InstanceLocation, "/"); own && !strings.Contains(name, "/") {
			m.members[pointerName.Replace(name)] = true
		}
		if unit.Error == nil || len(parts) == 3 {
			continue
		}
		path := strings.ReplaceAll(strings.TrimPrefix(unit.InstanceLocation, "/"), "/", ".")
		if m.Path == "" {
			m.Path = path
		}
		text := Cut(unit.Error.String(), 300)
		if path != "" {
			text = path + ": " + text
		}
		parts = append(parts, text)
	}
	if m.Message = strings.Join(parts, "; "); m.Message == "" {
		m.Message = Cut(invalid.Error(), 300)
	}
	return m
}

// schemaWork counts the subschemas that one value is held against, taking each local reference as a
// copy of what it refers to.
type schemaWork struct {
	root  any
	refs  map[string]refWork
	loops int
	named int // references by an anchor or an id
}

func (w *schemaWork) of(node any, depth int) int {
	if depth > 2*maxSchemaDepth {
		return 1
	}
	total := 1
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			total = min(total+w.of(item, depth+1), maxSchemaWork+1)
		}
	case map[string]any:
		for key, value := range node {
			switch ref, isText := value.(string); {
			case isText && (key == "$ref" || key == "$dynamicRef"):
				total = min(total+w.reference(ref), maxSchemaWork+1)
			case key == "$defs" || key == "definitions":
			default:
				total = min(total+w.of(value, depth+1), maxSchemaWork+1)
			}
		}
	}
	return total
}

// reference counts what a local reference stands for. One that leads back to what is being counted is
// a loop and costs nothing more here.
func (w *schemaWork) reference(ref string) int {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok || pointer != "" && pointer[0] != '/' {
		// By an anchor or an id: not followed here, so only few of them are taken.
		if w.named++; w.named > maxNamedRefs {
			return maxSchemaWork + 1
		}
		return 1
	}
	known, ok := w.refs[ref]
	if ok || pointer == "" {
		w.loops = min(w.loops+known.loops, maxSchemaWork)
		if known.counting || pointer == "" {
			w.loops++
		}
		return known.cost
	}
	w.refs[ref] = refWork{counting: true}
	before := w.loops
	node := w.root
	for _, step := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if object, isObject := node.(map[string]any); isObject && step != "" {
			node = object[pointerName.Replace(step)]
		}
	}
	cost := w.of(node, 0)
	w.refs[ref] = refWork{cost: cost, loops: w.loops - before}
	return cost
}

// refWork is what is known of a reference.
type refWork struct {
	cost, loops int
	counting    bool
}
