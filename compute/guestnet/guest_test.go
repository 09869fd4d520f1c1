package guestnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// guest plays QEMU and what runs in it: a card on the datagram sockets and a
// TCP/IP stack of its own behind it.
type guest struct {
	t     *testing.T
	cfg   Config
	wire  *net.UnixConn // where frames to the guest arrive
	stack *stack.Stack
}

var cardMAC = net.HardwareAddr{0x52, 0x54, 0, 1, 2, 3}

// world is the network of a guest with an internet that is a function.
type world struct {
	*guest
	dir  string
	stop func()
}

// start runs the network of a guest; change may spoil its configuration, dial
// is the internet (nil: the host's own).
func start(t *testing.T, change func(*Config), dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "sw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := Config{
		Link: filepath.Join(dir, "n"), Peer: filepath.Join(dir, "m"), Count: filepath.Join(dir, "count"), Host: filepath.Join(dir, "h"),
		MAC: cardMAC.String(), Address: netip.MustParsePrefix("10.20.30.40/24"), Hostname: "builder-1",
	}
	if change != nil {
		change(&c)
	}
	wire, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: c.Peer, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{guest: &guest{t: t, cfg: c, wire: wire}, dir: dir}
	t.Cleanup(func() { wire.Close() })
	w.again(dial)
	return w
}

// again runs the network in place of the one that runs.
func (w *world) again(dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)) {
	w.t.Helper()
	if w.stop != nil {
		w.stop()
	}
	ctx, cancel := context.WithCancel(context.Background())
	n, l, err := open(ctx, w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	if dial != nil {
		n.dial = dial
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := serve(ctx, n, l); err != context.Canceled {
			w.t.Errorf("the network ended: %v", err)
		}
	}()
	stopped := false
	w.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
		}
	}
	w.t.Cleanup(w.stop)
}

// send puts a frame on the wire.
func (g *guest) send(b []byte) {
	g.t.Helper()
	c, err := net.Dial("unixgram", g.cfg.Link)
	if err == nil {
		_, err = c.Write(b)
		c.Close()
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// frame is the next one that arrives, before there is a stack.
func (g *guest) frame() []byte {
	g.t.Helper()
	buf := make([]byte, 64<<10)
	if err := g.wire.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		g.t.Fatal(err)
	}
	n, err := g.wire.Read(buf)
	if err != nil {
		g.t.Fatalf("no frame: %v", err)
	}
	return buf[:n]
}

// up gives the guest a stack with the address it was told.
func (g *guest) up(address netip.Addr) {
	g.t.Helper()
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	ch := channel.New(256, mtu, tcpip.LinkAddress(cardMAC))
	if err := s.CreateNIC(1, ethernet.New(ch)); err != nil {
		g.t.Fatal(err)
	}
	pa := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(address.As4()), PrefixLen: 24}}
	if err := s.AddProtocolAddress(1, pa, stack.AddressProperties{}); err != nil {
		g.t.Fatal(err)
	}
	local, _ := tcpip.NewSubnet(tcpip.AddrFrom4([4]byte{10, 20, 30, 0}), tcpip.MaskFromBytes([]byte{255, 255, 255, 0}))
	s.SetRouteTable([]tcpip.Route{{Destination: local, NIC: 1}, {Destination: header.IPv4EmptySubnet, Gateway: tcpip.AddrFrom4([4]byte{10, 20, 30, 1}), NIC: 1}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			p := ch.ReadContext(ctx)
			if p == nil {
				return
			}
			b := p.ToView().AsSlice()
			if c, err := net.Dial("unixgram", g.cfg.Link); err == nil { // else nobody listens: lost
				_, _ = c.Write(b)
				c.Close()
			}
			p.DecRef()
		}
	}()
	_ = g.wire.SetReadDeadline(time.Time{})
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := g.wire.Read(buf)
			if err != nil {
				return
			}
			p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(bytes.Clone(buf[:n]))})
			ch.InjectInbound(0, p)
			p.DecRef()
		}
	}()
	g.stack = s
	g.t.Cleanup(func() { cancel(); <-done; s.Close() })
}

// dial connects as a program in the guest would.
func (g *guest) dial(to string) (net.Conn, error) {
	a := netip.MustParseAddrPort(to)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return gonet.DialContextTCP(ctx, g.stack, tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(a.Addr().As4()), Port: a.Port()}, ipv4.ProtocolNumber)
}

// says connects, sends and reads to the end.
func (g *guest) says(to, text string) string {
	g.t.Helper()
	c, err := g.dial(to)
	if err != nil {
		g.t.Fatalf("%s: %v", to, err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		g.t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		g.t.Fatal(err)
	}
	if err := c.(*gonet.TCPConn).CloseWrite(); err != nil {
		g.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		g.t.Fatalf("%s: %v", to, err)
	}
	return string(b)
}

// asks sends one datagram and waits for one.
func (g *guest) asks(to string, question []byte) ([]byte, error) {
	g.t.Helper()
	a := netip.MustParseAddrPort(to)
	c, err := gonet.DialUDP(g.stack, nil, &tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(a.Addr().As4()), Port: a.Port()}, ipv4.ProtocolNumber)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Write(question); err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	buf := make([]byte, dnsMost)
	n, err := c.Read(buf)
	return buf[:n], err
}

// eth is a frame of the guest's.
func eth(kind uint16, body []byte) []byte {
	b := append(bytes.Repeat([]byte{0xff}, 6), cardMAC...)
	return append(binary.BigEndian.AppendUint16(b, kind), body...)
}
