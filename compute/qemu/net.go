package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// sink takes the frames of one guest and counts them. It answers nothing, so
// the guest reaches nothing.
type sink struct {
	c      *net.UnixConn
	file   string // where the count is kept for those who come after us
	frames atomic.Int64
	done   chan struct{}
}

// openSink binds the socket that QEMU sends to, in the place of a dead owner,
// and counts on from what he has counted. Frames sent while nobody listens are
// lost: the count is a lower bound.
func openSink(f files) (*sink, error) {
	if err := os.Remove(f.net()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("old network socket: %w", err)
	}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: f.net(), Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("network socket: %w", err)
	}
	s := &sink{c: c, file: f.frames(), done: make(chan struct{})}
	s.frames.Store(keptFrames(f.frames()))
	go s.run()
	return s, nil
}

func (s *sink) run() {
	defer close(s.done)
	buf := make([]byte, 64<<10)
	for {
		if _, err := s.c.Read(buf); err != nil {
			return // closed
		}
		// Kept at 1, 2, 4, 8…: that there were some must survive us.
		if n := s.frames.Add(1); n&(n-1) == 0 {
			s.keep()
		}
	}
}

// keep writes the count down; a smaller one never replaces a greater.
func (s *sink) keep() {
	if n := s.frames.Load(); n > keptFrames(s.file) {
		// Failure costs accuracy after a restart, nothing else.
		_ = os.WriteFile(s.file, strconv.AppendInt(nil, n, 10), 0o600)
	}
}

func keptFrames(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return max(0, n)
}

// close stops counting. The name in the file system stays, whoever may have
// bound it meanwhile; Destroy removes it with the rest.
func (s *sink) close() {
	_ = s.c.Close()
	<-s.done
}
