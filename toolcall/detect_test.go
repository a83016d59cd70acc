package toolcall

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// corpus returns the folder of real chat templates, if this machine has it.
func corpus(t *testing.T) string {
	dir := os.Getenv("TOOLSERVE_TEMPLATE_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "chat-templates")
	}
	if _, err := os.Stat(filepath.Join(dir, "templates")); err != nil {
		t.Skip("no folder of chat templates: set TOOLSERVE_TEMPLATE_CORPUS to one with a folder templates in it")
	}
	return dir
}

// templateFamilies says which family each template of the corpus belongs to, by the beginning of its
// file name; templates that know no tools belong to none.
var templateFamilies = map[string]string{
	"Apertus": "apertus", "Apriel": "apriel", "Bielik": "hermes", "ByteDance-Seed": "seed_oss", "Cohere": "command_r7b",
	"GLM-4.6": "glm45", "GLM-4.7": "glm47", "GigaChat3": "gigachat3", "HuggingFaceTB-SmolLM3": "", "Kimi-K2": "kimi_k2",
	"Kimi-K3": "kimi_k3", "LFM2": "lfm2", "MiMo-VL": "hermes", "MiniMax-M1": "minimax_m1", "MiniMax-M2": "minimax",
	"MiniMax-M3": "minimax_m3", "Mistral-Small": "mistral", "NVIDIA-Nemotron-3": "qwen3_coder", "NVIDIA-Nemotron-Nano": "nemotron_nano_v2",
	"NousResearch": "hermes", "Qwen-": "hermes", "Qwen3-Coder": "qwen3_coder", "Qwen3.5": "qwen3_coder", "Reka": "reka",
	"Spark2.5": "glm47", "StepFun3.5": "qwen3_coder", "deepseek-ai-DeepSeek-R1": "deepseek_v3", "deepseek-ai-DeepSeek-V3.1": "deepseek_v31",
	"deepseek-ai-DeepSeek-V3.2": "deepseek_v32", "deepseek-ai-DeepSeek-V4": "deepseek_v4", "fireworks": "firefunction",
	"google-gemma-2": "", "google-gemma-4": "gemma4", "ibm-granite-granite-3": "granite", "ibm-granite-granite-4": "hermes",
	"inclusionai-ling": "ling3", "llama-cpp-deepseek": "deepseek_v3", "llama-cpp-rwkv": "", "meetkai-functionary-medium-v3.1": "functionary",
	"meetkai-functionary-medium-v3.2": "functionary_v32", "meta-llama": "llama3", "microsoft-Phi-3.5": "", "mistralai": "mistral",
	"moonshotai": "kimi_k2", "muse": "muse_glimmer", "openai-gpt-oss": "gpt_oss", "openbmb": "minicpm5", "poolside-Laguna-S": "glm47",
	"poolside-Laguna-XS": "glm45", "tencent": "hy3", "unsloth-Apriel": "apriel", "unsloth-mistral": "mistral", "upstage": "solar_open",
}

func TestDetectCorpus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus(t), "templates", "*.jinja"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(file)
		want, length := "?", -1
		for prefix, family := range templateFamilies {
			if strings.HasPrefix(base, prefix) && len(prefix) > length {
				want, length = family, len(prefix)
			}
		}
		var got []string
		for _, f := range table {
			if f.claims(string(text)) {
				got = append(got, f.name)
			}
		}
		if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%s: claimed by %q, want %q", base, got, want)
		}
	}
}

func TestLookup(t *testing.T) {
	names := map[string]string{}
	for _, f := range Families() {
		for _, n := range append(f.Aliases(), f.Name()) {
			if other, ok := names[n]; ok {
				t.Errorf("%q names %s and %s", n, other, f.Name())
			}
			names[n] = f.Name()
			if got, ok := Lookup(strings.ToUpper(strings.ReplaceAll(n, "_", "-"))); !ok || got != f {
				t.Errorf("Lookup(%q) = %v", n, got)
			}
		}
	}
	for _, n := range strings.Fields(`auto mistral qwen qwen3 llama llama3 llama4 hermes nous deepseek deepseek_v3 deepseek_r1 kimi kimi_k2
		moonshot granite granite3 nemotron nemotron3 xlam functionary meetkai glm47 glm4 deepseek_v31 deepseek_v32 deepseek_v4 kimi_k3
		granite4 nemotron_nano_v2 functionary_v32 glm45 qwen3_coder qwen3_xml qwen3.5 minimax minimax_m2 minimax_m1 minimax_m3 gpt_oss
		harmony gemma4 functiongemma phi4 command_r7b command_a lfm2 olmo3 pythonic llama4_pythonic jamba hunyuan seed_oss step3 step3p5
		ernie45 internlm2 apertus apriel smollm3 exaone4 longcat minicpm5 ling3 hy3 gigachat3 solar_open muse_glimmer laguna poolside_v1
		mimo reka inkling sarashina firefunction granite_20b_fc hammer`) {
		if names[n] == "" {
			t.Errorf("no family %q", n)
		}
	}
	if _, ok := Lookup("nonsense"); ok {
		t.Error("nonsense is a family")
	}
}
