package pytext

import (
	"strings"
	"unicode"
)

// digitRanges are the characters for digits that are not part of decimal numbers: raised, lowered and
// circled ones, and those of a few scripts.
var digitRanges = [...][2]rune{
	{0xb2, 0xb3}, {0xb9, 0xb9}, {0x1369, 0x1371}, {0x19da, 0x19da}, {0x2070, 0x2070}, {0x2074, 0x2079},
	{0x2080, 0x2089}, {0x2460, 0x2468}, {0x2474, 0x247c}, {0x2488, 0x2490}, {0x24ea, 0x24ea}, {0x24f5, 0x24fd},
	{0x24ff, 0x24ff}, {0x2776, 0x277e}, {0x2780, 0x2788}, {0x278a, 0x2792}, {0x10a40, 0x10a43},
	{0x10e60, 0x10e68}, {0x11052, 0x1105a}, {0x1f100, 0x1f10a},
}

// numerals are the Chinese characters that are numbers.
const numerals = "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零" +
	"\uf96b\uf973\uf978\uf9b2\uf9d1\uf9d3\uf9fd\U00020001\U00020064\U000200e2\U00020121\U0002092a\U00020983\U0002098c\U0002099c" +
	"\U00020aea\U00020afd\U00020b19\U00022390\U00022998\U00023b1b\U0002626d\U0002f890"

// IsDigit is str.isdigit() of one character.
func IsDigit(r rune) bool {
	if unicode.IsDigit(r) {
		return true
	}
	for _, d := range digitRanges {
		if r >= d[0] && r <= d[1] {
			return true
		}
	}
	return false
}

// IsNumeric is str.isnumeric() of one character.
func IsNumeric(r rune) bool { return unicode.IsNumber(r) || strings.ContainsRune(numerals, r) }

// asciiDigits replaces the decimal digits of other scripts, as Python reads numbers.
func asciiDigits(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 || !unicode.IsDigit(r) {
			return r
		}
		for _, t := range unicode.Digit.R16 {
			if lo := rune(t.Lo); r >= lo && r <= rune(t.Hi) {
				return '0' + (r-lo)%10
			}
		}
		for _, t := range unicode.Digit.R32 {
			if lo := rune(t.Lo); r >= lo && r <= rune(t.Hi) {
				return '0' + (r-lo)%10
			}
		}
		return r
	}, s)
}

// IsIdentifier is str.isidentifier().
func IsIdentifier(s string) bool {
	for i, r := range s {
		start := r == '_' || unicode.In(r, unicode.L, unicode.Nl, unicode.Other_ID_Start)
		if !start && (i == 0 || !unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue)) {
			return false
		}
	}
	return s != ""
}
