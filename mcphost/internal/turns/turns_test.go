package turns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCallersInTurn has one caller want five turns before another wants two.
func TestCallersInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		if waited, err := turns.Take(t.Context(), "first", 1); waited != 0 || err != nil {
			t.Fatal(waited, err)
		}
		var mu sync.Mutex
		var order []string
		for _, who := range []string{"a1", "a2", "a3", "a4", "a5", "b1", "b2"} {
			go func() {
				if _, err := turns.Take(t.Context(), who[:1], 1); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, who)
				mu.Unlock()
				turns.Done(1)
			}()
			synctest.Wait()
		}
		if n := turns.Ahead(); n != 8 {
			t.Errorf("%d are ahead", n)
		}
		turns.Done(1)
		synctest.Wait()
		if got := strings.Join(order, " "); got != "a1 b1 a2 b2 a3 a4 a5" {
			t.Errorf("the order was %s", got)
		}
		if n := turns.Ahead(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		turns.Take(t.Context(), "a", 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if waited, err := turns.Take(ctx, "b", 1); waited != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited %v, %v", waited, err)
		}
		turns.Done(1)
		if waited, err := turns.Take(t.Context(), "c", 1); waited != 0 || err != nil {
			t.Errorf("waited %v, %v", waited, err)
		}
		turns.Done(1)
	})
}

// TestMoreRoom lets those in who wait when the limit grows, and nobody more when it shrinks.
func TestMoreRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		var in atomic.Int32
		for i := range 5 {
			go func() {
				turns.Take(t.Context(), fmt.Sprint(i), 1)
				in.Add(1)
			}()
		}
		synctest.Wait()
		if n := in.Load(); n != 1 {
			t.Fatalf("%d are in", n)
		}
		turns.Done(4)
		synctest.Wait()
		if n := in.Load(); n != 5 {
			t.Fatalf("%d were let in", n)
		}
		for range 4 {
			turns.Done(1)
		}
		if n := turns.Ahead(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		turns.Take(t.Context(), "", 1)
		ctx, cancel := context.WithCancel(t.Context())
		for range MaxWaiting {
			go turns.Take(ctx, "a", 1)
		}
		synctest.Wait()
		if _, err := turns.Take(ctx, "b", 1); !errors.Is(err, ErrTooMany) {
			t.Errorf("error is %v", err)
		}
		cancel()
		synctest.Wait()
		if n := turns.Ahead(); n != 1 {
			t.Errorf("%d are left", n)
		}
	})
}

// TestBound has many callers come and go; never more are in than may be, and every turn comes back.
func TestBound(t *testing.T) {
	var turns Turns
	var in atomic.Int32
	var callers sync.WaitGroup
	for caller := range 32 {
		callers.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%5 == 0 {
					cancel()
				}
				if _, err := turns.Take(ctx, fmt.Sprint(caller%4), 3); err == nil {
					if n := in.Add(1); n > 3 {
						t.Errorf("%d are in", n)
					}
					in.Add(-1)
					turns.Done(3)
				}
				cancel()
			}
		})
	}
	callers.Wait()
	if n := turns.Ahead(); n != 0 {
		t.Errorf("%d are left", n)
	}
}
