package modelstore

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DefaultQuants returns the order in which a repository's quants are tried when none is named: first
// the sizes that lose little quality at a quarter of the full size, then better, then smaller ones, then full precision.
func DefaultQuants() []string {
	return []string{
		"Q4_K_M", "UD-Q4_K_XL", "Q4_K_L", "Q4_K_S", "MXFP4", "MXFP4_MOE", "Q5_K_M", "Q5_K_S", "IQ4_NL", "IQ4_XS",
		"Q4_1", "Q4_0", "Q6_K", "Q8_0", "Q5_1", "Q5_0", "Q3_K_L", "Q3_K_M", "Q3_K_S", "IQ3_M", "IQ3_XS", "Q2_K", "IQ2_M",
		"BF16", "F16", "F32",
	}
}

// A variant is one model of a repository: a file, or all parts of a split one.
type variant struct {
	quant string // upper case; empty if the name tells none
	files []hubFile
}

func (v variant) size() (n int64) {
	for _, f := range v.files {
		n += f.Size
	}
	return n
}

// A hubFile is one file of a repository, as the hub lists it.
type hubFile struct {
	Name   string `json:"name"` // path inside the repository, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

var (
	partSuffix = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})$`)
	quantToken = regexp.MustCompile(`(?i)(?:^|[-._/])((?:UD-)?(?:I?Q\d+(?:_[A-Z0-9]+)*|TQ\d_\d|BF16|F16|F32|FP16|MXFP4(?:_MOE)?|NVFP4))(?:[-./]|$)`)
)

// splitPart takes a file name apart: "m-00002-of-00003.gguf" is part 2 of the 3 of "m".
func splitPart(base string) (name string, part, total int) {
	name = stem(base)
	m := partSuffix.FindStringSubmatch(strings.TrimSuffix(base, filepath.Ext(base)))
	if m == nil {
		return name, 1, 1
	}
	part, _ = strconv.Atoi(m[2])
	total, _ = strconv.Atoi(m[3])
	return m[1], part, total
}

// stem is a file's name without extension and part number.
func stem(base string) string {
	s := strings.TrimSuffix(base, filepath.Ext(base))
	if m := partSuffix.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return s
}

// quantOf reads the quantisation from a path inside a repository; the last token that looks like one counts.
func quantOf(name string) string {
	last := ""
	for rest := name; ; {
		m := quantToken.FindStringSubmatchIndex(rest)
		if m == nil {
			break
		}
		last = rest[m[2]:m[3]]
		rest = rest[m[3]:]
	}
	return strings.ToUpper(last)
}

// variants groups a repository's files into models. Projectors, importance matrices and incomplete
// sets of parts are left out.
func variants(files []hubFile) []variant {
	type group struct {
		total int
		parts map[int]hubFile
	}
	groups := map[string]*group{}
	var order []string
	for _, f := range files {
		base := path.Base(f.Name)
		if !hasGGUFSuffix(base) || !isModelName(base) {
			continue
		}
		name, part, total := splitPart(base)
		key := fmt.Sprintf("%s/%s/%d", path.Dir(f.Name), name, total)
		g := groups[key]
		if g == nil {
			g = &group{total: total, parts: map[int]hubFile{}}
			groups[key] = g
			order = append(order, key)
		}
		if part >= 1 && part <= total {
			g.parts[part] = f
		}
	}
	var out []variant
	for _, key := range order {
		g := groups[key]
		if len(g.parts) != g.total {
			continue
		}
		v := variant{}
		for i := 1; i <= g.total; i++ {
			v.files = append(v.files, g.parts[i])
		}
		dir, base := path.Split(v.files[0].Name)
		v.quant = quantOf(dir + stem(base))
		out = append(out, v)
	}
	return out
}

func isModelName(base string) bool {
	lower := strings.ToLower(base)
	return !strings.Contains(lower, "mmproj") && !strings.Contains(lower, "imatrix") && !strings.HasPrefix(lower, "ggml-vocab")
}

// pick chooses the variant that ref asks for.
func pick(ref hubRef, all []variant) (variant, error) {
	var found []variant
	switch {
	case ref.file != "":
		found = filter(all, func(v variant) bool {
			return slices.ContainsFunc(v.files, func(f hubFile) bool {
				return f.Name == ref.file || path.Base(f.Name) == ref.file
			})
		})
	case ref.quant != "":
		found = withQuant(all, ref.quant)
	case len(all) == 1:
		return all[0], nil
	default:
		for _, q := range DefaultQuants() {
			if found = withQuant(all, q); len(found) > 0 {
				break
			}
		}
		if len(found) == 0 {
			found = all
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	e := &Error{What: "model " + ref.String(), Kind: ErrQuant}
	if len(found) > 1 {
		e.Reason = fmt.Sprintf("%d models of the repository match", len(found))
		e.Mend = "name one file: " + sample(found, func(v variant) string { return ref.id() + ":" + v.files[0].Name })
	} else {
		e.Reason = fmt.Sprintf("%s has no %s", ref.id(), firstOf(ref.file, ref.quant))
		e.Mend = "it has " + sample(all, func(v variant) string { return firstOf(v.quant, v.files[0].Name) })
	}
	return variant{}, e
}

// withQuant returns the variants of a quant: by its exact name, else without the "UD-" of dynamic quants.
func withQuant(all []variant, quant string) []variant {
	exact := filter(all, func(v variant) bool { return strings.EqualFold(v.quant, quant) })
	if len(exact) > 0 {
		return exact
	}
	return filter(all, func(v variant) bool { return strings.EqualFold(strings.TrimPrefix(v.quant, "UD-"), quant) })
}

func filter(all []variant, keep func(variant) bool) (out []variant) {
	for _, v := range all {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

// sample lists variants from small to large, at most 24 of them.
func sample(all []variant, name func(variant) string) string {
	sorted := slices.SortedStableFunc(slices.Values(all), func(a, b variant) int { return int(min(max(a.size()-b.size(), -1), 1)) })
	var names []string
	for _, v := range sorted {
		if n := name(v); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) > 24 {
		names = append(names[:24], "...")
	}
	return strings.Join(names, ", ")
}
