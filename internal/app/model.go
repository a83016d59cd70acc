package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/toolserve/toolserve/internal/engine"
	"github.com/toolserve/toolserve/internal/gguf"
	"github.com/toolserve/toolserve/internal/llama"
	"github.com/toolserve/toolserve/internal/modelstore"
	"github.com/toolserve/toolserve/internal/prompt"
	"github.com/toolserve/toolserve/toolcall"
)

// model is everything about the loaded model that the routes need.
type model struct {
	name        string
	aliases     []string
	fingerprint string
	engine      *engine.Engine
	templates   *prompt.Set
	family      *toolcall.Family
}

// loadModel finds the model's file and the engine's libraries, fetching what is missing, and loads them.
// What can be refused by the file's metadata alone is refused before the libraries are touched.
func (a *App) loadModel(ctx context.Context) (*model, error) {
	store := modelstore.New(modelstore.Options{Logger: a.log, Getenv: a.opts.Getenv})
	found, err := store.Resolve(ctx, a.cfg.Model, a.opts.Progress)
	if err != nil {
		a.opts.Fetched()
		return nil, err
	}
	if found.Starter {
		a.log.Warn("serving the starter model, which is small and only good for trying things out; name a model to serve a better one", "model", found.Name)
	}
	m := &model{name: found.Name}
	if names := a.cfg.Engine.ServedModelName; len(names) > 0 {
		m.name, m.aliases = names[0], names[1:]
	}
	if err := a.readTemplates(m, found.Path); err != nil {
		a.opts.Fetched()
		return nil, err
	}
	dir, version, err := a.engineDir(ctx, store)
	a.opts.Fetched()
	if err != nil {
		return nil, err
	}
	m.fingerprint = "llama.cpp-" + version + "/" + found.Quant
	return m, a.loadEngine(ctx, m, dir, found)
}

// readTemplates compiles the chat templates and finds the family of tool-call formats that they belong to.
func (a *App) readTemplates(m *model, path string) error {
	file, err := gguf.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sources, err := a.templateSources(file)
	if err != nil {
		return err
	}
	control, err := file.ControlTokens()
	if err != nil {
		return err
	}
	bos, _ := file.BOSToken()
	eos, _ := file.EOSToken()
	m.templates, err = prompt.NewSet(sources, prompt.Options{
		Name: "chat template of " + m.name, BOS: bos, EOS: eos, Control: control, Logger: a.log,
	})
	if err != nil {
		return err
	}
	m.family, err = a.family(m.templates.For(true).Source())
	return err
}

// family is the format of the model's tool calls: the one that was asked for or the chat template's, and
// Hermes where the template knows no tools, because that is how prompt describes them then. Its reasoning
// may be asked for apart.
func (a *App) family(template string) (*toolcall.Family, error) {
	calls := a.cfg.Generation.ToolCallParser
	if calls == "auto" {
		calls = "hermes"
		if f, ok := toolcall.Detect(template); ok {
			calls = f.Name()
		}
	}
	family, err := lookupFamily("--tool-call-parser", calls)
	if err != nil {
		return nil, err
	}
	reasoning := a.cfg.Generation.ReasoningParser
	if reasoning == "auto" || reasoning == noReasoning {
		return family, nil
	}
	other, err := lookupFamily("--reasoning-parser", reasoning)
	if err != nil {
		return nil, err
	}
	return family.WithReasoning(other), nil
}

// noReasoning is the --reasoning-parser that hands reasoning on as content.
const noReasoning = "none"

func lookupFamily(flag, name string) (*toolcall.Family, error) {
	f, ok := toolcall.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("%s %s: there is no such format; use auto, or one of those in docs/tool-calls.md", flag, name)
	}
	return f, nil
}

// engineDir is the folder of the engine's libraries and their version.
func (a *App) engineDir(ctx context.Context, store *modelstore.Store) (dir, version string, err error) {
	if dir := a.cfg.Engine.EngineDir; dir != "" {
		return dir, "custom", nil
	}
	libs, err := store.EngineLibraries(ctx, a.cfg.Engine.EngineVariant, a.opts.Progress)
	return libs.Dir, libs.Version, err
}

// loadEngine loads the libraries and the model.
func (a *App) loadEngine(ctx context.Context, m *model, dir string, found modelstore.Model) error {
	began := time.Now()
	lib, err := llama.Open(dir, llama.Options{Variant: a.variant(), Logger: a.log})
	if err != nil {
		return err
	}
	a.onClose(lib.Close)
	e := a.cfg.Engine
	seqs := 1
	if e.ContinuousBatching {
		seqs = e.MaxNumSeqs
	}
	backend, err := engine.LoadLlama(ctx, lib, found.Path, engine.LlamaOptions{
		ContextSize: e.ContextSize, CacheSize: e.CacheSize, MaxSeqs: seqs, Threads: e.Threads, GPULayers: gpuLayers(e.GPULayers),
	})
	if unreadable := (*llama.LoadError)(nil); errors.As(err, &unreadable) {
		return fmt.Errorf("%w; name another model, or give an --engine-dir with a llama.cpp that reads this one", err)
	}
	if err != nil {
		return err
	}
	m.engine = engine.New(backend, engine.Options{MaxSeqs: seqs, Logger: a.log})
	a.onClose(m.engine.Close)
	a.log.Info("model loaded", "model", m.name, "quant", found.Quant, "format", m.family.Name(),
		"context", m.engine.ContextSize(), "at_once", seqs, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// variant is the build to take from the folder; one of the user's own takes what is there.
func (a *App) variant() llama.Variant {
	if a.cfg.Engine.EngineDir != "" && a.cfg.Engine.EngineVariant == string(llama.CPU) {
		return ""
	}
	return llama.Variant(a.cfg.Engine.EngineVariant)
}

// gpuLayers translates the flag, in which -1 is all and 0 none, to the engine's setting, in which the zero
// value is all.
func gpuLayers(flag int) int {
	switch {
	case flag < 0:
		return 0
	case flag == 0:
		return -1
	}
	return flag
}

// templateSources are the chat templates by name: the file of --chat-template, or the model's own.
func (a *App) templateSources(file *gguf.File) (map[string]string, error) {
	sources := map[string]string{}
	if path := a.cfg.Engine.ChatTemplate; path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--chat-template: %w", err)
		}
		sources["default"] = string(text)
		return sources, nil
	}
	for _, t := range file.ChatTemplates() {
		sources[t.Name] = t.Source
	}
	return sources, nil
}
