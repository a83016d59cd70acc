// Package conformance is a client for the MCP conformance suite (@modelcontextprotocol/conformance): for
// each scenario it builds a host from a configuration with the one server that the suite names, and does
// through the host's own paths what the scenario wants to see.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/toolserve/toolserve/mcphost"
	"github.com/toolserve/toolserve/mcphost/form"
)

// server is the name of the suite's server in the configuration.
const server = "t"

// Options are what the suite says to its client.
type Options struct {
	// Scenario is the variable MCP_CONFORMANCE_SCENARIO, Context the JSON of MCP_CONFORMANCE_CONTEXT or "".
	Scenario, Context string
	// URL is the address of the suite's server.
	URL string
	// Log receives what happens.
	Log io.Writer
}

// client is one run of a scenario.
type client struct {
	Options
	ctx     context.Context
	host    *mcphost.Host
	context scenarioContext
}

// scenarioContext is what the suite tells beside the address.
type scenarioContext struct {
	ToolCalls []struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"toolCalls"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Issuer       string `json:"issuer"`
	PrivateKey   string `json:"private_key_pem"`
	Algorithm    string `json:"signing_algorithm"`
	ValidJWT     string `json:"valid_jwt"`
	IDPClientID  string `json:"idp_client_id"`
	IDPIssuer    string `json:"idp_issuer"`
	IDPEndpoint  string `json:"idp_token_endpoint"`
	IDToken      string `json:"idp_id_token"`
}

// Run plays a scenario to its end. An error is a step that did not come out; where the scenario wants a
// refusal, that is as it should be.
func Run(ctx context.Context, opts Options) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	c := &client{Options: opts, ctx: ctx}
	if opts.Context != "" {
		if err := json.Unmarshal([]byte(opts.Context), &c.context); err != nil {
			return fmt.Errorf("MCP_CONFORMANCE_CONTEXT: %w", err)
		}
	}
	entry := map[string]any{"url": opts.URL}
	if block := c.oauth(); len(block) > 0 {
		entry["oauth"] = block
	}
	text, err := json.Marshal(map[string]any{"mcpServers": map[string]any{server: entry}})
	if err != nil {
		return err
	}
	cfg, warnings, err := mcphost.ParseConfig(text, mcphost.ParseOptions{})
	if err != nil {
		return err
	}
	for _, w := range warnings {
		return errors.New(w.String())
	}
	logger := slog.New(slog.NewTextHandler(opts.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if c.host, err = mcphost.New(cfg, mcphost.Options{Logger: logger, Authorizer: follower{}, Elicitation: true}); err != nil {
		return err
	}
	defer c.host.Close()
	if err := c.host.Start(ctx); err != nil {
		return err
	}
	if err := c.host.WaitReady(ctx); err != nil {
		return err
	}
	if status := c.host.Status()[0]; status.State != mcphost.StateConnected {
		return fmt.Errorf("the server is %s: %s", status.State, status.Error)
	}
	return c.play()
}

// oauth is the block of the configuration that the scenario's context asks for.
func (c *client) oauth() map[string]any {
	known := c.context
	block := map[string]any{}
	for key, value := range map[string]string{
		"client_id": known.ClientID, "client_secret": known.ClientSecret, "issuer": known.Issuer, "private_key": known.PrivateKey,
		"signing_algorithm": known.Algorithm, "assertion": known.ValidJWT,
	} {
		if value != "" {
			block[key] = value
		}
	}
	switch {
	case strings.HasPrefix(c.Scenario, "auth/client-credentials"):
		block["grant"] = "client_credentials"
	case known.ValidJWT != "":
		block["grant"] = "jwt_bearer"
	case known.IDToken != "":
		block["grant"] = "enterprise"
		block["identity_provider"] = map[string]any{
			"issuer": known.IDPIssuer, "token_endpoint": known.IDPEndpoint, "client_id": known.IDPClientID, "id_token": known.IDToken,
		}
	case strings.HasPrefix(c.Scenario, "auth/"):
		// The suite looks at this address, and fetches nothing from it.
		block["client_metadata_url"] = "https://conformance-test.local/client-metadata.json"
	}
	return block
}

// follower logs in as the suite's person does, who agrees to everything at once.
type follower struct{}

func (follower) RedirectURI() string { return "http://localhost:3000/callback" }

func (follower) Authorize(ctx context.Context, request mcphost.AuthorizationRequest) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, request.URL, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	return resp.Header.Get("Location"), nil
}

