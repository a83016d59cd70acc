package llama

//lint:file-ignore U1000 The structs mirror those of C, fields that nobody sets included.

import "unsafe"

// The structs of include/llama.h and ggml/include/ggml.h, v0.5.0. On the 64-bit platforms that this package
// supports, Go lays these fields out as C does; TestLayout holds the offsets that a C compiler gives.

// modelParams is struct llama_model_params.
type modelParams struct {
	devices              unsafe.Pointer // ggml_backend_dev_t *, NULL-terminated; NULL means all
	tensorBuftOverrides  unsafe.Pointer
	nGPULayers           int32 // negative means all
	splitMode            int32
	loadMode             int32
	lazyMode             int32
	mainGPU              int32
	_                    int32
	tensorSplit          unsafe.Pointer
	progressCallback     uintptr // bool (*)(float progress, void * user_data)
	progressCallbackData uintptr
	kvOverrides          unsafe.Pointer
	vocabOnly            bool
	checkTensors         bool
	useExtraBufts        bool
	noHost               bool
	noAlloc              bool
	loadMTP              bool
	_                    [2]uint8
}

// contextParams is struct llama_context_params.
type contextParams struct {
	nCtx              uint32
	nBatch            uint32
	nUBatch           uint32
	nSeqMax           uint32
	nRsSeq            uint32
	nOutputsMax       uint32
	nOutputsMaxPerSeq uint32
	nThreads          int32
	nThreadsBatch     int32
	ctxType           int32
	ropeScalingType   int32
	poolingType       int32
	attentionType     int32
	flashAttnType     int32
	ropeFreqBase      float32
	ropeFreqScale     float32
	yarnExtFactor     float32
	yarnAttnFactor    float32
	yarnBetaFast      float32
	yarnBetaSlow      float32
	yarnOrigCtx       uint32
	defragThold       float32
	cbEval            uintptr
	cbEvalData        uintptr
	typeK             int32 // enum ggml_type
	typeV             int32
	abortCallback     uintptr // bool (*)(void * data)
	abortCallbackData uintptr
	embeddings        bool
	offloadKQV        bool
	noPerf            bool
	opOffload         bool
	swaFull           bool
	kvUnified         bool
	_                 [2]uint8
	samplers          unsafe.Pointer
	nSamplers         uint64
	ctxOther          uintptr
}

// batch is struct llama_batch.
type batch struct {
	nTokens int32
	_       int32
	token   *int32
	embd    *float32
	pos     *int32
	nSeqID  *int32
	seqID   **int32
	logits  *int8
}

// tokenData is struct llama_token_data.
type tokenData struct {
	id    int32
	logit float32
	p     float32
}

// tokenDataArray is struct llama_token_data_array.
type tokenDataArray struct {
	data     *tokenData
	size     uint64
	selected int64
	sorted   bool
	_        [7]uint8
}

// threadpoolParams is struct ggml_threadpool_params.
type threadpoolParams struct {
	cpumask   [512]bool
	nThreads  int32
	prio      int32
	poll      uint32
	strictCPU bool
	paused    bool
	_         [2]uint8
}

// Return codes of llama_decode.
const (
	decodeOK      = 0
	decodeNoSlot  = 1
	decodeAborted = 2
	decodeInvalid = -1
)

// enum ggml_log_level.
const (
	logDebug = 1
	logInfo  = 2
	logWarn  = 3
	logError = 4
	logCont  = 5
)

// What the *_default_params functions of v0.5.0 fill in.

func defaultModelParams() modelParams {
	return modelParams{nGPULayers: -1, splitMode: 1, loadMode: -1, lazyMode: 1, useExtraBufts: true}
}

func defaultContextParams() contextParams {
	return contextParams{
		nCtx: 512, nBatch: 2048, nUBatch: 512, nSeqMax: 1, nOutputsMaxPerSeq: 1, nThreads: 4, nThreadsBatch: 4,
		ropeScalingType: -1, poolingType: -1, attentionType: -1, flashAttnType: -1,
		yarnExtFactor: -1, yarnAttnFactor: -1, yarnBetaFast: -1, yarnBetaSlow: -1, defragThold: -1,
		typeK: 1, typeV: 1, offloadKQV: true, noPerf: true, opOffload: true, swaFull: true,
	}
}
