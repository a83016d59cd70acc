package cli

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"text/tabwriter"

	"github.com/toolserve/toolserve/internal/gguf"
	"github.com/toolserve/toolserve/internal/modelstore"
	"github.com/toolserve/toolserve/internal/prompt"
	"github.com/toolserve/toolserve/toolcall"
)

// ModelsShowCmd shows what a model's file says about itself, and what its chat template can do.
type ModelsShowCmd struct {
	Model string `arg:"" optional:"" help:"A .gguf file, or a model in the cache. Without it: the starter model."`
}

// Run prints the model. It fetches nothing.
func (c *ModelsShowCmd) Run(ctx context.Context, streams IO) error {
	store := modelstore.New(modelstore.Options{Getenv: streams.Env, Offline: true})
	found, err := store.Resolve(ctx, c.Model, nil)
	if err != nil {
		return err
	}
	file, err := gguf.Open(found.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := tabwriter.NewWriter(streams.Out, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(w, "%s\t%v\n", name, value) }
	row("model", found.Name)
	row("file", found.Path)
	row("size", bytesText(found.Size))
	row("quant", found.Quant)
	row("architecture", file.Architecture())
	row("parameters", file.ParameterCount())
	row("context", file.ContextLength())
	if err := showTemplates(w, file); err != nil {
		return err
	}
	return w.Flush()
}

func showTemplates(w io.Writer, file *gguf.File) error {
	bos, _ := file.BOSToken()
	eos, _ := file.EOSToken()
	for _, t := range file.ChatTemplates() {
		compiled, err := prompt.New(t.Source, prompt.Options{Name: t.Name, BOS: bos, EOS: eos})
		if err != nil {
			return err
		}
		format := "none: tools are described in Hermes form"
		if f, ok := toolcall.Detect(t.Source); ok {
			format = f.Name()
		}
		fmt.Fprintf(w, "template\t%s\n  tool calls\t%s\n", t.Name, format)
		showCaps(w, compiled.Caps())
	}
	return nil
}

// showCaps prints a line for each capability; the field's name is its name.
func showCaps(w io.Writer, caps prompt.Caps) {
	v := reflect.ValueOf(caps)
	for i := range v.NumField() {
		if s, ok := v.Field(i).Interface().(string); ok && s == "" {
			continue
		}
		fmt.Fprintf(w, "  %s\t%v\n", v.Type().Field(i).Name, v.Field(i))
	}
}
