// Package qmp speaks the QEMU Machine Protocol over a unix socket: one
// connection per task, commands in order, events skipped. What the commands
// mean is decided in compute/qemu; guest input never reaches this package, but
// its replies are bounded all the same, since a guest can own its QEMU.
package qmp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	maxReply  = 4 << 20 // bytes of one line
	maxEvents = 10_000  // lines that are no reply, per command
)

// Conn is one session. QEMU serves one at a time per socket and keeps others
// waiting, so a Conn is closed as soon as possible. Not for concurrent use.
type Conn struct {
	c    net.Conn
	r    *bufio.Reader
	stop func()
}

// Error is what QEMU answered instead of a result.
type Error struct {
	Class string `json:"class"`
	Desc  string `json:"desc"`
}

func (e *Error) Error() string { return e.Class + ": " + e.Desc }

// Dial connects and negotiates. The end of ctx ends the session as well; limit
// bounds it when ctx does not.
func Dial(ctx context.Context, path string, limit time.Duration) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connect to QEMU: %w", err)
	}
	// The connection's deadline only follows the context: set directly, it could
	// end a read a moment before the context knows.
	ctx, cancel := context.WithTimeout(ctx, limit)
	follow := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	c := &Conn{c: nc, r: bufio.NewReaderSize(nc, 64<<10), stop: func() { follow(); cancel() }}
	if _, err := c.line(); err != nil { // the greeting
		return nil, errors.Join(fmt.Errorf("greeting of QEMU: %w", err), c.Close())
	}
	if err := c.Do("qmp_capabilities", nil, nil); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends the session; it may be called once.
func (c *Conn) Close() error {
	c.stop()
	return c.c.Close()
}

// Do runs a command and decodes its result into out when that is not nil. A
// refusal by QEMU is an *Error.
func (c *Conn) Do(command string, args, out any) error {
	m := map[string]any{"execute": command}
	if args != nil {
		m["arguments"] = args
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if _, err := c.c.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	for range maxEvents {
		l, err := c.line()
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		var v struct {
			Return json.RawMessage `json:"return"`
			Error  *Error          `json:"error"`
		}
		if err := json.Unmarshal(l, &v); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		switch {
		case v.Error != nil:
			return fmt.Errorf("%s: %w", command, v.Error)
		case v.Return != nil && out != nil:
			if err := json.Unmarshal(v.Return, out); err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			return nil
		case v.Return != nil:
			return nil
		}
	}
	return fmt.Errorf("%s: only events, no reply", command)
}

func (c *Conn) line() ([]byte, error) { return Line(c.r, maxReply) }

// Line reads up to a newline, at most max bytes.
func Line(r *bufio.Reader, max int) ([]byte, error) {
	var out []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(out)+len(part) > max {
			return nil, fmt.Errorf("a reply longer than %d bytes", max)
		}
		out = append(out, part...)
		if err == nil {
			return bytes.TrimSpace(out), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) && len(out) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}
