package library

import (
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// The bounds of a cache.
const (
	maxCached      = 256
	maxCachedBytes = 16 << 20
)

// cache holds contents of resources for as long as their server says that they are good (ttlMs). What is
// private (cacheScope) is kept for the caller alone who read it. It is safe for concurrent use.
type cache struct {
	mu      sync.Mutex
	entries map[cacheKey]cached
	size    int
}

type cacheKey struct {
	uri string
	// actor is empty for what anybody may see.
	actor   string
	private bool
}

type cached struct {
	raw json.RawMessage
	// from and until bound when the contents are good.
	from, until time.Time
}

// get returns the result of reading a resource before, or nil.
func (c *cache) get(uri, actor string, now time.Time) json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range []cacheKey{{uri: uri}, {uri: uri, actor: actor, private: true}} {
		e, ok := c.entries[key]
		switch {
		case !ok:
		case now.Before(e.until) && !now.Before(e.from):
			return e.raw
		default:
			c.drop(key)
		}
	}
	return nil
}

// put keeps a result, where its server says for how long.
func (c *cache) put(uri, actor string, raw json.RawMessage, ttl time.Duration, scope string, now time.Time) {
	if ttl <= 0 || len(raw) > maxCachedBytes/4 {
		return
	}
	key := cacheKey{uri: uri}
	if scope != "public" {
		key.actor, key.private = actor, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[cacheKey]cached{}
	}
	c.drop(key)
	for len(c.entries) >= maxCached || c.size+len(raw) > maxCachedBytes {
		c.drop(c.first())
	}
	c.entries[key] = cached{raw: raw, from: now, until: now.Add(ttl)}
	c.size += len(raw)
}

// first is the entry that is good for the shortest time.
func (c *cache) first() (first cacheKey) {
	found := false
	for key, e := range c.entries {
		if !found || e.until.Before(c.entries[first].until) {
			first, found = key, true
		}
	}
	return first
}

func (c *cache) drop(key cacheKey) {
	if e, ok := c.entries[key]; ok {
		c.size -= len(e.raw)
		delete(c.entries, key)
	}
}

// forget drops what was read of a resource, of those below it and of those above it.
func (c *cache) forget(uri string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.entries {
		if below(key.uri, uri) || below(uri, key.uri) {
			c.drop(key)
		}
	}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.size = 0
}

// below reports whether a URI is another one or lies below it, as a file lies below its folder.
func below(uri, above string) bool {
	rest, ok := strings.CutPrefix(uri, above)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(above, "/"))
}

// Cached returns the result of resources/read of a URI that is still good for an actor, or nil.
func (s *Shelf) Cached(uri, actor string, now time.Time) json.RawMessage {
	return s.cache.get(uri, actor, now)
}

// Keep keeps a result of resources/read for as long as the server says that it is good.
func (s *Shelf) Keep(uri, actor string, raw json.RawMessage, answer ReadAnswer, now time.Time) {
	s.cache.put(uri, actor, raw, answer.TTL, answer.Scope, now)
}
