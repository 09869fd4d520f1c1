package guestnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// What one guest may have at once. Beyond it connections are refused, as by a
// busy router.
const (
	tcpAtOnce  = 256
	udpAtOnce  = 256
	synAtOnce  = 64        // connections that are being made
	bufferMost = 256 << 10 // bytes of a connection in each direction
	dialTime   = 15 * time.Second
	udpIdle    = 90 * time.Second // RFC 4787: two minutes, but for the many that never end
)

const nic = 1

// network is a guest's counterpart: a TCP/IP stack that takes every packet of
// the guest, whatever its destination, and decides what becomes of it.
type network struct {
	plan
	policy policy
	stack  *stack.Stack
	dial   func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)

	tcp, udp, asking chan struct{} // slots
	ctx              context.Context
	wg               sync.WaitGroup
}

func newNetwork(ctx context.Context, l *link) (*network, error) {
	p := l.plan
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	n := &network{
		plan: p, stack: s, ctx: ctx, dial: dialHost,
		policy: policy{internet: p.Internet, allow: p.Allow, deny: p.Deny, self: net.InterfaceAddrs},
		tcp:    make(chan struct{}, tcpAtOnce), udp: make(chan struct{}, udpAtOnce), asking: make(chan struct{}, dnsAtOnce),
	}
	if err := n.configure(l); err != nil {
		s.Close()
		return nil, err
	}
	return n, nil
}

func (n *network) configure(l *link) error {
	s := n.stack
	sack := tcpip.TCPSACKEnabled(true)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: bufferMost / 2, Max: bufferMost}
	recv := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: bufferMost / 2, Max: bufferMost}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &send, &recv} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return errors.New(err.String())
		}
	}
	if err := s.CreateNIC(nic, l.ep); err != nil {
		return errors.New(err.String())
	}
	for _, a := range []netip.Addr{n.gateway, n.resolver, metadataAddr, resolverAddr} {
		pa := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4(a.As4()).WithPrefix()}
		if err := s.AddProtocolAddress(nic, pa, stack.AddressProperties{}); err != nil {
			return errors.New(err.String())
		}
	}
	// It takes packets for the whole world, and answers in its name.
	if err := s.SetPromiscuousMode(nic, true); err != nil {
		return errors.New(err.String())
	}
	if err := s.SetSpoofing(nic, true); err != nil {
		return errors.New(err.String())
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s, 0, synAtOnce, n.takeTCP).HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s, n.takeUDP).HandlePacket)
	return nil
}

// dialHost connects from this host. The address is a number already: there is
// no name left that could mean something else.
func dialHost(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTime}
	return d.DialContext(ctx, network, to.String())
}

func target(id stack.TransportEndpointID) netip.AddrPort {
	return netip.AddrPortFrom(addr(id.LocalAddress), id.LocalPort)
}

func source(id stack.TransportEndpointID) netip.AddrPort {
	return netip.AddrPortFrom(addr(id.RemoteAddress), id.RemotePort)
}

func (n *network) isResolver(to netip.AddrPort) bool {
	return to.Port() == dnsPort && (to.Addr() == n.resolver || to.Addr() == resolverAddr || to.Addr() == n.gateway)
}

func (n *network) isService(to netip.AddrPort) bool {
	return n.Service && to.Addr() == n.gateway && (to.Port() == 80 || to.Port() == 443 || slices.Contains(n.Ports, to.Port()))
}

// takeTCP decides on one connection. It is called in a goroutine of its own.
func (n *network) takeTCP(r *tcp.ForwarderRequest) {
	id := r.ID()
	to := target(id)
	select {
	case n.tcp <- struct{}{}:
		defer func() { <-n.tcp }()
	default:
		r.Complete(true)
		return
	}
	switch {
	case n.isResolver(to):
		if c := accept(r); c != nil {
			n.answerTCP(n.ctx, c)
		}
	case n.Metadata && to == netip.AddrPortFrom(metadataAddr, 80):
		n.visitMetadata(r, source(id))
	case n.isService(to):
		host, err := n.visit(n.ctx, greetService, source(id))
		n.carry(r, host, err)
	case !n.own(to.Addr()) && n.policy.permits(to.Addr()):
		ctx, cancel := context.WithTimeout(n.ctx, dialTime)
		defer cancel()
		out, err := n.dial(ctx, "tcp", to)
		n.carry(r, out, err)
	default:
		r.Complete(true)
	}
}

