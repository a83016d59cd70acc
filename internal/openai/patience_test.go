package openai

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toolserve/toolserve/chat"
)

// slow is a generator that is silent for a while and then ends with err or with an answer.
func slow(silence time.Duration, err error) generatorFunc {
	return func(context.Context, *chat.Request) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			time.Sleep(silence)
			if err != nil {
				yield(chat.Event{}, err)
				return
			}
			_ = yield(chat.Event{Kind: chat.ContentDelta, Text: "late"}, nil) &&
				yield(chat.Event{Kind: chat.Finish, Reason: chat.FinishStop}, nil)
		}
	}
}

const wholeBody = `{"messages":[{"role":"user","content":"hi"}]}`

func askWhole(h *Handler) (w *httptest.ResponseRecorder, panicked any) {
	defer func() { panicked = recover() }()
	w = httptest.NewRecorder()
	h.ChatCompletions(w, httptest.NewRequest("POST", "/", strings.NewReader(wholeBody)))
	return w, nil
}

func TestWholeAnswerKeepsTheClientWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testHandler(slow(10*time.Second, nil))
		h.opts.KeepAlive = 3 * time.Second
		w, _ := askWhole(h)
		text := w.Body.String()
		if got := len(text) - len(strings.TrimLeft(text, "\n")); got != 3 {
			t.Errorf("%d line breaks before the answer, want 3", got)
		}
		var answer struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Choices[0].Message.Content != "late" {
			t.Errorf("%v: %q", err, text)
		}
	})
}

func TestWholeAnswerThatFailsLateIsCutOff(t *testing.T) {
	for _, tt := range []struct {
		silence time.Duration
		status  int
		panics  any
	}{
		{2 * time.Second, http.StatusInternalServerError, nil},
		{4 * time.Second, http.StatusOK, http.ErrAbortHandler},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := testHandler(slow(tt.silence, errors.New("decode failed")))
			h.opts.KeepAlive = 3 * time.Second
			w, panicked := askWhole(h)
			if w.Code != tt.status || panicked != tt.panics {
				t.Errorf("failed after %v: status %d, panic %v; want %d, %v", tt.silence, w.Code, panicked, tt.status, tt.panics)
			}
			if body := strings.TrimSpace(w.Body.String()); tt.panics != nil && body != "" {
				t.Errorf("an answer that is cut off says %q", body)
			}
		})
	}
}
