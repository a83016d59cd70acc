// Package rivals measures package jinja beside the other Jinja engines for Go. It is a module of its own,
// so that nothing else depends on them:
//
//	cd jinja/internal/rivals && go test -bench . -benchtime 1x
//
// Each engine starts from the JSON text of the variables, decodes it in its own usual way, and renders a
// template that was compiled before. Some refuse a template, and most print other text than jinja2; both
// are said beside the figures.
package rivals
