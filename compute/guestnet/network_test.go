package guestnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// discover is a message of a DHCP client.
func discover(kind byte, options ...byte) []byte {
	m := make([]byte, bootpBytes, 400)
	m[0], m[1], m[2] = 1, 1, 6
	copy(m[4:8], "abcd")
	copy(m[28:], cardMAC)
	m = append(m, bootpCookie...)
	m = append(m, optType, 1, kind)
	return append(append(m, options...), optEnd)
}

func fromNowhere(m []byte) []byte {
	return eth(0x0800, udpPacket(netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67"), m))
}

// dhcpSays reads an answer: type, address offered and options by number.
func dhcpSays(t *testing.T, f []byte) (byte, netip.Addr, map[byte][]byte) {
	t.Helper()
	ip := header.IPv4(f[ethBytes:])
	if [6]byte(f[:6]) != [6]byte(cardMAC) || !ip.IsValid(len(ip)) || !ip.IsChecksumValid() || ip.TransportProtocol() != header.UDPProtocolNumber {
		t.Fatalf("not an answer: %x", f)
	}
	m := header.UDP(ip.Payload()).Payload()
	if m[0] != 2 || string(m[4:8]) != "abcd" || string(m[bootpBytes:bootpBytes+4]) != bootpCookie {
		t.Fatalf("not an answer: %x", m)
	}
	o := map[byte][]byte{}
	for b := m[bootpBytes+4:]; b[0] != optEnd; b = b[2+int(b[1]):] {
		o[b[0]] = b[2 : 2+int(b[1])]
	}
	return o[optType][0], netip.AddrFrom4([4]byte(m[16:20])), o
}

func TestAddressIsHandedOut(t *testing.T) {
	w := start(t, nil, nil)
	want := netip.MustParseAddr("10.20.30.40")
	w.send(fromNowhere(discover(dhcpDiscover)))
	kind, got, o := dhcpSays(t, w.frame())
	if kind != dhcpOffer || got != want || net.IP(o[optRouter]).String() != "10.20.30.1" || net.IP(o[optDNS]).String() != "10.20.30.2" ||
		net.IP(o[optMask]).String() != "255.255.255.0" || string(o[optHostname]) != "builder-1" || len(o[optLease]) != 4 {
		t.Errorf("offer %d of %s: %v", kind, got, o)
	}
	w.send(fromNowhere(discover(dhcpRequest, append([]byte{optServer, 4, 10, 20, 30, 1, optWanted, 4}, want.AsSlice()...)...)))
	if kind, got, _ := dhcpSays(t, w.frame()); kind != dhcpAck || got != want {
		t.Errorf("ack %d of %s", kind, got)
	}
	// An address of an earlier life is refused, another server's guest let be,
	// and nonsense survived: the next answer is to the last message.
	w.send(fromNowhere(discover(dhcpRequest, optServer, 4, 192, 168, 0, 1)))
	w.send(fromNowhere(discover(dhcpDecline)))
	w.send(fromNowhere(discover(dhcpDiscover)[:bootpBytes+6]))
	w.send(fromNowhere(discover(dhcpDiscover, 61, 200)))
	if kind, _, _ := dhcpSays(t, w.frame()); kind != dhcpOffer {
		t.Errorf("answer %d to a message with a cut option", kind)
	}
	w.send(fromNowhere(discover(dhcpRequest, optWanted, 4, 192, 168, 0, 7)))
	if kind, _, _ := dhcpSays(t, w.frame()); kind != dhcpNak {
		t.Errorf("answer %d to a wish for a foreign address", kind)
	}
}

// TestOnlyItsOwnFrames: frames that are not this guest's get no answer, but are
// counted. The last one is answered, hence the others were not.
func TestOnlyItsOwnFrames(t *testing.T) {
	w := start(t, func(c *Config) { c.Internet = true }, func(context.Context, string, netip.AddrPort) (net.Conn, error) {
		t.Error("something was connected to")
		return nil, errors.New("no")
	})
	probe := func(target string, from net.HardwareAddr) []byte {
		a := make(header.ARP, header.ARPSize)
		a.SetIPv4OverEthernet()
		a.SetOp(header.ARPRequest)
		copy(a.HardwareAddressSender(), cardMAC)
		copy(a.ProtocolAddressTarget(), netip.MustParseAddr(target).AsSlice())
		f := eth(0x0806, a)
		copy(f[6:12], from)
		return f
	}
	syn := func(from, to string) []byte {
		return eth(0x0800, udpPacket(netip.MustParseAddrPort(from), netip.MustParseAddrPort(to), []byte("hello")))
	}
	frames := [][]byte{
		nil, {1}, make([]byte, 14), eth(0x0800, nil), eth(0x0800, []byte{0x4f, 0}), eth(0x86dd, make([]byte, 40)), eth(0x8100, make([]byte, 60)),
		probe("10.20.30.40", cardMAC), probe("10.20.30.41", cardMAC), probe("10.20.30.1", net.HardwareAddr{2, 0, 0, 0, 0, 9}),
		syn("10.20.30.41:5", "9.9.9.9:5"), syn("127.0.0.1:5", "9.9.9.9:5"), syn("10.20.30.40:5", "10.20.30.40:5"), syn("10.20.30.40:5", "255.255.255.255:5"),
		syn("10.20.30.40:5", "224.0.0.251:5353"), syn("10.20.30.40:5", "127.0.0.1:53"), syn("10.20.30.40:5", "10.20.30.1:99"), syn("10.20.30.40:5", "9.9.9.9:0"),
		probe("10.20.30.1", cardMAC),
	}
	for _, f := range frames {
		w.send(f)
	}
	got := header.ARP(w.frame()[ethBytes:])
	if !got.IsValid() || got.Op() != header.ARPReply || netip.AddrFrom4([4]byte(got.ProtocolAddressSender())).String() != "10.20.30.1" {
		t.Errorf("answered: %x", []byte(got))
	}
	if n := Frames(w.cfg.Count); n != int64(len(frames)) {
		t.Errorf("%d frames are counted, %d were sent", n, len(frames))
	}
	// As after kill -9: another one binds the socket and counts on.
	w.again(nil)
	w.send(probe("169.254.169.254", cardMAC))
	w.frame()
	if n := Frames(w.cfg.Count); n != int64(len(frames))+1 {
		t.Errorf("%d frames after a restart", n)
	}
}

// internet is a world outside: it echoes, and remembers who was asked for.
type internet struct {
	mu    sync.Mutex
	asked []string
}

func (i *internet) dial(_ context.Context, over string, to netip.AddrPort) (net.Conn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, over+" "+to.String())
	if to.Port() == 9 {
		return nil, errors.New("connection refused")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	if over == "udp" {
		far, near := net.Pipe()
		go func() {
			buf := make([]byte, 2000)
			for {
				n, err := far.Read(buf)
				if err != nil {
					return
				}
				if to.Port() == dnsPort {
					buf = dnsReply(buf[:n])
					n = len(buf)
				}
				_, _ = far.Write(buf[:n])
			}
		}()
		return near, nil
	}
	go func() {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return
		}
		b, _ := io.ReadAll(c)
		fmt.Fprintf(c, "%s said %s", to, b)
		c.Close()
	}()
	return ln.Accept()
}

// dnsReply answers every question with 127.0.0.1: a name that rebinds.
func dnsReply(q []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(q) != nil {
		return q
	}
	return dnsAnswer(m.Header, &m.Questions[0], dnsmessage.RCodeSuccess, netip.MustParseAddr("127.0.0.1"))
}

var refused = []string{
	"10.20.30.1:22", "10.20.30.2:80", "169.254.169.254:8080", "169.254.170.2:80", "10.0.0.1:80", "192.168.1.1:80", "172.16.0.1:443",
	"100.64.0.1:80", "198.19.0.5:80", "0.1.2.3:80", "203.0.113.5:80", "240.0.0.1:80",
}

func TestInternet(t *testing.T) {
	var out internet
	w := start(t, func(c *Config) {
		c.Internet = true
		c.Allow = []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}
		c.Deny = []netip.Prefix{netip.MustParsePrefix("9.9.9.9/32")}
		c.Resolvers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.53:53")}
	}, out.dial)
	w.up(netip.MustParseAddr("10.20.30.40"))
	for _, to := range []string{"8.8.8.8:443", "192.168.7.9:80"} {
		if got := w.says(to, "hello"); got != to+" said hello" {
			t.Errorf("%s: %q", to, got)
		}
	}
	long := strings.Repeat("0123456789", 100_000)
	if got := w.says("8.8.8.8:80", long); got != "8.8.8.8:80 said "+long {
		t.Errorf("a megabyte came back as %d bytes", len(got))
	}
	if b, err := w.asks("8.8.4.4:123", []byte("time?")); err != nil || string(b) != "time?" {
		t.Errorf("a datagram: %q, %v", b, err)
	}
	if a := w.lookup("rebinds.example", dnsmessage.TypeA); len(a.Answers) != 1 || a.Answers[0].Body.(*dnsmessage.AResource).A != [4]byte{127, 0, 0, 1} {
		t.Errorf("a name: %+v", a)
	}
	for _, to := range append(refused, "9.9.9.9:443", "8.8.8.8:9") {
		if c, err := w.dial(to); err == nil {
			c.Close()
			t.Errorf("%s can be reached", to)
		} else if !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s is not refused at once: %v", to, err)
		}
	}
	got := strings.Join(out.asked, ", ")
	if want := "tcp 8.8.8.8:443, tcp 192.168.7.9:80, tcp 8.8.8.8:80, udp 8.8.4.4:123, udp 127.0.0.53:53, tcp 8.8.8.8:9"; got != want {
		t.Errorf("connected to %s\nwant %s", got, want)
	}
}

