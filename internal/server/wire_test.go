package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toolserve/toolserve/internal/server/apikey"
)

// pipes is a listener whose connections live in memory, so that time can be faked.
type pipes struct {
	conns  chan net.Conn // sent to by dial, received by Accept; never closed
	closed chan struct{} // closed by Close
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// serve runs a server in fake time while test talks to it.
func serve(t *testing.T, opts Options, routes func(*Server), test func(dial func() net.Conn, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(opts)
		if routes != nil {
			routes(s)
		}
		ln := newPipes()
		s.ln = ln
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx) }()
		test(ln.dial, cancel)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		time.Sleep(time.Hour) // for clients that still wait to send
	})
}

// drip sends text a byte every pause, until the other end closes.
func drip(conn net.Conn, text string, pause time.Duration) {
	for i := range len(text) {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// rest is all that still comes from the other end.
func rest(conn net.Conn) string {
	text, _ := io.ReadAll(conn)
	conn.Close()
	return string(text)
}

func TestSlowHeaders(t *testing.T) {
	serve(t, Options{}, nil, func(dial func() net.Conn, _ func()) {
		conn, start := dial(), time.Now()
		go drip(conn, "GET /things/a HTTP/1.1\r\nHost: localhost\r\n"+strings.Repeat("X: y\r\n", 1000), time.Second)
		rest(conn)
		if took := time.Since(start); took > 2*headerTimeout {
			t.Errorf("a client without an end to its headers was heard for %v", took)
		}
	})
}

const postHead = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"

func TestSilentBody(t *testing.T) {
	serve(t, Options{}, nil, func(dial func() net.Conn, _ func()) {
		conn, start := dial(), time.Now()
		go drip(conn, postHead+"{", 0)
		if answer := rest(conn); !strings.HasPrefix(answer, "HTTP/1.1 418 ") || time.Since(start) > 2*readPause {
			t.Errorf("after %v the answer is %q", time.Since(start), answer)
		}
	})
}

// A body that is refused before it is read must not hold the connection either.
func TestSilentBodyNobodyReads(t *testing.T) {
	serve(t, Options{Keys: ring("k")}, nil, func(dial func() net.Conn, _ func()) {
		conn, start := dial(), time.Now()
		go drip(conn, postHead, 0)
		if answer := rest(conn); !strings.HasPrefix(answer, "HTTP/1.1 401 ") || time.Since(start) > 2*readPause {
			t.Errorf("after %v the answer is %q", time.Since(start), answer)
		}
	})
}

// A body that is announced to be too large is refused before any of it has come.
func TestLargeBodyIsNotAwaited(t *testing.T) {
	serve(t, Options{MaxBody: 10}, nil, func(dial func() net.Conn, _ func()) {
		conn, start := dial(), time.Now()
		go drip(conn, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n", 0)
		if answer := rest(conn); !strings.HasPrefix(answer, "HTTP/1.1 413 ") || time.Since(start) >= readPause {
			t.Errorf("after %v the answer is %q", time.Since(start), answer)
		}
	})
}

// A slow body that keeps coming is fine, and a long answer is not cut by the body's deadline.
func TestSlowBodyAndLongAnswer(t *testing.T) {
	routes := func(s *Server) {
		s.Handle(apikey.Chat, "POST /long", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-time.After(10 * readPause):
				_, _ = w.Write([]byte("done"))
			case <-r.Context().Done():
			}
		}))
	}
	serve(t, Options{}, routes, func(dial func() net.Conn, _ func()) {
		conn := dial()
		go func() {
			drip(conn, strings.Replace(postHead, "/echo", "/long", 1), 0)
			drip(conn, strings.Repeat("x", 100), readPause/2)
		}()
		if answer, _ := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("the answer is %q", answer)
		}
		conn.Close()
	})
}

