// Toolserve serves a language model through the OpenAI API with the tools of MCP servers attached.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/toolserve/toolserve/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once: the first one gave back the default handling.
	context.AfterFunc(ctx, stop)
	code := cli.Run(ctx, os.Args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv})
	stop()
	os.Exit(code)
}
