package llama

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// TestLayout compares sizes and offsets with those that gcc gives for the headers of v0.5.0.
func TestLayout(t *testing.T) {
	var (
		m  modelParams
		c  contextParams
		b  batch
		d  tokenData
		a  tokenDataArray
		tp threadpoolParams
	)
	for _, tt := range []struct {
		name      string
		got, want uintptr
	}{
		{"sizeof llama_model_params", unsafe.Sizeof(m), 80},
		{"model n_gpu_layers", unsafe.Offsetof(m.nGPULayers), 16},
		{"model split_mode", unsafe.Offsetof(m.splitMode), 20},
		{"model load_mode", unsafe.Offsetof(m.loadMode), 24},
		{"model lazy_mode", unsafe.Offsetof(m.lazyMode), 28},
		{"model main_gpu", unsafe.Offsetof(m.mainGPU), 32},
		{"model tensor_split", unsafe.Offsetof(m.tensorSplit), 40},
		{"model progress_callback", unsafe.Offsetof(m.progressCallback), 48},
		{"model progress_callback_user_data", unsafe.Offsetof(m.progressCallbackData), 56},
		{"model kv_overrides", unsafe.Offsetof(m.kvOverrides), 64},
		{"model vocab_only", unsafe.Offsetof(m.vocabOnly), 72},
		{"model use_extra_bufts", unsafe.Offsetof(m.useExtraBufts), 74},
		{"model load_mtp", unsafe.Offsetof(m.loadMTP), 77},

		{"sizeof llama_context_params", unsafe.Sizeof(c), 160},
		{"context n_seq_max", unsafe.Offsetof(c.nSeqMax), 12},
		{"context n_outputs_max", unsafe.Offsetof(c.nOutputsMax), 20},
		{"context n_threads", unsafe.Offsetof(c.nThreads), 28},
		{"context ctx_type", unsafe.Offsetof(c.ctxType), 36},
		{"context flash_attn_type", unsafe.Offsetof(c.flashAttnType), 52},
		{"context rope_freq_base", unsafe.Offsetof(c.ropeFreqBase), 56},
		{"context yarn_orig_ctx", unsafe.Offsetof(c.yarnOrigCtx), 80},
		{"context defrag_thold", unsafe.Offsetof(c.defragThold), 84},
		{"context cb_eval", unsafe.Offsetof(c.cbEval), 88},
		{"context type_k", unsafe.Offsetof(c.typeK), 104},
		{"context abort_callback", unsafe.Offsetof(c.abortCallback), 112},
		{"context abort_callback_data", unsafe.Offsetof(c.abortCallbackData), 120},
		{"context embeddings", unsafe.Offsetof(c.embeddings), 128},
		{"context kv_unified", unsafe.Offsetof(c.kvUnified), 133},
		{"context samplers", unsafe.Offsetof(c.samplers), 136},
		{"context n_samplers", unsafe.Offsetof(c.nSamplers), 144},
		{"context ctx_other", unsafe.Offsetof(c.ctxOther), 152},

		{"sizeof llama_batch", unsafe.Sizeof(b), 56},
		{"batch token", unsafe.Offsetof(b.token), 8},
		{"batch pos", unsafe.Offsetof(b.pos), 24},
		{"batch n_seq_id", unsafe.Offsetof(b.nSeqID), 32},
		{"batch seq_id", unsafe.Offsetof(b.seqID), 40},
		{"batch logits", unsafe.Offsetof(b.logits), 48},

		{"sizeof llama_token_data", unsafe.Sizeof(d), 12},
		{"sizeof llama_token_data_array", unsafe.Sizeof(a), 32},
		{"array size", unsafe.Offsetof(a.size), 8},
		{"array selected", unsafe.Offsetof(a.selected), 16},
		{"array sorted", unsafe.Offsetof(a.sorted), 24},

		{"sizeof ggml_threadpool_params", unsafe.Sizeof(tp), 528},
		{"threadpool n_threads", unsafe.Offsetof(tp.nThreads), 512},
		{"threadpool poll", unsafe.Offsetof(tp.poll), 520},
		{"threadpool paused", unsafe.Offsetof(tp.paused), 525},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, tt.got, tt.want)
		}
	}
}

