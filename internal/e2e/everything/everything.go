// Package everything is an MCP server that has one of each: what the scenarios of the MCP conformance
// suite (@modelcontextprotocol/conformance, server mode) look for, under the names that they look for.
package everything

//lint:file-ignore SA1019 sampling, roots and logging are deprecated and tested all the same

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Options say what the server does. The zero value speaks all revisions.
type Options struct {
	// Revisions are those that are spoken; nil is all.
	Revisions []string
	// Tasks declares that calls may be answered with a task, as they are over the transport of [Tasks].
	Tasks bool
}

// New returns the server.
func New(opts Options) *mcp.Server {
	capabilities := &mcp.ServerCapabilities{Logging: &mcp.LoggingCapabilities{}}
	if opts.Tasks {
		capabilities.AddExtension(tasksExtension, nil)
	}
	s := mcp.NewServer(&mcp.Implementation{Name: "everything", Version: "1"}, &mcp.ServerOptions{
		SupportedProtocolVersions: opts.Revisions,
		Capabilities:              capabilities,
		CompletionHandler:         complete,
		SubscribeHandler:          func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler:        func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	addContent(s)
	addTalk(s)
	addSchemas(s)
	addQuestions(s)
	addChanges(s)
	addLibrary(s)
	addTasks(s)
	return s
}

// call is a tool's handler.
type call func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error)

func add(s *mcp.Server, name, schema string, run call) {
	s.AddTool(&mcp.Tool{Name: name, Description: "Tool for tests: " + strings.ReplaceAll(name, "_", " "), InputSchema: json.RawMessage(schema)}, mcp.ToolHandler(run))
}

const anything = `{"type":"object"}`

// fixed is a tool that always answers the same.
func fixed(content ...mcp.Content) call {
	return func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: content}, nil
	}
}

func says(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

// pixel is a picture of one pixel, and silence a sound without samples.
func pixel() []byte {
	return []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")
}

func silence() []byte {
	return []byte("RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00\x80>\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00")
}

func embedded(uri string) mcp.Content {
	return &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: uri, MIMEType: "text/plain", Text: "This is an embedded resource content."}}
}

func addContent(s *mcp.Server) {
	text, image := &mcp.TextContent{Text: "This is a simple text response for testing."}, &mcp.ImageContent{Data: pixel(), MIMEType: "image/png"}
	add(s, "test_simple_text", anything, fixed(text))
	add(s, "test_image_content", anything, fixed(image))
	add(s, "test_audio_content", anything, fixed(&mcp.AudioContent{Data: silence(), MIMEType: "audio/wav"}))
	add(s, "test_embedded_resource", anything, fixed(embedded("test://embedded-resource")))
	add(s, "test_multiple_content_types", anything, fixed(text, image, embedded("test://mixed-content-resource")))
	add(s, "test_reconnection", anything, fixed(text))
	add(s, "test_streaming_elicitation", anything, fixed(text))
	add(s, "test_error_handling", anything, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		result := says("This tool intentionally returns an error for testing")
		result.IsError = true
		return result, nil
	})
	add(s, "test_missing_capability", anything, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if caps := req.ClientCapabilities(); caps != nil && caps.Sampling != nil {
			return says("the client declares sampling"), nil
		}
		return nil, &jsonrpc.Error{Code: mcp.CodeMissingRequiredClientCapabilities, Message: "the tool needs sampling",
			Data: json.RawMessage(`{"requiredCapabilities":{"sampling":{}}}`)}
	})
}

func addTalk(s *mcp.Server) {
	add(s, "test_tool_with_logging", anything, func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for _, line := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
			if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Logger: "test", Data: line}); err != nil {
				return nil, err
			}
			time.Sleep(50 * time.Millisecond)
		}
		return says("logged"), nil
	})
	add(s, "test_logging_tool", anything, func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return says("logged"), req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Data: "a line"})
	})
	add(s, "test_tool_with_progress", anything, func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for _, now := range []float64{0, 50, 100} {
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: req.Params.GetProgressToken(), Progress: now, Total: 100, Message: fmt.Sprintf("%v of 100", now),
			})
			if err != nil {
				return nil, err
			}
			time.Sleep(50 * time.Millisecond)
		}
		return says("done"), nil
	})
	add(s, "wait", anything, func(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Minute):
			return nil, errors.New("nobody cancelled the call")
		}
	})
}

func addSchemas(s *mcp.Server) {
	echo := func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return says("%s", req.Params.Arguments), nil
	}
	add(s, "json_schema_2020_12_tool", `{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
		"$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
		"properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
			"contactMethod": {"type": "string", "enum": ["phone", "email"]}, "phone": {"type": "string"}, "email": {"type": "string"}},
		"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
		"if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
		"then": {"required": ["phone"]}, "else": {"required": ["email"]}, "additionalProperties": false}`, echo)
	add(s, "test_x_mcp_header", `{"type": "object", "properties": {
		"region": {"type": "string", "x-mcp-header": "Region"}, "level": {"type": "integer"}}}`, echo)
}

func addChanges(s *mcp.Server) {
	add(s, "test_trigger_tool_change", anything, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		add(s, "passing_tool", anything, fixed())
		return says("changed"), nil
	})
	add(s, "test_trigger_prompt_change", anything, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		s.AddPrompt(&mcp.Prompt{Name: fmt.Sprint("passing_prompt_", time.Now().UnixNano()), Description: "Comes and goes."},
			func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
				return &mcp.GetPromptResult{}, nil
			})
		return says("changed"), nil
	})
}
