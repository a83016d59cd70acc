package engine_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/engine/enginetest"
)

func Example() {
	backend := enginetest.New(enginetest.Options{
		Reply: func(prompt string) string { return "You said: " + strings.TrimPrefix(prompt, "> ") },
	})
	e := engine.New(backend, engine.Options{})
	defer e.Close()

	prompt, _ := e.Tokenize("> hello", true)
	for token, err := range e.Generate(context.Background(), engine.Request{Prompt: prompt}) {
		switch {
		case err != nil:
			fmt.Println("error:", err)
		case token.End:
			fmt.Println(" finish:", token.Finish)
		default:
			fmt.Print(token.Text)
		}
	}
	// Output: You said: hello finish: stop
}
