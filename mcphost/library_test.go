package mcphost

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/policy"
)

// librarian is a server of the protocol library with resources, templates, prompts and completion.
func librarian(name string) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: name, Version: "1"}, &mcp.ServerOptions{
		CompletionHandler: func(_ context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
			var values []string
			for _, v := range []string{"Paris", "Parma", "Rome"} {
				if strings.HasPrefix(v, req.Params.Argument.Value) {
					values = append(values, v)
				}
			}
			return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: values, Total: len(values)}}, nil
		},
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	read := func(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		uri := req.Params.URI
		switch {
		case strings.HasSuffix(uri, "missing"):
			return nil, mcp.ResourceNotFoundError(uri)
		case strings.HasSuffix(uri, "blob"):
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, MIMEType: "image/png", Blob: []byte{1, 2, 3}}}}, nil
		case strings.HasSuffix(uri, "huge"):
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{
				{URI: uri, MIMEType: "text/plain", Text: strings.Repeat("é", 400_000)}, {URI: uri + "/2", Blob: []byte("more")}}}, nil
		}
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, MIMEType: "text/plain", Text: "this is " + uri}}}, nil
	}
	s.AddResource(&mcp.Resource{URI: "demo://" + name + "/a", Name: "a", Title: "The A", Description: "first", MIMEType: "text/plain", Size: 12}, read)
	s.AddResource(&mcp.Resource{URI: "demo://shared/blob", Name: "blob", MIMEType: "image/png"}, read)
	s.AddResource(&mcp.Resource{URI: "demo://" + name + "/huge", Name: "huge"}, read)
	s.AddResource(&mcp.Resource{URI: "file:///srv/" + name + "/secret", Name: "file"}, read)
	s.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: "demo://" + name + "/item/{id}", Name: "item"}, read)
	s.AddPrompt(&mcp.Prompt{Name: "trip", Description: "plans a trip", Arguments: []*mcp.PromptArgument{
		{Name: "city", Description: "where to", Required: true}, {Name: "days"}}},
		func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return &mcp.GetPromptResult{Description: "a plan", Messages: []*mcp.PromptMessage{
				{Role: "user", Content: &mcp.TextContent{Text: "Plan a trip to " + req.Params.Arguments["city"]}},
				{Role: "assistant", Content: &mcp.ImageContent{MIMEType: "image/png", Data: []byte{1}}},
				{Role: "user", Content: &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "demo://x", Text: "hi"}}},
			}}, nil
		})
	s.AddPrompt(&mcp.Prompt{Name: name + ".only"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{}, nil
	})
	return s
}

// startInMemory runs a host over servers in this process. Nil is a server that cannot be reached.
func startInMemory(t *testing.T, rules policy.ToolRules, servers map[string]*mcp.Server, names ...string) *Host {
	t.Helper()
	cfg := &Config{}
	cfg.Security.Tools = rules
	for _, name := range names {
		cfg.Servers = append(cfg.Servers, ServerConfig{Name: name, Transport: TransportStdio, Command: "x"})
	}
	return start(t, cfg, Options{Transport: func(c ServerConfig) mcp.Transport {
		server := servers[c.Name]
		if server == nil {
			return brokenTransport{}
		}
		ours, theirs := mcp.NewInMemoryTransports()
		session, err := server.Connect(t.Context(), theirs, nil)
		if err != nil {
			t.Error(err)
			return brokenTransport{}
		}
		t.Cleanup(func() { session.Close() })
		return ours
	}})
}

type brokenTransport struct{}

func (brokenTransport) Connect(context.Context) (mcp.Connection, error) {
	return nil, errors.New("nobody is there")
}

func twoLibraries(t *testing.T, rules policy.ToolRules) *Host {
	t.Helper()
	return startInMemory(t, rules, map[string]*mcp.Server{"one": librarian("one"), "two": librarian("two")}, "one", "gone", "two")
}

