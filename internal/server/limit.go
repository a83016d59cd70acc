package server

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds the limiter's memory. The client that was quiet for longest is forgotten first.
const maxClients = 8192

// limiter counts requests per client: a bucket of so many requests that fills up within a minute.
type limiter struct {
	perMinute int // for clients without a limit of their own; 0 is none

	mu      sync.Mutex // guards the rest
	clients map[string]*list.Element
	recent  *list.List // of *bucket, the latest user first
}

type bucket struct {
	client    string
	perMinute int
	rate      *rate.Limiter
}

func newLimiter(perMinute int) *limiter {
	return &limiter{perMinute: perMinute, clients: map[string]*list.Element{}, recent: list.New()}
}

// take counts a request of a client, which is asked for only where there is a limit, and whose own limit goes
// before the limiter's where it is not 0. It returns the limit, and how long to wait where it is reached.
func (l *limiter) take(client func() string, own int) (perMinute int, wait time.Duration) {
	perMinute = l.perMinute
	if own > 0 {
		perMinute = own
	}
	if perMinute <= 0 {
		return 0, 0
	}
	reservation := l.bucket(client(), perMinute).Reserve()
	if wait = reservation.Delay(); wait > 0 {
		reservation.Cancel()
	}
	return perMinute, wait
}

func (l *limiter) bucket(client string, perMinute int) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.clients[client]; ok {
		if e.Value.(*bucket).perMinute == perMinute {
			l.recent.MoveToFront(e)
			return e.Value.(*bucket).rate
		}
		l.forget(e) // its limit was changed
	}
	if l.recent.Len() >= maxClients {
		l.forget(l.recent.Back())
	}
	b := &bucket{client, perMinute, rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)}
	l.clients[client] = l.recent.PushFront(b)
	return b.rate
}

// forget drops a client. l.mu is held.
func (l *limiter) forget(e *list.Element) {
	l.recent.Remove(e)
	delete(l.clients, e.Value.(*bucket).client)
}