// play does what the scenario wants of a connected client.
func (c *client) play() error {
	switch {
	case c.Scenario == "tools_call":
		return c.call("add_numbers", `{"a": 5, "b": 3}`)
	case c.Scenario == "elicitation-sep1034-client-defaults":
		return c.call("test_client_elicitation_defaults", "{}")
	case c.Scenario == "sse-retry":
		return c.call("test_reconnection", "{}")
	case c.Scenario == "json-schema-2020-12-preservation":
		return c.echoSchema()
	case c.Scenario == "sep-2322-client-request-state":
		return c.callEach("{}", "test_mrtr_echo_state", "test_mrtr_no_state", "test_mrtr_unrelated", "test_mrtr_no_result_type")
	case c.Scenario == "http-custom-headers":
		var failed error
		for _, call := range c.context.ToolCalls {
			failed = errors.Join(failed, c.call(call.Name, string(call.Arguments)))
		}
		return failed
	case c.Scenario == "http-invalid-tool-headers":
		return c.callEach(`{"region": "us-west1"}`, c.names()...)
	case c.Scenario == "http-standard-headers":
		return errors.Join(c.callEach("{}", c.names()...), c.readEach())
	case strings.HasPrefix(c.Scenario, "auth/"):
		return c.call("test-tool", "{}")
	}
	return nil // connecting and listing the tools is all
}

func (c *client) names() []string {
	var names []string
	for _, t := range c.host.Tools() {
		names = append(names, t.Name)
	}
	return names
}

// callEach calls every tool, also after one has failed.
func (c *client) callEach(arguments string, tools ...string) error {
	var failed error
	for _, tool := range tools {
		failed = errors.Join(failed, c.call(tool, arguments))
	}
	return failed
}

func (c *client) call(tool, arguments string) error {
	result, err := c.host.Execute(c.ctx, mcphost.Call{
		Server: server, Tool: tool, Arguments: json.RawMessage(arguments), Origin: "execute", Elicit: agree,
	})
	if err == nil && result.IsError {
		err = errors.New(result.ErrorMessage)
	}
	if err != nil {
		return fmt.Errorf("call %s: %w", tool, err)
	}
	return nil
}

// agree accepts a form: it says yes to each question that has no answer already, and leaves the defaults to
// the host.
func agree(_ context.Context, ask mcphost.Elicitation) (mcphost.ElicitationAnswer, error) {
	content := map[string]bool{}
	if ask.Form != nil {
		for _, field := range ask.Form.Fields {
			if field.Kind == form.Boolean && field.Default == nil {
				content[field.Name] = true
			}
		}
	}
	text, err := json.Marshal(content)
	return mcphost.ElicitationAnswer{Action: mcphost.ElicitationAccept, Content: text}, err
}

// readEach reads every resource and every prompt.
func (c *client) readEach() error {
	resources, err := c.host.Resources(c.ctx, server)
	if err != nil {
		return err
	}
	var failed error
	for _, r := range resources.Items {
		_, err := c.host.ReadResource(c.ctx, mcphost.ResourceRead{Server: server, URI: r.URI})
		failed = errors.Join(failed, err)
	}
	prompts, err := c.host.Prompts(c.ctx, server)
	if err != nil {
		return errors.Join(failed, err)
	}
	for _, p := range prompts.Items {
		_, err := c.host.GetPrompt(c.ctx, mcphost.PromptGet{Server: server, Name: p.Name})
		failed = errors.Join(failed, err)
	}
	return failed
}

// echoSchema sends the schema of a tool back as the host offers it to models.
func (c *client) echoSchema() error {
	for _, t := range c.host.Tools() {
		if t.Name == "json_schema_2020_12_tool" {
			return c.call("json_schema_echo", `{"schema": `+string(t.Parameters)+`}`)
		}
	}
	return errors.New("there is no tool json_schema_2020_12_tool")
}
