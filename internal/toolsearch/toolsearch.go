// Package toolsearch finds tools by words: BM25 over their names, descriptions and parameter names. It
// needs no model, and the same tools and words give the same answer everywhere.
package toolsearch

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// Doc is a tool.
type Doc struct {
	Name        string
	Description string
	// Parameters are the names of its arguments.
	Parameters []string
}

// What a word counts, by where it stands: a name says more than a sentence.
const (
	weightName        = 4.0
	weightParameter   = 1.5
	weightDescription = 1.0
)

// The parameters of BM25, at their usual values.
const (
	saturation    = 1.2  // how soon a word that is repeated counts no more
	normalisation = 0.75 // how much a long document's words count less
)

// Bounds on what is read: definitions come from servers, and queries from models.
const (
	maxText  = 8 << 10 // bytes of one text
	maxTerms = 32      // of a query
)

// partial is what a word counts of which the query has a beginning only, or the other way round.
const partial = 0.5

// Index finds tools. It does not change, and is safe for concurrent use.
type Index struct {
	postings map[string][]posting
	words    []string  // sorted, for beginnings of words
	lengths  []float64 // of each document
	average  float64
}

// posting is how much a word counts in a document.
type posting struct {
	doc    int
	weight float64
}

// New returns an index of the tools.
func New(docs []Doc) *Index {
	ix := &Index{postings: map[string][]posting{}, lengths: make([]float64, len(docs))}
	total := 0.0
	for i := range docs {
		counts := map[string]float64{}
		add := func(text string, weight float64) {
			for _, word := range terms(text) {
				counts[word] += weight
				ix.lengths[i] += weight
			}
		}
		add(docs[i].Name, weightName)
		add(docs[i].Description, weightDescription)
		for _, name := range docs[i].Parameters {
			add(name, weightParameter)
		}
		for word, weight := range counts {
			ix.postings[word] = append(ix.postings[word], posting{i, weight})
		}
		total += ix.lengths[i]
	}
	ix.average = max(total/float64(max(len(docs), 1)), 1)
	ix.words = slices.Sorted(maps.Keys(ix.postings))
	return ix
}

// Search returns the places of the tools that fit a query, best first, at most n of them. Tools that fit
// equally well stand in the order in which they were given.
func (ix *Index) Search(query string, n int) []int {
	scores := map[int]float64{}
	words := terms(query)
	seen := map[string]bool{}
	for _, word := range words[:min(len(words), maxTerms)] {
		if seen[word] {
			continue
		}
		seen[word] = true
		ix.score(word, scores)
	}
	// Sums of floats depend on their order, which is that of the query's words, so the scores are the same
	// each time; the order of the map is not, so it is sorted.
	found := slices.SortedFunc(maps.Keys(scores), func(a, b int) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b))
	})
	return found[:min(len(found), max(n, 0))]
}

// score adds what one word of the query is worth.
func (ix *Index) score(word string, scores map[int]float64) {
	if list, ok := ix.postings[word]; ok {
		ix.add(list, 1, scores)
		return
	}
	for _, similar := range ix.similar(word) {
		ix.add(ix.postings[similar], partial, scores)
	}
}

func (ix *Index) add(list []posting, factor float64, scores map[int]float64) {
	n, with := float64(len(ix.lengths)), float64(len(list))
	rarity := math.Log(1 + (n-with+0.5)/(with+0.5))
	for _, p := range list {
		length := 1 - normalisation + normalisation*ix.lengths[p.doc]/ix.average
		scores[p.doc] += factor * rarity * p.weight * (saturation + 1) / (p.weight + saturation*length)
	}
}

// minPart is the shortest beginning that stands for a word.
const minPart = 3

// similar returns the words of the index that begin with a word, or that it begins with.
func (ix *Index) similar(word string) []string {
	var found []string
	if len(word) < minPart {
		return nil
	}
	from, _ := slices.BinarySearch(ix.words, word)
	for _, w := range ix.words[from:] {
		if !strings.HasPrefix(w, word) {
			break
		}
		found = append(found, w)
	}
	for end := len(word) - 1; end > minPart; end-- {
		if _, ok := ix.postings[word[:end]]; ok {
			return append(found, word[:end])
		}
	}
	return found
}
