package gate

import "sync"

// shelf keeps the last few things that were read. It is safe for use by
// several goroutines; two of them may make the same thing at the same time.
type shelf[T any] struct {
	mu    sync.Mutex
	items map[int64]T
	order []int64 // oldest first
}

// shelfItems is how many things are kept: enough for the readers of a parallel
// upload.
const shelfItems = 32

func (s *shelf[T]) get(key int64, make func() (T, error)) (T, error) {
	s.mu.Lock()
	v, ok := s.items[key]
	s.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := make()
	if err != nil {
		return v, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.items[key]; ok {
		return v, nil
	}
	if s.items == nil {
		s.items = map[int64]T{}
	}
	if len(s.order) == shelfItems {
		delete(s.items, s.order[0])
		s.order = append(s.order[:0], s.order[1:]...)
	}
	s.items[key], s.order = v, append(s.order, key)
	return v, nil
}
