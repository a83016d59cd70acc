//go:build !linux && !darwin

package llama

import "errors"

var errPlatform = errors.New("llama: shared libraries are loaded on linux and darwin only")

func openLibrary(string) (uintptr, error)         { return 0, errPlatform }
func findSymbol(uintptr, string) (uintptr, error) { return 0, errPlatform }
func processSymbol(string) (uintptr, error)       { return 0, errPlatform }
