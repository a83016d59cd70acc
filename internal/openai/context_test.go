package openai

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/openai/insert"
)

// shelf answers as MCP servers would, and keeps what it was asked.
type shelf struct {
	prompts []insert.Prompt
	uris    []insert.Resource
	turns   []chat.Message
	err     error
}

func (s *shelf) Prompt(_ context.Context, ref insert.Prompt) ([]chat.Message, error) {
	s.prompts = append(s.prompts, ref)
	return s.turns, s.err
}

func (s *shelf) Resource(_ context.Context, ref insert.Resource) ([]chat.Part, error) {
	s.uris = append(s.uris, ref)
	if ref.URI == "a:large" {
		return chat.Text(strings.Repeat("x", maxResourceBytes/2)), nil
	}
	return chat.Text("[resource " + ref.URI + "]\ntext"), s.err
}

// sent posts a request and returns the answer and the conversation that reached the generator.
func sent(t *testing.T, s *shelf, body string) (answer string, conversation string) {
	t.Helper()
	h := testHandler(func(_ context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
		var b strings.Builder
		for _, m := range req.Messages {
			fmt.Fprintf(&b, "<%s>%s", m.Role, m.Text())
		}
		conversation = b.String()
		return func(yield func(chat.Event, error) bool) {
			_ = yield(chat.Event{Kind: chat.ContentDelta, Text: "ok"}, nil) && yield(chat.Event{Kind: chat.Finish, Reason: chat.FinishStop}, nil)
		}
	})
	if s != nil {
		h.opts.Contexts = s
	}
	return post(h, "/v1/chat/completions", body), conversation
}

func TestPromptInConversation(t *testing.T) {
	user := chat.Message{Role: chat.RoleUser, Content: chat.Text("P1")}
	assistant := chat.Message{Role: chat.RoleAssistant, Content: chat.Text("P2")}
	for _, tc := range []struct {
		name, body, want string
		turns            []chat.Message
	}{
		{"alone", `{"mcp_prompt":{"name":"p"}}`, "<user>P1", []chat.Message{user}},
		{"behind the system message", `{"mcp_prompt":"p","messages":[{"role":"system","content":"S"},{"role":"developer","content":"D"},{"role":"assistant","content":"A"},{"role":"user","content":"U"}]}`,
			"<system>S<developer>D<user>P1<assistant>A<user>U", []chat.Message{user}},
		{"turns alternate", `{"mcp_prompt":"p","messages":[{"role":"user","content":"U"}]}`, "<user>P1\n\nP1<assistant>P2<user>P1\n\nU", []chat.Message{user, user, assistant, user}},
		{"named turns stay apart", `{"mcp_prompt":"p","messages":[{"role":"user","name":"x","content":"U"}]}`, "<user>P1<user>U", []chat.Message{user}},
		{"resources in the first user message", `{"mcp_resources":["a:1",{"server":"s","uri":"a:2"}],"messages":[{"role":"system","content":"S"},{"role":"user","content":"U"},{"role":"assistant","content":"A"},{"role":"user","content":"V"}]}`,
			"<system>S<user>[resource a:1]\ntext\n\n[resource a:2]\ntext\n\nU<assistant>A<user>V", nil},
		{"resources without a user message", `{"mcp_resources":["a:1"],"messages":[{"role":"system","content":"S"}]}`, "<system>S<user>[resource a:1]\ntext", nil},
		{"both", `{"mcp_prompt":"p","mcp_resources":["a:1"],"messages":[{"role":"user","content":"U"}]}`, "<user>P1<assistant>P2<user>[resource a:1]\ntext\n\nU", []chat.Message{user, assistant}},
	} {
		s := &shelf{turns: tc.turns}
		if answer, got := sent(t, s, tc.body); got != tc.want || !strings.HasPrefix(answer, "200\n") {
			t.Errorf("%s: got %q, want %q\n%s", tc.name, got, tc.want, answer)
		}
	}
	if answer, _ := sent(t, &shelf{turns: []chat.Message{user}}, `{"mcp_prompt":"p","stream":true}`); !strings.Contains(answer, "data: [DONE]") {
		t.Errorf("as a stream: %s", answer)
	}
}

