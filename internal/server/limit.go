package server

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds the limiter's memory. The client that was quiet for longest is forgotten first.
const maxClients = 8192

// limiter counts requests per client: a bucket of perMinute requests that fills up within a minute.
type limiter struct {
	perMinute int

	mu      sync.Mutex // guards the rest
	clients map[string]*list.Element
	recent  *list.List // of *bucket, the latest user first
}

type bucket struct {
	client string
	rate   *rate.Limiter
}

func newLimiter(perMinute int) *limiter {
	return &limiter{perMinute: perMinute, clients: map[string]*list.Element{}, recent: list.New()}
}

// take counts a request, or says how long to wait until one is free.
func (l *limiter) take(client string) (wait time.Duration, ok bool) {
	reservation := l.bucket(client).Reserve()
	if wait = reservation.Delay(); wait > 0 {
		reservation.Cancel()
		return wait, false
	}
	return 0, true
}

func (l *limiter) bucket(client string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.clients[client]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket).rate
	}
	if l.recent.Len() >= maxClients {
		oldest := l.recent.Back()
		l.recent.Remove(oldest)
		delete(l.clients, oldest.Value.(*bucket).client)
	}
	b := &bucket{client, rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute)}
	l.clients[client] = l.recent.PushFront(b)
	return b.rate
}
