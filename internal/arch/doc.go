// Package arch holds no code, only the tests that keep the shape of the project: which package may
// import which, how long files and functions may grow, and where goroutines may be started.
package arch