// lookup asks the resolver.
func (g *guest) lookup(name string, kind dnsmessage.Type) dnsmessage.Message {
	g.t.Helper()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}}}
	b, err := q.Pack()
	if err != nil {
		g.t.Fatal(err)
	}
	answer, err := g.asks("10.20.30.2:53", b)
	if err != nil {
		g.t.Fatalf("%s: %v", name, err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil || m.ID != 77 || !m.Response {
		g.t.Fatalf("%s: %+v, %v", name, m, err)
	}
	return m
}

// TestNoInternet: without it the guest knows its names and reaches nothing,
// whatever the operator has opened.
func TestNoInternet(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Metadata, c.Service, c.Names = true, true, []string{"Slipway.example.com"}
		c.Allow = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
		c.Resolvers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.53:53")}
	}, func(_ context.Context, over string, to netip.AddrPort) (net.Conn, error) {
		t.Errorf("connected to %s %s", over, to)
		return nil, errors.New("no")
	})
	w.up(netip.MustParseAddr("10.20.30.40"))
	for name, want := range map[string]string{
		"slipway.internal": "10.20.30.1", "SLIPWAY.example.COM": "10.20.30.1", "builder-1": "10.20.30.40", "builder-1.ec2.internal": "10.20.30.40",
		"instance-data.ec2.internal": "169.254.169.254", "example.com": "",
	} {
		m := w.lookup(name, dnsmessage.TypeA)
		if want == "" {
			if m.RCode != dnsmessage.RCodeRefused || len(m.Answers) > 0 {
				t.Errorf("%s: %+v", name, m)
			}
		} else if len(m.Answers) != 1 || netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A).String() != want {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if m := w.lookup("slipway.internal", dnsmessage.TypeAAAA); m.RCode != dnsmessage.RCodeSuccess || len(m.Answers) != 0 {
		t.Errorf("AAAA: %+v", m)
	}
	for _, to := range append(refused, "8.8.8.8:443", "1.1.1.1:53") {
		if c, err := w.dial(to); err == nil {
			c.Close()
			t.Errorf("%s can be reached", to)
		}
	}
}

