package form

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// Check reports whether a value, which must be valid JSON, fits the field. The errors go on from "the
// field NAME".
func (f *Field) Check(value json.RawMessage) error {
	switch f.Kind {
	case Text:
		s, ok := rawjson.Text(value)
		if !ok {
			return errors.New("must be a string")
		}
		return f.checkText(s)
	case Number, Integer:
		return f.checkNumber(value)
	case Boolean:
		if v := string(value); v != "true" && v != "false" {
			return errors.New("must be true or false")
		}
	case Choice:
		if s, ok := rawjson.Text(value); !ok || !f.offers(s) {
			return fmt.Errorf("must be one of %s", f.offered())
		}
	case Choices:
		return f.checkChoices(value)
	}
	return nil
}

func (f *Field) checkText(s string) error {
	n := utf8.RuneCountInString(s)
	switch {
	case n < f.MinLength:
		return fmt.Errorf("must have at least %d characters", f.MinLength)
	case f.MaxLength >= 0 && n > f.MaxLength:
		return fmt.Errorf("must have at most %d characters", f.MaxLength)
	case f.Pattern != nil && !f.Pattern.MatchString(s):
		return fmt.Errorf("must match %s", f.Pattern)
	}
	switch f.Format {
	case "email":
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
			return errors.New("must be an e-mail address such as ann@example.org")
		}
	case "uri":
		if u, err := url.Parse(s); err != nil || !u.IsAbs() {
			return errors.New("must be an address such as https://example.org")
		}
	case "date":
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return errors.New("must be a date such as 2026-01-31")
		}
	case "date-time":
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			return errors.New("must be a date and time such as 2026-01-31T12:00:00Z")
		}
	}
	return nil
}

func (f *Field) checkNumber(value json.RawMessage) error {
	n, err := strconv.ParseFloat(string(value), 64)
	switch {
	case err != nil || math.IsInf(n, 0) || math.IsNaN(n):
		return errors.New("must be a number")
	case f.Kind == Integer && n != math.Trunc(n):
		return errors.New("must be a whole number")
	case f.Min != nil && n < *f.Min:
		return fmt.Errorf("must be at least %s", plain(*f.Min))
	case f.Max != nil && n > *f.Max:
		return fmt.Errorf("must be at most %s", plain(*f.Max))
	}
	return nil
}

func (f *Field) checkChoices(value json.RawMessage) error {
	var chosen []string
	bad := false
	isList := rawjson.Items(value, func(item json.RawMessage) bool {
		s, ok := rawjson.Text(item)
		bad = !ok || !f.offers(s) || slices.Contains(chosen, s)
		chosen = append(chosen, s)
		return !bad
	})
	switch {
	case !isList || bad:
		return fmt.Errorf("must be a list of some of %s, each at most once", f.offered())
	case len(chosen) < f.MinItems:
		return fmt.Errorf("needs at least %d of %s", f.MinItems, f.offered())
	case f.MaxItems >= 0 && len(chosen) > f.MaxItems:
		return fmt.Errorf("takes at most %d of %s", f.MaxItems, f.offered())
	}
	return nil
}

func (f *Field) offers(value string) bool {
	return slices.ContainsFunc(f.Options, func(o Option) bool { return o.Value == value })
}

// offered lists the first options for a message.
func (f *Field) offered() string {
	const shown = 12
	var values []string
	for _, o := range f.Options[:min(len(f.Options), shown)] {
		values = append(values, strconv.Quote(clip(o.Value)))
	}
	if len(f.Options) > shown {
		values = append(values, "…")
	}
	return strings.Join(values, ", ")
}

func plain(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }

// Read turns what a person typed into a value that fits the field: a text as it is, numbers and yes or
// no in words, a choice by its number from 1, its value or its title, several with commas between them.
func (f *Field) Read(typed string) (json.RawMessage, error) {
	if f.Kind != Text {
		typed = strings.TrimSpace(typed)
	}
	var value any = typed
	switch f.Kind {
	case Number, Integer:
		if !json.Valid([]byte(typed)) {
			return nil, f.checkNumber(nil)
		}
		value = json.RawMessage(typed)
	case Boolean:
		switch strings.ToLower(typed) {
		case "y", "yes", "true", "1", "on":
			value = true
		case "n", "no", "false", "0", "off":
			value = false
		default:
			return nil, errors.New("must be yes or no")
		}
	case Choice:
		value = f.choose(typed)
	case Choices:
		list := []string{}
		for word := range strings.SplitSeq(typed, ",") {
			if word = strings.TrimSpace(word); word != "" {
				list = append(list, f.choose(word))
			}
		}
		value = list
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return data, f.Check(data)
}

// choose finds the value of the option that a word means; a word that means none stays as it is.
func (f *Field) choose(word string) string {
	if f.offers(word) {
		return word
	}
	for _, o := range f.Options {
		if strings.EqualFold(o.Title, word) || strings.EqualFold(o.Value, word) {
			return o.Value
		}
	}
	if n, err := strconv.Atoi(word); err == nil && n >= 1 && n <= len(f.Options) {
		return f.Options[n-1].Value
	}
	return word
}
