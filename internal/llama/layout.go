package llama

//lint:file-ignore U1000 The slack is looked at by reflection.

import (
	"fmt"
	"reflect"
	"strings"
)

// A function that returns a struct writes as many bytes as its library thinks the struct has. The probes
// leave room for a longer one, so that a foreign release does not write over other memory, and so that it is
// noticed.

type modelParamsProbe struct {
	params modelParams
	slack  [256]uint8
}

type contextParamsProbe struct {
	params contextParams
	slack  [256]uint8
}

// LayoutError is a library whose structs are not those of the release that this package speaks.
type LayoutError struct {
	// Library is the library's path, Function the call that showed the difference.
	Library, Function string
	// Differences are what the call should have filled in and what it did.
	Differences []string
}

// Error names the library, what differs and the mend.
func (e *LayoutError) Error() string {
	return fmt.Sprintf("llama.cpp library %s is not of release v%s: %s gave %s; use the libraries of that release",
		e.Library, release, e.Function, strings.Join(e.Differences, ", "))
}

// checkLayout compares the defaults that the library fills in with those of the release.
func checkLayout(library string, model modelParamsProbe, context contextParamsProbe) error {
	if d := differences(model, modelParamsProbe{params: defaultModelParams()}); len(d) > 0 {
		return &LayoutError{Library: library, Function: "llama_model_default_params", Differences: d}
	}
	if d := differences(context, contextParamsProbe{params: defaultContextParams()}); len(d) > 0 {
		return &LayoutError{Library: library, Function: "llama_context_default_params", Differences: d}
	}
	return nil
}

// maxDifferences is enough to recognise a release by.
const maxDifferences = 4

// differences lists the fields of two probes of one type that differ, as "name = got, want want".
func differences(got, want any) []string {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	var found []string
	params, wanted := g.Field(0), w.Field(0)
	for i := range params.NumField() {
		name := params.Type().Field(i).Name
		if name == "_" || len(found) == maxDifferences {
			continue
		}
		if a, b := fmt.Sprint(params.Field(i)), fmt.Sprint(wanted.Field(i)); a != b {
			found = append(found, fmt.Sprintf("%s = %s, want %s", name, a, b))
		}
	}
	if !g.Field(1).IsZero() {
		found = append(found, "a longer struct")
	}
	return found
}
