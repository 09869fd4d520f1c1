package work

import (
	"context"
	"sync"
)

// Slots bounds how many guests run at once on this host. A slot belongs to a
// machine id: taking it twice is one slot, so a resumed job takes its own back.
type Slots struct {
	count func() int // asked once, by the first guest
	once  sync.Once
	mu    sync.Mutex
	free  int
	held  map[string]bool
	wake  chan struct{} // closed and replaced at each release
}

// NewSlots makes as many slots as count says. It is asked when the first guest
// comes, since the answer may take a while to find.
func NewSlots(count func() int) *Slots {
	return &Slots{count: count, held: map[string]bool{}, wake: make(chan struct{})}
}

func (s *Slots) open() {
	s.once.Do(func() {
		n := max(s.count(), 1)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free += n
	})
}

// Take waits for a slot, or for ctx to end.
func (s *Slots) Take(ctx context.Context, id string) error {
	s.open()
	for {
		s.mu.Lock()
		if s.held[id] || s.free > 0 {
			if !s.held[id] {
				s.held[id] = true
				s.free--
			}
			s.mu.Unlock()
			return nil
		}
		wake := s.wake
		s.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Resume takes the slot of a machine that runs already, even beyond the bound.
func (s *Slots) Resume(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held[id] {
		s.held[id] = true
		s.free--
	}
}

// Release gives the slot back; nothing to give back is fine.
func (s *Slots) Release(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[id] {
		delete(s.held, id)
		s.free++
		close(s.wake)
		s.wake = make(chan struct{})
	}
}
