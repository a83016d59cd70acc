// Package llama binds llama.cpp, loaded at run time from a folder of prebuilt shared libraries. It needs no
// C compiler, and it holds no policy: what to evaluate, and when, is its caller's business.
//
// The parts are a [Library], which loads a [Model], which makes a [Context]. A Context belongs to one
// goroutine at a time; a Library and a Model are safe for concurrent use.
//
// # What llama.cpp asserts
//
// llama.cpp ends the process where a caller breaks its rules. This package checks each of those rules first
// and returns an error. Where llama.cpp fails all the same, in an assertion or in a C++ exception that
// nothing catches, the thread that failed is parked for good and [Library.Dead] is closed: the call never
// returns, and with it goes its goroutine, its memory and its locks. A caller that must survive makes its
// calls on a goroutine that it can afford to lose, and waits for the result or for Dead, whichever is first.
//
// # The release
//
// The structs are those of llama.cpp v0.5.0. llama.cpp passes structs by value and has no handshake about
// their layout, so [Open] compares the defaults that the library fills in with the ones it expects and
// refuses a library whose structs differ.
package llama
