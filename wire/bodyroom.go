package wire

import (
	"net/http"
	"sync"
)

// DefaultBodyRoom is how many bytes of bodies are held at once when
// Config.BodyRoom is 0. A body is read before its signature can be checked: who
// knows nothing but the form of a request must not be able to fill the memory.
const DefaultBodyRoom = 512 << 20

// bodyRoom hands out memory for bodies.
type bodyRoom struct {
	mu   sync.Mutex
	left int64
}

func (b *bodyRoom) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}

func (b *bodyRoom) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// roomFor takes memory for the body of a request; the caller gives it back by
// calling free once the body is not needed any more. What every connection may
// have anyway is not counted.
func (s *server) roomFor(w http.ResponseWriter, r *http.Request) (free func(), ex *Exception) {
	n := r.ContentLength
	if n < 0 || n > s.cfg.MaxBody {
		n = s.cfg.MaxBody // all that will be read of it
	}
	if n <= believed {
		return func() {}, nil
	}
	if !s.room.take(n) {
		w.Header().Set("Connection", "close") // the body stays unread
		return func() {}, Exceptionf("ServiceUnavailable", "The server holds as many large requests as it can. Try again in a moment.")
	}
	return func() { s.room.give(n) }, nil
}
