package openai

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/toolserve/toolserve/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestModels(t *testing.T) {
	mux := http.NewServeMux()
	testHandler(nil).Register(mux)
	const model = `"object":"model","created":1700000000,"owned_by":"toolserve","max_model_len":4096}`
	tests := []struct {
		path   string
		status int
		want   string
	}{
		{"/v1/models", 200, `{"object":"list","data":[{"id":"org/model",` + model + `,{"id":"small",` + model + `]}`},
		{"/v1/models/org/model", 200, `{"id":"org/model",` + model},
		{"/v1/models/small", 200, `{"id":"small",` + model},
		{"/v1/models/default", 200, `{"id":"org/model",` + model},
		{"/v1/models/other", 404, `{"error":{"message":"the model \"other\" is not served here; use one of: default, org/model, small","type":"invalid_request_error","param":"model","code":"model_not_found"}}`},
		{"/v1/models/", 404, `{"error":{"message":"the model \"\" is not served here; use one of: default, org/model, small","type":"invalid_request_error","param":"model","code":"model_not_found"}}`},
	}
	for _, test := range tests {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", test.path, nil))
		if got := strings.TrimSpace(w.Body.String()); w.Code != test.status || got != test.want {
			t.Errorf("%s: %d %s, want %d %s", test.path, w.Code, got, test.status, test.want)
		}
	}
}

// events is a generator of content events that runs step before each.
func events(step func(ctx context.Context, i int) error) generatorFunc {
	return func(ctx context.Context, _ *chat.Request) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			for i := 0; ; i++ {
				if err := step(ctx, i); err != nil {
					yield(chat.Event{}, err)
					return
				}
				if !yield(chat.Event{Kind: chat.ContentDelta, Text: "x"}, nil) {
					return
				}
			}
		}
	}
}

const streamBody = `{"stream":true,"messages":[{"role":"user","content":"go"}]}`

// A client that goes away ends the generation at once, also while the model is silent.
func TestClientLeaves(t *testing.T) {
	for _, silent := range []bool{false, true} {
		ended := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(testHandler(func(ctx context.Context, req *chat.Request) iter.Seq2[chat.Event, error] {
			return func(yield func(chat.Event, error) bool) {
				defer close(ended)
				events(func(ctx context.Context, i int) error {
					if i > 0 && silent {
						<-ctx.Done()
					}
					return ctx.Err()
				})(ctx, req)(yield)
			}
		}).ChatCompletions))
		resp, err := http.Post(server.URL, "application/json", strings.NewReader(streamBody))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		<-ended // the test's own timeout is the limit
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	}
}

// deadlineCause is what a server sets as the cause of its timeout.
type deadlineCause struct{}

func (deadlineCause) Error() string        { return "longer than 3 s" }
func (deadlineCause) Is(target error) bool { return target == context.DeadlineExceeded }

