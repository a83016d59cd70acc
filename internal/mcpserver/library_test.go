package mcpserver

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/toolserve/toolserve/mcphost"
)

// fakeShelf is a host with a resource, a template and two prompts.
type fakeShelf struct {
	*fakeHost
	mu      sync.Mutex // guards the rest
	watches map[string]func(string)
	reads   []mcphost.ResourceRead
	prompts []mcphost.PromptGet
}

func (f *fakeShelf) Resources(context.Context, string) (mcphost.Listing[*mcphost.Resource], error) {
	return mcphost.Listing[*mcphost.Resource]{Items: []*mcphost.Resource{{Server: "fs", URI: "a://1", Raw: json.RawMessage(`{"uri":"a://1","name":"one","x-own":[1e400]}`)},
		{Server: "web", URI: "a://1", Raw: json.RawMessage(`{"uri":"a://1","name":"another server's"}`)}}}, nil
}

func (f *fakeShelf) ResourceTemplates(context.Context, string) (mcphost.Listing[*mcphost.ResourceTemplate], error) {
	return mcphost.Listing[*mcphost.ResourceTemplate]{Items: []*mcphost.ResourceTemplate{{URITemplate: "a://{x}", Raw: json.RawMessage(`{"uriTemplate":"a://{x}","title":7}`)}}}, nil
}

func (f *fakeShelf) Prompts(context.Context, string) (mcphost.Listing[*mcphost.Prompt], error) {
	return mcphost.Listing[*mcphost.Prompt]{Items: []*mcphost.Prompt{
		{Server: "fs", Name: "p", FullName: "fs__p", Raw: json.RawMessage(`{"title":"P","name":"p","icons":[]}`)},
		{Server: "web", Name: "q", FullName: "web__q", Description: "odd", Raw: json.RawMessage(`{"name":"q","name":"r"}`)},
	}}, nil
}

func (f *fakeShelf) ReadResource(_ context.Context, req mcphost.ResourceRead) (mcphost.ResourceResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = append(f.reads, req)
	if req.URI != "a://1" {
		return mcphost.ResourceResult{}, &mcphost.Error{Kind: mcphost.Unknown, Message: "no such resource"}
	}
	return mcphost.ResourceResult{Meta: json.RawMessage(`{"of":"the server","io.modelcontextprotocol/serverInfo":{}}`),
		Contents: []mcphost.ResourceContent{{Raw: json.RawMessage(`{"uri":"a://1","text":"<&>","own":1}`)}}}, nil
}

func (f *fakeShelf) GetPrompt(_ context.Context, req mcphost.PromptGet) (mcphost.PromptResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prompts = append(f.prompts, req)
	return mcphost.PromptResult{Description: "d", Messages: []mcphost.PromptMessage{{Role: "user", Content: mcphost.Content{Raw: json.RawMessage(`{"type":"text","text":"<x>"}`)}}}}, nil
}

func (f *fakeShelf) Complete(_ context.Context, req mcphost.CompletionRequest) (mcphost.Completion, error) {
	if req.Prompt != "p" || req.Argument != "city" || req.Value != "pa" || req.Known["land"] != "fr" {
		return mcphost.Completion{}, &mcphost.Error{Kind: mcphost.BadArguments, Message: "what?"}
	}
	return mcphost.Completion{Values: []string{"paris"}, Total: 1}, nil
}

func (f *fakeShelf) WatchResource(_ context.Context, req mcphost.ResourceRead, changed func(string)) (func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(req.URI, "b://") {
		return nil, &mcphost.Error{Kind: mcphost.Unknown, Message: "no such resource"}
	}
	f.watches[req.URI] = changed
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watches, req.URI)
	}, nil
}

func (f *fakeShelf) watch(uri string) func(string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watches[uri]
}

func serveShelf(t *testing.T) (*fakeShelf, string) {
	t.Helper()
	f := &fakeShelf{fakeHost: &fakeHost{}, watches: map[string]func(string){}}
	return f, serveFake(t, f.fakeHost, Options{Library: f, Reader: f})
}

func inSession(method, params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
}

