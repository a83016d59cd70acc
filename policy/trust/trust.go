// Package trust decides whether what a server is and offers may be used: what was seen on first use is
// recorded by its hash, and what differs from it later waits for a person. It holds pure decisions on
// data; who keeps the records is another's business.
package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Mode says what is done about a definition that is not the approved one.
type Mode string

// The modes. The zero value means Hold.
const (
	Off  Mode = "off"  // nothing is recorded or compared
	Warn Mode = "warn" // a change is reported, and used all the same
	Hold Mode = "hold" // a change is not used until it is approved
)

// Kind says what an Item is.
type Kind string

// The kinds of items.
const (
	KindLaunch       Kind = "launch"       // how a server is started or reached
	KindTool         Kind = "tool"         // the definition of one tool
	KindInstructions Kind = "instructions" // what the server tells models about itself
	KindPackage      Kind = "package"      // what was in a version of a package, by its hash
)

// Item is one thing that is approved or not.
type Item struct {
	Kind Kind
	// Name is the tool's name, a package's with its version, or "".
	Name string
	// Definition is canonical JSON: see [Canonical].
	Definition json.RawMessage
	// Digest is the hash of kind and definition: see [Digest].
	Digest string
	// Findings are what screening says about the definition.
	Findings []string
}

// NewItem returns the item of a definition. One that is no JSON, or nests deeper than 128 levels, is
// known by its bytes alone.
func NewItem(kind Kind, name string, definition []byte) Item {
	canonical, err := Canonical(definition)
	if err != nil {
		sum := sha256.Sum256(definition)
		canonical = []byte(`{"unreadable":"` + hex.EncodeToString(sum[:]) + `"}`)
	}
	return Item{Kind: kind, Name: name, Definition: canonical, Digest: Digest(kind, canonical)}
}

// Digest returns "sha256:" and 64 hexadecimal digits: the hash of the kind, a line feed and the
// definition in canonical form.
func Digest(kind Kind, canonical []byte) string {
	h := sha256.New()
	h.Write([]byte(kind))
	h.Write([]byte{'\n'})
	h.Write(canonical)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Rules say how strict to be. The zero value records what is new and holds what changed.
type Rules struct {
	Mode Mode
	// HoldNew holds a tool that a server offers for the first time after its first list.
	HoldNew bool
	// HoldFindings holds what is new and has findings.
	HoldFindings bool
}

// Pin is what is on record of an item.
type Pin struct {
	// Digest is that of the approved definition; "" says that none was approved.
	Digest string
	// Known says that the server's list was recorded before, with this item or without.
	Known bool
}

// Action is what happens to an item.
type Action string

// The actions of a Verdict.
const (
	Keep    Action = "keep"    // it is what was approved
	Record  Action = "record"  // it is new and is trusted from now on
	Report  Action = "report"  // it is not what was approved, and is used all the same
	Suspend Action = "suspend" // it is not what was approved, and is not used
)

// Verdict is the answer of [Rules.Judge].
type Verdict struct {
	Action Action
	// Reason says why, for Report and Suspend.
	Reason string
}

// Judge decides about an item, given what is on record of it.
func (r Rules) Judge(item Item, pin Pin) Verdict {
	held := Suspend
	if r.Mode == Warn {
		held = Report
	}
	switch {
	case r.Mode == Off, pin.Digest == item.Digest:
		return Verdict{Action: Keep}
	case pin.Digest != "":
		return Verdict{held, changed(item.Kind)}
	case r.HoldFindings && len(item.Findings) > 0:
		return Verdict{held, "it is new, and screening has findings about it"}
	case r.HoldNew && pin.Known && item.Kind == KindTool:
		return Verdict{held, "it is new: the server did not offer it when it was first used"}
	}
	return Verdict{Action: Record}
}

func changed(kind Kind) string {
	switch kind {
	case KindLaunch:
		return "what is started or reached changed since it was approved"
	case KindInstructions:
		return "the server's instructions changed since they were approved"
	case KindPackage:
		return "the package holds something else than it did before, under the same version"
	}
	return "its definition changed since it was approved"
}
