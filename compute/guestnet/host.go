package guestnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// The first line on the socket to the server says which place the guest came
// to and its own address; from then on the bytes are the guest's.
const (
	greetMetadata = "metadata"
	greetService  = "service"
	greetMost     = 64 // bytes of that line
)

const (
	visitTime  = 5 * time.Second // for the server to take a connection
	headMost   = 8 << 10         // bytes of a request that is answered here
	metadataUp = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
)

// ReadGreeting reads that line, and not a byte more.
func ReadGreeting(r io.Reader) (place string, from netip.AddrPort, err error) {
	var line []byte
	for b := make([]byte, 1); len(line) < greetMost; line = append(line, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", from, err
		}
		if b[0] == '\n' {
			place, at, _ := strings.Cut(string(line), " ")
			if place != greetMetadata && place != greetService {
				return "", from, fmt.Errorf("nobody knows the place %q", place)
			}
			from, err := netip.ParseAddrPort(at)
			return place, from, err
		}
	}
	return "", from, errors.New("the greeting does not end")
}

// visit connects to the server.
func (n *network) visit(ctx context.Context, place string, from netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", n.Host)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "%s %s\n", place, from); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// visitMetadata differs in two ways: a server that is down is told in HTTP,
// since clients take a refused connection for a machine without metadata; and
// a token goes no further than to the guest itself.
func (n *network) visitMetadata(r *tcp.ForwarderRequest, from netip.AddrPort) {
	host, err := n.visit(n.ctx, greetMetadata, from)
	if err == nil {
		defer host.Close()
	}
	c := accept(r)
	if c == nil {
		return
	}
	defer c.Close()
	if err != nil {
		unavailable(c)
		return
	}
	n.join(&hopConn{guestConn: c}, host)
}

// unavailable waits for a request, so that its sender hears the answer.
func unavailable(c net.Conn) {
	if c.SetDeadline(time.Now().Add(visitTime)) != nil {
		return
	}
	head := make([]byte, 0, headMost)
	for !bytes.Contains(head, []byte("\r\n\r\n")) && len(head) < cap(head) {
		size, err := c.Read(head[len(head):cap(head)])
		if err != nil {
			return
		}
		head = head[:len(head)+size]
	}
	if _, err := io.WriteString(c, metadataUp); err == nil {
		_ = c.(halfCloser).CloseWrite()
		_, _ = io.Copy(io.Discard, io.LimitReader(c, headMost)) // until it has read
	}
}

// hopConn is a connection to the metadata address. What answers a PUT, a
// token, has a hop limit of 1: whoever forwards packets inside the guest cannot
// pass it on to others (EC2 user guide, "How Instance Metadata Service Version
// 2 works").
type hopConn struct{ *guestConn }

const hopLimit = 64

func (c *hopConn) Read(b []byte) (int, error) {
	size, err := c.guestConn.Read(b)
	if size > 0 {
		hops := hopLimit
		if bytes.HasPrefix(b[:size], []byte("PUT ")) {
			hops = 1
		}
		if e := c.ep.SetSockOptInt(tcpip.IPv4TTLOption, hops); e != nil {
			return 0, errors.New(e.String())
		}
	}
	return size, err
}

// pump is io.Copy with a buffer that is small, since there are many.
func pump(to io.Writer, from io.Reader) error {
	buf := make([]byte, 16<<10)
	for {
		size, err := from.Read(buf)
		if size > 0 {
			if _, e := to.Write(buf[:size]); e != nil {
				return e
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
