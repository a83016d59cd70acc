package library

import (
	"context"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/policy/screen"
)

// Link is a connection to a server and how its lists are to be read.
type Link struct {
	// Ctx ends with the connection.
	Ctx   context.Context
	Asker Asker
	// Subscriber subscribes to resources.
	Subscriber Subscriber
	// Capabilities are the server's; nil offers nothing.
	Capabilities *mcp.ServerCapabilities
	// Timeout bounds the reading of one list.
	Timeout time.Duration
	// Screen says what is done about findings.
	Screen screen.Mode
	// Spawn runs a function on a goroutine of its own. The function ends soon after Ctx does.
	Spawn func(func())
	// OnRead is told of each reading, one at a time for each list. It must not ask the shelf.
	OnRead func(Report)
	// Now is the clock.
	Now func() time.Time
}

// Report says what came of reading a list.
type Report struct {
	// What is "resources", "resource templates" or "prompts", and Count how many there are now.
	What  string
	Count int
	// Notes say what was left out, Findings what screening says, Err why the reading failed.
	Notes, Findings []string
	Err             error
	// Changed says that the list is not what it was.
	Changed bool
}

// Shelf holds the lists of one server. It is safe for concurrent use.
type Shelf struct {
	resources list[*Resource]
	templates list[*Template]
	prompts   list[*Prompt]
	cache     cache
	watches   watches
	// wake holds a token when a list changed. The protocol library sends, whoever watches the connection
	// receives; it is never closed.
	wake chan struct{}
}

// NewShelf returns the empty shelf of a server.
func NewShelf(server string) *Shelf {
	s := &Shelf{wake: make(chan struct{}, 1)}
	s.resources.server, s.templates.server, s.prompts.server = server, server, server
	s.resources.kind = kind[*Resource]{"resources", "resources/list", "resources", parseResource}
	s.templates.kind = kind[*Template]{"resource templates", "resources/templates/list", "resourceTemplates", parseTemplate}
	s.prompts.kind = kind[*Prompt]{"prompts", "prompts/list", "prompts", parsePrompt}
	return s
}

// Attach takes a new connection and begins to read in the background what the server offers.
func (s *Shelf) Attach(link Link) {
	caps := link.Capabilities
	if caps == nil {
		caps = &mcp.ServerCapabilities{}
	}
	s.cache.clear()
	if s.watches.connect(link.Subscriber) {
		link.Spawn(func() { s.watches.attach(link.Ctx, link.Subscriber, link.Timeout) })
	}
	s.resources.attach(&link, caps.Resources != nil, caps.Resources != nil && caps.Resources.ListChanged)
	s.templates.attach(&link, caps.Resources != nil, caps.Resources != nil && caps.Resources.ListChanged)
	s.prompts.attach(&link, caps.Prompts != nil, caps.Prompts != nil && caps.Prompts.ListChanged)
}

// Detach forgets the connection. The lists stay as they were last read.
func (s *Shelf) Detach() {
	s.cache.clear()
	s.watches.connect(nil)
	s.resources.detach()
	s.templates.detach()
	s.prompts.detach()
}

// ResourcesChanged takes the server's word that its resources or templates changed.
func (s *Shelf) ResourcesChanged() {
	s.cache.clear()
	s.resources.changed()
	s.templates.changed()
	s.notify()
}

// PromptsChanged takes the server's word that its prompts changed.
func (s *Shelf) PromptsChanged() {
	s.prompts.changed()
	s.notify()
}

func (s *Shelf) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Woken returns the channel that holds a token when a list changed; call Refresh then.
func (s *Shelf) Woken() <-chan struct{} { return s.wake }

// Refresh begins to read the lists that changed, and returns at once.
func (s *Shelf) Refresh() {
	s.resources.refresh()
	s.templates.refresh()
	s.prompts.refresh()
}

// Resources returns the server's resources, read anew where they are not fresh, until ctx ends.
func (s *Shelf) Resources(ctx context.Context) Listing[*Resource] { return s.resources.get(ctx) }

// Templates returns the server's resource templates, as Resources does.
func (s *Shelf) Templates(ctx context.Context) Listing[*Template] { return s.templates.get(ctx) }

// Prompts returns the server's prompts, as Resources does.
func (s *Shelf) Prompts(ctx context.Context) Listing[*Prompt] { return s.prompts.get(ctx) }

// Known returns the lists as they were last read, without waiting.
func (s *Shelf) Known() (Listing[*Resource], Listing[*Template], Listing[*Prompt]) {
	return s.resources.known(), s.templates.known(), s.prompts.known()
}

// Findings are what screening says of the texts on the shelf, with what they are about, at most 20.
func (s *Shelf) Findings() []string {
	resources, templates, prompts := s.Known()
	out := append(allFindings(prompts.Items), allFindings(resources.Items)...)
	out = append(out, allFindings(templates.Items)...)
	return out[:min(len(out), maxNotes)]
}
