package mcpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/toolserve/toolserve/mcphost"
)

// lister is what the handlers of lists need of an [mcphost.Host].
type lister interface {
	Resources(ctx context.Context, server string) (mcphost.Listing[*mcphost.Resource], error)
	ResourceTemplates(ctx context.Context, server string) (mcphost.Listing[*mcphost.ResourceTemplate], error)
	Prompts(ctx context.Context, server string) (mcphost.Listing[*mcphost.Prompt], error)
}

// listBody is what the answers of the lists have beside their items.
type listBody struct {
	Count int `json:"count"`
	// Reason says why the list is empty.
	Reason string `json:"reason,omitempty"`
	// Servers says what came of each server's list: one that cannot be read hides nothing of the others.
	Servers []listServer `json:"servers"`
}

// listServer is what came of one server's list.
type listServer struct {
	Server    string        `json:"server"`
	State     mcphost.State `json:"state"`
	Supported bool          `json:"supported"`
	Count     int           `json:"count"`
	Hidden    int           `json:"hidden,omitempty"`
	Error     string        `json:"error,omitempty"`
	Notes     []string      `json:"notes,omitempty"`
	ReadAt    time.Time     `json:"read_at,omitzero"`
}

// resourceItem is one resource: MCP's members, the server, and what screening found.
type resourceItem struct {
	Server      string          `json:"server"`
	URI         string          `json:"uri"`
	Name        string          `json:"name"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	MIMEType    string          `json:"mimeType,omitempty"`
	Size        *int64          `json:"size,omitempty"`
	Findings    []string        `json:"findings,omitempty"`
	Definition  json.RawMessage `json:"definition,omitempty"`
}

// templateItem is one resource template.
type templateItem struct {
	Server      string          `json:"server"`
	URITemplate string          `json:"uriTemplate"`
	Name        string          `json:"name"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	MIMEType    string          `json:"mimeType,omitempty"`
	Findings    []string        `json:"findings,omitempty"`
	Definition  json.RawMessage `json:"definition,omitempty"`
}

// promptItem is one prompt. Name is its full name, Prompt its own.
type promptItem struct {
	Name        string                   `json:"name"`
	Server      string                   `json:"server"`
	Prompt      string                   `json:"prompt"`
	Title       string                   `json:"title,omitempty"`
	Description string                   `json:"description,omitempty"`
	Arguments   []mcphost.PromptArgument `json:"arguments"`
	Findings    []string                 `json:"findings,omitempty"`
	Definition  json.RawMessage          `json:"definition,omitempty"`
}

// Resources answers with the resources of all connected servers, or of ?server=. With ?definitions=true each
// one has its definition as the server sent it.
func (h *Handler) Resources(w http.ResponseWriter, r *http.Request) {
	body := struct {
		Resources []resourceItem `json:"resources"`
		listBody
	}{Resources: []resourceItem{}}
	err := answerList(h, r, "resources", &body.listBody, lister.Resources, func(x *mcphost.Resource, whole bool) {
		item := resourceItem{Server: x.Server, URI: x.URI, Name: x.Name, Title: x.Title, Description: x.Description,
			MIMEType: x.MIMEType, Findings: x.Findings}
		if x.Size >= 0 {
			item.Size = &x.Size
		}
		if whole {
			item.Definition = x.Raw
		}
		body.Resources = append(body.Resources, item)
	})
	h.writeList(w, err, &body)
}

// ResourceTemplates answers with resource templates, as Resources does.
func (h *Handler) ResourceTemplates(w http.ResponseWriter, r *http.Request) {
	body := struct {
		Templates []templateItem `json:"resource_templates"`
		listBody
	}{Templates: []templateItem{}}
	err := answerList(h, r, "resource templates", &body.listBody, lister.ResourceTemplates, func(x *mcphost.ResourceTemplate, whole bool) {
		item := templateItem{Server: x.Server, URITemplate: x.URITemplate, Name: x.Name, Title: x.Title,
			Description: x.Description, MIMEType: x.MIMEType, Findings: x.Findings}
		if whole {
			item.Definition = x.Raw
		}
		body.Templates = append(body.Templates, item)
	})
	h.writeList(w, err, &body)
}

// Prompts answers with prompts, as Resources does.
func (h *Handler) Prompts(w http.ResponseWriter, r *http.Request) {
	body := struct {
		Prompts []promptItem `json:"prompts"`
		listBody
	}{Prompts: []promptItem{}}
	err := answerList(h, r, "prompts", &body.listBody, lister.Prompts, func(x *mcphost.Prompt, whole bool) {
		item := promptItem{Name: x.FullName, Server: x.Server, Prompt: x.Name, Title: x.Title, Description: x.Description,
			Arguments: append([]mcphost.PromptArgument{}, x.Arguments...), Findings: x.Findings}
		if whole {
			item.Definition = x.Raw
		}
		body.Prompts = append(body.Prompts, item)
	})
	h.writeList(w, err, &body)
}

// answerList gathers a list and gives each item to add.
func answerList[T any](h *Handler, r *http.Request, what string, body *listBody,
	list func(lister, context.Context, string) (mcphost.Listing[T], error), add func(item T, whole bool)) error {
	body.Servers = []listServer{}
	query, err := readQuery(r, "server", "definitions")
	if err != nil {
		return err
	}
	if h.opts.Lists == nil {
		body.Reason = offReason
		return nil
	}
	listing, err := list(h.opts.Lists, r.Context(), query["server"])
	if err != nil {
		return err
	}
	for _, item := range listing.Items {
		add(item, query["definitions"] == "true")
	}
	body.Count = len(listing.Items)
	for _, s := range listing.Servers {
		body.Servers = append(body.Servers, listServer(s))
	}
	if body.Count == 0 {
		body.Reason = emptyList(what, listing.Servers)
	}
	return nil
}

// emptyList says why a list is empty.
func emptyList(what string, servers []mcphost.ListStatus) string {
	if len(servers) == 0 {
		return "the MCP configuration names no server"
	}
	var parts []string
	for _, s := range servers {
		part := fmt.Sprintf("%s is %s", s.Server, s.State)
		switch {
		case s.State != mcphost.StateConnected && s.Error != "":
			part = s.Error
		case s.State != mcphost.StateConnected:
		case s.Error != "":
			part += ": " + s.Error
		case !s.Supported:
			part += " and does not offer " + what
		case s.Hidden > 0:
			part += fmt.Sprintf(", and the rules for reading leave out all of its %d", s.Hidden)
		case len(s.Notes) > 0:
			part += ", and none of its list can be used: " + s.Notes[0]
		default:
			part += " and has none"
		}
		if parts = append(parts, part); len(parts) == 5 && len(servers) > 5 {
			parts = append(parts, fmt.Sprintf("and %d more", len(servers)-5))
			break
		}
	}
	return "there are no " + what + ": " + strings.Join(parts, "; ")
}

// writeList sends a list, or why there is none.
func (h *Handler) writeList(w http.ResponseWriter, err error, body any) {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		h.writeError(w, &mcphost.Error{Kind: mcphost.Canceled, Message: "the request was given up by its caller"})
	case err != nil:
		h.writeError(w, err)
	default:
		h.write(w, http.StatusOK, body)
	}
}

// readQuery reads parameters, each of which may be given once.
func readQuery(r *http.Request, names ...string) (map[string]string, error) {
	query, out := r.URL.Query(), map[string]string{}
	for _, name := range names {
		switch values := query[name]; {
		case len(values) > 1:
			return nil, badRequest(name, "the parameter %q is given %d times", name, len(values))
		case len(values) == 1:
			out[name] = values[0]
		}
	}
	return out, nil
}
