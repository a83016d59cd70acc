package approvals

import (
	"fmt"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/catalog"
	"github.com/toolserve/toolserve/mcphost/internal/pins"
	"github.com/toolserve/toolserve/policy/screen"
	"github.com/toolserve/toolserve/policy/trust"
)

// screened is what screening says about a tool. Of a definition that was looked at before, it is what was
// found then. room is how many bytes may still be searched.
func (r *Reviewer) screened(mode screen.Mode, t *catalog.Tool, room *int) []string {
	if mode == screen.Off {
		return nil
	}
	if found, known := r.looked[t.Item.Digest]; known {
		return found
	}
	if len(r.looked) > maxReported {
		clear(r.looked)
	}
	look := screen.Screener{Limit: min(*room, screen.DefaultLimit)}
	if *room <= 0 {
		look.Limit = -1
	}
	look.Name("name", t.Name)
	look.Text("title", t.Title)
	look.Text("description", t.Description)
	look.JSON("inputSchema", t.Parameters)
	look.JSON("outputSchema", t.Output)
	look.JSON("annotations", t.Annotations)
	*room -= look.Searched()
	r.looked[t.Item.Digest] = texts(look.Findings())
	return r.looked[t.Item.Digest]
}

func texts(findings []screen.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.String())
	}
	return out
}

func prefixed(prefix string, texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = prefix + text
	}
	return out
}

// recordPending says once of each thing that it waits.
func (r *Reviewer) recordPending(found []Pending) {
	for _, p := range found {
		r.mu.Lock()
		known := r.reported[p.Digest]
		r.reported[p.Digest] = true
		if len(r.reported) > maxReported {
			clear(r.reported)
		}
		r.mu.Unlock()
		if known {
			continue
		}
		decision := "allow"
		if p.Held {
			decision = "ask"
		}
		r.opts.Logger.Warn("an MCP server is not as it was approved", "kind", p.Kind, "tool", p.Tool, "held", p.Held,
			"reason", p.Reason, "changed", trust.Paths(p.Diff, 5))
		r.opts.Record(audit.Record{
			Kind: audit.KindTrust, Server: p.Server, Tool: p.Tool, Decision: decision, Code: "changed_" + string(p.Kind),
			Reason: p.Reason, Error: p.Reason, Warnings: p.Findings,
			Note: fmt.Sprintf("%s instead of %s; differs in: %s", p.Digest, orNone(p.Approved), trust.Paths(p.Diff, 10)),
		})
	}
}

func orNone(digest string) string {
	if digest == "" {
		return "nothing approved"
	}
	return digest
}

// recordNew says what was trusted because it was new.
func (r *Reviewer) recordNew(outcomes []pins.Outcome) {
	tools := 0
	for _, o := range outcomes {
		if o.Action == trust.Record && o.Item.Kind == trust.KindTool {
			tools++
		}
	}
	if tools > 0 || outcomes[0].Action == trust.Record {
		r.opts.Record(audit.Record{
			Kind: audit.KindTrust, Server: r.server, Success: true, Code: "first_use",
			Note: fmt.Sprintf("%d new tools are trusted from now on; the server is started with %s", tools, outcomes[0].Item.Digest),
		})
	}
}
