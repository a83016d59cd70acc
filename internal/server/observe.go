package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/toolserve/toolserve/internal/openai"
	"github.com/toolserve/toolserve/internal/server/apikey"
)

// The pace below which a connection is taken for dead or hostile.
const (
	readPause  = 30 * time.Second // the longest silence within a request's body
	writePause = 60 * time.Second // the longest time that a write may be stuck
)

// observe names each request, logs it, and turns a panic into an answer.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := requestID(r)
		prepare(w.Header(), id)
		out := &response{ResponseWriter: w, rc: http.NewResponseController(w)}
		if r.Body != nil && r.Body != http.NoBody {
			body := &pacedBody{ReadCloser: r.Body, rc: out.rc}
			if s.opts.Timeout > 0 {
				body.until = start.Add(s.opts.Timeout)
			}
			body.hurry() // also where no handler reads it: net/http does at the end
			r.Body = body
		}
		defer func() {
			failure := recover()
			if failure != nil && failure != http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared as net/http does
				s.log.Error("a handler panicked", "panic", failure, "id", id, "path", r.URL.Path, "stack", string(debug.Stack()))
				if out.status == 0 {
					openai.WriteError(out, http.StatusInternalServerError, "internal_error", "",
						"the server failed on this request; its log has the reason under request id "+id)
				} else {
					failure = http.ErrAbortHandler // the answer is cut off, which the client sees
				}
			}
			if failure == nil {
				out.deliver()
			}
			s.record(r, out, id, time.Since(start))
			if failure == http.ErrAbortHandler { //nolint:errorlint // as above
				panic(failure)
			}
		}()
		next.ServeHTTP(out, r)
	})
}

// prepare names the request in its answer. It tells browsers to do nothing with the answer but to hand it to
// the program that asked: not to guess its type, run it, frame it, embed it in other pages, keep it, or name it
// to others.
func prepare(h http.Header, id string) {
	values := [...]string{id, "nosniff", "default-src 'none'; frame-ancestors 'none'", "same-origin", "no-referrer", "no-store"}
	for i, name := range [...]string{
		"X-Request-Id", "X-Content-Type-Options", "Content-Security-Policy", "Cross-Origin-Resource-Policy", "Referrer-Policy", "Cache-Control",
	} {
		h[name] = values[i : i+1 : i+1] // of one array, since this is done for every answer
	}
}

func (s *Server) record(r *http.Request, out *response, id string, took time.Duration) {
	level := slog.LevelInfo
	if r.URL.Path == "/health" {
		level = slog.LevelDebug // probes come every few seconds
	}
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 8), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", out.status),
		slog.Int64("bytes", out.bytes), slog.Duration("duration", took.Round(time.Microsecond)), slog.String("client", clientIP(r)), slog.String("id", id))
	if out.actor != "" {
		attrs = append(attrs, slog.String("key", out.actor))
	}
	record := slog.NewRecord(time.Now(), level, "request", 0) // without a look at the stack for the line of code
	record.AddAttrs(attrs...)
	_ = s.log.Handler().Handle(r.Context(), record) // as slog.Logger does
}

// requestID returns the id that the client gave, if it can be shown in a log, or a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) == 0 || len(id) > 128 {
		return rand.Text()
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return rand.Text()
		}
	}
	return id
}

// protect puts admission, the limits on the body and the timeout around a handler.
func (s *Server) protect(scope apikey.Scope, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, ok := s.gate.admit(w, r, scope)
		if out, observed := w.(*response); observed {
			out.actor = key.Name
		}
		if !ok {
			return
		}
		if r.ContentLength > s.opts.MaxBody {
			w.Header().Set("Connection", "close") // else net/http waits for the body before it answers
			openai.WriteError(w, http.StatusRequestEntityTooLarge, "request_too_large", "",
				fmt.Sprintf("the body has %d bytes; this server takes at most %d", r.ContentLength, s.opts.MaxBody))
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, s.opts.MaxBody)
		}
		ctx := s.gate.withCaller(r.Context(), w.Header().Get("X-Request-Id"), key)
		if s.opts.Timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, s.opts.Timeout, timeoutError(s.opts.Timeout))
			defer cancel()
		}
		next.ServeHTTP(w, r.WithContext(ctx))
		if out, ok := w.(*response); ok && out.status == 0 {
			silent(out, ctx)
		}
	})
}

// silent answers for a handler that gave up without an answer because its context ended.
func silent(w http.ResponseWriter, ctx context.Context) {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.DeadlineExceeded):
		openai.WriteError(w, http.StatusGatewayTimeout, "timeout", "", cause.Error())
	case errors.Is(cause, errStopping):
		openai.WriteError(w, http.StatusServiceUnavailable, "stopping", "", cause.Error())
	}
}

// timeoutError is the cause of a request's context that ended at Options.Timeout.
type timeoutError time.Duration

func (e timeoutError) Error() string {
	return fmt.Sprintf("the request took longer than the %v that this server allows; ask for fewer tokens, or raise --timeout", time.Duration(e))
}

func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// pacedBody reads a body that must keep coming.
type pacedBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	until time.Time // when the whole of it must be there; zero: whenever
}

func (b *pacedBody) hurry() {
	deadline := time.Now().Add(readPause)
	if !b.until.IsZero() && b.until.Before(deadline) {
		deadline = b.until
	}
	_ = b.rc.SetReadDeadline(deadline) // not every writer has deadlines
}

func (b *pacedBody) Read(p []byte) (int, error) {
	b.hurry()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		// From now on the connection is watched for the client's leaving, which has all the time it wants.
		// After any other end the deadline stays: net/http reads on to keep the connection.
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// response remembers what was answered and keeps a client that does not read from holding the handler.
type response struct {
	http.ResponseWriter
	rc     *http.ResponseController
	status int // 0: nothing yet
	bytes  int64
	actor  string // the name of the key that the request came with
}

// deliver sends an answer whose length is known. Nobody has to wait for it until the request is logged.
func (w *response) deliver() {
	if w.status != 0 && w.Header().Get("Content-Length") != "" {
		_ = w.rc.Flush() // a client that left needs no answer
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = w.rc.SetWriteDeadline(time.Now().Add(writePause)) // not every writer has deadlines
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}
