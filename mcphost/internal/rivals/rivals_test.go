package rivals

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goclient "github.com/mark3labs/mcp-go/client"
	gomcp "github.com/mark3labs/mcp-go/mcp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/toolserve/toolserve/internal/mcpapi"
	"github.com/toolserve/toolserve/internal/server"
	"github.com/toolserve/toolserve/internal/server/apikey"
	"github.com/toolserve/toolserve/mcphost"
)

// path is one way to call the echo tool.
type path struct {
	name string
	call func(ctx context.Context, text string) (string, error)
}

const (
	rounds   = 30
	perRound = 100
	callers  = 16
	parallel = 300 * time.Millisecond
)

func BenchmarkCalls(b *testing.B) {
	for _, library := range []string{"go-sdk", "mcp-go"} {
		for _, text := range []string{"hello", "4096", "262144"} {
			b.Run(fmt.Sprintf("server=%s/text=%s", library, text), func(b *testing.B) {
				paths := []path{official(b, library), other(b, library)}
				host, api := ours(b, library)
				paths = append(paths, host, api)
				for b.Loop() {
					compare(b, paths, text)
				}
			})
		}
	}
}

// figures are what was measured of a path.
type figures struct {
	p50, p99       []time.Duration // of each round
	perSecond      []float64       // of 16 callers, of each round
	bytes, mallocs float64         // of a call, in this process
	own, server    time.Duration   // processor time of all calls of the 16, here and of the server
	calls          float64
}

// compare measures the paths in turns and prints their figures.
func compare(b *testing.B, paths []path, text string) {
	all := make([]figures, len(paths))
	n := rounds
	if len(answer(text)) > 100_000 {
		n /= 3
	}
	for i, p := range paths {
		all[i].bytes, all[i].mallocs = memory(b, p, text)
	}
	for round := range n {
		for i := range paths {
			i = (i + round) % len(paths) // nobody is always the first after another
			p50, p99 := sequence(b, paths[i], text)
			all[i].p50, all[i].p99 = append(all[i].p50, p50), append(all[i].p99, p99)
		}
	}
	for round := range n / 3 {
		for i := range paths {
			i = (i + round) % len(paths)
			own, child := processorTime(b)
			count, took := throughput(b, paths[i], text)
			ownAfter, childAfter := processorTime(b)
			all[i].own, all[i].server = all[i].own+ownAfter-own, all[i].server+childAfter-child
			all[i].calls += count
			all[i].perSecond = append(all[i].perSecond, count/took.Seconds())
		}
	}
	direct := all[0]
	for i, f := range all {
		// The differences are those of rounds that stand next to each other, on a machine that others use too.
		b.Logf("%-22s p50 %4d µs (%+4d to go-sdk, %+4d to mcp-go)  p99 %5d µs  %6.0f calls/s of %d callers (%.2fx go-sdk)  processor %3.0f + %3.0f µs a call  %7.0f B  %4.0f allocations",
			paths[i].name, median(f.p50).Microseconds(), difference(f.p50, direct.p50), difference(f.p50, all[1].p50),
			median(f.p99).Microseconds(), median(f.perSecond), callers, ratio(f.perSecond, direct.perSecond),
			float64(f.own.Microseconds())/f.calls, float64(f.server.Microseconds())/f.calls, f.bytes, f.mallocs)
	}
	b.Logf("%s; %d rounds of %d calls in turns, then of %v with %d callers", load(), n, perRound, parallel, callers)
}

