package outbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pipe(t *testing.T) (in *os.File, out *Outbox) {
	t.Helper()
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		w.Close()
	})
	return in, New(w)
}

// TestWithdraw takes back what was not sent, while the server reads nothing, and nothing else.
func TestWithdraw(t *testing.T) {
	in, out := pipe(t)
	large := strings.Repeat("x", 1<<20) + "\n"
	for id := int64(1); id <= 3; id++ {
		if err := out.Post(t.Context(), id, fmt.Appendf(nil, "%d%s", id, large)); err != nil {
			t.Fatal(err)
		}
	}
	if out.Withdraw(1) {
		t.Error("a message was taken back of which a part is sent")
	}
	if !out.Withdraw(2) || out.Withdraw(2) {
		t.Error("a message that waits can be taken back, once")
	}
	r := bufio.NewReader(in)
	for _, want := range []string{"1", "3"} {
		if line, err := r.ReadString('\n'); err != nil || line != want+large {
			t.Fatalf("read %.20q of %d bytes, %v; want message %s", line, len(line), err, want)
		}
	}
}

// TestManySenders has every message arrive whole, and those of one sender in order.
func TestManySenders(t *testing.T) {
	in, out := pipe(t)
	const senders, each = 8, 500
	var wait sync.WaitGroup
	for sender := range senders {
		wait.Go(func() {
			for n := range each {
				if err := out.Post(t.Context(), 0, fmt.Appendf(nil, "%d %d %s\n", sender, n, strings.Repeat("y", n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var next [senders]int
	r := bufio.NewReader(in)
	for range senders * each {
		line, err := r.ReadString('\n')
		var sender, n int
		if _, scanErr := fmt.Sscanf(line, "%d %d ", &sender, &n); err != nil || scanErr != nil {
			t.Fatalf("read %.60q, %v", line, errors.Join(err, scanErr))
		}
		if n != next[sender] || len(line) != len(fmt.Sprintf("%d %d ", sender, n))+n+1 {
			t.Fatalf("read %.60q, want message %d of %d", line, next[sender], sender)
		}
		next[sender]++
	}
	wait.Wait()
}

// TestClosed fails those who send to a pipe that nobody reads from any more.
func TestClosed(t *testing.T) {
	in, out := pipe(t)
	in.Close()
	var err error
	for err == nil { // that nobody reads may be found out on another goroutine
		err = out.Post(t.Context(), 0, []byte("z\n"))
	}
	if !errors.Is(err, ErrEnded) {
		t.Errorf("error is %v", err)
	}
}
