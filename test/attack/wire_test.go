package attack

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

func parsed(s *siege, address string) *url.URL {
	u, err := url.Parse(address)
	s.ok(err)
	return u
}

// handshake asks for a page's websocket with everything right but what change
// spoils.
func handshake(verb string, headers ...string) func(s *siege) {
	return func(s *siege) {
		p := s.user("stack", "hands")
		a := s.ask(p.host, append([]string{verb + " " + p.path + "socket", "Cookie: " + p.cookie, "Origin: http://" + p.host}, headers...)...)
		if a.status < 400 {
			s.t.Errorf("%d %s", a.status, a.body)
		}
		s.works(p)
	}
}

var handshakes = []attack{
	{"a page is asked for where the websocket is", handshake("GET")},
	{"a websocket is asked for by POST", handshake("POST", append([]string{"Content-Length: 0"}, upgrade...)...)},
	{"a websocket of another version", handshake("GET", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")},
	{"a websocket without a key", handshake("GET", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")},
	{"a websocket with a key that is none", handshake("GET", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short")},
	{"another protocol is asked for", handshake("GET", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")},
	{"a websocket that is not asked for", handshake("GET", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")},
	{"a websocket where a page is", func(s *siege) {
		p := s.user("stack", "elsewhere")
		for _, path := range []string{p.path, p.path + "status", p.path + "end", "/_slipway/stream/", "/_slipway/stream/assets/app.js", "/"} {
			if a := s.ask(p.host, append([]string{"GET " + path, "Cookie: " + p.cookie, "Origin: http://" + p.host}, upgrade...)...); a.status == http.StatusSwitchingProtocols {
				s.t.Errorf("%s speaks websocket", path)
			}
		}
	}},
}

// frame is a websocket's frame: a first byte, the length as it is announced, and
// a body that is masked with zeros.
func frame(first byte, length uint64, masked bool, body string) []byte {
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	out := []byte{first}
	switch {
	case length < 126:
		out = append(out, bit|byte(length))
	case length < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, bit|126), uint16(length))
	default:
		out = binary.BigEndian.AppendUint64(append(out, bit|127), length)
	}
	if masked {
		out = append(out, 0, 0, 0, 0)
	}
	return append(out, body...)
}

func zeros(n int) string { return strings.Repeat("\x00", n) }

const (
	final, text, binaryKind, more = 0x80, 1, 2, 0
	closing, ping                 = 8, 9
)

// sent is a connection that is closed because of what the page sends, soon, and
// with other connections unharmed.
func sent(bytes ...[]byte) func(s *siege) {
	return func(s *siege) {
		p := s.user("stack", "frames")
		head := append([]string{"GET " + p.path + "socket", "Cookie: " + p.cookie, "Origin: http://" + p.host}, upgrade...)
		c, res, err := s.raw(p.host, head...)
		s.ok(err)
		defer c.Close()
		if res.StatusCode != http.StatusSwitchingProtocols {
			s.t.Fatal(res.Status)
		}
		for _, b := range bytes {
			if _, err := c.Write(b); err != nil {
				break // closed already
			}
		}
		if err := closes(c); err != nil {
			s.t.Error("it stays open")
		}
		s.works(p)
	}
}

// letsIn wants the user of a page to be heard and answered.
func (s *siege) letsIn(p page) {
	c, res, err := s.raw(p.host, append([]string{"GET " + p.path + "socket", "Cookie: " + p.cookie, "Origin: http://" + p.host}, upgrade...)...)
	s.ok(err)
	defer c.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatal(res.Status)
	}
	_, err = c.Write(append(frame(final|binaryKind, uint64(len(hello)), true, hello), frame(final|text, 10, true, `{"ping":7}`)...))
	s.ok(err)
	var got []byte
	for buf := make([]byte, 4<<10); !strings.Contains(string(got), `"pong":7`); {
		n, err := c.Read(buf)
		s.ok(err)
		got = append(got, buf[:n]...)
	}
}

// closes reads until the server closes, with a word or without; a deadline that
// comes before is an error.
func closes(c net.Conn) error {
	for {
		var head [10]byte
		if _, err := io.ReadFull(c, head[:2]); err != nil {
			return late(err)
		}
		if head[0]&0x0f == closing {
			return nil
		}
		n := int64(head[1] & 0x7f)
		if n == 126 {
			if _, err := io.ReadFull(c, head[2:4]); err != nil {
				return late(err)
			}
			n = int64(binary.BigEndian.Uint16(head[2:]))
		} else if n == 127 {
			if _, err := io.ReadFull(c, head[2:10]); err != nil {
				return late(err)
			}
			n = int64(binary.BigEndian.Uint64(head[2:]))
		}
		if _, err := io.CopyN(io.Discard, c, n); err != nil {
			return late(err)
		}
	}
}

func late(err error) error {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return err
	}
	return nil
}

// hello is what a viewer begins with.
const hello = "RFB 003.008\n\x01\x01"

var frames = []attack{
	{"a frame says that it is longer than memory", sent(frame(final|binaryKind, 1<<62, true, zeros(2<<20)))},
	{"a frame says that its length is negative", sent(frame(final|binaryKind, 1<<63|1, true, ""))},
	{"a frame is longer than a message may be", sent(frame(final|binaryKind, 2<<20, true, zeros(2<<20)))},
	{"pieces of a message never end", func(s *siege) {
		all := [][]byte{frame(binaryKind, 1<<10, true, zeros(1<<10))}
		for range 2 << 10 {
			all = append(all, frame(more, 1<<10, true, zeros(1<<10)))
		}
		sent(all...)(s)
	}},
	{"a frame that is not masked", sent(frame(final|binaryKind, 5, false, "hello"))},
	{"a frame with bits that nobody agreed on", sent(frame(final|0x40|binaryKind, 5, true, "hello"))},
	{"a frame of a kind that there is not", sent(frame(final|5, 5, true, "hello"))},
	{"a ping that is too long", sent(frame(final|ping, 126, true, zeros(126)))},
	{"a ping in pieces", sent(frame(ping, 1, true, "\x00"))},
	{"a piece of nothing", sent(frame(final|more, 1, true, "\x00"))},
	{"a message inside another", sent(frame(binaryKind, 1, true, "\x00"), frame(binaryKind, 1, true, "\x00"))},
	{"a close with half a code", sent(frame(final|closing, 1, true, "\x00"))},
	{"a text that is no text", sent(frame(final|text, 2, true, "\xff\xfe"))},
	{"a text that is no note", sent(frame(final|text, 5, true, "hello"))},
	{"a note that is too long", sent(frame(final|text, 5000, true, `{"ping":1,"x":"`+strings.Repeat("x", 4983)+`"}`))},
	{"another protocol inside the websocket", sent(frame(final|binaryKind, 18, true, "GET / HTTP/1.1\r\n\r\n"))},
	{"a clipboard that says it is longer than memory", sent(frame(final|binaryKind, uint64(len(hello)+8), true, hello+"\x06\x00\x00\x00\x7f\xff\xff\xff"))},
	{"a request of the machine's own protocol that is not for pages", sent(frame(final|binaryKind, uint64(len(hello)+4), true, hello+"\xff\x01\x00\x00"))},
}

var paths = []attack{
	{"a path climbs out of the pages", func(s *siege) {
		p := s.user("stack", "climb")
		for _, path := range []string{
			p.path + "../../../v1/machines", p.path + "..%2f..%2f..%2fv1/machines", "/_slipway/stream/%2e%2e/v1/machines", "/_slipway/stream/..;/v1/machines", "/_slipway/stream//v1/machines",
			"/_slipway/./v1/machines", "/_slipway/stream/assets/../../v1/machines", "/_slipway/stream/assets/..%2f..%2fv1%2fmachines", "//_slipway/v1/machines", "/_slipway/V1/machines", "/_slipway/v1%2fmachines", "/_slipway%2fv1/machines",
		} {
			if a := s.ask(p.host, "GET "+path, "Cookie: "+p.cookie); a.status == http.StatusOK || strings.Contains(a.body, `"machines"`) {
				s.t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	}},
	{"a path reads files of the server", func(s *siege) {
		for _, name := range []string{"../page.html", "..%2fpage.html", "%2e%2e%2fpage.html", "..%5cpage.html", "....//page.html", "page.html", "/etc/passwd", "%2fetc%2fpasswd", "..%2f..%2f..%2f..%2fetc%2fpasswd",
			"app.js%00.css", "app.js/", ".", "..", "style.css/..%2fapp.js", "app.js.map", "app.mjs", "CON", "style.css::$DATA"} {
			a := s.ask(s.host(), "GET /_slipway/stream/assets/"+name)
			if a.status == http.StatusOK || strings.Contains(a.body, "root:") || strings.Contains(a.body, "{{") {
				s.t.Errorf("%s: %d %.200s", name, a.status, a.body)
			}
		}
	}},
	{"a path leads around the page of a cookie", func(s *siege) {
		a, b := s.user("stack", "around1"), s.user("stack", "around2")
		id := strings.TrimSuffix(strings.TrimPrefix(b.path, "/_slipway/stream/p/"), "/")
		for _, path := range []string{
			a.path + "../" + id + "/status", a.path + "%2e%2e/" + id + "/status", a.path + "..%2f" + id + "/status", a.path + "..%2f" + id + "%2fstatus", a.path + "/../" + id + "/status",
			"/_slipway/stream/p//" + id + "/status", "/_slipway/stream/p/" + id + "%00/status", "/_slipway/stream/p/" + id + "%20/status", "/_slipway/stream/p/" + id + ";/status", "/_slipway/stream/p/" + strings.ToUpper(id) + "/status",
			"/_slipway/stream/p/" + id + "?/status", "/_slipway/stream/p/*/status", "/_slipway/stream/p//status",
		} {
			if r := s.ask(a.host, "GET "+path, "Cookie: "+a.cookie); r.status == http.StatusOK {
				s.t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
		s.works(b)
	}},
	{"a path is longer than any", func(s *siege) {
		if a := s.ask(s.host(), "GET /_slipway/stream/p/"+strings.Repeat("a", 32<<10)+"/"); a.status < 400 || strings.Contains(a.body, "aaaa") {
			s.t.Errorf("%d", a.status)
		}
	}},
	{"a page is asked for by verbs that it does not have", func(s *siege) {
		p := s.user("stack", "verbs")
		for _, verb := range []string{"PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get"} {
			for _, path := range []string{p.path, p.path + "status", p.path + "socket", p.path + "end", "/_slipway/stream/assets/app.js"} {
				if a := s.ask(p.host, verb+" "+path, "Cookie: "+p.cookie, "Origin: http://"+p.host, "Content-Length: 0"); a.status < 400 || strings.Contains(a.body, p.cookie) {
					s.t.Errorf("%s %s: %d", verb, path, a.status)
				}
			}
		}
		s.works(p)
	}},
	{"an end is asked for by GET", func(s *siege) {
		p := s.user("stack", "getter")
		if a := s.ask(p.host, "GET "+p.path+"end", "Cookie: "+p.cookie, "Origin: http://"+p.host); a.status < 400 {
			s.t.Errorf("%d", a.status)
		}
		s.works(p)
	}},
}
