// Package pins keeps what was approved of MCP servers: in memory and, where there is a path, in a lock
// file beside the configuration. The file may have been written by anyone: it is read within bounds and
// strictly, and one that cannot be understood is an error, never replaced.
package pins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"time"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/policy/trust"
)

const (
	version = 1
	// MaxFile bounds the lock file.
	MaxFile    = 64 << 20
	maxDepth   = trustDepth + 16
	trustDepth = 128
	maxServers = 4096
	maxTools   = 20_000
	maxName    = 1024
	// maxDefinition bounds a definition that is kept beside its digest, maxServer those of one server:
	// of what is larger the digest alone is kept, which is enough to compare but not to show.
	maxDefinition = 64 << 10
	maxServer     = 4 << 20
)

// File is the content of a lock file.
type File struct {
	Servers map[string]*Server
}

// Server is what is on record of one server.
type Server struct {
	Launch       *Entry `json:"launch,omitempty"`
	Instructions *Entry `json:"instructions,omitempty"`
	// Packages are by name and version, such as "npm:name@1.2.3".
	Packages map[string]*Entry `json:"packages,omitempty"`
	// Tools is nil until the server's list was recorded for the first time.
	Tools map[string]*Entry `json:"tools,omitzero"`
}

// Entry is what is on record of one item.
type Entry struct {
	// Digest is that of the approved definition, "" where none is. Definition is nil where it is too large.
	Digest     string          `json:"digest,omitempty"`
	Definition json.RawMessage `json:"definition,omitempty"`
	// Since is when it was approved, By by whom: "first use", or who it was.
	Since time.Time `json:"since,omitzero"`
	By    string    `json:"by,omitempty"`
	// Pending is what was seen instead and waits for approval, or nil.
	Pending *Pending `json:"pending,omitempty"`
}

// Pending is a definition that waits for approval.
type Pending struct {
	Digest     string          `json:"digest"`
	Definition json.RawMessage `json:"definition,omitempty"`
	Since      time.Time       `json:"since,omitzero"`
}

// clone copies what may be changed. Definitions are shared: they never are.
func (f *File) clone() *File {
	out := &File{Servers: make(map[string]*Server, len(f.Servers))}
	for name, s := range f.Servers {
		c := &Server{Launch: s.Launch.clone(), Instructions: s.Instructions.clone(), Tools: maps.Clone(s.Tools), Packages: maps.Clone(s.Packages)}
		for name, e := range c.Packages {
			c.Packages[name] = e.clone()
		}
		for tool, e := range c.Tools {
			c.Tools[tool] = e.clone()
		}
		out.Servers[name] = c
	}
	return out
}

func (e *Entry) clone() *Entry {
	if e == nil {
		return nil
	}
	c := *e
	return &c
}

// entry returns the place of an item's record.
func (s *Server) entry(kind trust.Kind, name string) *Entry {
	switch kind {
	case trust.KindLaunch:
		return s.Launch
	case trust.KindInstructions:
		return s.Instructions
	case trust.KindPackage:
		return s.Packages[name]
	}
	return s.Tools[name]
}

func (s *Server) put(kind trust.Kind, name string, e *Entry) {
	switch kind {
	case trust.KindLaunch:
		s.Launch = e
	case trust.KindInstructions:
		s.Instructions = e
	case trust.KindPackage:
		if s.Packages == nil {
			s.Packages = map[string]*Entry{}
		}
		s.Packages[name] = e
	default:
		if s.Tools == nil {
			s.Tools = map[string]*Entry{}
		}
		s.Tools[name] = e
	}
}

// encode returns the file's text.
func encode(f *File) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(struct {
		Version int                `json:"version"`
		Servers map[string]*Server `json:"servers"`
	}{version, f.Servers})
	if err == nil && b.Len() > MaxFile {
		err = fmt.Errorf("it would be larger than %d MiB", MaxFile>>20)
	}
	return b.Bytes(), err
}

// Decode reads the text of a lock file. Every definition must have the digest beside it.
func Decode(data []byte) (*File, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("it is larger than %d MiB", MaxFile>>20)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("it is empty")
	}
	if err := rawjson.Check(data, maxDepth); err != nil {
		return nil, err
	}
	d := decoder{}
	f := &File{Servers: map[string]*Server{}}
	found := 0
	d.object("", data, func(key string, value json.RawMessage) {
		switch key {
		case "version":
			d.number(&found, value)
		case "servers":
			d.object(key, value, func(name string, value json.RawMessage) { f.Servers[name] = d.server(name, value) })
		default:
			d.fail("unknown key %q", key)
		}
	})
	switch {
	case d.err != nil:
	case found > version:
		d.fail("it was written by a newer version of toolserve (format %d)", found)
	case found != version:
		d.fail("it has no \"version\": %d", version)
	case len(f.Servers) > maxServers:
		d.fail("it names more than %d servers", maxServers)
	}
	return f, d.err
}