func TestWaysToNameAPrompt(t *testing.T) {
	full := insert.Prompt{Server: "s", Name: "p", Arguments: map[string]string{"a": "1", "b": "true"}}
	for _, tc := range []struct {
		body string
		want insert.Prompt
	}{
		{`"mcp_prompt":{"server":"s","name":"p","arguments":{"a":"1","b":true}}`, full},
		{`"metadata":{"mcp_prompt":"{\"server\":\"s\",\"name\":\"p\",\"arguments\":{\"a\":1,\"b\":true}}"}`, full},
		{`"metadata":{"mcp_prompt":"{\"server\":\"s\",\"name\":\"p\"}","mcp_prompt_args":"{\"a\":1,\"b\":true}","user":"x"}`, full},
		{`"metadata":{"mcp_prompt":"s__p"}`, insert.Prompt{Name: "s__p"}},
		{`"mcp_prompt":"s__p","metadata":{"mcp_prompt":"","other":{"x":1}}`, insert.Prompt{Name: "s__p"}},
	} {
		s := &shelf{turns: []chat.Message{{Role: chat.RoleUser, Content: chat.Text("P")}}}
		if answer, _ := sent(t, s, "{"+tc.body+"}"); len(s.prompts) != 1 || !reflect.DeepEqual(s.prompts[0], tc.want) {
			t.Errorf("%s: asked for %+v\n%s", tc.body, s.prompts, answer)
		}
	}
	want := []insert.Resource{{URI: "a:1"}, {URI: "b:2"}}
	for _, metadata := range []string{`"a:1, b:2,"`, `"[\"a:1\",{\"uri\":\"b:2\"}]"`} {
		s := &shelf{}
		if answer, _ := sent(t, s, `{"messages":[{"role":"user","content":"U"}],"metadata":{"mcp_resources":`+metadata+`}}`); !reflect.DeepEqual(s.uris, want) {
			t.Errorf("%s: asked for %+v\n%s", metadata, s.uris, answer)
		}
	}
}

func TestMetadataIsTheClientsOwn(t *testing.T) {
	for _, metadata := range []string{`null`, `"text"`, `[1]`, `{"mcp_prompt":{"name":"p"},"mcp_resources":["a:1"],"mcp_prompt_args":null}`, `{"mcp_resources":" "}`} {
		s := &shelf{}
		answer, _ := sent(t, s, `{"messages":[{"role":"user","content":"U"}],"metadata":`+metadata+`}`)
		if !strings.HasPrefix(answer, "200\n") || len(s.prompts)+len(s.uris) > 0 {
			t.Errorf("%s: %s, asked for %v %v", metadata, answer, s.prompts, s.uris)
		}
	}
}

