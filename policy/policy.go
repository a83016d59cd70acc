// Package policy decides what an MCP server and its tools may do. It holds pure decisions on data:
// nothing here starts a process, opens a connection or writes a file.
//
// There are two decision points here. [LaunchRules.CheckServer] judges one entry of an
// mcp.json before anything of it is started or dialled. [Gate.Decide] judges one tool call on the
// very bytes that will be sent, on whatever path the call came. What a rule does not stop is listed
// in docs/security.md.
package policy

// ServerSpec is one entry of an mcp.json after variables were expanded: what would be started or
// dialled. A spec with a URL and no Command is a remote server.
type ServerSpec struct {
	// Name is the key of the entry; it begins every reason.
	Name string
	// Command and Args are the argument vector. No shell reads them.
	Command string
	Args    []string
	// Env is added to the minimal environment of the child.
	Env map[string]string
	// Cwd is the working directory of the child; empty is the one of this process.
	Cwd string
	// URL and Headers describe a remote server.
	URL     string
	Headers map[string]string
	// SkipSecurityValidation is the guide's development switch.
	SkipSecurityValidation bool
}

// Verdict is the answer of [LaunchRules.CheckServer].
type Verdict struct {
	Allowed bool
	// Code names the rule that refused, such as "command" or "environment"; empty when allowed.
	Code Code
	// Reason says what was refused, why, and what to do instead. It begins with
	// "MCP server '<name>': ". Empty when allowed.
	Reason string
	// Warnings are things that the operator should know and that do not refuse the server.
	Warnings []string
	// Packages are the packages and images that an allowed command line names.
	Packages []Package
	// Unsafe says that the checks were skipped because the entry asked for it.
	Unsafe bool
}

// Package is a package or image that a command line names.
type Package struct {
	// Registry is "npm", "pypi" or "image".
	Registry, Name string
	// Spec is the package as it was written, with its version. Exact says that this always means the same code.
	Spec  string
	Exact bool
}

// Code names the rule behind a refusal. Codes are stable; reasons are for people.
type Code string

// The codes of a Verdict.
const (
	CodeSpec        Code = "spec"        // the entry is not one that can be judged
	CodeCommand     Code = "command"     // the command is not on the whitelist, or not where it should be
	CodeArgument    Code = "argument"    // an argument, of a command line or of a tool call
	CodeEnvironment Code = "environment" // the name or the value of an environment variable
	CodeDirectory   Code = "directory"   // the working directory changes what the command runs
	CodePackage     Code = "package"     // a package that is not named by registry and version
	CodeURL         Code = "url"         // the URL or a header of a remote server
	CodeUnsafe      Code = "unsafe"      // skip_security_validation where it may not be used
)

// The codes of a Decision.
const (
	CodeBlocked      Code = "tool_blocked"
	CodeNotAllowed   Code = "tool_not_allowed"
	CodeHighRisk     Code = "high_risk"
	CodeApproval     Code = "approval"
	CodeBadArguments Code = "bad_arguments" // not one strict JSON object within the limits
	CodeRule         Code = "rule"          // one of the operator's own
	CodeFlow         Code = "flow"          // private data could be carried out
	CodeRate         Code = "rate_limit"
)
