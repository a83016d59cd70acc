package mcphost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/library"
	"github.com/toolserve/toolserve/policy/screen"
)

// maxURI bounds the URI of a resource, in bytes.
const maxURI = 8 << 10

func asError(err error, server string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return errorf(Canceled, server, "", "the request was given up by its caller")
}

// lookups are how long a name is looked for: first in the lists as they are, so that a server that does not
// answer holds nobody up who wants another one's, and then in fresh ones.
func lookups() [2]time.Duration { return [2]time.Duration{0, listPatience} }

// findPrompt returns the prompt that a name means: its own with the server, its own where only one server
// has it, or its full name with or without the server.
func (h *Host) findPrompt(ctx context.Context, server, name string) (*Prompt, *Error) {
	if name == "" {
		return nil, withParam(errorf(BadArguments, server, "", "no prompt is named; give \"name\""), "name")
	}
	var listing Listing[*Prompt]
	var found []*Prompt
	for _, patience := range lookups() {
		var err error
		if listing, err = collect(ctx, h, server, patience, (*library.Shelf).Prompts, nil); err != nil {
			return nil, asError(err, server)
		}
		library.NameAll(listing.Items)
		if found = library.FindPrompt(listing.Items, name); len(found) > 0 {
			break
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return h.missingPrompt(listing, server, name)
	}
	var names []string
	for _, p := range found {
		names = append(names, p.FullName)
	}
	return nil, withParam(errorf(BadArguments, "", "", "several servers have a prompt '%s': give \"server\", or one of %s",
		name, strings.Join(names, ", ")), "server")
}

// missingPrompt says why a name leads to no prompt. A server whose list could not be read is asked all the
// same.
func (h *Host) missingPrompt(listing Listing[*Prompt], server, name string) (*Prompt, *Error) {
	prefix, own, split := strings.Cut(name, catalog.Separator)
	if server == "" && split && h.server(prefix) != nil {
		server, name = prefix, own
	}
	if s := h.server(server); s != nil {
		if _, down := s.current(); down != nil {
			return nil, down
		}
		i := slices.IndexFunc(listing.Servers, func(st ListStatus) bool { return st.Server == server })
		switch {
		case i >= 0 && !listing.Servers[i].Supported:
			return nil, withParam(errorf(Unknown, server, "", "server '%s' does not offer prompts", server), "name")
		case i >= 0 && listing.Servers[i].Error != "":
			own := strings.TrimPrefix(name, server+catalog.Separator)
			return &Prompt{Server: server, Name: own, FullName: catalog.FullName(server, own, 0)}, nil
		}
		return nil, withParam(errorf(Unknown, server, "", "Prompt %s not found on the server '%s'%s",
			screen.Quote(name), server, library.NearPrompt(listing.Items, name)), "name")
	}
	down := h.whoHad(func(s *library.Shelf) bool {
		_, _, prompts := s.Known()
		return slices.ContainsFunc(prompts.Items, func(p *Prompt) bool { return p.Name == name })
	})
	if down != nil {
		return nil, down
	}
	return nil, withParam(errorf(Unknown, "", "", "Prompt %s not found in any connected server%s",
		screen.Quote(name), library.NearPrompt(listing.Items, name)), "name")
}

// whoHad returns why the first server is not connected whose last lists satisfy has, or nil.
func (h *Host) whoHad(has func(*library.Shelf) bool) *Error {
	for _, s := range h.all() {
		if _, down := s.current(); down != nil && has(s.shelf) {
			return down
		}
	}
	return nil
}

func withParam(e *Error, param string) *Error {
	e.Param = param
	return e
}

// findResource returns the server of a URI: the one that is named, or the only one whose list or
// templates hold it. With first it is the first of them in the configuration.
func (h *Host) findResource(ctx context.Context, server, uri string, first bool) (*server, *Error) {
	if bad := checkURI(uri); bad != "" {
		return nil, withParam(errorf(BadArguments, server, "", "%s", bad), "uri")
	}
	if server != "" {
		return h.known(server)
	}
	var owners []string
	for _, patience := range lookups() {
		resources, err := collect(ctx, h, "", patience, (*library.Shelf).Resources, nil)
		if err != nil {
			return nil, asError(err, "")
		}
		templates, err := collect(ctx, h, "", patience, (*library.Shelf).Templates, nil)
		if err != nil {
			return nil, asError(err, "")
		}
		if first && patience == 0 && (unread(resources.Servers) || unread(templates.Servers)) {
			continue // one of them may come before those that are known to have it
		}
		if first { // a server that is away does not lose its URIs to another one
			away := h.away()
			resources.Items, templates.Items = append(away.resources, resources.Items...), append(away.templates, templates.Items...)
		}
		if owners = library.Owners(resources.Items, templates.Items, uri); len(owners) > 0 {
			break
		}
	}
	if first {
		owners = h.inOrder(owners)
	}
	switch len(owners) {
	case 1:
		return h.known(owners[0])
	case 0:
		down := h.whoHad(func(s *library.Shelf) bool {
			resources, templates, _ := s.Known()
			return len(library.Owners(resources.Items, templates.Items, uri)) > 0
		})
		if down != nil {
			return nil, down
		}
		return nil, withParam(errorf(Unknown, "", "", "the resource %s is in no list of a connected server; give \"server\" to ask one all the same",
			screen.Quote(uri)), "uri")
	}
	return nil, withParam(errorf(BadArguments, "", "", "several servers may have the resource %s: give \"server\", one of %s",
		screen.Quote(uri), strings.Join(owners, ", ")), "server")
}

// unread reports whether the list of a server that is there was not read yet.
func unread(servers []ListStatus) bool {
	return slices.ContainsFunc(servers, func(s ListStatus) bool {
		return s.State == StateConnected && s.Supported && s.ReadAt.IsZero()
	})
}

// away is what servers that are not connected had in their last lists.
type away struct {
	resources []*Resource
	templates []*ResourceTemplate
}

func (h *Host) away() (a away) {
	for _, s := range h.all() {
		if _, down := s.current(); down != nil && !s.is(StateDisabled) {
			resources, templates, _ := s.shelf.Known()
			a.resources, a.templates = append(a.resources, resources.Items...), append(a.templates, templates.Items...)
		}
	}
	return a
}

// inOrder returns the first server of the configuration among some, as a list of one or none.
func (h *Host) inOrder(some []string) []string {
	for _, s := range h.all() {
		if slices.Contains(some, s.name) {
			return []string{s.name}
		}
	}
	return nil
}

// findTemplate returns the server of a URI template: the one that is named, or the only one that has it. With
// first it is the first of them in the configuration.
func (h *Host) findTemplate(ctx context.Context, server, template string, first bool) (*server, *Error) {
	if server != "" {
		return h.known(server)
	}
	var owners []string
	for _, patience := range lookups() {
		templates, err := collect(ctx, h, "", patience, (*library.Shelf).Templates, nil)
		if err != nil {
			return nil, asError(err, "")
		}
		if first && patience == 0 && unread(templates.Servers) {
			continue
		}
		if owners = library.TemplateOwners(templates.Items, template); len(owners) > 0 {
			break
		}
	}
	if first {
		owners = h.inOrder(owners)
	}
	switch len(owners) {
	case 1:
		return h.known(owners[0])
	case 0:
		return nil, withParam(errorf(Unknown, "", "", "no connected server has the resource template %s", screen.Quote(template)), "template")
	}
	return nil, withParam(errorf(BadArguments, "", "", "several servers have the resource template %s: give \"server\", one of %s",
		screen.Quote(template), strings.Join(owners, ", ")), "server")
}

// known returns the server of a name.
func (h *Host) known(name string) (*server, *Error) {
	if s := h.server(name); s != nil {
		return s, nil
	}
	return nil, h.noServer(name, "")
}

// noServer is the error of a name that the configuration does not have. It says which ones it has.
func (h *Host) noServer(server, tool string) *Error {
	const most = 20
	all := h.all()
	known := "the configuration has none"
	if len(all) > 0 {
		var names []string
		for _, s := range all[:min(len(all), most)] {
			names = append(names, "'"+s.name+"'")
		}
		if len(all) > most {
			names = append(names, "…")
		}
		known = "the configuration has " + strings.Join(names, ", ")
	}
	return withParam(errorf(Unknown, server, tool, "Server '%s' not found; %s", server, known), "server")
}

// checkURI says what is wrong with a URI, or "".
func checkURI(uri string) string {
	switch {
	case uri == "":
		return "no resource is named; give \"uri\""
	case len(uri) > maxURI:
		return fmt.Sprintf("the URI is longer than %d bytes", maxURI)
	case !utf8.ValidString(uri):
		return "the URI is not UTF-8"
	case strings.ContainsFunc(uri, unicode.IsControl):
		return "the URI " + screen.Quote(uri) + " holds control characters"
	}
	return ""
}