func median[T time.Duration | float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// difference is the median of the differences of the rounds, in microseconds.
func difference(a, b []time.Duration) int64 {
	var differences []time.Duration
	for i := range a {
		differences = append(differences, a[i]-b[i])
	}
	return median(differences).Microseconds()
}

// ratio is the median of the ratios of the rounds.
func ratio(a, b []float64) float64 {
	var ratios []float64
	for i := range a {
		ratios = append(ratios, a[i]/b[i])
	}
	return median(ratios)
}

func load() string {
	data, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("load %.14s on %d processors", data, runtime.GOMAXPROCS(0))
}

func one(b *testing.B, p path, text, want string) {
	got, err := p.call(context.Background(), text)
	if err != nil || got != want {
		b.Fatalf("%s: %.100q, %v", p.name, got, err)
	}
}

func sequence(b *testing.B, p path, text string) (p50, p99 time.Duration) {
	want := answer(text)
	took := make([]time.Duration, perRound)
	for i := range took {
		start := time.Now()
		one(b, p, text, want)
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// processorTime returns what this process and those that it started have used.
func processorTime(b *testing.B) (own, children time.Duration) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		data, _ := os.ReadFile(file)
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(fields) < 13 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		children += time.Duration(user+system) * 10 * time.Millisecond // ticks of 100 Hz
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), children
}

func throughput(b *testing.B, p path, text string) (calls float64, took time.Duration) {
	want := answer(text)
	var count atomic.Int64
	var wait sync.WaitGroup
	start := time.Now()
	for range callers {
		wait.Go(func() {
			for time.Since(start) < parallel {
				if got, err := p.call(context.Background(), text); err != nil || got != want {
					b.Errorf("%s: %.100q, %v", p.name, got, err)
					return
				}
				count.Add(1)
			}
		})
	}
	wait.Wait()
	return float64(count.Load()), time.Since(start)
}

// memory returns what a call allocates in this process, after the first ones.
func memory(b *testing.B, p path, text string) (bytes, mallocs float64) {
	want := answer(text)
	const n = 200
	var before, after runtime.MemStats
	for i := range 2 * n {
		if i == n {
			runtime.ReadMemStats(&before)
		}
		one(b, p, text, want)
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / n, float64(after.Mallocs-before.Mallocs) / n
}

func self(b *testing.B) string {
	b.Helper()
	name, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return name
}

// official calls with the client of the official library.
func official(b *testing.B, library string) path {
	cmd := exec.Command(self(b))
	cmd.Env = append(os.Environ(), serverVariable+"="+library)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "bench", Version: "1"}, nil).Connect(context.Background(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { session.Close() })
	return path{"go-sdk client", func(ctx context.Context, text string) (string, error) {
		result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": text}})
		if err != nil {
			return "", err
		}
		return result.Content[0].(*mcp.TextContent).Text, nil
	}}
}

// other calls with the client of mcp-go.
func other(b *testing.B, library string) path {
	c, err := goclient.NewStdioMCPClient(self(b), []string{serverVariable + "=" + library})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	init := gomcp.InitializeRequest{}
	init.Params.ProtocolVersion, init.Params.ClientInfo = gomcp.LATEST_PROTOCOL_VERSION, gomcp.Implementation{Name: "bench", Version: "1"}
	if _, err := c.Initialize(context.Background(), init); err != nil {
		b.Fatal(err)
	}
	return path{"mcp-go client", func(ctx context.Context, text string) (string, error) {
		req := gomcp.CallToolRequest{}
		req.Params.Name, req.Params.Arguments = "echo", map[string]any{"text": text}
		result, err := c.CallTool(ctx, req)
		if err != nil {
			return "", err
		}
		return result.Content[0].(gomcp.TextContent).Text, nil
	}}
}

// ours calls with a host, and over HTTP.
func ours(b *testing.B, library string) (host, api path) {
	dir := b.TempDir()
	config := fmt.Sprintf(`{"mcpServers":{"s":{"command":%q,"env":{%q:%q},"skip_security_validation":true}},
		"security":{"max_calls_per_minute":1000000,"audit_file":%q,"lock_file":%q}}`,
		self(b), serverVariable, library, filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "lock.json"))
	cfg, _, err := mcphost.ParseConfig([]byte(config), mcphost.ParseOptions{})
	if err != nil {
		b.Fatal(err)
	}
	h, err := mcphost.New(cfg, mcphost.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close() })
	if err := h.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	if err := h.WaitReady(context.Background()); err != nil {
		b.Fatal(err)
	}
	host = path{"toolserve Host.Execute", func(ctx context.Context, text string) (string, error) {
		arguments, _ := json.Marshal(map[string]string{"text": text})
		result, err := h.Execute(ctx, mcphost.Call{Server: "s", Tool: "echo", Arguments: arguments, Origin: "execute"})
		return result.Text(), err
	}}
	return host, overHTTP(b, h)
}

// overHTTP calls POST /v1/mcp/execute of a server that listens.
func overHTTP(b *testing.B, h *mcphost.Host) path {
	s := server.New(server.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, route := range mcpapi.NewHandler(mcpapi.Options{Host: h, Audit: h.Audit(), Actor: server.Actor}).Routes() {
		s.Handle(apikey.Tools, route.Pattern, route.Handler)
	}
	if err := s.Listen(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-served
	})
	idle := make(chan *wire, callers)
	b.Cleanup(func() {
		for range len(idle) {
			(<-idle).conn.Close()
		}
	})
	return path{"toolserve HTTP", func(_ context.Context, text string) (string, error) {
		var w *wire
		select {
		case w = <-idle:
		default:
			var err error
			if w, err = dial(s.Addr().String()); err != nil {
				return "", err
			}
		}
		defer func() { idle <- w }()
		return w.execute(text)
	}}
}

// wire is a connection of a client that costs little itself, since it shares the processors with what is
// measured. It sends what any client sends, and reads the answer with net/http.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

func dial(address string) (*wire, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (w *wire) execute(text string) (string, error) {
	body := fmt.Appendf(nil, `{"server":"s","tool":"echo","arguments":{"text":%q}}`, text)
	w.out = fmt.Appendf(w.out[:0], "POST /v1/mcp/execute HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		w.conn.RemoteAddr(), len(body), body)
	if _, err := w.conn.Write(w.out); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data := make([]byte, max(resp.ContentLength, 0))
	if _, err := io.ReadFull(resp.Body, data); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s %v", resp.Status, data, err)
	}
	// Enough of the answer is looked at to know that it is the right one.
	_, result, _ := bytes.Cut(data, []byte(`"result":"`))
	result, _, _ = bytes.Cut(result, []byte(`","content":`))
	return string(result), nil
}

// BenchmarkPath calls one way alone, for a profile of it, and says what processor time a call takes here (cpu-µs/op)
// and in its server (server-µs/op).
func BenchmarkPath(b *testing.B) {
	host, api := ours(b, "mcp-go")
	for _, p := range []path{official(b, "mcp-go"), other(b, "mcp-go"), host, api} {
		for _, text := range []string{"hello", "4096"} {
			want := answer(text)
			b.Run(p.name+" "+text, func(b *testing.B) {
				accounted(b, func() {
					for range b.N {
						one(b, p, text, want)
					}
				})
			})
			b.Run(p.name+" "+text+" of many", func(b *testing.B) {
				accounted(b, func() {
					b.SetParallelism(callers / runtime.GOMAXPROCS(0))
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							one(b, p, text, want)
						}
					})
				})
			})
		}
	}
}

// accounted reports what b.N calls took of the processors and of memory.
func accounted(b *testing.B, calls func()) {
	b.ReportAllocs()
	own, server := processorTime(b)
	calls()
	ownAfter, serverAfter := processorTime(b)
	b.ReportMetric(float64((ownAfter-own).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64((serverAfter-server).Nanoseconds())/1000/float64(b.N), "server-µs/op")
}
