package screen

import (
	"slices"
	"strings"
	"unicode"
)

// twins are letters of other alphabets, behind the ASCII letter that they look like.
const twins = `aаαａ bЬｂ cсϲｃ dԁｄ eеεｅ fｆ gɡｇ hһｈ iіιıｉ jјｊ kкκｋ lӏⅼｌ mмｍ nոｎ oоοօｏ pрρｐ qԛｑ rгｒ sѕｓ tтτｔ uυսｕ vνѵｖ wԝｗ xхχｘ yуγｙ zｚ
AАΑＡ BВΒＢ CСϹＣ DＤ EЕΕＥ FＦ GԌＧ HНΗＨ IІΙＩ JЈＪ KКΚＫ LＬ MМΜＭ NΝＮ OОΟＯ PРΡＰ QＱ RＲ SЅＳ TТΤＴ UＵ VѴＶ WＷ XХΧＸ YΥＹ ZΖＺ`

// plain returns the ASCII letter that r looks like, or r.
func plain(r rune) rune {
	if r < 0x80 || r > 0x217f && r < 0xff00 {
		return r
	}
	if r >= 0xff01 && r <= 0xff5e {
		return r - 0xff01 + '!'
	}
	i := strings.IndexRune(twins, r)
	if i < 0 {
		return r
	}
	start := strings.LastIndexAny(twins[:i], " \n") + 1
	return rune(twins[start])
}

func lower(r rune) rune { return unicode.ToLower(r) }

// Skeleton returns what a name looks like: two names that a person may take for one another have one
// skeleton. Case is ignored.
func Skeleton(name string) string {
	var b strings.Builder
	for _, r := range name {
		if isHidden(r) {
			continue
		}
		r = plain(r)
		switch r {
		case '0':
			r = 'o'
		case '1', 'i', 'I', '|':
			r = 'l'
		}
		b.WriteRune(lower(r))
	}
	return strings.ReplaceAll(b.String(), "rn", "m")
}

// scripts finds words that mix Latin letters with the look-alikes of another alphabet.
func (s *Screener) scripts(where, text string) {
	if isPlainASCII(text) {
		return
	}
	notLetter := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && r != '_' }
	for _, word := range strings.FieldsFunc(text, notLetter) {
		if mixed(word) {
			s.add(CodeLookAlike, where, "the word %s mixes alphabets and reads like %q", Quote(cut(word, 60)), cut(flatten(word), 60))
		}
	}
}

// mixed reports whether a word has ASCII letters and letters that look like others. A single Greek letter,
// as in "Δt" and "μs", is not one of the latter alone: it must be a twin.
func mixed(word string) bool {
	ascii, twin := false, false
	for _, r := range word {
		ascii = ascii || r < 0x80 && unicode.IsLetter(r)
		twin = twin || r >= 0x80 && r != 'ı' && plain(r) != r // the letter of Turkish
	}
	return ascii && twin
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