func TestListsOfManyServers(t *testing.T) {
	h := twoLibraries(t, policy.ToolRules{})
	resources, err := h.Resources(t.Context(), "")
	if err != nil || len(resources.Items) != 8 || len(resources.Servers) != 3 {
		t.Fatalf("resources are %+v, %v", resources, err)
	}
	if st := resources.Servers[1]; st.Server != "gone" || !strings.Contains(st.Error, "nobody is there") || st.Count != 0 {
		t.Errorf("the server that is not there is shown as %+v", st)
	}
	if st := resources.Servers[2]; st.Server != "two" || st.Count != 4 || !st.Supported || st.Error != "" || st.ReadAt.IsZero() {
		t.Errorf("the last server is shown as %+v", st)
	}
	first := resources.Items[0]
	if first.Server != "one" || first.URI != "demo://one/a" || first.Title != "The A" || first.Size != 12 ||
		!strings.Contains(string(first.Raw), `"uri":"demo://one/a"`) {
		t.Errorf("the first resource is %+v", first)
	}
	templates, err := h.ResourceTemplates(t.Context(), "two")
	if err != nil || len(templates.Items) != 1 || templates.Items[0].URITemplate != "demo://two/item/{id}" || len(templates.Servers) != 1 {
		t.Errorf("templates are %+v, %v", templates, err)
	}
	prompts, err := h.Prompts(t.Context(), "")
	if err != nil || len(prompts.Items) != 4 {
		t.Fatalf("prompts are %+v, %v", prompts, err)
	}
	var names []string
	for _, p := range prompts.Items {
		names = append(names, p.FullName)
	}
	if names[1] != "one__trip" || !strings.HasPrefix(names[0], "one__one_only_") || names[2] != "two__trip" {
		t.Errorf("full names are %q", names)
	}
	if args := prompts.Items[1].Arguments; len(args) != 2 || !args[0].Required || args[0].Name != "city" || args[1].Required {
		t.Errorf("arguments are %+v", args)
	}
	_, err = h.Prompts(t.Context(), "nobody")
	wantKind(t, err, Unknown, "'nobody'")
}

func TestReadResource(t *testing.T) {
	h := twoLibraries(t, policy.ToolRules{Reads: policy.ReadRules{BlockedResources: []string{"file:///srv/*"}}})
	read := func(server, uri string) (ResourceResult, error) {
		return h.ReadResource(t.Context(), ResourceRead{Caller: Caller{Origin: "resources"}, Server: server, URI: uri})
	}
	for _, server := range []string{"", "one"} {
		got, err := read(server, "demo://one/a")
		if err != nil || got.Server != "one" || len(got.Contents) != 1 || got.Contents[0].Text != "this is demo://one/a" || got.Truncated {
			t.Errorf("read gives %+v, %v", got, err)
		}
	}
	if got, err := read("", "demo://two/item/7"); err != nil || got.Server != "two" || got.Contents[0].Text != "this is demo://two/item/7" {
		t.Errorf("a URI of a template gives %+v, %v", got, err)
	}
	if got, err := read("two", "demo://shared/blob"); err != nil || got.Contents[0].IsText ||
		got.Contents[0].Blob != base64.StdEncoding.EncodeToString([]byte{1, 2, 3}) {
		t.Errorf("a blob gives %+v, %v", got, err)
	}
	if got, err := h.ReadResource(t.Context(), ResourceRead{URI: "demo://shared/blob", First: true}); err != nil || got.Server != "one" {
		t.Errorf("of two servers with a URI the first is %+v, %v", got, err)
	}
	for _, tc := range []struct {
		server, uri string
		kind        Kind
		parts       []string
	}{
		{"", "demo://shared/blob", BadArguments, []string{"one, two"}},
		{"", "demo://three/a", Unknown, []string{"in no list"}},
		{"nobody", "demo://one/a", Unknown, []string{"'nobody'"}},
		{"gone", "demo://one/a", NotConnected, []string{"nobody is there"}},
		{"one", "demo://one/item/missing", Unknown, []string{"'one'"}},
		{"one", "", BadArguments, []string{"uri"}},
		{"one", "demo://\x00", BadArguments, []string{"control"}},
		{"one", "file:///srv/one/secret", PolicyDenied, []string{"blocked"}},
		{"one", "FILE://localhost/srv/%6fne/secret", PolicyDenied, []string{"blocked"}},
		{"one", "demo://one/../../a", PolicyDenied, []string{"../"}},
		{"one", "http://169.254.169.254/latest", PolicyDenied, []string{"metadata"}},
	} {
		_, err := read(tc.server, tc.uri)
		t.Run(fmt.Sprintf("%s %q", tc.server, tc.uri), func(t *testing.T) { wantKind(t, err, tc.kind, tc.parts...) })
	}
	listing, err := h.Resources(t.Context(), "one")
	if err != nil || listing.Servers[0].Hidden != 1 || len(listing.Items) != 3 {
		t.Errorf("with a blocked one the list is %+v, %v", listing, err)
	}
	records := h.Audit().Query(audit.Filter{Tool: "resources/read", Limit: -1})
	if len(records) != 16 || records[0].Kind != audit.KindRead || !records[0].Success || records[0].Server != "one" ||
		records[0].Origin != "resources" || string(records[0].Arguments) != `{"uri":"demo://one/a"}` || records[0].Decision != "allow" {
		t.Errorf("%d records, the first is %+v", len(records), records[0])
	}
}

