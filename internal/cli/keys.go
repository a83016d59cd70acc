package cli

import (
	"encoding/json"
	"fmt"

	"github.com/toolserve/toolserve/internal/server/apikey"
)

// KeysNewCmd makes an API key.
type KeysNewCmd struct {
	Name      string         `arg:"" help:"Name that stands for the key in the logs: letters, digits, . _ - @."`
	Scopes    []apikey.Scope `default:"chat" placeholder:"SCOPE" enum:"chat,tools,admin" help:"What the key opens: chat (completions and models), tools (MCP servers, their tools and calls), admin (the audit log and approvals)."`
	RateLimit int            `placeholder:"N" help:"Most requests a minute, instead of the server's --rate-limit."`
	JSON      bool           `name:"json" help:"Print {\"key\", \"entry\"} instead."`
}

// Help is the long description.
func (*KeysNewCmd) Help() string {
	return "Prints the key, which is kept nowhere, and the entry that makes a server know it: a line for the list \"keys\" of the file of " +
		"toolserve serve --api-keys-file. No file is changed."
}

// Run prints a key and its entry.
func (c *KeysNewCmd) Run(streams IO) error {
	text, key, err := apikey.Generate(c.Name, c.RateLimit, c.Scopes...)
	if err != nil {
		return &ExitError{Code: usageStatus, Err: err}
	}
	if c.JSON {
		return json.NewEncoder(streams.Out).Encode(map[string]any{"key": text, "entry": key})
	}
	entry, err := json.Marshal(key)
	if err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "%s\n%s\n", text, entry)
	_, err = fmt.Fprintf(streams.Err, "The first line is the key; it is shown this once. Put the second into the keys file, {\"keys\": [ENTRY, ...]}, of serve --api-keys-file FILE.\n")
	return err
}
