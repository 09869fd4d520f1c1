package stream

import (
	"maps"
	"sync"
)

// figures counts what operators want to see.
type figures struct {
	mu       sync.Mutex
	endings  map[string]float64 // by reason
	refusals map[string]float64
	deeds    map[string]float64 // by what and how
	files    map[string]float64 // bytes, by direction
	// What connections carried that have ended; guarded by the server's lock, so
	// that nobody is counted twice or not at all.
	in, out, inputs float64
}

func newFigures() figures {
	return figures{endings: map[string]float64{}, refusals: map[string]float64{}, deeds: map[string]float64{}, files: map[string]float64{"in": 0, "out": 0}}
}

// did counts what a user did.
func (f *figures) did(what string, bytes int64, err error) {
	how, way := " done", map[string]string{Upload: "in", Download: "out"}[what]
	if err != nil {
		how = " failed"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deeds[what+how]++
	if way != "" {
		f.files[way] += float64(bytes)
	}
}

func (f *figures) refused(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals[why]++
}

func (f *figures) ended(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endings[why]++
}

// Viewers counts the connections there are.
func (s *Server) Viewers() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]float64{"connected": float64(len(s.viewers))}
}

// Endings counts the connections that ended, by reason.
func (s *Server) Endings() map[string]float64 {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	return maps.Clone(s.figures.endings)
}

// Refusals counts the websockets that were refused, by reason.
func (s *Server) Refusals() map[string]float64 {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	return maps.Clone(s.figures.refusals)
}

// Deeds counts what users did beside looking, by what and how it went.
func (s *Server) Deeds() map[string]float64 {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	return maps.Clone(s.figures.deeds)
}

// FileBytes counts what files brought into guests (in) and out of them (out).
func (s *Server) FileBytes() map[string]float64 {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	return maps.Clone(s.figures.files)
}

// Bytes counts what was carried from viewers (in) and to them (out).
func (s *Server) Bytes() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, out := s.figures.in, s.figures.out
	for v := range s.viewers {
		in += float64(v.in.Load())
		out += float64(v.out.Load())
	}
	return map[string]float64{"in": in, "out": out}
}

// BytesByPage counts what was sent to the pages that are connected.
func (s *Server) BytesByPage() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[string]float64{}
	for v := range s.viewers {
		m[v.page] += float64(v.out.Load())
	}
	return m
}

// Inputs counts key and pointer events.
func (s *Server) Inputs() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.figures.inputs
	for v := range s.viewers {
		n += float64(v.inputs.Load())
	}
	return map[string]float64{"all": n}
}
