package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// journal is the order in which several servers were asked.
type journal struct {
	mu   sync.Mutex
	asks []asked
}

// asked is one request as a server got it.
type asked struct {
	server string
	body   string // without the model
	prompt string
	tokens int // max_tokens
}

func (j *journal) add(a asked) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asks = append(j.asks, a)
}

// fake answers chat completions. Its answers take max_tokens tokens, "word" each.
type fake struct {
	name    string
	journal *journal
	answer  func(n int) string // the text of the n-th answer; nil is a word for each token
	status  func(n int) int    // of the n-th answer; nil is 200
	cached  int                // tokens that the usage says were cached
	silent  bool               // sends no usage
	calls   string             // arguments of a call to answer with
	hangs   bool               // never answers
	reason  string             // finish_reason of a text; empty is length

	mu sync.Mutex
	n  int // chat completions asked for so far
}

func (f *fake) start(t *testing.T) Server {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return Server{Name: f.name, URL: s.URL}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/models" {
		fmt.Fprintf(w, `{"data":[{"id":"model-of-%s"}]}`, f.name)
		return
	}
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n := f.enter(body)
	if f.status != nil && f.status(n) != http.StatusOK {
		w.WriteHeader(f.status(n))
		fmt.Fprint(w, `{"error":{"message":"out of order"}}`)
		return
	}
	if f.hangs {
		<-r.Context().Done()
		return
	}
	f.stream(w, body, n)
}

// enter takes note of a request and returns its number.
func (f *fake) enter(body map[string]any) int {
	var prompt []string
	for _, m := range body["messages"].([]any) {
		prompt = append(prompt, m.(map[string]any)["content"].(string))
	}
	model := body["model"]
	delete(body, "model")
	text, _ := json.Marshal(body)
	body["model"] = model
	if f.journal != nil {
		f.journal.add(asked{f.name, string(text), strings.Join(prompt, "\n"), int(body["max_tokens"].(float64))})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return f.n
}

func (f *fake) stream(w http.ResponseWriter, body map[string]any, n int) {
	tokens := int(body["max_tokens"].(float64))
	text := strings.Repeat("word ", tokens)
	if f.answer != nil {
		text = f.answer(n)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(data string) {
		fmt.Fprintf(w, "data: %s\n\n", data)
		w.(http.Flusher).Flush()
	}
	reason := cmp.Or(f.reason, "length")
	if f.calls != "" {
		arguments, _ := json.Marshal(f.calls)
		send(fmt.Sprintf(`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"1","function":{"name":"book_trip","arguments":%s}}]}}]}`, arguments))
		reason = "tool_calls"
	} else {
		for _, word := range strings.SplitAfter(text, " ") {
			send(fmt.Sprintf(`{"choices":[{"delta":{"content":%q}}]}`, word))
		}
	}
	send(fmt.Sprintf(`{"choices":[{"delta":{},"finish_reason":%q}]}`, reason))
	if !f.silent {
		send(fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}}`, tokens, f.cached))
	}
	send("[DONE]")
}
