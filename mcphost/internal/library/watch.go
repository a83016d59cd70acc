package library

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxWatched bounds the resources of one server that are subscribed to, maxListeners who listens to one.
const (
	maxWatched   = 1000
	maxListeners = 1000
)

// Subscriber is what watching needs of a session, in both eras of the protocol.
type Subscriber interface {
	Subscribe(context.Context, *mcp.SubscribeParams) error
	Unsubscribe(context.Context, *mcp.UnsubscribeParams) error
}

// watches are the subscriptions to resources of one server. They outlive a connection: the next one takes
// them over. It is safe for concurrent use.
type watches struct {
	mu         sync.Mutex
	byURI      map[string]*watched
	subscriber Subscriber // nil while there is no connection
}

// watched is one resource that is subscribed to.
type watched struct {
	listeners []*func(uri string)
	// done is closed when the server has answered, and err is what it said.
	done chan struct{}
	err  error
}

// add has f called with the URI that changed, the resource's own or one below it, until stop is called.
// stop returns the session to tell that nobody listens any more, or nil.
func (w *watches) add(ctx context.Context, uri string, f func(uri string)) (stop func() Subscriber, err error) {
	w.mu.Lock()
	it := w.byURI[uri]
	first := it == nil
	switch {
	case w.subscriber == nil:
		err = fmt.Errorf("the server is not connected")
	case first && len(w.byURI) == maxWatched:
		err = fmt.Errorf("%d resources of the server are subscribed to already", maxWatched)
	case !first && len(it.listeners) == maxListeners:
		err = fmt.Errorf("%d subscribe to the resource already", maxListeners)
	}
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	if first {
		it = &watched{done: make(chan struct{})}
		if w.byURI == nil {
			w.byURI = map[string]*watched{}
		}
		w.byURI[uri] = it
	}
	subscriber := w.subscriber
	it.listeners = append(it.listeners, &f)
	w.mu.Unlock()
	if first {
		w.answered(uri, it, subscriber.Subscribe(ctx, &mcp.SubscribeParams{URI: uri}))
	}
	stop = func() Subscriber { return w.remove(uri, it, &f) }
	select {
	case <-it.done:
		if it.err != nil {
			return nil, it.err
		}
		return stop, nil
	case <-ctx.Done():
		stop()
		return nil, ctx.Err()
	}
}

// answered ends the wait for the server's answer. A resource that cannot be subscribed to is forgotten.
func (w *watches) answered(uri string, it *watched, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	it.err = err
	close(it.done)
	if err != nil && w.byURI[uri] == it {
		delete(w.byURI, uri)
	}
}

func (w *watches) remove(uri string, it *watched, f *func(string)) Subscriber {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(it.listeners)
	it.listeners = slices.DeleteFunc(slices.Clone(it.listeners), func(other *func(string)) bool { return other == f })
	if before == 0 || len(it.listeners) > 0 || w.byURI[uri] != it {
		return nil
	}
	delete(w.byURI, uri)
	return w.subscriber
}

// attach subscribes to everything anew on another connection, and tells the listeners, who may have missed
// something. It returns when the server has answered to all.
func (w *watches) attach(ctx context.Context, subscriber Subscriber, timeout time.Duration) {
	w.mu.Lock()
	uris := make([]string, 0, len(w.byURI))
	for uri := range w.byURI {
		uris = append(uris, uri)
	}
	w.mu.Unlock()
	for _, uri := range uris {
		if ctx.Err() != nil {
			return
		}
		one, cancel := context.WithTimeout(ctx, timeout)
		err := subscriber.Subscribe(one, &mcp.SubscribeParams{URI: uri})
		cancel()
		if err == nil {
			w.updated(uri)
		}
	}
}

// connect says over what to subscribe from now on, and whether anything is subscribed to; nil is no more.
func (w *watches) connect(subscriber Subscriber) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subscriber = subscriber
	return subscriber != nil && len(w.byURI) > 0
}

// updated tells the listeners to a resource, and to those above it, that it changed.
func (w *watches) updated(uri string) {
	w.mu.Lock()
	var listeners []*func(string)
	for watched, it := range w.byURI {
		if below(uri, watched) {
			listeners = append(listeners, it.listeners...)
		}
	}
	w.mu.Unlock()
	for _, f := range listeners {
		(*f)(uri)
	}
}

// Watch subscribes to a resource: f is called with the URI that changed, the resource's own or one below
// it, also after a connection was lost and made anew, until stop is called. Calls may come at the same time
// and must return at once. stop may return a session: tell it that nobody listens any more.
func (s *Shelf) Watch(ctx context.Context, uri string, f func(uri string)) (stop func() Subscriber, err error) {
	return s.watches.add(ctx, uri, f)
}

// ResourceUpdated takes the server's word that a resource changed.
func (s *Shelf) ResourceUpdated(uri string) {
	s.cache.forget(uri)
	s.watches.updated(uri)
}
