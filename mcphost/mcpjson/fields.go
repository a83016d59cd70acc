package mcpjson

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

// inKey puts the key's name into an error about its value.
func inKey(key string, err error) error {
	var e *jsonc.Error
	if errors.As(err, &e) {
		return &jsonc.Error{Line: e.Line, Column: e.Column, Message: fmt.Sprintf("%q: %s", key, e.Message)}
	}
	return fmt.Errorf("%q: %w", key, err)
}

func positiveInt(n jsonc.Node) (int, error) {
	f, err := n.Number()
	if err != nil {
		return 0, err
	}
	if f < 1 || f > 1e6 || f != math.Trunc(f) {
		return 0, n.Errorf("must be a whole number from 1 to 1000000, not %s", n.Raw())
	}
	return int(f), nil
}

// callsPerMinute reads a limit of calls.
func callsPerMinute(n jsonc.Node) (int, error) { return limitOrNone[int](n, 1e6) }

// limitOrNone reads a limit where zero means none, which is -1 in [Security].
func limitOrNone[T int | int64](n jsonc.Node, most float64) (T, error) {
	f, err := n.Number()
	if err != nil {
		return 0, err
	}
	if f < 0 || f > most || f != math.Trunc(f) {
		return 0, n.Errorf("must be a whole number from 0 (no limit) to %.0f, not %s", most, n.Raw())
	}
	if f == 0 {
		return -1, nil
	}
	return T(f), nil
}

// seconds reads a positive number of seconds, fractions allowed.
func seconds(n jsonc.Node) (time.Duration, error) {
	f, err := n.Number()
	if err != nil {
		return 0, err
	}
	if f < 0.001 || f > 7*24*3600 {
		return 0, n.Errorf("must be a number of seconds greater than 0 and at most a week, not %s", n.Raw())
	}
	return time.Duration(f * float64(time.Second)), nil
}

// names reads a list of strings that are not empty. The list is never nil.
func names(n jsonc.Node) ([]string, error) {
	items, err := n.Texts()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(items, func(s string) bool { return strings.TrimSpace(s) == "" }) {
		return nil, n.Errorf("must not hold an empty name")
	}
	return items, nil
}

func patterns(n jsonc.Node) ([]string, error) {
	items, err := names(n)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if _, err := regexp.Compile(item); err != nil {
			return nil, n.Errorf("%q is not a regular expression: %v", item, err)
		}
	}
	return items, nil
}

func oneOf[T ~string](n jsonc.Node, allowed ...T) (T, error) {
	s, err := n.Text()
	if err != nil {
		return "", err
	}
	if !slices.Contains(allowed, T(s)) {
		words := make([]string, len(allowed))
		for i, word := range allowed {
			words[i] = fmt.Sprintf("%q", string(word))
		}
		return "", n.Errorf("must be one of %s, not %q", strings.Join(words, ", "), s)
	}
	return T(s), nil
}

// text reads a string and expands its variables.
func (p *configParser) text(n jsonc.Node) (string, error) {
	s, err := n.Text()
	if err != nil {
		return "", err
	}
	s, err = p.vars.Expand(s)
	if err != nil {
		return "", n.Errorf("%v", err)
	}
	return s, nil
}

// scalar reads a string and expands its variables, or takes a number as it is written.
func (p *configParser) scalar(n jsonc.Node) (string, error) {
	if _, err := n.Number(); err == nil {
		return string(n.Raw()), nil
	}
	return p.text(n)
}

// texts reads a list of strings and expands their variables.
func (p *configParser) texts(n jsonc.Node) ([]string, error) {
	items, err := n.Texts()
	if err != nil {
		return nil, err
	}
	for i := range items {
		if items[i], err = p.vars.Expand(items[i]); err != nil {
			return nil, n.Errorf("%v", err)
		}
	}
	return items, nil
}
