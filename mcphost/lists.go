package mcphost

import (
	"context"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/mcphost/internal/library"
	"github.com/toolserve/toolserve/policy"
)

// What servers offer besides tools.
type (
	// Resource is something of a server that can be read, named by its URI.
	Resource = library.Resource
	// ResourceTemplate is a family of resources: a URI template whose variables the reader fills in.
	ResourceTemplate = library.Template
	// Prompt is a text of a server's that is made from arguments, for use in a conversation.
	Prompt = library.Prompt
	// PromptArgument is an argument of a prompt. Its value is a string.
	PromptArgument = library.Argument
	// ResourceContent is one piece of a resource.
	ResourceContent = library.Content
	// Completion is what a server proposes for an argument.
	Completion = library.Completion
)

// listPatience is how long a listing waits for servers that have not answered yet. They are read on.
const listPatience = 5 * time.Second

// Listing is a list over servers. One server that cannot be read hides nothing of the others.
type Listing[T any] struct {
	// Items are in the order of the configuration and of each server's list. They must not be changed.
	Items []T
	// Servers says what came of each server's list.
	Servers []ListStatus
}

// ListStatus is what came of one server's list.
type ListStatus struct {
	Server string
	State  State
	// Supported says that the server offers such things at all.
	Supported bool
	// Count is how many of the items are its.
	Count int
	// Hidden is how many the rules for reading leave out.
	Hidden int
	// Error says why items are missing or may be old, or is "".
	Error string
	// Notes say what else was left out and why.
	Notes []string
	// ReadAt is when the list was read; zero where it never was.
	ReadAt time.Time
}

// Resources returns the resources of one server, or of all connected ones when server is "". A list that
// was not read yet, or is no longer fresh, is read first; what takes longer than 5 s is left out with a
// word in its status. The error is an [*Error] of kind Unknown for a name of no server, or ctx's.
func (h *Host) Resources(ctx context.Context, server string) (Listing[*Resource], error) {
	return collect(ctx, h, server, listPatience, (*library.Shelf).Resources, func(r *Resource) policy.Read {
		return policy.Read{Server: r.Server, Kind: policy.ReadResource, Name: r.URI}
	})
}

// ResourceTemplates returns resource templates, as Resources does.
func (h *Host) ResourceTemplates(ctx context.Context, server string) (Listing[*ResourceTemplate], error) {
	return collect(ctx, h, server, listPatience, (*library.Shelf).Templates, func(t *ResourceTemplate) policy.Read {
		return policy.Read{Server: t.Server, Kind: policy.ReadTemplate, Name: t.URITemplate}
	})
}

// Prompts returns prompts, as Resources does.
func (h *Host) Prompts(ctx context.Context, server string) (Listing[*Prompt], error) {
	listing, err := collect(ctx, h, server, listPatience, (*library.Shelf).Prompts, func(p *Prompt) policy.Read {
		return policy.Read{Server: p.Server, Kind: policy.ReadPrompt, Name: p.Name}
	})
	library.NameAll(listing.Items)
	return listing, err
}

// collect gathers the lists of servers, which are asked at once. patience is how long it waits for lists that
// are not fresh; where it is 0 they are taken as they are. What the rules do not offer is left out, unless
// asRead is nil.
func collect[T any](ctx context.Context, h *Host, name string, patience time.Duration,
	get func(*library.Shelf, context.Context) library.Listing[T], asRead func(T) policy.Read) (Listing[T], error) {
	servers := h.all()
	if name != "" {
		s := h.server(name)
		if s == nil {
			return Listing[T]{}, h.noServer(name, "")
		}
		servers = []*server{s}
	}
	if !h.enter() {
		return Listing[T]{}, errorf(MCPOff, name, "", "the MCP servers are not running")
	}
	defer h.calls.Done()
	lists, states := ask(ctx, servers, name != "", patience, get)
	if ctx.Err() != nil {
		return Listing[T]{}, ctx.Err()
	}
	out := Listing[T]{Servers: states}
	gate := h.gate()
	for i, l := range lists {
		st := &out.Servers[i]
		for _, item := range l.Items {
			if asRead != nil && !gate.Offers(asRead(item)) {
				st.Hidden++
				continue
			}
			out.Items = append(out.Items, item)
			st.Count++
		}
		st.Supported, st.Notes, st.ReadAt = l.Supported, l.Notes, l.ReadAt
		if l.Err != nil {
			st.Error = h.redactor.Hide(l.Err.Error())
		}
	}
	return out, nil
}

