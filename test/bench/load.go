package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"slipway/test/rig"
)

// load is a lean client: whole requests, signed beforehand, over connections
// that stay open. A signature is good for five minutes, a run takes seconds.
type load struct {
	address  string
	requests [][]byte // sent in turn by each connection, from a place of its own
	status   int      // what every answer must have
	conns    int
	time     time.Duration
	pid      int // of the server, whose processor time is taken
}

// figures are what a load has shown.
type figures struct {
	perSecond float64
	p50, p99  time.Duration
	bytes     int // of an answer's body
	server    time.Duration
	client    time.Duration
	calls     int
}

// each is the processor time that the server takes for one request.
func (f figures) each() time.Duration { return f.server / time.Duration(max(f.calls, 1)) }

// capacity is how many such requests two processors that do nothing else serve.
func (f figures) capacity() float64 {
	if f.server == 0 {
		return 0
	}
	return 2 * float64(f.calls) / f.server.Seconds()
}

func (l load) run() (figures, error) {
	var (
		wg    sync.WaitGroup
		stop  atomic.Bool
		mu    sync.Mutex
		all   []time.Duration
		errs  []error
		bytes int
	)
	server0, err := rig.CPU(l.pid)
	if err != nil {
		return figures{}, err
	}
	own0, begun := ownCPU(), time.Now()
	end := time.AfterFunc(l.time, func() { stop.Store(true) })
	defer end.Stop()
	for c := range l.conns {
		wg.Go(func() {
			took, size, err := l.connection(c, &stop)
			mu.Lock()
			defer mu.Unlock()
			all, bytes = append(all, took...), max(bytes, size)
			if err != nil {
				stop.Store(true)
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(begun)
	server1, err := rig.CPU(l.pid)
	f := figures{server: server1 - server0, client: ownCPU() - own0, calls: len(all), bytes: bytes}
	if err := errors.Join(append(errs, err)...); err != nil || len(all) == 0 {
		return f, fmt.Errorf("%d answers: %w", len(all), err)
	}
	slices.Sort(all)
	f.perSecond = float64(len(all)) / elapsed.Seconds()
	f.p50, f.p99 = all[len(all)/2], all[len(all)*99/100]
	return f, nil
}

func (l load) connection(number int, stop *atomic.Bool) (took []time.Duration, size int, err error) {
	var c net.Conn
	defer func() {
		if c != nil {
			_ = c.Close()
		}
	}()
	r := bufio.NewReaderSize(nil, 64<<10)
	for i := number * len(l.requests) / l.conns; !stop.Load(); i++ {
		begun := time.Now()
		if c == nil {
			if c, err = net.Dial("tcp", l.address); err != nil {
				return took, size, err
			}
			if err := c.SetDeadline(begun.Add(l.time + time.Minute)); err != nil {
				return took, size, err
			}
			r.Reset(c)
		}
		if _, err := c.Write(l.requests[i%len(l.requests)]); err != nil {
			return took, size, err
		}
		var last bool
		if size, last, err = l.answer(r); err != nil {
			return took, size, err
		}
		took = append(took, time.Since(begun))
		if last { // moto_server takes a connection for each request
			_ = c.Close()
			c = nil
		}
	}
	return took, size, nil
}

// answer reads one answer with a known length; last: the server closes.
func (l load) answer(r *bufio.Reader) (length int, last bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 {
		return 0, false, fmt.Errorf("answer %q", line)
	}
	status := string(line[9:12])
	length = -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, false, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Connection")):
			last = bytes.HasPrefix(value, []byte("close"))
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(strings.TrimSpace(string(value))); err != nil {
				return 0, false, err
			}
		}
	}
	if length < 0 {
		return 0, false, errors.New("an answer without Content-Length")
	}
	if status != strconv.Itoa(l.status) {
		body := make([]byte, min(length, 500))
		_, _ = io.ReadFull(r, body)
		return 0, last, fmt.Errorf("answer %s: %s", status, body)
	}
	_, err = r.Discard(length)
	return length, last, err
}

// raw is a request as it travels.
func raw(r *http.Request, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.Host, len(body))
	_ = r.Header.Write(&b)
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
