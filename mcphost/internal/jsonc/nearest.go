package jsonc

// Nearest returns the word of words that a person most likely meant by typing got, or "" when none is
// near: at most a third of its letters differ.
func Nearest(got string, words []string) string {
	best, bestDistance := "", len(got)/3+1
	for _, word := range words {
		if d := distance(fold(got), fold(word)); d < bestDistance || d == 0 {
			best, bestDistance = word, d
		}
	}
	return best
}

// fold drops what people mix up when they write a key: case, dashes and underscores.
func fold(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s) && i < 64; i++ {
		switch c := s[i]; {
		case c == '_' || c == '-':
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// distance is how many letters must be put in, left out or changed to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