// ask asks servers for a list, all at once. A server that rests until it is called is started where it is
// the one that is asked; of others that rest, the list is the last one. Those that are not connected have
// only a status.
func ask[T any](ctx context.Context, servers []*server, wake bool, patience time.Duration, get func(*library.Shelf, context.Context) library.Listing[T]) ([]library.Listing[T], []ListStatus) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lists, states := make([]library.Listing[T], len(servers)), make([]ListStatus, len(servers))
	var waiting sync.WaitGroup
	for i, s := range servers {
		if wake {
			_, _ = s.awake(wait) // what keeps it from starting is in its state
		}
		st := &states[i]
		st.Server, st.State = s.name, s.stateNow()
		_, down := s.current()
		switch {
		case down == nil:
			waiting.Go(func() { lists[i] = get(s.shelf, wait) })
		case st.State == StateIdle:
			if lists[i] = get(s.shelf, wait); lists[i].ReadAt.IsZero() {
				st.Error = "its lists are not known before it was started; name it to start it"
			}
		case st.State != StateDisabled:
			st.Error = down.Message
		}
	}
	waiting.Wait()
	return lists, states
}

// enter counts a caller in, unless the host does not run. The caller then calls h.calls.Done.
func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.cancel == nil {
		return false
	}
	h.calls.Add(1)
	return true
}

func (s *server) stateNow() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// followLists has the server say when its lists change.
func (s *server) followLists(options *mcp.ClientOptions) *mcp.ClientOptions {
	options.PromptListChangedHandler = func(context.Context, *mcp.PromptListChangedRequest) { s.shelf.PromptsChanged() }
	options.ResourceListChangedHandler = func(context.Context, *mcp.ResourceListChangedRequest) { s.shelf.ResourcesChanged() }
	options.ResourceUpdatedHandler = func(_ context.Context, req *mcp.ResourceUpdatedNotificationRequest) {
		if req.Params != nil {
			s.shelf.ResourceUpdated(req.Params.URI)
		}
	}
	return options
}

// shelve begins to read what the server offers besides tools.
func (s *server) shelve(l *link) {
	link := library.Link{
		Ctx: l.ctx, Asker: l.requests, Subscriber: l.session, Timeout: s.callTimeout(0), Screen: s.host.cfg().Security.Screen,
		Spawn: s.host.calls.Go, Now: s.host.now, OnRead: s.shelved,
	}
	if init := l.session.InitializeResult(); init != nil {
		link.Capabilities = init.Capabilities
	}
	s.shelf.Attach(link)
}

// shelved takes note of what came of reading a list.
func (s *server) shelved(r library.Report) {
	if r.Err != nil {
		s.logger.Warn("a list of an MCP server", "error", s.host.redactor.Hide(r.Err.Error()))
		return
	}
	s.logger.Debug("a list of an MCP server was read", "list", r.What, "count", r.Count)
	if !r.Changed {
		return
	}
	if r.What == "prompts" {
		s.host.changes.add(Versions{Prompts: 1})
	} else {
		s.host.changes.add(Versions{Resources: 1})
	}
	if r.What == "prompts" {
		s.host.changes.add(Versions{Prompts: 1})
	} else {
		s.host.changes.add(Versions{Resources: 1})
	}
	for _, note := range r.Notes {
		s.logger.Warn("a list of an MCP server", "note", note)
	}
	if len(r.Findings) > 0 {
		s.host.record(audit.Record{
			Kind: audit.KindTrust, Server: s.name, Success: true, Code: "screening",
			Note: "findings in the list of " + r.What, Warnings: r.Findings,
		})
	}
}

// callTimeout is how long a call may take: what the caller wants, what the entry says, the general one.
func (s *server) callTimeout(wanted time.Duration) time.Duration {
	for _, d := range []time.Duration{wanted, s.cfg().Timeout, s.host.cfg().DefaultTimeout} {
		if d > 0 {
			return d
		}
	}
	return DefaultTimeout
}

// countShelf adds to a status what is known of the server's lists.
func (s *server) countShelf(st *ServerStatus) {
	resources, templates, prompts := s.shelf.Known()
	st.Resources, st.ResourceTemplates, st.Prompts = len(resources.Items), len(templates.Items), len(prompts.Items)
	for _, notes := range [][]string{
		s.shelf.Findings(), listNotes(resources.Notes, resources.Err), listNotes(templates.Notes, templates.Err), listNotes(prompts.Notes, prompts.Err),
	} {
		for _, note := range notes {
			st.Notes = append(st.Notes, s.host.redactor.Hide(note))
		}
	}
	st.Notes = st.Notes[:min(len(st.Notes), maxStatusNotes)]
}

// listNotes are the notes of a list, why it could not be read among them.
func listNotes(notes []string, err error) []string {
	if err == nil {
		return notes
	}
	return append([]string{err.Error()}, notes...)
}