// accept completes the handshake; nil when the guest has gone.
func accept(r *tcp.ForwarderRequest) *guestConn {
	var wq waiter.Queue
	ep, err := r.CreateEndpoint(&wq)
	if err != nil {
		r.Complete(true)
		return nil
	}
	r.Complete(false)
	ep.SocketOptions().SetKeepAlive(true)
	return &guestConn{TCPConn: gonet.NewTCPConn(&wq, ep), ep: ep}
}

// guestConn is a connection of the guest's.
type guestConn struct {
	*gonet.TCPConn
	ep tcpip.Endpoint
}

// carry joins a connection of the guest's with one that was made for it.
func (n *network) carry(r *tcp.ForwarderRequest, out net.Conn, err error) {
	if err != nil {
		r.Complete(true)
		return
	}
	defer out.Close()
	if c := accept(r); c != nil {
		defer c.Close()
		n.join(c, out)
	}
}

// halfCloser is what connections can do when one side has said all.
type halfCloser interface{ CloseWrite() error }

// join carries bytes both ways until both sides have said all, or one is gone.
func (n *network) join(a, b net.Conn) {
	stop := context.AfterFunc(n.ctx, func() { _, _ = a.Close(), b.Close() })
	defer stop()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			from, to := way[0], way[1]
			if err := pump(to, from); err != nil {
				_, _ = a.Close(), b.Close()
				return
			}
			if h, ok := to.(halfCloser); ok {
				_ = h.CloseWrite()
			}
		})
	}
	wg.Wait()
}

// takeUDP decides on the first datagram between two ports; the others follow.
func (n *network) takeUDP(r *udp.ForwarderRequest) {
	to := target(r.ID())
	dns := n.isResolver(to)
	if !dns && (n.own(to.Addr()) || to.Port() == 0 || !n.policy.permits(to.Addr())) {
		return
	}
	select {
	case n.udp <- struct{}{}:
	default:
		return
	}
	var wq waiter.Queue
	ep, err := r.CreateEndpoint(&wq)
	if err != nil {
		<-n.udp
		return
	}
	c := gonet.NewUDPConn(&wq, ep)
	n.wg.Go(func() {
		defer func() { <-n.udp }()
		if dns {
			n.answerUDP(n.ctx, c)
			return
		}
		defer c.Close()
		out, err := n.dial(n.ctx, "udp", to)
		if err != nil {
			return
		}
		defer out.Close()
		n.joinUDP(c, out)
	})
}

// joinUDP carries datagrams both ways until nothing has come for a while.
func (n *network) joinUDP(a, b net.Conn) {
	stop := context.AfterFunc(n.ctx, func() { _, _ = a.Close(), b.Close() })
	defer stop()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			defer func() { _, _ = a.Close(), b.Close() }()
			buf := make([]byte, 64<<10)
			for {
				size, err := way[0].Read(buf)
				if err != nil || extend(a, b) != nil {
					return
				}
				if _, err := way[1].Write(buf[:size]); err != nil {
					return
				}
			}
		})
	}
	if extend(a, b) != nil {
		_, _ = a.Close(), b.Close()
	}
	wg.Wait()
}

func extend(conns ...net.Conn) error {
	var errs []error
	for _, c := range conns {
		errs = append(errs, c.SetReadDeadline(time.Now().Add(udpIdle)))
	}
	return errors.Join(errs...)
}

// close ends every connection.
func (n *network) close() {
	n.stack.Close()
	n.wg.Wait()
}
