package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"slipway/test/rig"
)

// point is what was measured at one size.
type point struct {
	instances, fleets, sessions int
	empty                       taken // before anything was made

	added        int           // instances, since the size before
	asked, grown time.Duration // from the first request until all was asked for, and until all was there
	growCPU      time.Duration

	opened            int // sessions, since the size before
	openTime, openCPU time.Duration
	rush              figures // while they were opened as fast as it goes

	changeCPU          float64 // processors
	lags               [3]spread
	fleet, list, list2 spread
	busy               figures

	sockets int
	watched []string // users whose session was looked at
	frame   spread

	rest    taken
	idleCPU float64
	scrape  time.Duration
	metrics string // what it gave
}

// figures are those of users who come.
type figures struct{ asked, handed spread }

// taken is what the server has taken so far.
type taken struct {
	cpu      time.Duration
	resident int64 // bytes; anonymous only
	database int64 // bytes of its files
}

func (m *measuring) takes() (t taken, err error) {
	if _, t.resident, err = m.srv.Resident(); err != nil {
		return t, err
	}
	if t.cpu, err = rig.CPU(m.srv.Pid()); err != nil {
		return t, err
	}
	files, err := filepath.Glob(filepath.Join(m.srv.DataDir, "slipway.db*"))
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			t.database += st.Size()
		}
	}
	return t, err
}

// scrape reads the server's own figures.
func (m *measuring) scrape() (string, error) {
	r, err := http.NewRequestWithContext(m.ctx, "GET", m.srv.Endpoint+"/_slipway/metrics", nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// times collects durations.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d)
}

func (t *times) took(f func() error) error {
	begun := time.Now()
	err := f()
	t.add(time.Since(begun))
	return err
}

// spread is how durations are spread.
type spread struct {
	n             int
	p50, p99, max time.Duration
}

func (t *times) spread() spread {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.all)
	if n == 0 {
		return spread{}
	}
	slices.Sort(t.all)
	return spread{n, t.all[n/2], t.all[n*99/100], t.all[n-1]}
}

func (s spread) String() string { return short(s.p50) + " / " + short(s.p99) }

func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
