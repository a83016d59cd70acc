//go:build linux || darwin

package llama

import "github.com/ebitengine/purego"

// openLibrary maps a shared library into the process. It stays mapped: llama.cpp leaves threads behind that
// run its code.
func openLibrary(path string) (uintptr, error) {
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func findSymbol(library uintptr, name string) (uintptr, error) { return purego.Dlsym(library, name) }

// processSymbol finds a function of the C library.
func processSymbol(name string) (uintptr, error) { return purego.Dlsym(purego.RTLD_DEFAULT, name) }
