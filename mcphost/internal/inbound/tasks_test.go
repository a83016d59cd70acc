package inbound

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

const nameTask = `{"task":{"ttl":60000},"message":"Who?","requestedSchema":{"properties":{"name":{"type":"string"}}}}`

// handle sends a request as a connection does and returns the decoded result.
func handle(t *testing.T, h *Handlers, method, params string) (map[string]any, error) {
	t.Helper()
	raw, err := h.Handle(t.Context(), method, json.RawMessage(params))
	if err != nil {
		return nil, err
	}
	var result map[string]any
	if err := json.Unmarshal(raw, &result); err != nil {
		t.Fatal(err)
	}
	return result, nil
}

// beginTask starts an elicitation in the background and returns its id.
func beginTask(t *testing.T, h *Handlers) string {
	t.Helper()
	result, err := handle(t, h, MethodElicit, nameTask)
	if err != nil {
		t.Fatal(err)
	}
	task := result["task"].(map[string]any)
	if task["status"] != "working" || task["ttl"] != 60000.0 || task["pollInterval"] != 500.0 {
		t.Errorf("the task is %v", task)
	}
	return task["taskId"].(string)
}

func TestOwnTask(t *testing.T) {
	h := New(Options{Forms: true})
	answer := make(chan ElicitationAnswer)
	begin(t, h, asked("", func(ctx context.Context, _ Elicitation) (ElicitationAnswer, error) {
		select {
		case a := <-answer:
			return a, nil
		case <-ctx.Done():
			return ElicitationAnswer{}, ctx.Err()
		}
	}))
	id := fmt.Sprintf(`{"taskId":%q}`, beginTask(t, h))
	if got, err := handle(t, h, methodTaskGet, id); err != nil || got["status"] != "working" {
		t.Errorf("%v %v", got, err)
	}
	answer <- ElicitationAnswer{Action: Accept, Content: json.RawMessage(`{"name":"Ann"}`)}
	got, err := handle(t, h, methodTaskResult, id)
	if text := fmt.Sprint(got); err != nil || got["action"] != "accept" || !strings.Contains(text, "name:Ann") || !strings.Contains(text, relatedTask) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := handle(t, h, methodTaskGet, id); err != nil || got["status"] != "completed" {
		t.Errorf("%v %v", got, err)
	}
	_, err = handle(t, h, methodTaskCancel, id)
	refused(t, err, "cannot be cancelled")
	if got, err := handle(t, h, methodTaskList, `{}`); err != nil || len(got["tasks"].([]any)) != 1 {
		t.Errorf("%v %v", got, err)
	}

	id = fmt.Sprintf(`{"taskId":%q}`, beginTask(t, h))
	if got, err := handle(t, h, methodTaskCancel, id); err != nil || got["status"] != "cancelled" {
		t.Errorf("%v %v", got, err)
	}
	if got, err := handle(t, h, methodTaskResult, id); err != nil || got["action"] != "cancel" {
		t.Errorf("%v %v", got, err)
	}
	id = fmt.Sprintf(`{"taskId":%q}`, beginTask(t, h))
	h.Disconnected()
	_, err = handle(t, h, methodTaskGet, id)
	refused(t, err, "no such task")
	_, err = handle(t, h, methodTaskGet, `{"taskId":"other"}`)
	refused(t, err, "no such task")
}

// TestOwnTaskFails tells the server what it would have been told at once.
func TestOwnTaskFails(t *testing.T) {
	h := New(Options{Forms: true})
	id := fmt.Sprintf(`{"taskId":%q}`, beginTask(t, h))
	_, err := handle(t, h, methodTaskResult, id)
	refused(t, err, "no tool call of this server is under way")
	if got, err := handle(t, h, methodTaskGet, id); err != nil || got["status"] != "failed" || !strings.Contains(got["statusMessage"].(string), "nobody can be asked") {
		t.Errorf("%v %v", got, err)
	}
}

func TestOwnTasksAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	h := New(Options{Forms: true, Now: func() time.Time { return now }})
	for range maxOwnTasks {
		id := beginTask(t, h)
		if _, err := handle(t, h, methodTaskResult, fmt.Sprintf(`{"taskId":%q}`, id)); err == nil {
			t.Fatal("somebody answered")
		}
	}
	_, err := handle(t, h, MethodElicit, nameTask)
	refused(t, err, "too many tasks")
	now = now.Add(2 * time.Minute)
	if got, err := handle(t, h, methodTaskList, ``); err != nil || len(got["tasks"].([]any)) != 0 {
		t.Errorf("after their time: %v %v", got, err)
	}
	beginTask(t, h)
	for range perMinute {
		_, err = handle(t, h, methodTaskList, ``)
	}
	refused(t, err, "too many requests")
}

func TestDeclare(t *testing.T) {
	const opening = `{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"x"}}`
	h := New(Options{Forms: true, Sampler: &fakeModel{}})
	want := `{"capabilities":{"roots":{},"tasks":{"cancel":{},"list":{},"requests":{"elicitation":{"create":{}},"sampling":{"createMessage":{}}}}},"clientInfo":{"name":"x"},"protocolVersion":"2025-11-25"}`
	if got := h.Declare(json.RawMessage(opening)); string(got) != want {
		t.Errorf("%s", got)
	}
	for _, other := range []string{`{}`, `[]`, strings.Replace(opening, "2025-11-25", "2025-06-18", 1)} {
		if got := h.Declare(json.RawMessage(other)); string(got) != other {
			t.Errorf("%s became %s", other, got)
		}
	}
	if got := New(Options{}).Declare(json.RawMessage(opening)); string(got) != opening {
		t.Errorf("with nothing on: %s", got)
	}
}
