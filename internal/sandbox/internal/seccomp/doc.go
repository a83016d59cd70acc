// Package seccomp writes filters that deny a process, and all that it starts, the system calls that an MCP server
// has no use for: those that reach into other processes, change mounts, namespaces or the kernel, or
// go around the other layers of the sandbox.
package seccomp