// TestAServerThatIsAwayKeepsItsURIs reads what two servers have, before and after the first of them went away.
func TestAServerThatIsAwayKeepsItsURIs(t *testing.T) {
	servers := map[string]*mcp.Server{"one": librarian("one"), "two": librarian("two")}
	var away atomic.Bool
	h := start(t, &Config{Servers: []ServerConfig{
		{Name: "one", Transport: TransportStdio, Command: "x"}, {Name: "two", Transport: TransportStdio, Command: "x"},
	}}, Options{Transport: func(c ServerConfig) mcp.Transport {
		if c.Name == "one" && away.Load() {
			return brokenTransport{}
		}
		ours, theirs := mcp.NewInMemoryTransports()
		session, err := servers[c.Name].Connect(t.Context(), theirs, nil)
		if err != nil {
			t.Error(err)
			return brokenTransport{}
		}
		t.Cleanup(func() { session.Close() })
		return ours
	}})
	read := ResourceRead{URI: "demo://shared/blob", First: true}
	if got, err := h.ReadResource(t.Context(), read); err != nil || got.Server != "one" {
		t.Fatalf("%+v, %v", got, err)
	}
	away.Store(true)
	for session := range servers["one"].Sessions() {
		session.Close()
	}
	eventually(t, "the server is away", func() bool { return status(t, h, "one").State != StateConnected })
	if got, err := h.ReadResource(t.Context(), read); err == nil || got.Server == "two" {
		t.Errorf("another server answers for the one that is away: %+v, %v", got, err)
	}
	if got, err := h.ReadResource(t.Context(), ResourceRead{URI: "demo://two/a", First: true}); err != nil || got.Server != "two" {
		t.Errorf("the other server's own: %+v, %v", got, err)
	}
}

func TestLongResourceIsCut(t *testing.T) {
	cfg := &Config{Servers: []ServerConfig{{Name: "one", Transport: TransportStdio, Command: "x"}}}
	h := start(t, cfg, Options{MaxResult: 1001, Transport: func(ServerConfig) mcp.Transport {
		ours, theirs := mcp.NewInMemoryTransports()
		session, err := librarian("one").Connect(t.Context(), theirs, nil)
		if err != nil {
			t.Error(err)
		}
		t.Cleanup(func() { session.Close() })
		return ours
	}})
	got, err := h.ReadResource(t.Context(), ResourceRead{Server: "one", URI: "demo://one/huge"})
	if err != nil || !got.Truncated || len(got.Contents) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if c := got.Contents[0]; len(c.Text) != 1000 || c.Size != 800_000 || c.Mark() != "\n[cut by toolserve: 1000 of 800000 bytes shown]" {
		t.Errorf("%d of %d bytes are left, %q", len(c.Text), c.Size, c.Mark())
	}
	if c := got.Contents[1]; c.Blob != "" || !c.Truncated || !strings.Contains(c.Mark(), "left out") {
		t.Errorf("what follows is %+v", c)
	}
}

