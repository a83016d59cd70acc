package llama

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/ebitengine/purego"
)

// ErrDead is what every [*DeadError] is.
var ErrDead = errors.New("llama: the library failed and cannot be used any more")

// DeadError says how the library failed.
type DeadError struct {
	// Message is the library's last words, such as a failed assertion with its file and line.
	Message string
}

// Error gives the library's last words.
func (e *DeadError) Error() string {
	return "llama: the library failed and cannot be used any more: " + e.Message
}

// Is makes a DeadError an [ErrDead].
func (e *DeadError) Is(target error) bool { return target == ErrDead }

// Options are the settings of [Open].
type Options struct {
	// Variant picks a build where the folder holds several; empty takes CUDA, Metal, Vulkan or CPU, the first
	// that is there.
	Variant Variant
	// Logger gets the library's log, its errors as warnings and the rest below. nil is silent.
	Logger *slog.Logger
}

// Library is llama.cpp, loaded. There is one per process.
type Library struct {
	*functions
	files files
	log   *logSink
	// strlen is the address of C's function of that name.
	strlen uintptr
	// threadpoolNew and threadpoolFree belong to the CPU backend; nil where it has none.
	threadpoolNew  func(*threadpoolParams) threadpoolHandle
	threadpoolFree func(threadpoolHandle)

	mu      sync.Mutex
	death   *DeadError
	dead    chan struct{} // closed by die
	devices []Device
}

// Device is a piece of hardware that the library computes on.
type Device struct {
	Name, Description string
}

// Open loads the libraries of a folder. A process can open one folder; opening it again returns the same
// Library. It changes the process's environment: GGML_BACKEND_PATH, which names libraries to run, is unset,
// and GGML_NO_BACKTRACE is set, because a failing llama.cpp would start a debugger otherwise.
func Open(dir string, opts Options) (*Library, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	f, err := findFiles(dir, opts.Variant)
	if err != nil {
		return nil, err
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	if lib := process.library.Load(); lib != nil {
		if lib.files.llama != f.llama {
			return nil, fmt.Errorf("llama: cannot load %s: this process has loaded %s, and can load one engine only", f.llama, lib.files.llama)
		}
		lib.log.setLogger(opts.Logger)
		return lib, lib.Err()
	}
	return open(f, opts)
}

// open loads the libraries. The caller holds process.mu.
func open(f files, opts Options) (*Library, error) {
	if err := os.Unsetenv("GGML_BACKEND_PATH"); err != nil {
		return nil, fmt.Errorf("llama: unset GGML_BACKEND_PATH: %w", err)
	}
	if err := os.Setenv("GGML_NO_BACKTRACE", "1"); err != nil {
		return nil, fmt.Errorf("llama: set GGML_NO_BACKTRACE: %w", err)
	}
	fns, err := bind(f)
	if err != nil {
		return nil, err
	}
	lib := &Library{functions: fns, files: f, log: &logSink{logger: opts.Logger}, dead: make(chan struct{})}
	if err := checkLayout(f.llama, fns.modelDefaultParams(), fns.contextDefaultParams()); err != nil {
		return nil, err
	}
	if lib.strlen, err = processSymbol("strlen"); err != nil {
		return nil, fmt.Errorf("llama: find strlen: %w", err)
	}
	process.library.Store(lib)
	if err := lib.start(); err != nil {
		process.library.Store(nil)
		return nil, err
	}
	if f.version != release {
		opts.Logger.Warn("engine libraries are not of the release that toolserve is tested with",
			"library", f.llama, "tested", "v"+release)
	}
	return lib, nil
}

// start installs the handlers and loads the backends.
func (lib *Library) start() error {
	lib.ggmlSetAbortCallback(abortCallback())
	if err := lib.setTerminate(); err != nil {
		return err
	}
	lib.logSet(logCallback(), 0)
	mark := lib.log.mark()
	lib.ggmlBackendLoadAllFromPath(lib.files.dir)
	if lib.ggmlBackendRegCount() == 0 {
		return fmt.Errorf("llama: engine folder %s has no backend for this machine: %s", lib.files.dir, lib.log.reason(mark))
	}
	lib.backendInit()
	for i := range lib.ggmlBackendDevCount() {
		d := lib.ggmlBackendDevGet(i)
		lib.devices = append(lib.devices, Device{lib.ggmlBackendDevName(d), lib.ggmlBackendDevDescription(d)})
	}
	lib.bindThreadpool()
	return nil
}

// setTerminate installs the C++ terminate handler.
func (lib *Library) setTerminate() error {
	runtime, err := openLibrary(lib.files.runtime)
	if err != nil {
		return fmt.Errorf("llama: open the C++ runtime: %w", err)
	}
	// std::terminate_handler std::set_terminate(std::terminate_handler f) noexcept;
	address, err := findSymbol(runtime, "_ZSt13set_terminatePFvvE")
	if err != nil {
		return fmt.Errorf("llama: find std::set_terminate: %w", err)
	}
	var setTerminate func(handler uintptr) uintptr
	purego.RegisterFunc(&setTerminate, address)
	setTerminate(terminateCallback())
	return nil
}

// bindThreadpool finds the functions of the CPU backend, which lives in a library of its own.
func (lib *Library) bindThreadpool() {
	cpu := lib.ggmlBackendRegByName("CPU")
	if cpu == 0 {
		return
	}
	// struct ggml_threadpool * ggml_threadpool_new(struct ggml_threadpool_params * params);
	create := lib.ggmlBackendRegGetProcAddress(cpu, "ggml_threadpool_new")
	// void ggml_threadpool_free(struct ggml_threadpool * threadpool);
	free := lib.ggmlBackendRegGetProcAddress(cpu, "ggml_threadpool_free")
	if create != 0 && free != 0 {
		purego.RegisterFunc(&lib.threadpoolNew, create)
		purego.RegisterFunc(&lib.threadpoolFree, free)
	}
}

// Close stops the library's log from reaching the logger. The libraries themselves stay loaded until the
// process ends, because llama.cpp leaves threads behind that run in them. Close is idempotent.
func (lib *Library) Close() error {
	lib.log.setLogger(slog.New(slog.DiscardHandler))
	return nil
}

// Dead is closed when the library has failed for good.
func (lib *Library) Dead() <-chan struct{} { return lib.dead }

// Err returns a [*DeadError] when the library has failed for good, and nil before.
func (lib *Library) Err() error {
	lib.mu.Lock()
	defer lib.mu.Unlock()
	if lib.death == nil {
		return nil
	}
	return lib.death
}

func (lib *Library) die(message string) {
	lib.mu.Lock()
	defer lib.mu.Unlock()
	if lib.death == nil {
		lib.death = &DeadError{Message: message}
		close(lib.dead)
	}
}

// Path is the path of the main library.
func (lib *Library) Path() string { return lib.files.llama }

// Variant is the build that was loaded.
func (lib *Library) Variant() Variant { return lib.files.variant }

// Version is the release in the library's file name, such as "0.5.0", and empty where it has none.
func (lib *Library) Version() string { return lib.files.version }

// Devices lists what the library can compute on.
func (lib *Library) Devices() []Device { return lib.devices }

// SystemInfo is the library's own line about the processor's features in use.
func (lib *Library) SystemInfo() string { return lib.printSystemInfo() }
