package work

import "slipway/domain"

// Fetched is where an import task puts an object of this version.
func (w *World) Fetched(task domain.Key, size int64, tag string) string {
	return w.fetched(task, version{Size: size, Tag: tag})
}

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

// CrashAt makes the world die at a point: from there on every point fails.
func (w *World) CrashAt(point string, err error) {
	dead := false
	w.crash = func(p string) error {
		if dead = dead || p == point; dead {
			return err
		}
		return nil
	}
}

// PrewarmLine is what a guest of a system is given to do.
var PrewarmLine = prewarmLine
