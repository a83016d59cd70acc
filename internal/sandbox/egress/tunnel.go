package egress

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// tunnel is a connection of the client joined with one to its target.
type tunnel struct {
	client, server net.Conn
	// launch says that it is allowed during the launch alone.
	launch bool
	idle   time.Duration
	// touched is when the deadlines were set, in nanoseconds.
	touched atomic.Int64
	closing sync.Once
}

// connect answers CONNECT (RFC 9110 section 9.3.6).
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	target, err := ParseTarget(r.RequestURI, 0)
	if err != nil {
		answer(w, http.StatusBadRequest, "CONNECT wants host:port: "+err.Error())
		return
	}
	server, launch, err := p.dial(r.Context(), target)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = server.Close()
		answer(w, http.StatusInternalServerError, err.Error())
		return
	}
	t := &tunnel{client: client, server: server, launch: launch, idle: p.opts.IdleTimeout}
	if !p.keep(t) {
		t.close()
		return
	}
	defer p.drop(t)
	t.run(buffered)
}

// keep notes a tunnel, unless it is no longer allowed.
func (p *Proxy) keep(t *tunnel) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || t.launch && p.settled {
		return false
	}
	p.tunnels[t] = struct{}{}
	return true
}

func (p *Proxy) drop(t *tunnel) {
	t.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tunnels, t)
}

func (t *tunnel) close() {
	t.closing.Do(func() {
		_ = t.client.Close()
		_ = t.server.Close()
	})
}

// run copies both ways until both have ended, one has failed, or nothing went either way for too long.
func (t *tunnel) run(buffered *bufio.ReadWriter) {
	t.touch()
	if _, err := io.WriteString(t.client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() { t.copy(t.server, buffered.Reader) })
	t.copy(t.client, t.server)
	up.Wait()
}

// copy copies one way. An end goes on to the other side, which may still answer; a failure ends both.
func (t *tunnel) copy(to net.Conn, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			t.touch()
			if _, err := to.Write(buffer[:n]); err != nil {
				t.close()
				return
			}
		}
		if err == nil {
			continue
		}
		half, ok := to.(interface{ CloseWrite() error })
		if err != io.EOF || !ok || half.CloseWrite() != nil {
			t.close()
		}
		return
	}
}

// touch puts off the end of an idle tunnel; more often than each second would change nothing.
func (t *tunnel) touch() {
	now := time.Now()
	last := t.touched.Load()
	if now.UnixNano()-last < int64(min(time.Second, t.idle/2)) || !t.touched.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	_ = t.client.SetDeadline(now.Add(t.idle))
	_ = t.server.SetDeadline(now.Add(t.idle))
}

// idleConn ends reads and writes that wait for too long.
type idleConn struct {
	net.Conn
	idle time.Duration
}

func (c idleConn) Read(b []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.idle))
	return c.Conn.Read(b)
}

func (c idleConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.idle))
	return c.Conn.Write(b)
}

// bounded is a listener with at most so many connections at a time; others wait to be accepted. It is not
// netutil.LimitListener, whose connections have no CloseWrite, which a tunnel needs to pass on one side's end.
type bounded struct {
	net.Listener
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
}

func newBounded(l net.Listener, n int) *bounded {
	return &bounded{Listener: l, slots: make(chan struct{}, n), done: make(chan struct{})}
}

func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.slots <- struct{}{}:
	case <-b.done:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.slots
		return nil, err
	}
	return &boundedConn{Conn: conn, free: func() { <-b.slots }}, nil
}

func (b *bounded) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Listener.Close()
}

// boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	free func()
	once sync.Once
}

func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.free)
	return err
}

// CloseWrite ends what is sent; what is received goes on.
func (c *boundedConn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return net.ErrClosed
	}
	return half.CloseWrite()
}