func TestCheckLayout(t *testing.T) {
	good := modelParamsProbe{params: defaultModelParams()}
	goodContext := contextParamsProbe{params: defaultContextParams()}
	if err := checkLayout("lib", good, goodContext); err != nil {
		t.Errorf("the defaults of the release: %v", err)
	}
	shifted := goodContext
	shifted.params.nThreads, shifted.params.nOutputsMaxPerSeq = 7, 0
	longer := good
	longer.slack[3] = 1
	for _, tt := range []struct {
		name    string
		model   modelParamsProbe
		context contextParamsProbe
		want    []string
	}{
		{"shifted", good, shifted, []string{"/x/libllama.so", "llama_context_default_params", "nThreads = 7, want 4", "nOutputsMaxPerSeq = 0, want 1", "v0.5.0"}},
		{"longer", longer, goodContext, []string{"llama_model_default_params", "a longer struct"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkLayout("/x/libllama.so", tt.model, tt.context)
			var layout *LayoutError
			if !errors.As(err, &layout) {
				t.Fatalf("checkLayout: %v, want a LayoutError", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not have %q", err, want)
				}
			}
		})
	}
}

func TestPlatforms(t *testing.T) {
	for _, tt := range []struct {
		goos, goarch string
		ok           bool
	}{
		{"linux", "amd64", true}, {"linux", "arm64", true}, {"darwin", "arm64", true}, {"darwin", "amd64", true},
		{"windows", "amd64", false}, {"linux", "riscv64", false}, {"linux", "386", false},
	} {
		if p, err := platformOf(tt.goos, tt.goarch); (err == nil) != tt.ok {
			t.Errorf("platformOf(%s, %s) = %v, %v", tt.goos, tt.goarch, p, err)
		}
	}
}

func TestChooseFiles(t *testing.T) {
	linux := platform{extension: "so", runtime: "libstdc++.so.6"}
	mac := platform{extension: "dylib"}
	base := []string{"libggml-base.so", "README", "libggml-cpu-x64.so", "libllama-common.so"}
	for _, tt := range []struct {
		name    string
		files   []string
		p       platform
		variant Variant
		want    string // file name, or the error's text
	}{
		{"cpu", []string{"libllama.v0.5.0.so", "libggml.v0.5.0.so"}, linux, "", "libllama.v0.5.0.so"},
		{"cuda first", []string{"libllama.v0.5.0.so", "libggml.v0.5.0.so", "libllama.cuda.v0.5.0.so", "libggml.cuda.v0.5.0.so"}, linux, "", "libllama.cuda.v0.5.0.so"},
		{"cpu asked", []string{"libllama.v0.5.0.so", "libggml.v0.5.0.so", "libllama.cuda.v0.5.0.so"}, linux, CPU, "libllama.v0.5.0.so"},
		{"release before others", []string{"libllama.v0.6.0.so", "libllama.so", "libllama.v0.5.0.so", "libggml.v0.5.0.so"}, linux, "", "libllama.v0.5.0.so"},
		{"own build", []string{"libllama.so", "libggml.so"}, linux, "", "libllama.so"},
		{"metal", []string{"libllama.metal.v0.5.0.dylib", "libggml.metal.v0.5.0.dylib", "libggml-base.dylib"}, mac, "", "libllama.metal.v0.5.0.dylib"},
		{"none", nil, linux, "", "has no libllama.v0.5.0.so"},
		{"other variant", []string{"libllama.v0.5.0.so"}, linux, Vulkan, "has no libllama.vulkan.v0.5.0.so"},
		{"half", []string{"libllama.v0.5.0.so"}, linux, "", "not libggml.v0.5.0.so beside it"},
		{"other system", []string{"libllama.v0.5.0.dylib"}, linux, "", "has no libllama"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := chooseFiles("/engine", slices.Concat(base, tt.files), tt.p, tt.variant)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("chooseFiles: %v, want %q", err, tt.want)
				}
				return
			}
			if f.llama != "/engine/"+tt.want {
				t.Errorf("chooseFiles = %s, want %s", f.llama, tt.want)
			}
		})
	}
}

func TestOpenMissingFolder(t *testing.T) {
	if _, err := platformOf(runtime.GOOS, runtime.GOARCH); err != nil {
		t.Skip(err)
	}
	if _, err := Open(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "has no libllama") {
		t.Errorf("Open of an empty folder: %v", err)
	}
	if _, err := Open("/no/such/folder", Options{}); err == nil || !strings.Contains(err.Error(), "engine folder") {
		t.Errorf("Open of a missing folder: %v", err)
	}
}
