package rawjson

import (
	"encoding/binary"
	"math/bits"
)

// maxNesting is how deep valid JSON nests at most, as the standard library has it.
const maxNesting = 10_000

// Valid reports whether data is one JSON value. It says what [encoding/json.Valid] says, at several times
// its speed on text, of which the results of tools are made.
func Valid(data []byte) bool {
	i := validValue(data, skipSpace(data, 0), 0)
	return i >= 0 && skipSpace(data, i) == len(data)
}

// validValue returns the index after the value that starts at i, or -1 where there is none.
func validValue(data []byte, i, depth int) int {
	if i >= len(data) {
		return -1
	}
	switch c := data[i]; {
	case c == '"':
		return validString(data, i)
	case c == '{', c == '[':
		if depth == maxNesting {
			return -1
		}
		if c == '{' {
			return validObject(data, i, depth+1)
		}
		return validArray(data, i, depth+1)
	case c == 't':
		return validWord(data, i, "true")
	case c == 'f':
		return validWord(data, i, "false")
	case c == 'n':
		return validWord(data, i, "null")
	}
	return validNumber(data, i)
}

func validWord(data []byte, i int, word string) int {
	if len(data)-i < len(word) || string(data[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func validObject(data []byte, i, depth int) int {
	if i = skipSpace(data, i+1); i < len(data) && data[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(data) || data[i] != '"' {
			return -1
		}
		if i = validString(data, i); i < 0 {
			return -1
		}
		if i = skipSpace(data, i); i >= len(data) || data[i] != ':' {
			return -1
		}
		if i = validValue(data, skipSpace(data, i+1), depth); i < 0 {
			return -1
		}
		switch i = skipSpace(data, i); {
		case i >= len(data):
			return -1
		case data[i] == '}':
			return i + 1
		case data[i] != ',':
			return -1
		}
		i = skipSpace(data, i+1)
	}
}

func validArray(data []byte, i, depth int) int {
	if i = skipSpace(data, i+1); i < len(data) && data[i] == ']' {
		return i + 1
	}
	for {
		if i = validValue(data, i, depth); i < 0 {
			return -1
		}
		switch i = skipSpace(data, i); {
		case i >= len(data):
			return -1
		case data[i] == ']':
			return i + 1
		case data[i] != ',':
			return -1
		}
		i = skipSpace(data, i+1)
	}
}

// validString looks at eight bytes at a time for one that means something: a quote, a backslash, or a
// control character.
func validString(data []byte, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for i++; ; {
		for len(data)-i >= 8 {
			x := binary.LittleEndian.Uint64(data[i:])
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			// The lowest bit that is set is right; those above it may come of a borrow.
			found := ((x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash) & high
			if found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
			i += 8
		}
		if i >= len(data) {
			return -1
		}
		switch c := data[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i = validEscape(data, i+1); i < 0 {
				return -1
			}
		default:
			i++
		}
	}
}

// validEscape returns the index after what stands behind a backslash.
func validEscape(data []byte, i int) int {
	if i >= len(data) {
		return -1
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
	default:
		return -1
	}
	if len(data)-i < 5 {
		return -1
	}
	for _, c := range data[i+1 : i+5] {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return -1
		}
	}
	return i + 5
}

func validNumber(data []byte, i int) int {
	if i < len(data) && data[i] == '-' {
		i++
	}
	switch {
	case i >= len(data) || data[i] < '0' || data[i] > '9':
		return -1
	case data[i] == '0':
		i++
	default:
		i = skipDigits(data, i)
	}
	if i < len(data) && data[i] == '.' {
		start := i + 1
		if i = skipDigits(data, start); i == start {
			return -1
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		start := i
		if i = skipDigits(data, start); i == start {
			return -1
		}
	}
	return i
}

func skipDigits(data []byte, i int) int {
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	return i
}