// A client that does not read its answer does not hold the handler forever.
func TestClientThatDoesNotRead(t *testing.T) {
	var ended chan error // of capacity 1, made in fake time
	routes := func(s *Server) {
		ended = make(chan error, 1)
		s.Handle(apikey.Chat, "GET /flood", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			for {
				if _, err := w.Write([]byte("data: x\n\n")); err != nil {
					ended <- err
					return
				}
				if err := rc.Flush(); err != nil {
					ended <- err
					return
				}
			}
		}))
	}
	serve(t, Options{}, routes, func(dial func() net.Conn, _ func()) {
		conn := dial()
		defer conn.Close()
		drip(conn, "GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n", 0)
		if err := <-ended; err == nil {
			t.Error("the handler ended without an error")
		}
	})
}

// A body that comes, but too slowly to end, ends with the request's time.
func TestDrippedBody(t *testing.T) {
	serve(t, Options{Timeout: time.Minute}, nil, func(dial func() net.Conn, _ func()) {
		conn, start := dial(), time.Now()
		go func() {
			drip(conn, postHead, 0)
			drip(conn, strings.Repeat("x", 100), readPause/2)
		}()
		if answer := rest(conn); !strings.HasPrefix(answer, "HTTP/1.1 418 ") || time.Since(start) > 2*time.Minute {
			t.Errorf("after %v the answer is %q", time.Since(start), answer)
		}
	})
}

func TestHostileBytes(t *testing.T) {
	for name, in := range map[string]string{
		"garbage":        "\x00\x01\x02\x03\r\n\r\n",
		"TLS":            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"two lengths":    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"bad chunks":     "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"no host":        "GET /things/a HTTP/1.1\r\n\r\n",
		"many headers":   "GET /things/a HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 200) + "\r\n",
		"two hosts":      "GET /things/a HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
		"whole address":  "GET http://evil.example/things/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"two origins":    "GET /things/a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: https://evil.example\r\n\r\n",
		"folded origin":  "GET /things/a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n ,https://evil.example\r\n\r\n",
		"null origin":    "GET /things/a HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n",
		"unclean path":   "POST //echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"dots in path":   "POST /things/..//echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"plain text":     "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
		"no type":        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
		"two types":      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
		"all options":    "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"connect":        "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"no slash":       "GET things/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"header newline": "GET /things/a HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\rb\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, Options{}, nil, func(dial func() net.Conn, _ func()) {
				conn := dial()
				go func() { _, _ = io.WriteString(conn, in) }()
				if answer := rest(conn); !strings.HasPrefix(answer, "HTTP/1.1 4") {
					t.Errorf("the answer is %q", answer)
				}
				conn = dial() // the server lives
				go drip(conn, "GET /things/a HTTP/1.0\r\nHost: localhost\r\n\r\n", 0)
				if answer := rest(conn); !strings.HasSuffix(answer, "\r\n\r\na") {
					t.Errorf("the next answer is %q", answer)
				}
			})
		})
	}
}

// slowRoute answers after a time, or says why it could not.
func slowRoute(took time.Duration) func(*Server) {
	return func(s *Server) {
		s.Handle(apikey.Chat, "GET /slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(took):
				_, _ = w.Write([]byte("done"))
			case <-r.Context().Done():
			}
		}))
	}
}

func TestDrain(t *testing.T) {
	for _, test := range []struct {
		name   string
		takes  time.Duration
		status string
		want   string
	}{
		{"a request that ends in time", 8 * time.Second, "HTTP/1.1 200 ", "done"},
		{"a request that does not", time.Hour, "HTTP/1.1 503 ", "the server is stopping"},
	} {
		t.Run(test.name, func(t *testing.T) {
			serve(t, Options{Drain: 10 * time.Second}, slowRoute(test.takes), func(dial func() net.Conn, stop func()) {
				conn, start := dial(), time.Now()
				drip(conn, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n", 0)
				synctest.Wait()
				stop()
				answer := rest(conn)
				if !strings.HasPrefix(answer, test.status) || !strings.Contains(answer, test.want) || time.Since(start) > 15*time.Second {
					t.Errorf("after %v the answer is %q", time.Since(start), answer)
				}
			})
		})
	}
}

// Over a real port: a free one is taken, and an answer comes.
func TestServe(t *testing.T) {
	s := newServer(Options{})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	client := http.Client{Transport: &http.Transport{}}
	resp, err := client.Get("http://" + s.Addr().String() + "/things/a")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "a" {
		t.Errorf("the answer is %q", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	client.CloseIdleConnections()
}
