package llama

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// ModelOptions are the settings of [Library.LoadModel].
type ModelOptions struct {
	// GPULayers is how many layers a GPU backend gets; 0 means all, a negative number none.
	GPULayers int
	// Progress, when not nil, is told how much is loaded, 0 to 1. It must be quick.
	Progress func(fraction float64)
}

// Model is a loaded model.
type Model struct {
	lib   *Library
	model modelHandle
	vocab vocabHandle
	size  int

	mu       sync.Mutex
	contexts int // open ones
	closed   bool
}

// LoadError is a file that the library does not load.
type LoadError struct {
	// Path is the file, Reason what is wrong with it.
	Path, Reason string
}

// Error names the file and the reason.
func (e *LoadError) Error() string { return fmt.Sprintf("load model %s: %s", e.Path, e.Reason) }

// LoadModel loads a GGUF file. Of a model in several files it is given the first. When ctx ends, loading stops
// and ctx's error is returned; a file that cannot be loaded gives a [*LoadError].
func (lib *Library) LoadModel(ctx context.Context, path string, opts ModelOptions) (*Model, error) {
	if err := lib.Err(); err != nil {
		return nil, err
	}
	if err := checkFile(path); err != nil {
		return nil, &LoadError{Path: path, Reason: err.Error()}
	}
	params := lib.modelDefaultParams().params
	switch {
	case opts.GPULayers < 0:
		params.nGPULayers = 0
	case opts.GPULayers > 0:
		params.nGPULayers = int32(opts.GPULayers)
	}
	load := process.nextLoad.Add(1)
	process.loads.Store(load, func(fraction float32) bool {
		if opts.Progress != nil {
			opts.Progress(float64(fraction))
		}
		return ctx.Err() == nil
	})
	defer process.loads.Delete(load)
	params.progressCallback, params.progressCallbackData = progressCallback(), uintptr(load)

	mark := lib.log.mark()
	handle := lib.modelLoadFromFile(path, params)
	if handle == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		reason := lib.log.reason(mark)
		if reason == "" {
			reason = "llama.cpp gives no reason"
		}
		return nil, &LoadError{Path: path, Reason: reason}
	}
	m := &Model{lib: lib, model: handle, vocab: lib.modelGetVocab(handle)}
	m.size = int(lib.vocabNTokens(m.vocab))
	return m, nil
}

// checkFile gives better reasons than the library does.
func checkFile(path string) error {
	if strings.ContainsRune(path, 0) {
		return errors.New("the path has a zero byte")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("there is no such file")
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil || !bytes.Equal(magic, []byte("GGUF")) {
		return fmt.Errorf("it is not a GGUF file: it begins with %q", magic)
	}
	return nil
}

// Close frees the model. Its contexts must be closed first. It is idempotent.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	dead := m.lib.Err() != nil // its locks may be held for good, so that nothing is freed any more
	if m.contexts > 0 && !dead {
		return fmt.Errorf("llama: close model: %d contexts are still open", m.contexts)
	}
	m.closed = true
	if !dead {
		m.lib.modelFree(m.model)
	}
	return nil
}

// Description names the architecture, size and quantisation, such as "llama 135M Q4_1".
func (m *Model) Description() string {
	buf := make([]byte, 256)
	n := int(m.lib.modelDesc(m.model, first(buf), uint64(len(buf))))
	return string(buf[:max(0, min(n, len(buf)-1))])
}

// Bytes is the size of the model's tensors, Parameters their number of elements.
func (m *Model) Bytes() uint64 { return m.lib.modelSize(m.model) }

// Parameters is the number of the model's weights.
func (m *Model) Parameters() uint64 { return m.lib.modelNParams(m.model) }

// TrainedContext is the length of context that the model was trained with, in tokens.
func (m *Model) TrainedContext() int { return int(m.lib.modelNCtxTrain(m.model)) }

// Generates reports whether the model is a decoder without an encoder, which is what a [Context] runs.
func (m *Model) Generates() bool {
	return m.lib.modelHasDecoder(m.model) && !m.lib.modelHasEncoder(m.model) && m.lib.vocabType(m.vocab) != 0
}

// Recurrent reports whether the model keeps a running state in some or all layers, which cannot be cut back.
func (m *Model) Recurrent() bool {
	return m.lib.modelIsRecurrent(m.model) || m.lib.modelIsHybrid(m.model)
}

// Metadata returns a scalar value of the file's metadata as text.
func (m *Model) Metadata(key string) (value string, ok bool) {
	if strings.ContainsRune(key, 0) {
		return "", false
	}
	buf := make([]byte, 256)
	n := int(m.lib.modelMetaValStr(m.model, key, first(buf), uint64(len(buf))))
	if n >= len(buf) {
		buf = make([]byte, n+1)
		n = int(m.lib.modelMetaValStr(m.model, key, first(buf), uint64(len(buf))))
	}
	if n < 0 || n >= len(buf) {
		return "", false
	}
	return string(buf[:n]), true
}

// ChatTemplate returns the file's chat template of a name; "" is the default one. An absent template is "".
func (m *Model) ChatTemplate(name string) string {
	if name == "" {
		return m.lib.modelChatTemplate(m.model, nil)
	}
	return m.lib.modelChatTemplate(m.model, first(cString(name)))
}
