package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// pageConn is the screen's part of a page's websocket (RFC 6455), as little of it
// as can be: what is measured is the server, and the other side of the comparison
// has no library between itself and its socket either.
type pageConn struct {
	net.Conn
	in   *bufio.Reader
	left int64 // of the message that is being read
}

// dialPage opens an address as a browser does, and its websocket.
func (b *bench) dialPage(address string) (*eye, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar}
	res, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || len(res.Cookies()) != 1 {
		return nil, fmt.Errorf("the page: %s (make web bundles it)", res.Status)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	cookie := res.Cookies()[0]
	r, err := http.NewRequestWithContext(b.ctx, "GET", u.Scheme+"://"+u.Host+cookie.Path+"socket", nil)
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Origin": {u.Scheme + "://" + u.Host}, "Cookie": {cookie.Name + "=" + cookie.Value}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"c2xpcHdheSdzIGJlbmNoIQ=="}}
	c, err := new(net.Dialer).DialContext(b.ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(c, 64<<10)
	if err := r.Write(c); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(in, r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(answer.Header.Get("Upgrade"), "websocket") {
		return nil, fmt.Errorf("the websocket: %s", answer.Status)
	}
	return open(&pageConn{Conn: c, in: in})
}

func (p *pageConn) Read(b []byte) (int, error) {
	for p.left == 0 {
		if err := p.head(); err != nil {
			return 0, err
		}
	}
	n, err := p.in.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	return n, err
}

// head reads what comes before a message's bytes. Pings are answered; what else
// is not the screen's is left out.
func (p *pageConn) head() error {
	var h [2]byte
	if _, err := io.ReadFull(p.in, h[:]); err != nil {
		return err
	}
	size := int64(h[1])
	if more := map[byte]int{126: 2, 127: 8}[h[1]]; more > 0 {
		var b [8]byte
		if _, err := io.ReadFull(p.in, b[8-more:]); err != nil {
			return err
		}
		size = int64(binary.BigEndian.Uint64(b[:]))
	}
	switch h[0] {
	case 0x82: // binary, whole
		p.left = size
		return nil
	case 0x81: // a note
		_, err := io.CopyN(io.Discard, p.in, size)
		return err
	case 0x89:
		b := make([]byte, size)
		if _, err := io.ReadFull(p.in, b); err != nil {
			return err
		}
		return p.frame(0x8a, b)
	case 0x88:
		return io.EOF
	}
	return fmt.Errorf("a frame that begins with %x", h)
}

func (p *pageConn) Write(b []byte) (int, error) { return len(b), p.frame(0x82, b) }

// frame sends one frame of at most 125 bytes, masked with zeros.
func (p *pageConn) frame(kind byte, b []byte) error {
	if len(b) > 125 {
		return fmt.Errorf("%d bytes in one frame", len(b))
	}
	_, err := p.Conn.Write(append([]byte{kind, 0x80 | byte(len(b)), 0, 0, 0, 0}, b...))
	return err
}
