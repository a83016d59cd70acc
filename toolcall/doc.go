// Package toolcall reads the tool calls, the reasoning and the content out of what a model writes.
package toolcall
