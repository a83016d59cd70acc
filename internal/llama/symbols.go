package llama

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Pointers to llama.cpp's objects. They are C memory, which Go neither moves nor frees.
type (
	modelHandle      uintptr // struct llama_model *
	vocabHandle      uintptr // const struct llama_vocab *
	contextHandle    uintptr // struct llama_context *
	memoryHandle     uintptr // llama_memory_t
	samplerHandle    uintptr // struct llama_sampler *
	threadpoolHandle uintptr // ggml_threadpool_t
	regHandle        uintptr // ggml_backend_reg_t
	deviceHandle     uintptr // ggml_backend_dev_t
)

// functions are the library's functions, each under the prototype that it has in C.
type functions struct {
	// ggml_abort_callback_t ggml_set_abort_callback(ggml_abort_callback_t callback);
	ggmlSetAbortCallback func(callback uintptr) uintptr
	// void ggml_backend_load_all_from_path(const char * dir_path);
	ggmlBackendLoadAllFromPath func(dir string)
	// size_t ggml_backend_reg_count(void);
	ggmlBackendRegCount func() uint64
	// ggml_backend_reg_t ggml_backend_reg_by_name(const char * name);
	ggmlBackendRegByName func(name string) regHandle
	// void * ggml_backend_reg_get_proc_address(ggml_backend_reg_t reg, const char * name);
	ggmlBackendRegGetProcAddress func(reg regHandle, name string) uintptr
	// size_t ggml_backend_dev_count(void);
	ggmlBackendDevCount func() uint64
	// ggml_backend_dev_t ggml_backend_dev_get(size_t index);
	ggmlBackendDevGet func(index uint64) deviceHandle
	// const char * ggml_backend_dev_name(ggml_backend_dev_t device);
	ggmlBackendDevName func(device deviceHandle) string
	// const char * ggml_backend_dev_description(ggml_backend_dev_t device);
	ggmlBackendDevDescription func(device deviceHandle) string
	// void ggml_threadpool_params_init(struct ggml_threadpool_params * p, int n_threads);
	ggmlThreadpoolParamsInit func(p *threadpoolParams, nThreads int32)

	// void llama_log_set(ggml_log_callback log_callback, void * user_data);
	logSet func(callback, data uintptr)
	// void llama_backend_init(void);
	backendInit func()
	// const char * llama_print_system_info(void);
	printSystemInfo func() string
	// struct llama_model_params llama_model_default_params(void);
	modelDefaultParams func() modelParamsProbe
	// struct llama_context_params llama_context_default_params(void);
	contextDefaultParams func() contextParamsProbe

	// struct llama_model * llama_model_load_from_file(const char * path_model, struct llama_model_params params);
	modelLoadFromFile func(path string, params modelParams) modelHandle
	// void llama_model_free(struct llama_model * model);
	modelFree func(model modelHandle)
	// int32_t llama_model_desc(const struct llama_model * model, char * buf, size_t buf_size);
	modelDesc func(model modelHandle, buf *byte, size uint64) int32
	// uint64_t llama_model_size(const struct llama_model * model);
	modelSize func(model modelHandle) uint64
	// uint64_t llama_model_n_params(const struct llama_model * model);
	modelNParams func(model modelHandle) uint64
	// int32_t llama_model_n_ctx_train(const struct llama_model * model);
	modelNCtxTrain func(model modelHandle) int32
	// bool llama_model_has_encoder(const struct llama_model * model);
	modelHasEncoder func(model modelHandle) bool
	// bool llama_model_has_decoder(const struct llama_model * model);
	modelHasDecoder func(model modelHandle) bool
	// bool llama_model_is_recurrent(const struct llama_model * model);
	modelIsRecurrent func(model modelHandle) bool
	// bool llama_model_is_hybrid(const struct llama_model * model);
	modelIsHybrid func(model modelHandle) bool
	// int32_t llama_model_meta_val_str(const struct llama_model * model, const char * key, char * buf, size_t buf_size);
	modelMetaValStr func(model modelHandle, key string, buf *byte, size uint64) int32
	// const char * llama_model_chat_template(const struct llama_model * model, const char * name);
	modelChatTemplate func(model modelHandle, name *byte) string
	// const struct llama_vocab * llama_model_get_vocab(const struct llama_model * model);
	modelGetVocab func(model modelHandle) vocabHandle

	// int32_t llama_vocab_n_tokens(const struct llama_vocab * vocab);
	vocabNTokens func(vocab vocabHandle) int32
	// enum llama_vocab_type llama_vocab_type(const struct llama_vocab * vocab);
	vocabType func(vocab vocabHandle) int32
	// bool llama_vocab_is_eog(const struct llama_vocab * vocab, llama_token token);
	vocabIsEOG func(vocab vocabHandle, token int32) bool
	// bool llama_vocab_is_control(const struct llama_vocab * vocab, llama_token token);
	vocabIsControl func(vocab vocabHandle, token int32) bool
	// llama_token llama_vocab_bos(const struct llama_vocab * vocab);
	vocabBOS func(vocab vocabHandle) int32
	// llama_token llama_vocab_eos(const struct llama_vocab * vocab);
	vocabEOS func(vocab vocabHandle) int32
	// llama_token llama_vocab_eot(const struct llama_vocab * vocab);
	vocabEOT func(vocab vocabHandle) int32
	// bool llama_vocab_get_add_bos(const struct llama_vocab * vocab);
	vocabGetAddBOS func(vocab vocabHandle) bool
	// int32_t llama_tokenize(const struct llama_vocab * vocab, const char * text, int32_t text_len,
	//     llama_token * tokens, int32_t n_tokens_max, bool add_special, bool parse_special);
	tokenize func(vocab vocabHandle, text *byte, textLen int32, tokens *int32, nTokensMax int32, addSpecial, parseSpecial bool) int32
	// int32_t llama_token_to_piece(const struct llama_vocab * vocab, llama_token token, char * buf,
	//     int32_t length, int32_t lstrip, bool special);
	tokenToPiece func(vocab vocabHandle, token int32, buf *byte, length, lstrip int32, special bool) int32

	// struct llama_context * llama_init_from_model(struct llama_model * model, struct llama_context_params params);
	initFromModel func(model modelHandle, params contextParams) contextHandle
	// void llama_free(struct llama_context * ctx);
	free func(ctx contextHandle)
	// uint32_t llama_n_ctx(const struct llama_context * ctx);
	nCtx func(ctx contextHandle) uint32
	// uint32_t llama_n_ctx_seq(const struct llama_context * ctx);
	nCtxSeq func(ctx contextHandle) uint32
	// uint32_t llama_n_batch(const struct llama_context * ctx);
	nBatch func(ctx contextHandle) uint32
	// llama_memory_t llama_get_memory(const struct llama_context * ctx);
	getMemory func(ctx contextHandle) memoryHandle
	// struct llama_batch llama_batch_init(int32_t n_tokens, int32_t embd, int32_t n_seq_max);
	batchInit func(nTokens, embd, nSeqMax int32) batch
	// void llama_batch_free(struct llama_batch batch);
	batchFree func(b batch)
	// int32_t llama_decode(struct llama_context * ctx, struct llama_batch batch);
	decode func(ctx contextHandle, b batch) int32
	// float * llama_get_logits_ith(struct llama_context * ctx, int32_t i);
	getLogitsIth func(ctx contextHandle, i int32) *float32
	// void llama_set_n_threads(struct llama_context * ctx, int32_t n_threads, int32_t n_threads_batch);
	setNThreads func(ctx contextHandle, nThreads, nThreadsBatch int32)
	// void llama_attach_threadpool(struct llama_context * ctx, ggml_threadpool_t threadpool, ggml_threadpool_t threadpool_batch);
	attachThreadpool func(ctx contextHandle, pool, poolBatch threadpoolHandle)

	// bool llama_memory_seq_rm(llama_memory_t mem, llama_seq_id seq_id, llama_pos p0, llama_pos p1);
	memorySeqRm func(mem memoryHandle, seq, p0, p1 int32) bool
	// void llama_memory_seq_cp(llama_memory_t mem, llama_seq_id seq_id_src, llama_seq_id seq_id_dst, llama_pos p0, llama_pos p1);
	memorySeqCp func(mem memoryHandle, src, dst, p0, p1 int32)
	// llama_pos llama_memory_seq_pos_min(llama_memory_t mem, llama_seq_id seq_id);
	memorySeqPosMin func(mem memoryHandle, seq int32) int32
	// llama_pos llama_memory_seq_pos_max(llama_memory_t mem, llama_seq_id seq_id);
	memorySeqPosMax func(mem memoryHandle, seq int32) int32

	// struct llama_sampler * llama_sampler_init_grammar(const struct llama_vocab * vocab,
	//     const char * grammar_str, const char * grammar_root);
	samplerInitGrammar func(vocab vocabHandle, grammar, root string) samplerHandle
	// void llama_sampler_apply(struct llama_sampler * smpl, llama_token_data_array * cur_p);
	samplerApply func(sampler samplerHandle, candidates *tokenDataArray)
	// void llama_sampler_accept(struct llama_sampler * smpl, llama_token token);
	samplerAccept func(sampler samplerHandle, token int32)
	// struct llama_sampler * llama_sampler_clone(const struct llama_sampler * smpl);
	samplerClone func(sampler samplerHandle) samplerHandle
	// void llama_sampler_free(struct llama_sampler * smpl);
	samplerFree func(sampler samplerHandle)
}

