// Package qga speaks to the QEMU guest agent through a unix socket: one
// connection per question. The other side is the guest, which is not trusted:
// replies are bounded and stale ones are skipped. What a caller does with the
// answers is decided in compute/qemu.
package qga

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"slipway/compute/qemu/internal/qmp"
)

const (
	maxReply = 256 << 10 // bytes
	maxStale = 1 << 20   // bytes that may lie in the channel before our answer
	sentinel = 0xff      // never part of JSON: resets the parser on both sides
)

// Conn is a session with an agent that has answered once.
type Conn struct {
	c    net.Conn
	r    *bufio.Reader
	stop func()
}

// Info is what an agent says about its system; the names are the agent's.
type Info struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	PrettyName    string `json:"pretty-name"`
	Version       string `json:"version"`
	VersionID     string `json:"version-id"`
	KernelRelease string `json:"kernel-release"`
}

// Dial connects and waits until the agent answers a synchronisation, for at
// most limit or until ctx ends. While no agent runs nobody reads the channel,
// so the wait ends with a timeout and not with a refusal.
func Dial(ctx context.Context, path string, limit time.Duration) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connect to the agent's channel: %w", err)
	}
	// The connection's deadline only follows the context: set directly, it could
	// end a read a moment before the context knows.
	ctx, cancel := context.WithTimeout(ctx, limit)
	follow := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	c := &Conn{c: nc, r: bufio.NewReaderSize(nc, 16<<10), stop: func() { follow(); cancel() }}
	if err := c.sync(rand.Int64N(1 << 40)); err != nil {
		return nil, errors.Join(fmt.Errorf("synchronise with the agent: %w", err), c.Close())
	}
	return c, nil
}

// sync drops whatever earlier sessions have left in the channel: both sides
// skip up to the sentinel, and only the answer with our number counts.
func (c *Conn) sync(id int64) error {
	ask := append([]byte{sentinel}, fmt.Sprintf("{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%d}}\n", id)...)
	if _, err := c.c.Write(ask); err != nil {
		return err
	}
	for dropped := 0; dropped < maxStale; {
		b, err := c.r.ReadByte()
		if err != nil {
			return err
		}
		if b != sentinel {
			dropped++
			continue
		}
		l, err := qmp.Line(c.r, maxReply)
		if err != nil {
			return err
		}
		var v struct {
			Return int64 `json:"return"`
		}
		if json.Unmarshal(l, &v) == nil && v.Return == id {
			return nil
		}
		dropped += len(l)
	}
	return fmt.Errorf("more than %d bytes without an answer", maxStale)
}

// Close ends the session; it may be called once.
func (c *Conn) Close() error {
	c.stop()
	return c.c.Close()
}

// OSInfo asks guest-get-osinfo.
func (c *Conn) OSInfo() (Info, error) {
	var i Info
	return i, c.do("guest-get-osinfo", nil, &i)
}

// PowerOff asks guest-shutdown. The agent answers only when it cannot.
func (c *Conn) PowerOff() error {
	return c.send("guest-shutdown", map[string]string{"mode": "powerdown"})
}

func (c *Conn) send(command string, args any) error {
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
	return nil
}

func (c *Conn) do(command string, args, out any) error {
	if err := c.send(command, args); err != nil {
		return err
	}
	l, err := qmp.Line(c.r, maxReply)
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	var v struct {
		Return json.RawMessage `json:"return"`
		Error  *qmp.Error      `json:"error"`
	}
	if err := json.Unmarshal(l, &v); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if v.Error != nil {
		return fmt.Errorf("%s: %w", command, v.Error)
	}
	if out == nil || v.Return == nil {
		return nil
	}
	if err := json.Unmarshal(v.Return, out); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}
