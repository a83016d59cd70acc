package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

const (
	// Separator stands between a server's and a tool's name in a full name.
	Separator   = "__"
	maxFullName = 64
	// maxSuggestions bounds the names that an unknown one is compared with.
	maxSuggestions = 1000
)

// FullName returns the name under which a tool is listed: server__tool where that is a name OpenAI
// takes (^[a-zA-Z0-9_-]{1,64}$) and can be split again in one way. Otherwise characters that are not
// allowed become "_", the name is cut, and "_" with the first hexLen digits of a hash of both names
// is put behind it; hexLen 0 hashes only where it must. The name depends on nothing but the two names, so
// it is the same in every run.
func FullName(server, tool string, hexLen int) string {
	full := server + Separator + tool
	if hexLen == 0 {
		clear := !strings.Contains(server, Separator) && !strings.HasSuffix(server, "_")
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

// Index finds tools by every name they may be called by. It is not changed once it is built: listing,
// policy and dispatch read the same one.
type Index struct {
	Tools    []*Tool // in the order of the servers and of their lists
	byFull   map[string]*Tool
	byOwn    map[string][]*Tool
	byServer map[string]map[string]*Tool
}

// NewIndex names the tools of all servers. Where two names would be equal, the later tool gets a
// longer hash behind its name.
func NewIndex(tools []*Tool) *Index {
	ix := &Index{
		byFull:   make(map[string]*Tool, len(tools)),
		byOwn:    make(map[string][]*Tool, len(tools)),
		byServer: map[string]map[string]*Tool{},
	}
	for _, t := range tools {
		own := ix.byServer[t.Server]
		if own == nil {
			own = map[string]*Tool{}
			ix.byServer[t.Server] = own
		}
		if own[t.Name] != nil {
			continue // a server's second tool of one name cannot be called
		}
		named := *t
		for hexLen := 0; ; hexLen += 8 {
			named.Full = FullName(t.Server, t.Name, hexLen)
			if ix.byFull[named.Full] == nil {
				break
			}
		}
		own[t.Name] = &named
		ix.byFull[named.Full] = &named
		ix.byOwn[t.Name] = append(ix.byOwn[t.Name], &named)
		ix.Tools = append(ix.Tools, &named)
	}
	return ix
}

// Find returns the tool that a call names: by its own name with the server, by its own name where
// only one server has it, or by its full name with or without the server.
func (ix *Index) Find(server, name string) (*Tool, *LookupError) {
	full := ix.byFull[name]
	if server != "" {
		if t := ix.byServer[server][name]; t != nil {
			return t, nil
		}
		switch {
		case full == nil:
			return nil, ix.unknown(server, name)
		case full.Server != server:
			return nil, ambiguous("the tool '%s' belongs to the server '%s', not to '%s'; name one of them", name, full.Server, server)
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
			choices[i] = t.Full
		}
		return nil, ambiguous("several servers have a tool '%s': give \"server\", or one of %s", name, strings.Join(choices, ", "))
	}
}

func (ix *Index) unknown(server, name string) *LookupError {
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
	return &LookupError{Message: message}
}

// LookupError says why a name leads to no tool.
type LookupError struct {
	// Ambiguous says that the name fits several tools, or contradicts the server's.
	Ambiguous bool
	Message   string
}

// Error returns the message.
func (e *LookupError) Error() string { return e.Message }

func ambiguous(format string, args ...any) *LookupError {
	return &LookupError{Ambiguous: true, Message: fmt.Sprintf(format, args...)}
}
