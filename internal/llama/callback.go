package llama

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
)

// process is the state that C code reaches by itself. It has to be one per process: shared libraries are
// mapped into a process once, llama.cpp's log, abort and terminate handlers are global to it, and a function
// that Go has made callable from C can never be freed, so that each is made once and finds what a call is
// about through here.
var process struct {
	mu      sync.Mutex // held while a library is opened
	library atomic.Pointer[Library]

	nextLoad atomic.Uint64
	loads    sync.Map // uint64, the user_data of a progress callback, to func(float32) bool
}

// The callbacks. Each recovers from a panic, which would otherwise end the process in C code.

// logCallback is a ggml_log_callback.
var logCallback = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(level int32, text *byte, _ uintptr) {
		defer func() { _ = recover() }()
		if lib := process.library.Load(); lib != nil {
			lib.log.write(level, goString(text))
		}
	})
})

// abortCallback is a ggml_abort_callback_t. Were it to return, the process would end.
var abortCallback = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(message *byte) {
		park(goString(message))
	})
})

// terminateCallback is a std::terminate_handler, called for a C++ exception that nothing catches.
var terminateCallback = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func() {
		park("uncaught C++ exception")
	})
})

// progressCallback is a llama_progress_callback.
var progressCallback = sync.OnceValue(func() uintptr {
	return purego.NewCallback(func(fraction float32, load uintptr) (proceed bool) {
		defer func() {
			if recover() != nil {
				proceed = false
			}
		}()
		if f, ok := process.loads.Load(uint64(load)); ok {
			return f.(func(float32) bool)(fraction)
		}
		return true
	})
})

// park reports the library dead and holds the thread that failed forever.
func park(reason string) {
	func() {
		defer func() { _ = recover() }()
		if lib := process.library.Load(); lib != nil {
			lib.die(strings.TrimSpace(reason))
		}
	}()
	select {}
}

// goString copies a C string.
func goString(p *byte) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

// cString returns the bytes of s with the zero that C wants at the end.
func cString(s string) []byte { return append([]byte(s), 0) }

// keptLines is how many of the library's last warnings and errors are kept to explain a failure.
const keptLines = 8

// logSink takes the library's log.
type logSink struct {
	mu      sync.Mutex
	logger  *slog.Logger
	level   int32
	partial strings.Builder
	written uint64   // errors and warnings so far
	lines   []string // the last of them, at most keptLines
}

// write takes a piece of a log line. The library writes lines in pieces, each but the first at level logCont.
func (s *logSink) write(level int32, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if level != logCont {
		s.flush()
		s.level = level
	}
	s.partial.WriteString(text)
	if strings.HasSuffix(text, "\n") || s.partial.Len() > 8192 {
		s.flush()
	}
}

func (s *logSink) flush() {
	line := strings.TrimSpace(s.partial.String())
	s.partial.Reset()
	if line == "" {
		return
	}
	if s.level == logError || s.level == logWarn {
		s.written++
		s.lines = append(s.lines, line)
		if len(s.lines) > keptLines {
			s.lines = append(s.lines[:0], s.lines[1:]...)
		}
	}
	s.logger.Log(context.Background(), slogLevel(s.level), line, "from", "llama.cpp")
}

// slogLevel maps the library's levels one step down: what it calls an error comes back from the call that
// failed, and its news would fill pages.
func slogLevel(level int32) slog.Level {
	switch level {
	case logError:
		return slog.LevelWarn
	case logWarn:
		return slog.LevelInfo
	case logInfo:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}

func (s *logSink) setLogger(l *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logger = l
}

// mark returns a point in the log for reason to look from.
func (s *logSink) mark() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

// reason returns what the library complained of since a mark, "" if of nothing. Each line is without the name
// of the C++ function that it begins with.
func (s *logSink) reason(mark uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int(min(s.written-mark, uint64(len(s.lines))))
	var parts []string
	for _, line := range s.lines[len(s.lines)-n:] {
		if name, rest, ok := strings.Cut(line, ": "); ok && !strings.ContainsAny(name, " '\"/") {
			line = rest
		}
		parts = append(parts, line)
	}
	return strings.Join(parts, "; ")
}
