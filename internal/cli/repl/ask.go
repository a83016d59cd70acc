package repl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/toolserve/toolserve/internal/client"
	"github.com/toolserve/toolserve/mcphost/form"
)

// What a person is shown of a question, in characters.
const (
	shownQuestion = 4000
	shownLabel    = 300
	shownOptions  = 40
)

// Asker puts the questions of MCP servers to the person at a terminal. It may be used by several
// goroutines: one question is asked at a time.
type Asker struct {
	mu    sync.Mutex
	input Input
	out   io.Writer
}

// NewAsker returns an Asker that reads from input and writes to out.
func NewAsker(input Input, out io.Writer) *Asker { return &Asker{input: input, out: out} }

// Ask shows the question and returns the answer. The end of the input is a cancel.
func (a *Asker) Ask(ctx context.Context, q client.Question) (client.Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.say("\nThe MCP server %q asks, while its tool %q runs:", cleanLine(q.Server), cleanLine(q.Tool))
	a.say("%s", indent(shorten(Clean(q.Message), shownQuestion)))
	answer, err := a.answer(ctx, q)
	switch {
	case errors.Is(err, io.EOF):
		a.say("(cancelled)")
		return client.Answer{Action: "cancel"}, nil
	case err != nil:
		return client.Answer{}, err
	}
	return answer, nil
}

func (a *Asker) answer(ctx context.Context, q client.Question) (client.Answer, error) {
	if q.Mode == "url" {
		return a.visit(ctx, q)
	}
	f, err := form.Parse(q.Schema)
	if err != nil { // the server would not have passed it on
		a.say("Its form cannot be shown: %v", err)
		return client.Answer{Action: "decline"}, nil
	}
	decision, err := a.decide(ctx, fmt.Sprintf("It wants %s. Answer?", counted(len(f.Fields), "field")))
	if decision != "accept" || err != nil {
		return client.Answer{Action: decision}, err
	}
	a.say("An empty line takes the default, or leaves the field out. Ctrl-D cancels.")
	content, err := a.fill(ctx, f)
	if err != nil {
		return client.Answer{}, err
	}
	a.say("It would be sent:\n%s", shorten(Clean(indented(string(content))), shownQuestion))
	decision, err = a.decide(ctx, "Send it?")
	if decision != "accept" {
		content = nil
	}
	return client.Answer{Action: decision, Content: content}, err
}

// visit shows an address. It is never opened from here.
func (a *Asker) visit(ctx context.Context, q client.Question) (client.Answer, error) {
	host := "?"
	if u, err := url.Parse(q.URL); err == nil {
		host = u.Host
	}
	a.say("It wants you to open this address in a browser. It leads to %s:\n  %s", cleanLine(host), cleanLine(q.URL))
	decision, err := a.decide(ctx, "Say yes when you have, if you trust it.")
	return client.Answer{Action: decision}, err
}

// decide asks for an action.
func (a *Asker) decide(ctx context.Context, question string) (string, error) {
	for {
		typed, err := a.input.ReadLine(ctx, question+" [y]es, [n]o, [c]ancel: ")
		if err != nil {
			return "cancel", err
		}
		switch strings.ToLower(strings.TrimSpace(typed)) {
		case "y", "yes":
			return "accept", nil
		case "n", "no":
			return "decline", nil
		case "c", "cancel":
			return "cancel", nil
		}
	}
}

// fill asks for the fields one by one and returns the content.
func (a *Asker) fill(ctx context.Context, f *form.Form) (json.RawMessage, error) {
	given := map[string]json.RawMessage{}
	for i := range f.Fields {
		field := &f.Fields[i]
		a.describe(field)
		value, err := a.read(ctx, field)
		if err != nil {
			return nil, err
		}
		if value != nil {
			given[field.Name] = value
		}
	}
	data, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	return f.Complete(data)
}

func (a *Asker) describe(field *form.Field) {
	if field.Description != "" {
		a.say("  %s", dimmed(field.Description))
	}
	for i, o := range field.Options[:min(len(field.Options), shownOptions)] {
		a.say("  %3d) %s", i+1, dimmed(o.Title))
	}
	if more := len(field.Options) - shownOptions; more > 0 {
		a.say("       and %d more", more)
	}
}

// dimmed is a server's word on one line.
func dimmed(text string) string { return Line(text, shownLabel) }

// read asks for one field until the answer fits. Nil is no answer.
func (a *Asker) read(ctx context.Context, field *form.Field) (json.RawMessage, error) {
	prompt := "  " + dimmed(field.Label()) + hint(field) + ": "
	for {
		typed, err := a.input.ReadLine(ctx, prompt)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(typed) == "" {
			if field.Required && field.Default == nil {
				a.say("  It is required.")
				continue
			}
			return nil, nil
		}
		value, err := field.Read(typed)
		if err == nil {
			return value, nil
		}
		a.say("  It %s.", dimmed(err.Error()))
	}
}

// hint says what kind of answer a field takes, and what stands for none.
func hint(field *form.Field) string {
	var words []string
	switch field.Kind {
	case form.Number:
		words = append(words, "number")
	case form.Integer:
		words = append(words, "whole number")
	case form.Boolean:
		words = append(words, "yes or no")
	case form.Choice:
		words = append(words, "one of 1-"+strconv.Itoa(len(field.Options)))
	case form.Choices:
		words = append(words, "some of 1-"+strconv.Itoa(len(field.Options))+", with commas")
	case form.Text:
		if field.Format != "" {
			words = append(words, cleanLine(field.Format))
		}
	}
	if field.Default != nil {
		words = append(words, "default "+Line(string(field.Default), 60))
	} else if field.Required {
		words = append(words, "required")
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, "; ") + ")"
}

func (a *Asker) say(format string, args ...any) {
	fmt.Fprintf(a.out, format+"\n", args...)
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// lockedWriter is written to by several goroutines.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