// symbol ties a C name to the field that calls it.
type symbol struct {
	name string
	fn   any
}

func (f *functions) base() []symbol {
	return []symbol{
		{"ggml_set_abort_callback", &f.ggmlSetAbortCallback},
		{"ggml_backend_reg_get_proc_address", &f.ggmlBackendRegGetProcAddress},
		{"ggml_backend_dev_name", &f.ggmlBackendDevName},
		{"ggml_backend_dev_description", &f.ggmlBackendDevDescription},
		{"ggml_threadpool_params_init", &f.ggmlThreadpoolParamsInit},
	}
}

func (f *functions) ggml() []symbol {
	return []symbol{
		{"ggml_backend_load_all_from_path", &f.ggmlBackendLoadAllFromPath},
		{"ggml_backend_reg_count", &f.ggmlBackendRegCount},
		{"ggml_backend_reg_by_name", &f.ggmlBackendRegByName},
		{"ggml_backend_dev_count", &f.ggmlBackendDevCount},
		{"ggml_backend_dev_get", &f.ggmlBackendDevGet},
	}
}

func (f *functions) llama() []symbol {
	return slices.Concat(f.models(), f.contexts())
}

func (f *functions) models() []symbol {
	return []symbol{
		{"llama_log_set", &f.logSet},
		{"llama_backend_init", &f.backendInit},
		{"llama_print_system_info", &f.printSystemInfo},
		{"llama_model_default_params", &f.modelDefaultParams},
		{"llama_context_default_params", &f.contextDefaultParams},
		{"llama_model_load_from_file", &f.modelLoadFromFile},
		{"llama_model_free", &f.modelFree},
		{"llama_model_desc", &f.modelDesc},
		{"llama_model_size", &f.modelSize},
		{"llama_model_n_params", &f.modelNParams},
		{"llama_model_n_ctx_train", &f.modelNCtxTrain},
		{"llama_model_has_encoder", &f.modelHasEncoder},
		{"llama_model_has_decoder", &f.modelHasDecoder},
		{"llama_model_is_recurrent", &f.modelIsRecurrent},
		{"llama_model_is_hybrid", &f.modelIsHybrid},
		{"llama_model_meta_val_str", &f.modelMetaValStr},
		{"llama_model_chat_template", &f.modelChatTemplate},
		{"llama_model_get_vocab", &f.modelGetVocab},
		{"llama_vocab_n_tokens", &f.vocabNTokens},
		{"llama_vocab_type", &f.vocabType},
		{"llama_vocab_is_eog", &f.vocabIsEOG},
		{"llama_vocab_is_control", &f.vocabIsControl},
		{"llama_vocab_bos", &f.vocabBOS},
		{"llama_vocab_eos", &f.vocabEOS},
		{"llama_vocab_eot", &f.vocabEOT},
		{"llama_vocab_get_add_bos", &f.vocabGetAddBOS},
		{"llama_tokenize", &f.tokenize},
		{"llama_token_to_piece", &f.tokenToPiece},
	}
}

