package sqlite

import (
	"context"
	"sync"
)

// sources is what the views of a remembered answer have read.
type sources struct {
	mu sync.Mutex
	// groups, each with the earliest era that it was read in.
	groups map[group]int64
	// unknown: something was read whose changes nobody tells.
	unknown bool
}

type sourcesKey struct{}

func sourcesOf(ctx context.Context) *sources {
	s, _ := ctx.Value(sourcesKey{}).(*sources)
	return s
}

func (s *sources) read(g group, seq int64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.groups[g]; !ok || seq < at {
		s.groups[g] = seq
	}
}

func (s *sources) readUnknown() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unknown = true
}

// Remember implements store.Store.
func (d *db) Remember(ctx context.Context, key any, f func(context.Context) (any, int, error)) (any, error) {
	if d.isClosed() {
		return nil, errClosed
	}
	if sourcesOf(ctx) != nil { // the answer around this one is made of what this one reads
		answer, _, err := f(ctx)
		return answer, err
	}
	if u := d.cache.recall(key); u != nil {
		return u.kept, nil
	}
	s := &sources{groups: map[group]int64{}}
	answer, bytes, err := f(context.WithValue(ctx, sourcesKey{}, s))
	if err == nil && bytes > 0 && !s.unknown {
		d.cache.remember(&unit{key: key, sources: s.groups, kept: answer, cost: bytes})
	}
	return answer, err
}

// recall finds a remembered answer: present ones are right, since what changes
// them drops them.
func (c *cache) recall(key any) *unit {
	c.mu.RLock()
	defer c.mu.RUnlock()
	u := c.answers[key]
	if u != nil {
		u.touch()
	}
	return u
}

// remember keeps an answer, unless something it was read from has changed since.
func (c *cache) remember(u *unit) {
	u.cost += unitCost
	c.mu.Lock()
	defer c.mu.Unlock()
	for g, seq := range u.sources {
		if !c.fresh(g, seq) {
			return
		}
	}
	if !c.room(u) {
		return
	}
	if old := c.answers[u.key]; old != nil {
		c.drop(old)
	}
	c.answers[u.key] = u
	for g := range u.sources {
		if c.from[g] == nil {
			c.from[g] = map[*unit]struct{}{}
		}
		c.from[g][u] = struct{}{}
	}
	c.link(u)
}

// forget takes an answer out of the maps; the ring is the caller's.
func (c *cache) forget(u *unit) {
	delete(c.answers, u.key)
	for g := range u.sources {
		delete(c.from[g], u)
		if len(c.from[g]) == 0 {
			delete(c.from, g)
		}
	}
}