func TestContextErrors(t *testing.T) {
	missing := &insert.Error{Status: 404, Code: "not_found", Param: "name", Message: "no such prompt"}
	for _, tc := range []struct {
		body string
		err  error
		want []string
	}{
		{`"mcp_prompt":"p"`, missing, []string{"404\n", `"message":"no such prompt"`, `"param":"mcp_prompt.name"`, `"code":"not_found"`}},
		{`"metadata":{"mcp_prompt":"p"},"stream":true`, missing, []string{"404\n", `"param":"metadata.mcp_prompt.name"`}},
		{`"mcp_resources":["a:1"]`, &insert.Error{Status: 429, Code: "rate_limited", RetryAfter: 1500 * time.Millisecond, Message: "too many"},
			[]string{"429\n", "Retry-After: 2", `"type":"rate_limit_error"`, `"param":"mcp_resources[0]"`}},
		{`"mcp_resources":["a:1"]`, &insert.Error{Status: 504, Code: "timed_out", Message: "slow"}, []string{"504\n", `"type":"timeout_error"`}},
		{`"mcp_prompt":{}`, nil, []string{"400\n", `"param":"mcp_prompt"`, "names no prompt"}},
		{`"mcp_prompt":3`, nil, []string{"400\n", `"param":"mcp_prompt"`}},
		{`"mcp_prompt":{"name":"p","name":"q"}`, nil, []string{"400\n", "given twice"}},
		{`"mcp_prompt":{"name":"p","arguments":{"a":{}}}`, nil, []string{"400\n", `"param":"mcp_prompt.arguments.a"`}},
		{`"mcp_resources":"a:1"`, nil, []string{"400\n", `"param":"mcp_resources"`}},
		{`"mcp_resources":[""]`, nil, []string{"400\n", `"param":"mcp_resources[0]"`}},
		{`"mcp_resources":["a:1"` + strings.Repeat(`,"a:1"`, maxResources) + `]`, nil, []string{"400\n", "at most 32"}},
		{`"mcp_prompt":"p","metadata":{"mcp_prompt":"p"}`, nil, []string{"400\n", "both given"}},
		{`"mcp_resources":[],"metadata":{"mcp_resources":"a:1"}`, nil, []string{"400\n", "both given"}},
		{`"metadata":{"mcp_prompt_args":"{}"}`, nil, []string{"400\n", "needs metadata.mcp_prompt"}},
		{`"metadata":{"mcp_prompt":"p","mcp_prompt_args":"[]"}`, nil, []string{"400\n", "JSON text of an object"}},
		{`"mcp_prompt":"p","continue_final_message":true`, nil, []string{"400\n", "continue_final_message"}},
	} {
		messages := `,"messages":[{"role":"user","content":"U"}]`
		if strings.Contains(tc.body, "continue_final") {
			messages = ""
		}
		answer, conversation := sent(t, &shelf{err: tc.err}, "{"+tc.body+messages+"}")
		for _, want := range tc.want {
			if !strings.Contains(answer, want) {
				t.Errorf("%s: %s\ndoes not hold %s", tc.body, answer, want)
			}
		}
		if conversation != "" {
			t.Errorf("%s: the generator was asked %q", tc.body, conversation)
		}
	}
	large := &shelf{}
	if answer, _ := sent(t, large, `{"mcp_resources":["a:large","a:1","a:large","a:1"],"messages":[{"role":"user","content":"U"}]}`); !strings.HasPrefix(answer, "400\n") ||
		!strings.Contains(answer, `"param":"mcp_resources[2]"`) || len(large.uris) != 3 {
		t.Errorf("too much: %s, asked for %v", answer, large.uris)
	}
	if answer, _ := sent(t, nil, `{"mcp_prompt":"p"}`); !strings.HasPrefix(answer, "503\n") || !strings.Contains(answer, "--mcp-config") {
		t.Errorf("without MCP: %s", answer)
	}
	if answer, _ := sent(t, &shelf{}, `{"mcp_prompt":"p"}`); !strings.HasPrefix(answer, "400\n") || !strings.Contains(answer, "the prompt gave none") {
		t.Errorf("an empty prompt alone: %s", answer)
	}
	if _, err := DecodeRequest([]byte(`{"mcp_prompt":"p"}`)); err == nil || !strings.Contains(err.Error(), "running server") {
		t.Errorf("without a server: %v", err)
	}
}

func TestContextOfALeavingClient(t *testing.T) {
	h := testHandler(func(context.Context, *chat.Request) iter.Seq2[chat.Event, error] {
		t.Error("the generator was asked")
		return func(func(chat.Event, error) bool) {}
	})
	ctx, cancel := context.WithCancel(t.Context())
	h.opts.Contexts = leaving{cancel}
	for _, err := range h.generate(ctx, &wireRequest{wanted: wanted{prompt: &insert.Prompt{Name: "p"}}}) {
		if failed := failure(ctx, err); failed != nil {
			t.Errorf("a client that left is answered %d", failed.status)
		}
	}
}

type leaving struct{ leave func() }

func (l leaving) Prompt(ctx context.Context, _ insert.Prompt) ([]chat.Message, error) {
	l.leave()
	return nil, &insert.Error{Status: http.StatusTeapot, Message: ctx.Err().Error()}
}

func (l leaving) Resource(context.Context, insert.Resource) ([]chat.Part, error) { return nil, nil }

func FuzzWanted(f *testing.F) {
	f.Add([]byte(`{"mcp_prompt":{"server":"s","name":"p","arguments":{"a":1}},"mcp_resources":["a:1",{"uri":"b"}]}`))
	f.Add([]byte(`{"metadata":{"mcp_prompt":"{\"name\":\"p\"}","mcp_prompt_args":"{}","mcp_resources":"a:1,b:2"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, bad := decodeBody(body)
		if bad != nil {
			return
		}
		w := decodeWanted(fields)
		if fields.err != nil {
			return
		}
		if w.prompt != nil && (w.prompt.Name == "" || w.promptPath == "") || len(w.resources) > maxResources {
			t.Errorf("%s gives %+v", body, w)
		}
		for _, r := range w.resources {
			if r.URI == "" || w.resourcesPath == "" {
				t.Errorf("%s gives %+v", body, w)
			}
		}
	})
}
