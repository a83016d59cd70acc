package arch

// long lists what is allowed to be longer than the soft limit, each with its reason. A key is a file,
// a file and a function ("chat/chat.go Text"), or a package.
var long = map[string]string{
	"mcphost":                    "one type with the whole surface of a host; what it does is in the packages below it",
	"internal/openai":            "the reader of one API's requests, whose parts share how fields are read and refused",
	"internal/cli":               "one file for each subcommand, so that a command is found by its name",
	"toolcall/internal/notation": "every notation of calls, a file each; they share the reader of arguments",
}