// TestPlaces: the two places lead to the server's socket, with the guest's own
// address, and only them; a server that is down is told.
func TestPlaces(t *testing.T) {
	w := start(t, func(c *Config) { c.Metadata, c.Service, c.Ports = true, true, []uint16{4566} }, nil)
	w.up(netip.MustParseAddr("10.20.30.40"))
	if got := w.says("169.254.169.254:80", "GET / HTTP/1.1\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("without a server: %q", got)
	}
	if _, err := w.dial("10.20.30.1:80"); err == nil {
		t.Error("the service answers without a server")
	}
	host, err := net.Listen("unix", w.cfg.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	go func() {
		for {
			c, err := host.Accept()
			if err != nil {
				return
			}
			place, from, err := ReadGreeting(c)
			b, _ := io.ReadAll(c)
			fmt.Fprintf(c, "%s %s %v %s", place, from.Addr(), err, b)
			c.Close()
		}
	}()
	for to, want := range map[string]string{
		"169.254.169.254:80": "metadata 10.20.30.40 <nil> PUT it", "10.20.30.1:80": "service 10.20.30.40 <nil> PUT it",
		"10.20.30.1:443": "service 10.20.30.40 <nil> PUT it", "10.20.30.1:4566": "service 10.20.30.40 <nil> PUT it",
	} {
		if got := w.says(to, "PUT it"); got != want {
			t.Errorf("%s: %q", to, got)
		}
	}
	if _, err := w.dial("10.20.30.1:4567"); err == nil {
		t.Error("another port leads to the service")
	}
	w.cfg.Metadata, w.cfg.Service = false, false
	w.again(nil)
	for _, to := range []string{"169.254.169.254:80", "10.20.30.1:80"} {
		if _, err := w.dial(to); err == nil {
			t.Errorf("%s answers although it is off", to)
		}
	}
}

func TestGreetings(t *testing.T) {
	for line, ok := range map[string]bool{
		"metadata 10.0.0.4:5\n": true, "service 10.0.0.4:5\nGET": true, "metadata 10.0.0.4\n": false, "other 10.0.0.4:5\n": false,
		"metadata": false, "\n": false, strings.Repeat("metadata ", 20) + "\n": false,
	} {
		r := strings.NewReader(line)
		_, from, err := ReadGreeting(r)
		if (err == nil) != ok || ok && from != netip.MustParseAddrPort("10.0.0.4:5") || ok && r.Len() != len(line)-strings.IndexByte(line, '\n')-1 {
			t.Errorf("%q: %v, %v", line, from, err)
		}
	}
}

// TestEndsWithItsMachine: the process goes when its machine does, and when none
// comes.
func TestEndsWithItsMachine(t *testing.T) {
	peer := filepath.Join(t.TempDir(), "m")
	l := &link{plan: plan{Config: Config{Peer: peer}}}
	if !l.alone(t.Context(), time.Millisecond, time.Hour) {
		t.Error("it waits for ever for a machine")
	}
	m, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: peer, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() { ended <- l.alone(t.Context(), time.Millisecond, time.Millisecond) }()
	select {
	case <-ended:
		t.Fatal("it ended while its machine was there")
	case <-time.After(50 * time.Millisecond):
	}
	m.Close()
	if !<-ended {
		t.Error("it did not see its machine end")
	}
}
