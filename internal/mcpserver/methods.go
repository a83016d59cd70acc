package mcpserver

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/incoming"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/listing"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/replay"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/rpc"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/shape"
	"github.com/toolserve/toolserve/mcphost"
)

// listTTL is how long clients may keep a list, in milliseconds. Those that listen hear of changes at once.
const listTTL = 5000

// info is how the program calls itself.
func (h *Handler) info() map[string]string {
	return map[string]string{"name": "toolserve", "version": h.opts.Version}
}

// capabilities are what an endpoint offers. Lists that are empty now may fill.
func (x *exchange) capabilities() map[string]any {
	changes := map[string]bool{"listChanged": true}
	caps := map[string]any{"tools": changes, "logging": struct{}{}}
	switch {
	case x.session == nil:
		caps["extensions"] = map[string]any{incoming.Tasks: struct{}{}}
	case x.session.revision == revision202511:
		caps["tasks"] = map[string]any{"list": struct{}{}, "cancel": struct{}{}, "requests": map[string]any{"tools": map[string]any{"call": struct{}{}}}}
	}
	if x.h.reads() {
		caps["prompts"], caps["completions"] = changes, struct{}{}
		caps["resources"] = map[string]bool{"listChanged": true, "subscribe": true}
	}
	return caps
}

// initialize begins a session.
func (x *exchange) initialize(m *rpc.Message) {
	var wanted string
	var capabilities json.RawMessage
	err := rpc.Fields(m.Params, func(key string, value json.RawMessage) error {
		switch key {
		case "protocolVersion":
			return json.Unmarshal(value, &wanted)
		case "capabilities":
			capabilities = value
		}
		return nil
	})
	if err != nil || wanted == "" {
		x.h.fail(x.w, http.StatusBadRequest, m.ID, rpc.Errorf(rpc.CodeInvalidParams, "the params need a \"protocolVersion\""))
		return
	}
	revision := revision202511 // what an unknown revision is answered with; the client leaves if it cannot
	if wanted != revisionStateless && slices.Contains(revisions(), wanted) {
		revision = wanted
	}
	s := &session{actor: x.actor, view: x.view, revision: revision, client: incoming.ReadClient(capabilities), logLevel: "info",
		events: replay.New(x.h.opts.ResumeWait, x.h.budget)}
	s.onEnd = func() {
		x.h.tasks.EndSession(s.id)
		s.events.End()
	}
	if err := x.h.sessions.open(s); err != nil {
		x.h.fail(x.w, http.StatusTooManyRequests, m.ID, rpc.Errorf(rpc.CodeUnavailable, "%v", err))
		return
	}
	x.session = s
	x.w.Header().Set(headerSession, s.id)
	x.send(nil, m, outcome{result: rpc.Encode(x.introduce(map[string]any{"protocolVersion": revision, "serverInfo": x.h.info()}))})
}

// discover answers server/discover, which takes the place of initialize in revision 2026-07-28.
func (h *Handler) discover(_ context.Context, x *exchange, _ json.RawMessage) (json.RawMessage, *rpc.Error) {
	return rpc.Encode(x.introduce(map[string]any{"supportedVersions": revisions()})), nil
}

// introduce adds to a result what an endpoint offers, and what its servers tell models about themselves.
func (x *exchange) introduce(result map[string]any) map[string]any {
	result["capabilities"] = x.capabilities()
	if x.h.opts.Instructions == nil {
		return result
	}
	text := shape.Instruction(x.h.opts.Instructions(x.view.server), 0)
	if x.view.server == "" {
		text = shape.Instructions(x.h.opts.Catalogue.Names(), x.h.opts.Instructions)
	}
	if text != "" {
		result["instructions"] = text
	}
	return result
}

// levels are those of logs, the least severe first.
func levels() []string {
	return []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}
}

// setLevel answers logging/setLevel.
func (h *Handler) setLevel(_ context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	var level string
	err := rpc.Fields(params, func(key string, value json.RawMessage) error {
		if key == "level" {
			return json.Unmarshal(value, &level)
		}
		return nil
	})
	if err != nil || !slices.Contains(levels(), level) {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "the params need a \"level\", one of %v", levels())
	}
	x.session.setLevel(level)
	return json.RawMessage("{}"), nil
}

// listTools answers tools/list.
func (h *Handler) listTools(_ context.Context, x *exchange, params json.RawMessage) (json.RawMessage, *rpc.Error) {
	tools := h.lists.Tools(x.view.server)
	items := make([]json.RawMessage, len(tools))
	for i, t := range tools {
		items[i] = t.Definition
		if x.session != nil {
			items[i] = t.InSessions
		}
	}
	list, err := listing.Page("tools", items, params)
	if err != nil {
		return nil, err
	}
	return results.WithMeta(list, map[string]any{mcphost.InstancesKey: h.opts.Catalogue.Instances()}), nil
}