func TestLibrary(t *testing.T) {
	f, url := serveShelf(t)
	id := begin(t, url, `{"elicitation":{}}`)
	ask := func(method, params string) reply {
		return do(t, "POST", url, inSession(method, params), "Mcp-Session-Id", id)
	}
	wants(t, "resources", ask("resources/list", `{}`), 200, `"resources":[{"uri":"a://1","name":"one","x-own":[1e400]}]`)
	wants(t, "templates", ask("resources/templates/list", `{}`), 200, `"resourceTemplates":[{"name":"a://{x}","uriTemplate":"a://{x}"}]`)
	wants(t, "prompts", ask("prompts/list", `{}`), 200, `{"name":"fs__p","title":"P","icons":[]}`, `"name":"web__q"`)
	wants(t, "read", ask("resources/read", `{"uri":"a://1"}`), 200, `"result":{"_meta":{"of":"the server"},"contents":[{"uri":"a://1","text":"<&>","own":1}]`)
	if req := f.reads[0]; !req.First || req.Origin != "mcp" || req.Server != "" || req.Elicit == nil || req.Relay != nil {
		t.Errorf("the read was %+v", req)
	}
	wants(t, "read nothing", ask("resources/read", `{"uri":"b://1"}`), 200, `"code":-32002`, `"data":{"uri":"b://1"}`)
	wants(t, "read a number", ask("resources/read", `{"uri":1}`), 200, `-32602`)
	wants(t, "prompt", ask("prompts/get", `{"name":"fs__p","arguments":{"a":"b"}}`), 200, `"messages":[{"content":{"type":"text","text":"<x>"},"role":"user"}]`)
	wants(t, "prompt with a number", ask("prompts/get", `{"name":"fs__p","arguments":{"a":1}}`), 200, `-32602`)
	wants(t, "complete", ask("completion/complete", `{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"city","value":"pa"},"context":{"arguments":{"land":"fr"}}}`),
		200, `"completion":{"hasMore":false,"total":1,"values":["paris"]}`)
	wants(t, "complete nothing", ask("completion/complete", `{"ref":{"type":"x"},"argument":{"name":"a"}}`), 200, `-32602`)

	body, header := modern("resources/read", `{"uri":"b://1"}`, `{"roots":{}}`)
	wants(t, "read nothing without a session", do(t, "POST", url, body, header...), 400, `"code":-32602`, `"data":{"uri":"b://1"}`)
	if req := f.reads[len(f.reads)-1]; req.Relay == nil || string(req.Relay.Capabilities) != `{"roots":{}}` || req.Elicit != nil {
		t.Errorf("the read was %+v", req)
	}
	body, header = modern("resources/read", `{"uri":"a://1"}`, `{}`)
	wants(t, "read without a session", do(t, "POST", url, body, header...), 200, `"ttlMs":0`, `"cacheScope":"private"`,
		`"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"toolserve"`, `,"of":"the server"}`)
}

func TestSubscriptions(t *testing.T) {
	f, url := serveShelf(t)
	id := begin(t, url, `{}`)
	ask := func(method, uri string) reply {
		return do(t, "POST", url, inSession(method, `{"uri":"`+uri+`"}`), "Mcp-Session-Id", id)
	}
	stream := newEvents(t, open(t, t.Context(), "GET", url, "", "Mcp-Session-Id", id))
	wants(t, "subscribe", ask("resources/subscribe", "a://1"), 200, `"result":{}`)
	wants(t, "subscribe again", ask("resources/subscribe", "a://1"), 200, `"result":{}`)
	wants(t, "subscribe to nothing", ask("resources/subscribe", "b://1"), 200, `-32002`)
	f.watch("a://1")("a://1/below")
	if got := stream.next(); got != `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://1/below"}}` {
		t.Errorf("the session was told %s", got)
	}
	wants(t, "unsubscribe", ask("resources/unsubscribe", "a://1"), 200, `"result":{}`)
	if f.watch("a://1") != nil {
		t.Error("the watch goes on")
	}
	wants(t, "subscribe", ask("resources/subscribe", "a://2"), 200, `"result":{}`)
	wants(t, "DELETE", do(t, "DELETE", url, "", "Mcp-Session-Id", id), 204)
	soon(t, "the end of the watch", func() bool { return f.watch("a://2") == nil })

	ctx, leave := context.WithCancel(t.Context())
	body, header := modern("subscriptions/listen", `{"notifications":{"resourceSubscriptions":["a://3","b://3"]}}`, `{}`)
	listening := newEvents(t, open(t, ctx, "POST", url, body, header...))
	if got := listening.next(); !strings.Contains(got, `"notifications":{"resourceSubscriptions":["a://3"]}`) {
		t.Errorf("the first message is %s", got)
	}
	f.watch("a://3")("a://3")
	if got := listening.next(); !strings.Contains(got, `"uri":"a://3"`) || !strings.Contains(got, `"io.modelcontextprotocol/subscriptionId":"m"`) {
		t.Errorf("who listens was told %s", got)
	}
	leave()
	soon(t, "the end of the watch", func() bool { return f.watch("a://3") == nil })
}
