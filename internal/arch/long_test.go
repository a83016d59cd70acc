package arch

// long lists what is allowed to be longer than the soft limit, each with its reason. A key is a file,
// a file and a function ("chat/chat.go Text"), or a package.
var long = map[string]string{}
