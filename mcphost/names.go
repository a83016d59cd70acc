package mcphost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

const (
	nameSeparator = "__"
	maxFullName   = 64
	// maxSuggestions bounds the names that an unknown one is compared with.
	maxSuggestions = 1000
)

// fullName returns the name under which a tool is listed: server__tool where that is a name OpenAI
// takes (^[a-zA-Z0-9_-]{1,64}$) and can be split again in one way. Otherwise characters that are not
// allowed become "_", the name is cut, and "_" with the first hexLen digits of a hash of both names
// is put behind it. The name depends on nothing but the two names, so it is the same in every run.
func fullName(server, tool string, hexLen int) string {
	full := server + nameSeparator + tool
	if hexLen == 0 {
		clear := !strings.Contains(server, nameSeparator) && !strings.HasSuffix(server, "_")
		if clear && len(full) <= maxFullName && legalName(server) && legalName(tool) {
			return full
		}
		hexLen = 8
	}
	sum := sha256.Sum256([]byte(server + "\x00" + tool))
	suffix := "_" + hex.EncodeToString(sum[:])[:hexLen]
	cleaned := strings.Map(func(r rune) rune {
		if legalRune(r) {
			return r
		}
		return '_'
	}, full)
	return cleaned[:min(len(cleaned), maxFullName-len(suffix))] + suffix
}

func legalRune(r rune) bool {
	return r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func legalName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !legalRune(r) })
}

// index finds tools by every name they may be called by. It is not changed once it is built: listing,
// policy and dispatch read the same one.
type index struct {
	tools    []*tool // in the order of the servers and of their lists
	byFull   map[string]*tool
	byOwn    map[string][]*tool
	byServer map[string]map[string]*tool
}

// newIndex names the tools of all servers. Where two names would be equal, the later tool gets a
// longer hash behind its name.
func newIndex(tools []*tool) *index {
	ix := &index{
		byFull:   make(map[string]*tool, len(tools)),
		byOwn:    make(map[string][]*tool, len(tools)),
		byServer: map[string]map[string]*tool{},
	}
	for _, t := range tools {
		own := ix.byServer[t.server]
		if own == nil {
			own = map[string]*tool{}
			ix.byServer[t.server] = own
		}
		if own[t.name] != nil {
			continue // a server's second tool of one name cannot be called
		}
		named := *t
		for hexLen := 0; ; hexLen += 8 {
			named.full = fullName(t.server, t.name, hexLen)
			if ix.byFull[named.full] == nil {
				break
			}
		}
		own[t.name] = &named
		ix.byFull[named.full] = &named
		ix.byOwn[t.name] = append(ix.byOwn[t.name], &named)
		ix.tools = append(ix.tools, &named)
	}
	return ix
}

// find returns the tool that a call names: by its own name with the server, by its own name where
// only one server has it, or by its full name with or without the server.
func (ix *index) find(server, name string) (*tool, *Error) {
	full := ix.byFull[name]
	if server != "" {
		if t := ix.byServer[server][name]; t != nil {
			return t, nil
		}
		switch {
		case full == nil:
			return nil, ix.unknown(server, name)
		case full.server != server:
			return nil, errorf(BadArguments, server, name,
				"the tool '%s' belongs to the server '%s', not to '%s'; name one of them", name, full.server, server)
		}
		return full, nil
	}
	if full != nil {
		return full, nil
	}
	switch own := ix.byOwn[name]; len(own) {
	case 0:
		return nil, ix.unknown(server, name)
	case 1:
		return own[0], nil
	default:
		choices := make([]string, len(own))
		for i, t := range own {
			choices[i] = t.full
		}
		return nil, errorf(BadArguments, "", name,
			"several servers have a tool '%s': give \"server\", or one of %s", name, strings.Join(choices, ", "))
	}
}

func (ix *index) unknown(server, name string) *Error {
	message := fmt.Sprintf("Tool '%s' not found in any connected server", name)
	var known []string
	if server != "" {
		message = fmt.Sprintf("Tool '%s' not found on the server '%s'", name, server)
		for own := range ix.byServer[server] {
			known = append(known, own)
		}
	} else {
		for own := range ix.byOwn {
			known = append(known, own)
		}
		for full := range ix.byFull {
			known = append(known, full)
		}
	}
	if len(known) > maxSuggestions {
		known = nil // comparing with that many names would cost more than the hint is worth
	}
	slices.Sort(known)
	if near := jsonc.Nearest(name, known); near != "" {
		message += fmt.Sprintf("; did you mean '%s'?", near)
	}
	return errorf(Unknown, server, name, "%s", message)
}