// decoder reads with exact keys and keeps the first error.
type decoder struct{ err error }

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

func (d *decoder) object(where string, data json.RawMessage, member func(key string, value json.RawMessage)) {
	isObject := rawjson.Fields(data, func(key string, value json.RawMessage) bool {
		if len(key) > maxName {
			d.fail("%s: a key is longer than %d bytes", where, maxName)
		} else {
			member(key, value)
		}
		return d.err == nil
	})
	if !isObject {
		d.fail("%q must be an object", where)
	}
}

func (d *decoder) number(n *int, data json.RawMessage) {
	if json.Unmarshal(data, n) != nil {
		d.fail("\"version\" must be a number")
	}
}

func (d *decoder) text(where string, data json.RawMessage) string {
	s, ok := rawjson.Text(data)
	if !ok {
		d.fail("%s must be a string", where)
	}
	return s
}

func (d *decoder) server(name string, data json.RawMessage) *Server {
	s := &Server{}
	d.object(name, data, func(key string, value json.RawMessage) {
		where := name + "." + key
		switch key {
		case "launch":
			s.Launch = d.entry(where, trust.KindLaunch, value)
		case "instructions":
			s.Instructions = d.entry(where, trust.KindInstructions, value)
		case "packages":
			s.Packages = map[string]*Entry{}
			d.object(where, value, func(name string, value json.RawMessage) {
				s.Packages[name] = d.entry(where+"."+name, trust.KindPackage, value)
				if len(s.Packages) > maxTools {
					d.fail("%s holds more than %d packages", where, maxTools)
				}
			})
		case "tools":
			s.Tools = map[string]*Entry{}
			d.object(where, value, func(tool string, value json.RawMessage) {
				s.Tools[tool] = d.entry(where+"."+tool, trust.KindTool, value)
				if len(s.Tools) > maxTools {
					d.fail("%s holds more than %d tools", where, maxTools)
				}
			})
		default:
			d.fail("%s: unknown key", where)
		}
	})
	return s
}

func (d *decoder) entry(where string, kind trust.Kind, data json.RawMessage) *Entry {
	e := &Entry{}
	d.object(where, data, func(key string, value json.RawMessage) {
		at := where + "." + key
		switch key {
		case "digest":
			e.Digest = d.digest(at, value)
		case "definition":
			e.Definition = value
		case "since":
			e.Since = d.time(at, value)
		case "by":
			e.By = d.text(at, value)
		case "pending":
			e.Pending = d.pending(at, kind, value)
		default:
			d.fail("%s: unknown key", at)
		}
	})
	e.Definition = d.definition(where, kind, e.Digest, e.Definition)
	if d.err == nil && e.Digest == "" && e.Pending == nil {
		d.fail("%s has no digest", where)
	}
	return e
}

func (d *decoder) pending(where string, kind trust.Kind, data json.RawMessage) *Pending {
	p := &Pending{}
	d.object(where, data, func(key string, value json.RawMessage) {
		at := where + "." + key
		switch key {
		case "digest":
			p.Digest = d.digest(at, value)
		case "definition":
			p.Definition = value
		case "since":
			p.Since = d.time(at, value)
		default:
			d.fail("%s: unknown key", at)
		}
	})
	p.Definition = d.definition(where, kind, p.Digest, p.Definition)
	if d.err == nil && p.Digest == "" {
		d.fail("%s has no digest", where)
	}
	return p
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (d *decoder) digest(where string, data json.RawMessage) string {
	s := d.text(where, data)
	if d.err == nil && !digestForm.MatchString(s) {
		d.fail("%s is no SHA-256 digest", where)
	}
	return s
}

func (d *decoder) time(where string, data json.RawMessage) time.Time {
	t, err := time.Parse(time.RFC3339Nano, d.text(where, data))
	if err != nil {
		d.fail("%s is no time", where)
	}
	return t
}

// definition returns the canonical form of a definition, which must be the one of the digest.
func (d *decoder) definition(where string, kind trust.Kind, digest string, raw json.RawMessage) json.RawMessage {
	if d.err != nil || raw == nil {
		return nil
	}
	canonical, err := trust.Canonical(raw)
	switch {
	case err != nil:
		d.fail("%s: the definition cannot be read: %w", where, err)
	case trust.Digest(kind, canonical) != digest:
		d.fail("%s: the definition is not the one of its digest", where)
	}
	return canonical
}
