package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// bar shows how far one piece of work is: a line that is drawn over itself on a
// terminal, a new line every few seconds elsewhere. It is safe for use by
// several goroutines.
type bar struct {
	mu    sync.Mutex
	w     io.Writer
	live  bool
	label string
	unit  string // "MB" counts bytes; anything else counts as it is
	total int64
	done  int64
	base  int64 // done when it began: what was not moved by this run
	note  string
	begun time.Time
	drawn time.Time
	now   func() time.Time
}

const (
	barWidth   = 28
	liveEvery  = 100 * time.Millisecond
	plainEvery = 5 * time.Second
)

// newBar makes a bar; total 0 means unknown.
func newBar(w io.Writer, label, unit string, done, total int64) *bar {
	b := &bar{w: w, live: terminal(w), label: label, unit: unit, done: done, base: done, total: total, now: time.Now}
	b.begun = b.now()
	if b.live {
		b.draw()
	} else {
		b.drawn = b.begun
	}
	return b
}

// terminal tells whether lines on w can be drawn over.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || os.Getenv("CI") != "" {
		return false
	}
	s, err := f.Stat()
	return err == nil && s.Mode()&os.ModeCharDevice != 0
}

// add counts n more units done.
func (b *bar) add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done += n
	b.due()
}

// set replaces everything that may change.
func (b *bar) set(done, total int64, note string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done, b.total, b.note = done, total, note
	b.due()
}

// say prints a line that stays.
func (b *bar) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	fmt.Fprintf(b.w, format+"\n", args...)
}

// end takes the bar off a terminal; what stays is said by whoever ends it.
func (b *bar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
}

func (b *bar) due() {
	every := plainEvery
	if b.live {
		every = liveEvery
	}
	if b.now().Sub(b.drawn) >= every {
		b.draw()
	}
}

func (b *bar) clear() {
	if b.live {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}

func (b *bar) draw() {
	b.drawn = b.now()
	line := b.line()
	if b.live {
		fmt.Fprint(b.w, "\r\x1b[K"+line)
	} else {
		fmt.Fprintln(b.w, line)
	}
}

func (b *bar) line() string {
	s := b.label
	if b.total > 0 {
		part := min(max(float64(b.done)/float64(b.total), 0), 1)
		full := int(part * barWidth)
		s += fmt.Sprintf(" [%s%s] %3.0f%%", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), part*100)
	}
	if b.unit == "MB" {
		s += fmt.Sprintf("  %d/%d MB", b.done/1e6, b.total/1e6)
	}
	if since := b.now().Sub(b.begun).Seconds(); since > 0.5 {
		rate := float64(b.done-b.base) / since
		if b.unit == "MB" {
			s += fmt.Sprintf("  %.0f MB/s", rate/1e6)
		}
		// Units that are no bytes take unequal times: a guess would mislead.
		if rate > 0 && b.total > b.done && b.unit == "MB" {
			left := time.Duration(float64(b.total-b.done) / rate * float64(time.Second))
			s += "  " + left.Round(time.Second).String() + " left"
		}
	}
	if b.note != "" {
		s += "  " + b.note
	}
	return s
}
