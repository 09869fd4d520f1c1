package sigv4

import "sync"

// maxCached bounds a KeyCache. A real server sees a few keys, regions and
// services a day; who makes up regions only makes us derive keys more often.
const maxCached = 1024

// KeyCache remembers signing keys, which are the same for all requests of an
// access key, day, region and service. Only keys that have proved right get in.
// The zero value is ready; a nil one remembers nothing.
type KeyCache struct {
	mu   sync.RWMutex
	keys map[cacheKey][]byte
}

// cacheKey holds the secret itself: a rotated key derives anew.
type cacheKey struct{ secret, date, region, service string }

func keyOf(secret string, s Scope) cacheKey { return cacheKey{secret, s.Date, s.Region, s.Service} }

// find gives the signing key, and whether it was remembered.
func (c *KeyCache) find(secret string, s Scope) ([]byte, bool) {
	if c != nil {
		c.mu.RLock()
		k, ok := c.keys[keyOf(secret, s)]
		c.mu.RUnlock()
		if ok {
			return k, true
		}
	}
	return signingKey(secret, s), false
}

func (c *KeyCache) remember(secret string, s Scope, key []byte) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxCached {
		c.keys = map[cacheKey][]byte{}
	}
	c.keys[keyOf(secret, s)] = key
}
