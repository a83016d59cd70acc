package chat

import "encoding/json"

// ToolServer asks for the tools of one MCP server, whose calls are run where the model runs and not by the
// client: OpenAI's tool of type "mcp".
type ToolServer struct {
	// Index is the item's place in the request's tools, for messages.
	Index int
	// Label names a configured server or, with a URL, is what the client calls the server there.
	Label string
	// URL and Headers reach a server that the request brings along. Description tells the model about it.
	URL         string
	Headers     map[string]string
	Description string
	// Allowed are the tools that are offered; nil is all of them.
	Allowed *ToolFilter
	// Approval says which calls wait for the client's consent.
	Approval ApprovalRule
	// Defer keeps the tools out of the prompt until the model searches for them.
	Defer bool
	// Asks says that the client answers what the server asks its user while a tool runs.
	Asks bool
}

// ToolFilter picks tools of one server. A tool is picked that fits every member that is set.
type ToolFilter struct {
	// Names are own names of tools; nil is any.
	Names []string
	// ReadOnly picks by what the server says of the tool: true those that change nothing, false the others.
	ReadOnly *bool
}

// ApprovalMode says how an [ApprovalRule] stands to the calls that its filters do not pick.
type ApprovalMode string

// The modes of approval.
const (
	// ApprovalDefault leaves it to the server.
	ApprovalDefault ApprovalMode = ""
	// ApprovalAlways asks before each call, ApprovalNever before none.
	ApprovalAlways ApprovalMode = "always"
	ApprovalNever  ApprovalMode = "never"
)

// ApprovalRule is require_approval. A tool that both filters pick is asked about.
type ApprovalRule struct {
	Mode ApprovalMode
	// Always and Never pick tools whatever the mode; nil picks none.
	Always, Never *ToolFilter
}

// ItemType is the kind of an [Item], in OpenAI's words.
type ItemType string

// The kinds of items.
const (
	// ItemTools is the list of a server's tools.
	ItemTools ItemType = "mcp_list_tools"
	// ItemCall is a call of a server's tool.
	ItemCall ItemType = "mcp_call"
	// ItemApproval asks the client for its consent to a call.
	ItemApproval ItemType = "mcp_approval_request"
	// ItemQuestion asks the client's user what a server wants to know while a call runs. It ends when that is
	// answered, or nobody waits any more.
	ItemQuestion ItemType = "mcp_elicitation_request"
	// ItemSearch is a search of the model for tools, and ItemFound what it found.
	ItemSearch ItemType = "tool_search_call"
	ItemFound  ItemType = "tool_search_output"
)

// ItemStatus says how far an item has come.
type ItemStatus string

// The states of an item.
const (
	ItemInProgress ItemStatus = "in_progress"
	ItemCompleted  ItemStatus = "completed"
	ItemFailed     ItemStatus = "failed"
	// ItemIncomplete is a search that was not made, or a question that was not answered.
	ItemIncomplete ItemStatus = "incomplete"
)

// Item is a step that was taken with tools while an answer was made: an output item of OpenAI's Responses.
type Item struct {
	ID   string
	Type ItemType
	// Server is the label of the server, and Name the tool's own name there.
	Server, Name string
	// Arguments is the JSON text of one object.
	Arguments string
	// Output is what a call returned. Error is what went wrong instead; Ran then says that the tool itself
	// failed, and was not kept from running.
	Output, Error string
	Ran           bool
	Status        ItemStatus
	// Approval is the id of the approval request that a call waited for, or empty.
	Approval string
	// Progress is how far a call has come; nil where it has not said.
	Progress *Progress
	// Tools are what an ItemTools or ItemFound lists.
	Tools []ListedTool
	// Question is what an ItemQuestion asks, or nil.
	Question *Question
}

// Question is what an MCP server asks a person: a form to fill in, or an address to open.
type Question struct {
	// Mode is "form" or "url".
	Mode, Message string
	// Schema is the JSON Schema of the form, and URL the address.
	Schema json.RawMessage
	URL    string
	// Action is how it was answered, as MCP has it: "accept", "decline" or "cancel"; "" where it was not.
	Action string
}

// ListedTool is a tool in an [Item].
type ListedTool struct {
	// Name is the tool's own name, and FullName what the model calls it.
	Name, FullName string
	Description    string
	// Schema is the JSON Schema of its arguments, and Annotations what the server says of it, or nil.
	Schema, Annotations json.RawMessage
}

// Progress is how far a call has come: it grows, towards Total where that is not 0.
type Progress struct {
	Progress, Total float64
	Message         string
}