// ctxHandler serves body to a handler whose context ends with cause once the generator waits, having sent
// n events.
func ctxHandler(body string, n int, cause error) *httptest.ResponseRecorder {
	ctx, cancel := context.WithCancelCause(context.Background())
	h := testHandler(events(func(ctx context.Context, i int) error {
		if i == n {
			cancel(cause)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}))
	w := httptest.NewRecorder()
	h.ChatCompletions(w, httptest.NewRequest("POST", "/", strings.NewReader(body)).WithContext(ctx))
	return w
}

func TestContextEnds(t *testing.T) {
	const whole = `{"messages":[{"role":"user","content":"go"}]}`
	stopping := errors.New("the server is stopping")
	tests := []struct {
		name, body string
		sent       int
		cause      error
		status     int
		want       string // within the last line
	}{
		{"timeout", whole, 1, deadlineCause{}, 504, `"message":"longer than 3 s","type":"timeout_error"`},
		{"timeout before a stream", streamBody, 0, deadlineCause{}, 504, `"type":"timeout_error"`},
		{"timeout in a stream", streamBody, 1, deadlineCause{}, 200, `data: {"error":{"message":"longer than 3 s"`},
		{"stop", whole, 0, stopping, 503, `"message":"the server is stopping"`},
		{"stop in a stream", streamBody, 2, stopping, 200, `data: {"error":{"message":"the server is stopping"`},
		{"client left", whole, 1, context.Canceled, 200, ``},
		{"client left a stream", streamBody, 1, context.Canceled, 200, `{"content":"x"}`},
	}
	for _, test := range tests {
		w := ctxHandler(test.body, test.sent, test.cause)
		lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
		last := lines[len(lines)-1]
		if w.Code != test.status || !strings.Contains(last, test.want) || test.want == "" && last != "" {
			t.Errorf("%s: %d, last line %q; want %d, %q", test.name, w.Code, last, test.status, test.want)
		}
	}
}

// A long silence before the first token is bridged with comments, and a failure after them is an event.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testHandler(events(func(ctx context.Context, i int) error {
			time.Sleep(7 * time.Second)
			if i == 1 {
				return errors.New("decode failed")
			}
			return nil
		}))
		h.opts.KeepAlive = 5 * time.Second
		w := httptest.NewRecorder()
		h.ChatCompletions(w, httptest.NewRequest("POST", "/", strings.NewReader(streamBody)))
		var kinds []string
		for line := range strings.Lines(w.Body.String()) {
			switch {
			case strings.HasPrefix(line, ": "):
				kinds = append(kinds, "comment")
			case strings.Contains(line, `"error"`):
				kinds = append(kinds, "error")
			case strings.HasPrefix(line, "data: "):
				kinds = append(kinds, "chunk")
			}
		}
		if got := strings.Join(kinds, " "); got != "comment chunk chunk comment error" {
			t.Errorf("the stream is %s:\n%s", got, w.Body)
		}
	})
}

func TestBodyTooLarge(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat(" ", 101)))
	r.Body = http.MaxBytesReader(w, r.Body, 100)
	testHandler(nil).ChatCompletions(w, r)
	if w.Code != 413 || !strings.Contains(w.Body.String(), "more than the 100 bytes") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestBodyCut(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("{"), brokenReader{}))
	testHandler(nil).ChatCompletions(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "unreadable_body") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestDecodeRequestError(t *testing.T) {
	_, err := DecodeRequest([]byte(`{"messages":[{"role":"x"}]}`))
	var known *chat.Error
	if !errors.As(err, &known) || known.Kind != chat.KindInvalid || known.Param != "messages[0].role" {
		t.Errorf("error is %#v", err)
	}
	req, err := DecodeRequest([]byte(streamBody))
	if err != nil || len(req.Messages) != 1 {
		t.Errorf("%+v, %v", req, err)
	}
}

func TestWriteErrorIsJSON(t *testing.T) {
	w := httptest.NewRecorder()
	WriteError(w, 401, "invalid_api_key", "", "a \"quoted\"\nmessage")
	var body struct {
		Error struct {
			Message, Type, Code string
			Param               *string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if e := body.Error; w.Code != 401 || e.Message != "a \"quoted\"\nmessage" || e.Type != typeAuth || e.Param != nil {
		t.Errorf("%d %+v", w.Code, e)
	}
}

// BenchmarkStream is one token's way from the generator to the client of a stream over TCP.
func BenchmarkStream(b *testing.B) {
	tokens := make(chan struct{}) // one for each token, sent by the benchmark, which closes it
	server := httptest.NewServer(http.HandlerFunc(testHandler(events(func(context.Context, int) error {
		if _, ok := <-tokens; !ok {
			return io.EOF
		}
		return nil
	})).ChatCompletions))
	defer server.Close()
	go func() {
		resp, err := http.Post(server.URL, "application/json", strings.NewReader(streamBody))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	tokens <- struct{}{}
	b.ReportAllocs()
	for b.Loop() {
		tokens <- struct{}{}
	}
	close(tokens)
}
