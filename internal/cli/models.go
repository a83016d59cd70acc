package cli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/toolserve/toolserve/internal/modelstore"
)

// PullCmd fetches a model into the cache and prints the path of its file.
type PullCmd struct {
	Model string `arg:"" optional:"" help:"org/repo[:quant] on the Hugging Face hub. Without it: the starter model."`
	Quiet bool   `short:"q" help:"Print the path only."`
}

// Run fetches the model.
func (c *PullCmd) Run(ctx context.Context, streams IO) error {
	report, done := fetchProgress(streams.Err, c.Quiet)
	model, err := modelstore.New(modelstore.Options{Getenv: streams.Env}).Pull(ctx, c.Model, report)
	done()
	if err != nil {
		return err
	}
	if !c.Quiet {
		fmt.Fprintf(streams.Err, "%s, %s, %s\n", model.Name, model.Quant, bytesText(model.Size))
	}
	fmt.Fprintln(streams.Out, model.Path)
	return nil
}

// fetchProgress returns the store's progress callback and what to call when fetching is over.
func fetchProgress(out io.Writer, quiet bool) (report func(modelstore.Progress), done func()) {
	if quiet {
		return nil, func() {}
	}
	bar := newProgressBar(out)
	return bar.report, bar.close
}

// ModelsListCmd lists the models in the cache.
type ModelsListCmd struct{}

// Run prints a line for each model.
func (c *ModelsListCmd) Run(ctx context.Context, streams IO) error {
	store := modelstore.New(modelstore.Options{Getenv: streams.Env})
	models, err := store.List(ctx)
	if err != nil {
		return err
	}
	if len(models) == 0 {
		fmt.Fprintf(streams.Err, "no models in %s; toolserve pull fetches one\n", store.Dir())
		return nil
	}
	w := tabwriter.NewWriter(streams.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tQUANT\tSIZE\tPATH")
	for _, m := range models {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Ref, m.Quant, bytesText(m.Size), m.Path)
	}
	return w.Flush()
}
