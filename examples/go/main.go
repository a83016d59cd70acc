// Command go is the whole flow of a tool call against a running toolserve, with the standard library
// only:
//
//	toolserve serve --mcp-config examples/mcp/filesystem.json
//	go run ./examples/go "List the files in /tmp"
//
// TOOLSERVE_URL (default http://localhost:8000) names the server, TOOLSERVE_API_KEY its key.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

const (
	maxRounds = 5
	maxResult = 4000 // bytes of a result that the model reads: its context is bounded
)

// message is one turn of the conversation. Content is null where the model only calls.
type message struct {
	Role       string  `json:"role"`
	Content    *string `json:"content"`
	ToolCalls  []call  `json:"tool_calls,omitempty"`
	ToolCallID string  `json:"tool_call_id,omitempty"`
}

type call struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

func main() {
	if err := run(cmp.Or(strings.Join(os.Args[1:], " "), "List the files in /tmp")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(question string) error {
	// 1. The tools of all MCP servers, in the form that chat completions takes.
	var listed struct {
		Tools []json.RawMessage `json:"tools"`
	}
	if err := request("/v1/mcp/tools", nil, &listed); err != nil {
		return err
	}
	if len(listed.Tools) == 0 {
		return errors.New("the server has no tools: see /v1/mcp/status")
	}
	messages := []message{{Role: "user", Content: &question}}
	for round := range maxRounds {
		// 2. The model answers or calls; the first turn must call, the last one must answer.
		choice := "auto"
		switch round {
		case 0:
			choice = "required"
		case maxRounds - 1:
			choice = "none"
		}
		answer, err := complete(messages, listed.Tools, choice)
		if err != nil {
			return err
		}
		messages = append(messages, answer)
		if len(answer.ToolCalls) == 0 {
			if answer.Content != nil {
				fmt.Println(*answer.Content)
			}
			return nil
		}
		// 3. Each call is run, and its result goes back under the call's id.
		for _, c := range answer.ToolCalls {
			fmt.Println("->", c.Function.Name, c.Function.Arguments)
			result := execute(c)
			fmt.Printf("<- %.200s\n", result)
			messages = append(messages, message{Role: "tool", ToolCallID: c.ID, Content: &result})
		}
	}
	return nil
}

// complete asks for one turn of the model.
func complete(messages []message, tools []json.RawMessage, choice string) (message, error) {
	body := map[string]any{
		"model": "default", "messages": messages, "tools": tools, "tool_choice": choice, "max_tokens": 256,
	}
	var completion struct {
		Choices []struct {
			Message message `json:"message"`
		} `json:"choices"`
	}
	if err := request("/v1/chat/completions", body, &completion); err != nil {
		return message{}, err
	}
	if len(completion.Choices) == 0 {
		return message{}, errors.New("the completion has no choices")
	}
	return completion.Choices[0].Message, nil
}

// execute runs one call. What a refusal or a failure says is an answer too: the model should read it.
func execute(c call) string {
	body := map[string]any{"tool": c.Function.Name, "arguments": json.RawMessage(c.Function.Arguments)}
	var executed struct {
		Result json.RawMessage `json:"result"`
	}
	if err := request("/v1/mcp/execute", body, &executed); err != nil {
		return "Error: " + err.Error()
	}
	text := string(executed.Result)
	_ = json.Unmarshal(executed.Result, &text) // a result that is no text is shown as JSON
	if len(text) > maxResult {
		text = strings.ToValidUTF8(text[:maxResult], "")
	}
	return text
}

// request sends a GET, or a POST of body as JSON, and decodes the answer.
func request(path string, body, answer any) error {
	method, payload := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return err
		}
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, cmp.Or(os.Getenv("TOOLSERVE_URL"), "http://localhost:8000")+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("TOOLSERVE_API_KEY"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var failed struct {
			Error struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		_ = json.NewDecoder(resp.Body).Decode(&failed) // without a message the status has to do
		return errors.New(cmp.Or(failed.Error.Message, resp.Status))
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
