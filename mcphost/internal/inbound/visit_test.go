package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

const visitData = `{"elicitations":[{"mode":"url","url":"https://a.b/login","message":"Log in","elicitationId":"v1"},{"mode":"url","url":"https://a.b/pay","elicitationId":"v2"}]}`

func TestVisitFirst(t *testing.T) {
	if data, ok := VisitFirst(&jsonrpc.Error{Code: codeVisitFirst, Data: json.RawMessage(`1`)}); !ok || string(data) != "1" {
		t.Errorf("%s %v", data, ok)
	}
	for _, err := range []error{nil, errors.New("x"), &jsonrpc.Error{Code: -1}} {
		if _, ok := VisitFirst(err); ok {
			t.Errorf("%v", err)
		}
	}
}

func TestVisit(t *testing.T) {
	for name, test := range map[string]struct {
		answers string // the action to each question in turn
		say     bool   // whether the server says that the visits are complete
		problem string
		took    time.Duration
	}{
		"complete":        {"accept accept", true, "", 0},
		"without a word":  {"accept accept", false, "", visitWait},
		"declined":        {"accept decline", false, "did not agree", 0},
		"declined before": {"decline", false, "did not agree", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := New(Options{URLs: true})
				answers := strings.Fields(test.answers)
				var urls []string
				ctx, call := h.Begin(t.Context(), asked("", func(_ context.Context, e Elicitation) (ElicitationAnswer, error) {
					if test.say {
						h.Notify(t.Context(), notificationVisited, json.RawMessage(`{"elicitationId":"`+e.ElicitationID+`"}`))
					}
					urls = append(urls, e.URL)
					return ElicitationAnswer{Action: answers[len(urls)-1]}, nil
				}), Time{Silent: time.Minute}, nil)
				defer call.End()
				start := time.Now()
				err := h.Visit(ctx, json.RawMessage(visitData))
				if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
					t.Errorf("%v", err)
				}
				if took := time.Since(start); took != test.took || len(urls) != len(answers) || len(h.visits) != 0 {
					t.Errorf("took %s, asked for %q, left %v", took, urls, h.visits)
				}
			})
		})
	}
}

func TestVisitRefuses(t *testing.T) {
	h := New(Options{URLs: true})
	ctx, call := h.Begin(t.Context(), asked("", accepts(`{}`)), Time{Silent: time.Minute}, nil)
	defer call.End()
	for data, want := range map[string]string{
		``: "does not say", `{"a":1,"a":2}`: "does not say", `{}`: "no address", `{"elicitations":[]}`: "no address", `[]`: "no address",
		`{"elicitations":[` + strings.Repeat(`{"mode":"url"},`, maxVisits) + `{"mode":"url"}]}`: "too many",
		`{"elicitations":[{"mode":"form"}]}`:                                                    "something else",
		`{"elicitations":[3]}`:                                                                  "something else",
		`{"elicitations":[{"mode":"url","url":"javascript:alert()"}]}`:                          "http:// or https://",
	} {
		if err := h.Visit(ctx, json.RawMessage(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", data, err, want)
		}
	}
	for _, params := range []string{``, `[]`, `{"elicitationId":"unknown"}`, `{"elicitationId":1}`, `{`} {
		h.Notify(ctx, notificationVisited, json.RawMessage(params)) // which must do no harm
	}
}
