// Command randommodel writes a GGUF model with random weights, for trying an engine where no real model
// can be had:
//
//	go run ./internal/gguf/ggufwrite/randommodel random.gguf
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/toolserve/toolserve/internal/gguf/ggufwrite"
)

func main() {
	var m ggufwrite.RandomModel
	flag.IntVar(&m.Layers, "layers", 2, "number of layers")
	flag.IntVar(&m.Width, "width", 64, "width of the model, a multiple of 64")
	flag.IntVar(&m.Context, "context", 4096, "context length in tokens")
	flag.Uint64Var(&m.Seed, "seed", 0, "seed of the weights")
	flag.BoolVar(&m.NoTools, "no-tools", false, "leave tools out of the chat template")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: randommodel [flags] FILE.gguf")
		flag.PrintDefaults()
		os.Exit(2)
	}
	if err := write(m, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "randommodel:", err)
		os.Exit(1)
	}
}

func write(m ggufwrite.RandomModel, path string) error {
	if m.Width%64 != 0 {
		return fmt.Errorf("the width %d is not a multiple of 64", m.Width)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = m.File().WriteTo(f)
	return errors.Join(err, f.Close())
}