func (f *functions) contexts() []symbol {
	return []symbol{
		{"llama_init_from_model", &f.initFromModel},
		{"llama_free", &f.free},
		{"llama_n_ctx", &f.nCtx},
		{"llama_n_ctx_seq", &f.nCtxSeq},
		{"llama_n_batch", &f.nBatch},
		{"llama_get_memory", &f.getMemory},
		{"llama_batch_init", &f.batchInit},
		{"llama_batch_free", &f.batchFree},
		{"llama_decode", &f.decode},
		{"llama_get_logits_ith", &f.getLogitsIth},
		{"llama_set_n_threads", &f.setNThreads},
		{"llama_attach_threadpool", &f.attachThreadpool},
		{"llama_memory_seq_rm", &f.memorySeqRm},
		{"llama_memory_seq_cp", &f.memorySeqCp},
		{"llama_memory_seq_pos_min", &f.memorySeqPosMin},
		{"llama_memory_seq_pos_max", &f.memorySeqPosMax},
		{"llama_sampler_init_grammar", &f.samplerInitGrammar},
		{"llama_sampler_apply", &f.samplerApply},
		{"llama_sampler_accept", &f.samplerAccept},
		{"llama_sampler_clone", &f.samplerClone},
		{"llama_sampler_free", &f.samplerFree},
	}
}

// bind opens the libraries of one build and fills in the functions.
func bind(f files) (*functions, error) {
	fns := new(functions)
	for _, part := range []struct {
		path    string
		symbols []symbol
	}{{f.llama, fns.llama()}, {f.ggml, fns.ggml()}, {f.base, fns.base()}} {
		lib, err := openLibrary(part.path)
		if err != nil {
			return nil, fmt.Errorf("llama: open %s: %w", part.path, err)
		}
		for _, s := range part.symbols {
			address, err := findSymbol(lib, s.name)
			if err != nil {
				return nil, fmt.Errorf("llama: %s has no function %s, which release v%s has: %w", part.path, s.name, release, err)
			}
			purego.RegisterFunc(s.fn, address)
		}
	}
	return fns, nil
}

// first returns the address of a slice's first element, nil for an empty one.
func first[T any](s []T) *T { return unsafe.SliceData(s) }
