package address

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/toolserve/toolserve/policy/internal/argv"
)

// The lengths that DNS allows, in bytes (RFC 1035, section 2.3.4).
const maxName, maxLabel = 253, 63

// checkName judges the name of a host, in lower case: labels of letters, digits, hyphens and underscores.
func checkName(host string) error {
	name := strings.TrimSuffix(host, ".")
	if len(name) > maxName {
		return fmt.Errorf("URL host '%s' is longer than a name may be", argv.Quote(host))
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(host, label); err != nil {
			return err
		}
	}
	return nil
}

func checkLabel(host, label string) error {
	ascii := true
	for _, r := range label {
		ascii = ascii && r < 0x80
		if r < 0x80 && r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return fmt.Errorf("URL host '%s' is no name of a host: a name has letters, digits and hyphens", argv.Quote(host))
		}
	}
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' || label == "xn--" {
		return fmt.Errorf("URL host '%s' is no name of a host: between two dots stand 1 to %d letters, not beginning or ending with '-'", argv.Quote(host), maxLabel)
	}
	if !ascii && !plainIDN(label) {
		return fmt.Errorf("URL host '%s' has letters that can be taken for others, or that are read as others. Write it in ASCII (xn--...)", argv.Quote(host))
	}
	return nil
}

// plainIDN says whether a label of another language is read alike by everyone and looks like no other: it
// stands in the form that lookups use, in the letters of one script, and not only in twins of Latin ones.
func plainIDN(label string) bool {
	if !norm.NFKC.IsNormalString(label) || strings.ToLower(label) != label {
		return false
	}
	scripts, twins := map[string]bool{}, true
	for _, r := range label {
		if r < 0x80 {
			if unicode.IsLetter(r) {
				scripts["Latin"] = true
			}
			continue
		}
		if !unicode.In(r, unicode.Letter, unicode.Mark) {
			return false
		}
		twins = twins && strings.ContainsRune(latinTwins, r)
		if script := scriptOf(r); script != "" {
			scripts[script] = true
		}
	}
	return !twins && len(scripts) <= 1
}

// latinTwins are the small letters of Cyrillic, Greek, Armenian and the phonetic alphabet that look like those of ASCII.
const latinTwins = "аевгһіјкӏмноорԛѕтуԝхсԁαικνορτυχγϲјոսցօıɑɡɩʟ"

// scriptOf returns the script of a letter; the scripts that Japanese and Korean mix count as one, and marks
// that stand in any script are none.
func scriptOf(r rune) string {
	if unicode.In(r, unicode.Common, unicode.Inherited) {
		return ""
	}
	if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo) {
		return "East Asian"
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return "none"
}
