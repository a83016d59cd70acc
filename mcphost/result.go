package mcphost

import "github.com/toolserve/toolserve/mcphost/content"

// What a call answers is mapped by the package content; its types have their names here too.
type (
	// Result is what a tool answered: see [content.Result].
	Result = content.Result
	// Content is one item of a result: see [content.Item].
	Content = content.Item
)
