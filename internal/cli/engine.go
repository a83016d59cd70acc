package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/toolserve/toolserve/internal/llama"
	"github.com/toolserve/toolserve/internal/modelstore"
)

// EngineInstallCmd fetches the pinned llama.cpp libraries and prints their folder.
type EngineInstallCmd struct {
	Variant string `default:"cpu" enum:"cpu,cuda,vulkan" help:"Build of llama.cpp: cpu, cuda or vulkan."`
	Quiet   bool   `short:"q" help:"Print the folder only."`
}

// Run fetches the libraries.
func (c *EngineInstallCmd) Run(ctx context.Context, streams IO) error {
	report, done := fetchProgress(streams.Err, c.Quiet)
	libs, err := modelstore.New(modelstore.Options{Getenv: streams.Env}).InstallEngine(ctx, c.Variant, report)
	done()
	if err != nil {
		return err
	}
	fmt.Fprintln(streams.Out, libs.Dir)
	return nil
}

// EngineStatusCmd says which llama.cpp libraries serve would load, and whether they load.
type EngineStatusCmd struct {
	EngineDir string `type:"path" env:"TOOLSERVE_ENGINE_DIR" help:"Folder with llama.cpp libraries of your own."`
	Variant   string `default:"cpu" enum:"cpu,cuda,vulkan" help:"Build of llama.cpp: cpu, cuda or vulkan."`
}

// Run loads the libraries and prints what they are.
func (c *EngineStatusCmd) Run(streams IO) error {
	dir, source := c.EngineDir, "--engine-dir"
	if dir == "" {
		libs, err := modelstore.New(modelstore.Options{Getenv: streams.Env}).EngineInstalled(c.Variant)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the %s libraries are not fetched yet; toolserve engine install fetches them", c.Variant)
		}
		if err != nil {
			return err
		}
		dir, source = libs.Dir, libs.Source
	}
	lib, err := llama.Open(dir, llama.Options{})
	if err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "libraries  %s\nfrom       %s\nversion    %s\nsystem     %s\n", dir, source, lib.Version(), lib.SystemInfo())
	for _, device := range lib.Devices() {
		fmt.Fprintf(streams.Out, "device     %s (%s)\n", device.Name, device.Description)
	}
	return nil
}