func TestGetPrompt(t *testing.T) {
	h := twoLibraries(t, policy.ToolRules{Reads: policy.ReadRules{BlockedPrompts: []string{"two.*"}}})
	if _, err := h.Prompts(t.Context(), ""); err != nil { // so that all lists have been read
		t.Fatal(err)
	}
	get := func(server, name string, args map[string]string) (PromptResult, error) {
		return h.GetPrompt(t.Context(), PromptGet{Server: server, Name: name, Arguments: args})
	}
	city := map[string]string{"city": "Oslo", "style": "slow"}
	for _, name := range [][2]string{{"one", "trip"}, {"", "one__trip"}, {"one", "one__trip"}} {
		got, err := get(name[0], name[1], city)
		if err != nil || got.Server != "one" || got.Name != "trip" || got.FullName != "one__trip" || got.Description != "a plan" || len(got.Messages) != 3 {
			t.Fatalf("%q gives %+v, %v", name, got, err)
		}
		if m := got.Messages; m[0].Role != "user" || m[0].Content.Text != "Plan a trip to Oslo" || m[1].Role != "assistant" ||
			m[1].Content.Type != "image" || m[2].Content.Type != "resource" {
			t.Errorf("messages are %+v", m)
		}
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "style") {
			t.Errorf("warnings are %q", got.Warnings)
		}
	}
	if got, err := get("one", "one.only", nil); err != nil || got.Name != "one.only" || len(got.Messages) != 0 {
		t.Errorf("a prompt without arguments gives %+v, %v", got, err)
	}
	for _, tc := range []struct {
		server, name string
		args         map[string]string
		kind         Kind
		parts        []string
	}{
		{"", "trip", city, BadArguments, []string{"one__trip, two__trip"}},
		{"one", "trip", nil, BadArguments, []string{"one__trip", "city"}},
		{"one", "trap", city, Unknown, []string{"did you mean 'trip'?"}},
		{"gone", "trip", city, NotConnected, []string{"nobody is there"}},
		{"", "gone__trip", city, NotConnected, []string{"nobody is there"}},
		{"nobody", "trip", city, Unknown, []string{"'nobody'"}},
		{"", "", city, BadArguments, []string{"name"}},
		{"two", "two.only", nil, PolicyDenied, []string{"blocked"}},
		{"one", "trip", map[string]string{"city": "../../etc/passwd"}, PolicyDenied, []string{"../"}},
	} {
		_, err := get(tc.server, tc.name, tc.args)
		t.Run(tc.server+" "+tc.name, func(t *testing.T) { wantKind(t, err, tc.kind, tc.parts...) })
	}
}

func TestComplete(t *testing.T) {
	h := twoLibraries(t, policy.ToolRules{})
	got, err := h.Complete(t.Context(), CompletionRequest{Prompt: "one__trip", Argument: "city", Value: "Pa"})
	if err != nil || strings.Join(got.Values, " ") != "Paris Parma" || got.Total != 2 || got.HasMore {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = h.Complete(t.Context(), CompletionRequest{Template: "demo://two/item/{id}", Argument: "id", Value: "R"})
	if err != nil || strings.Join(got.Values, " ") != "Rome" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = h.Complete(t.Context(), CompletionRequest{Prompt: "one__trip", Template: "x", Argument: "a"})
	wantKind(t, err, BadArguments, "one of")
	_, err = h.Complete(t.Context(), CompletionRequest{Prompt: "one__trip"})
	wantKind(t, err, BadArguments, "argument")
	_, err = h.Complete(t.Context(), CompletionRequest{Template: "demo://three/{id}", Argument: "id"})
	wantKind(t, err, Unknown, "demo://three/{id}")
}

func TestServerWithoutThem(t *testing.T) {
	plain := mcp.NewServer(&mcp.Implementation{Name: "plain", Version: "1"}, nil)
	h := startInMemory(t, policy.ToolRules{}, map[string]*mcp.Server{"plain": plain}, "plain")
	listing, err := h.Prompts(t.Context(), "")
	if err != nil || len(listing.Items) != 0 || listing.Servers[0].Supported || listing.Servers[0].Error != "" {
		t.Errorf("%+v, %v", listing, err)
	}
	_, err = h.ReadResource(t.Context(), ResourceRead{Server: "plain", URI: "a:b"})
	wantKind(t, err, Unknown, "does not offer")
	_, err = h.GetPrompt(t.Context(), PromptGet{Server: "plain", Name: "x"})
	wantKind(t, err, Unknown, "does not offer prompts")
}

func TestReadsAreLimited(t *testing.T) {
	h := startInMemory(t, policy.ToolRules{Reads: policy.ReadRules{PerMinute: 2}}, map[string]*mcp.Server{"one": librarian("one")}, "one")
	for i := range 3 {
		_, err := h.ReadResource(t.Context(), ResourceRead{Server: "one", URI: "demo://one/a"})
		if i < 2 && err != nil {
			t.Error(err)
		}
		if i == 2 {
			wantKind(t, err, RateLimited, "max 2 per minute")
		}
	}
}

func TestListsFollowTheServer(t *testing.T) {
	server := librarian("one")
	h := startInMemory(t, policy.ToolRules{}, map[string]*mcp.Server{"one": server}, "one")
	count := func() int {
		listing, err := h.Prompts(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return len(listing.Items)
	}
	if n := count(); n != 2 {
		t.Fatalf("%d prompts", n)
	}
	server.AddPrompt(&mcp.Prompt{Name: "new"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{}, nil
	})
	eventually(t, "the new prompt is listed", func() bool { return count() == 3 })
	server.RemovePrompts("new", "trip")
	eventually(t, "the prompts are gone", func() bool { return count() == 1 })
}
