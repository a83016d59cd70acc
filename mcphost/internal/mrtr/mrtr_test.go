package mrtr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// script is a server that answers with its lines in turn, the last one again and again.
type script struct {
	answers []string
	sent    []string
	asked   []string
}

func (s *script) exchange() Exchange {
	return Exchange{
		Send: func(_ context.Context, params json.RawMessage) (json.RawMessage, error) {
			s.sent = append(s.sent, string(params))
			answer := s.answers[min(len(s.sent), len(s.answers))-1]
			if text, failed := strings.CutPrefix(answer, "!"); failed {
				return nil, errors.New(text)
			}
			return json.RawMessage(answer), nil
		},
		Answer: func(_ context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
			s.asked = append(s.asked, method+string(params))
			if method != "elicitation/create" && method != "roots/list" {
				return nil, fmt.Errorf("%q is off", method)
			}
			return json.RawMessage(fmt.Sprintf(`{"n":%d}`, len(s.asked))), nil
		},
	}
}

func TestRounds(t *testing.T) {
	const params = `{"name":"x","arguments":{"a":1}}`
	tests := []struct {
		name    string
		answers []string
		sent    string // of the last round, behind params
		asked   string
		want    string // the result, or part of the error
	}{
		{"complete", []string{`{"content":[]}`}, ``, "", `{"content":[]}`},
		{"one round", []string{
			`{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"q":1}},"w\"x":{"method":"roots/list"}},"requestState":"s\u0041\/"}`,
			`{"resultType":"complete","content":[]}`,
		}, `,"inputResponses":{"who":{"n":1},"w\"x":{"n":2}},"requestState":"s\u0041\/"`, `elicitation/create{"q":1} roots/list`, `{"resultType":"complete","content":[]}`},
		{"without state", []string{
			`{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}},"requestState":null}`, `{}`,
		}, `,"inputResponses":{"a":{"n":1}}`, "roots/list", `{}`},
		{"state alone", []string{`{"resultType":"input_required","requestState":"later"}`, `{}`}, `,"requestState":"later"`, "", `{}`},
		{"state of the last round alone", []string{
			`{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}},"requestState":"1"}`,
			`{"resultType":"input_required","inputRequests":{"b":{"method":"roots/list"}}}`, `{}`,
		}, `,"inputResponses":{"b":{"n":2}}`, "roots/list roots/list", `{}`},
		{"refused", []string{`{"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage","params":{}}}}`},
			``, "sampling/createMessage{}", `it asks for sampling/createMessage: "sampling/createMessage" is off`},
		{"an unknown method", []string{`{"resultType":"input_required","inputRequests":{"a":{"method":"\u001b[8mshell"}}}`},
			``, "\x1b[8mshell", "it asks for something that is not known here: "},
		{"no method", []string{`{"resultType":"input_required","inputRequests":{"a":7}}`}, ``, "", "it asks for something that is not known here"},
		{"nothing asked", []string{`{"resultType":"input_required"}`}, ``, "", "does not say for which"},
		{"not an object", []string{`{"resultType":"input_required","inputRequests":[1]}`}, ``, "", "are not an object"},
		{"a strange state", []string{`{"resultType":"input_required","requestState":{"a":1}}`}, ``, "", "requestState is not a string"},
		{"a huge state", []string{`{"resultType":"input_required","requestState":"` + strings.Repeat("x", maxState) + `"}`}, ``, "", "requestState is not a string"},
		{"a key twice", []string{`{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}}`}, ``, "", `"a" is given twice`},
		{"too deep", []string{`{"resultType":"input_required","inputRequests":{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}}`}, ``, "", "nested too deep"},
		{"too many", []string{`{"resultType":"input_required","inputRequests":{` + many(maxAsks+1) + `}}`}, ``, "", "more than 32 things"},
		{"failed", []string{`!no connection`}, ``, "", "no connection"},
	}
	for _, test := range tests {
		s := &script{answers: test.answers}
		result, err := s.exchange().Do(t.Context(), json.RawMessage(params))
		got := string(result)
		if err != nil {
			if got = test.want; !strings.Contains(err.Error(), test.want) {
				got = err.Error()
			}
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.name, got, test.want)
		}
		if last, want := s.sent[len(s.sent)-1], params[:len(params)-1]+test.sent+"}"; last != want {
			t.Errorf("%s: sent\n     %s\nwant %s", test.name, last, want)
		}
		if asked := strings.TrimSpace(strings.Join(s.asked, " ")); asked != test.asked {
			t.Errorf("%s: asked %q, want %q", test.name, asked, test.asked)
		}
	}
}

func many(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`"k%d":{"method":"roots/list"}`, i))
	}
	return strings.Join(parts, ",")
}

// TestEndlessRounds ends a server that never has enough.
func TestEndlessRounds(t *testing.T) {
	s := &script{answers: []string{`{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}`}}
	if _, err := s.exchange().Do(t.Context(), json.RawMessage(`{"name":"x"}`)); err == nil || len(s.sent) != maxRounds {
		t.Errorf("sent %d times, %v", len(s.sent), err)
	}
	s = &script{answers: []string{`{"resultType":"input_required","requestState":"busy"}`}}
	ctx, cancel := context.WithTimeout(t.Context(), 120e6)
	defer cancel()
	if _, err := s.exchange().Do(ctx, json.RawMessage(`{"name":"x"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that is always busy: %v", err)
	}
}

func TestTheErrorSaysWhy(t *testing.T) {
	why := errors.New("why")
	x := Exchange{
		Send: func(context.Context, json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(`{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}`), nil
		},
		Answer: func(context.Context, string, json.RawMessage) (json.RawMessage, error) { return nil, why },
	}
	_, err := x.Do(t.Context(), json.RawMessage(`{"name":"x"}`))
	var unanswered *UnansweredError
	if !errors.As(err, &unanswered) || unanswered.Method != "roots/list" || !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	x.Answer = func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
		cancel()
		return nil, why
	}
	if _, err := x.Do(ctx, json.RawMessage(`{"name":"x"}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left: %v", err)
	}
}
