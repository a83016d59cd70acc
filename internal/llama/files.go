package llama

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// release is the release of llama.cpp whose structs this package has.
const release = "0.5.0"

// Variant names a build of the libraries by the hardware it computes on.
type Variant string

// The variants that are published as prebuilt libraries.
const (
	CPU    Variant = "cpu"
	CUDA   Variant = "cuda"
	Vulkan Variant = "vulkan"
	Metal  Variant = "metal"
)

// preference orders the variants for a folder that holds several.
var preference = [...]Variant{CUDA, Metal, Vulkan, CPU}

// platform is how an operating system names libraries.
type platform struct {
	extension string
	// runtime is the C++ runtime, which holds the terminate handler.
	runtime  string
	variants []Variant
}

// platformOf returns the naming rules of a system that this package supports.
func platformOf(goos, goarch string) (platform, error) {
	if goarch == "amd64" || goarch == "arm64" {
		switch goos {
		case "linux":
			return platform{extension: "so", runtime: "libstdc++.so.6", variants: []Variant{CPU, CUDA, Vulkan}}, nil
		case "darwin":
			return platform{extension: "dylib", runtime: "/usr/lib/libc++.1.dylib", variants: []Variant{CPU, Metal}}, nil
		}
	}
	return platform{}, fmt.Errorf("llama: no engine for %s/%s: it runs on linux and darwin, amd64 and arm64", goos, goarch)
}

// files are the paths of one build.
type files struct {
	dir               string
	llama, ggml, base string
	variant           Variant
	version           string // "" for a library without one in its name
	runtime           string
}

// libraryName matches libllama.v0.5.0.so, libllama.cuda.v0.5.0.so, libllama.so and the like of macOS.
var libraryName = regexp.MustCompile(`^libllama((?:\.(?:cuda|vulkan|metal))?)((?:\.v\d+\.\d+\.\d+)?)\.(so|dylib)$`)

// findFiles finds the libraries in a folder. An empty variant takes the first of preference that is there.
func findFiles(dir string, variant Variant) (files, error) {
	p, err := platformOf(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return files{}, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return files{}, fmt.Errorf("llama: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return files{}, fmt.Errorf("llama: engine folder: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return files{}, fmt.Errorf("llama: engine folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return chooseFiles(dir, names, p, variant)
}

// chooseFiles picks a build among the names in a folder.
func chooseFiles(dir string, names []string, p platform, variant Variant) (files, error) {
	var found []files
	for _, name := range names {
		m := libraryName.FindStringSubmatch(name)
		if m == nil || m[3] != p.extension {
			continue
		}
		f := files{
			dir:     dir,
			llama:   filepath.Join(dir, name),
			ggml:    filepath.Join(dir, strings.Replace(name, "libllama", "libggml", 1)),
			base:    filepath.Join(dir, "libggml-base."+p.extension),
			variant: Variant(strings.TrimPrefix(m[1], ".")),
			version: strings.TrimPrefix(m[2], ".v"),
			runtime: p.runtime,
		}
		if f.variant == "" {
			f.variant = CPU
		}
		if variant == "" || variant == f.variant {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		want := "libllama"
		if variant != "" && variant != CPU {
			want += "." + string(variant)
		}
		return files{}, fmt.Errorf("llama: engine folder %s has no %s.v%s.%s", dir, want, release, p.extension)
	}
	best := slices.MinFunc(found, func(a, b files) int { return rank(a) - rank(b) })
	for _, path := range []string{best.ggml, best.base} {
		if !slices.Contains(names, filepath.Base(path)) {
			return files{}, fmt.Errorf("llama: engine folder %s has %s but not %s beside it", dir, filepath.Base(best.llama), filepath.Base(path))
		}
	}
	return best, nil
}

// rank is lower for a build to prefer: the release first, then by preference.
func rank(f files) int {
	r := slices.Index(preference[:], f.variant)
	switch f.version {
	case release:
	case "":
		r += len(preference)
	default:
		r += 2 * len(preference)
	}
	return r
}
