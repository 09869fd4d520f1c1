package work

// Looks is how often the engine looked at the store.
func (e *Engine) Looks() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.looks
}

// Gap and Tick are the bounds of how often the engine looks.
const (
	Gap  = gap
	Tick = tick
)
