package guestnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	mtu      = 1500
	ethBytes = header.EthernetMinimumSize
	queue    = 512 // packets on their way to the guest
)

// hostMAC is the host's end of every guest's link: locally administered, and
// not in the range that guests have.
var hostMAC = net.HardwareAddr{0x02, 0x53, 0x4c, 0x57, 0x00, 0x01}

// link is the cable: frames of the guest come in as datagrams and leave as
// packets for the stack, and back. It answers ARP and DHCP by itself and drops
// what a card of this address would not send.
type link struct {
	plan
	in    *net.UnixConn
	count *counter
	ep    *channel.Endpoint

	mu  sync.Mutex
	out *net.UnixConn // nil until the guest's end was found
}

func openLink(p plan) (*link, error) {
	count, err := openCounter(p.Count)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(p.Link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the socket of the one before: %w", err)
	}
	in, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p.Link, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("the guest's end: %w", err)
	}
	return &link{plan: p, in: in, count: count, ep: channel.New(queue, mtu, "")}, nil
}

// receive takes frames until the socket is closed.
func (l *link) receive() error {
	buf := make([]byte, 64<<10)
	for {
		n, err := l.in.Read(buf)
		if err != nil {
			return err
		}
		l.count.add()
		l.frame(buf[:n])
	}
}

// frame sorts one frame of the guest. All that is not plain IPv4 from the
// guest's own address, or the way to get that address, is dropped: there is no
// IPv6 on this link.
func (l *link) frame(b []byte) {
	if len(b) < ethBytes || [6]byte(b[6:12]) != [6]byte(l.mac) {
		return
	}
	switch body := b[ethBytes:]; binary.BigEndian.Uint16(b[12:14]) {
	case 0x0806:
		l.arp(body)
	case 0x0800:
		l.packet(body)
	}
}

// arp answers who has the host's addresses, and nothing else: a guest that
// probes its own address must hear silence.
func (l *link) arp(b []byte) {
	h := header.ARP(b)
	if !h.IsValid() || h.Op() != header.ARPRequest {
		return
	}
	target := netip.AddrFrom4([4]byte(h.ProtocolAddressTarget()))
	if !l.own(target) {
		return
	}
	reply := make(header.ARP, header.ARPSize)
	reply.SetIPv4OverEthernet()
	reply.SetOp(header.ARPReply)
	copy(reply.HardwareAddressSender(), hostMAC)
	copy(reply.ProtocolAddressSender(), target.AsSlice())
	copy(reply.HardwareAddressTarget(), h.HardwareAddressSender())
	copy(reply.ProtocolAddressTarget(), h.ProtocolAddressSender())
	l.send(0x0806, reply)
}

func (l *link) packet(b []byte) {
	h := header.IPv4(b)
	if !h.IsValid(len(b)) {
		return
	}
	b = b[:h.TotalLength()] // short frames are padded
	h = header.IPv4(b)
	src, dst := addr(h.SourceAddress()), addr(h.DestinationAddress())
	if h.Protocol() == uint8(header.UDPProtocolNumber) && h.FragmentOffset() == 0 && len(h.Payload()) >= header.UDPMinimumSize &&
		header.UDP(h.Payload()).DestinationPort() == dhcpServerPort && (l.own(dst) || dst == broadcast) {
		if answer := l.dhcp(h.Payload()[header.UDPMinimumSize:]); answer != nil {
			l.send(0x0800, answer)
		}
		return
	}
	switch {
	case src != l.guest, dst == l.guest, dst.IsMulticast(), dst == broadcast, dst.IsLoopback(), dst.IsUnspecified():
		return
	case h.Protocol() == uint8(header.ICMPv4ProtocolNumber) && !l.own(dst):
		return // the stack would answer for the whole world
	}
	// The stack keeps the packet; the buffer is used again.
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	l.ep.InjectInbound(ipv4.ProtocolNumber, p)
	p.DecRef()
}

// transmit sends what the stack has for the guest until ctx ends.
func (l *link) transmit(ctx context.Context) {
	for {
		p := l.ep.ReadContext(ctx)
		if p == nil {
			return
		}
		v := p.ToView()
		l.send(0x0800, v.AsSlice())
		v.Release()
		p.DecRef()
	}
}

// sendTime bounds the wait for a guest that takes nothing: then the frame is
// lost, as on any cable.
const sendTime = 100 * time.Millisecond

// send puts one frame on the cable. The guest's end appears when its machine
// does; it is bound once and found again after a restart of ours. A socket of
// our own that is connected, since the kernel wakes up only such a sender when
// a full receiver has room again.
func (l *link) send(kind uint16, body []byte) {
	f := make([]byte, 0, ethBytes+len(body))
	f = append(f, l.mac...)
	f = append(f, hostMAC...)
	f = binary.BigEndian.AppendUint16(f, kind)
	f = append(f, body...)
	l.mu.Lock()
	defer l.mu.Unlock()
	for range 2 {
		if l.out == nil {
			c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: l.Peer, Net: "unixgram"})
			if err != nil {
				return
			}
			l.out = c
		}
		if l.out.SetWriteDeadline(time.Now().Add(sendTime)) == nil {
			if _, err := l.out.Write(f); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
		}
		_ = l.out.Close() // another machine is there now, or none
		l.out = nil
	}
}

func (l *link) close() {
	_ = l.in.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out != nil {
		_ = l.out.Close()
		l.out = nil
	}
}

// counter is a number in a file that is mapped: as exact as memory, and there
// after we are killed.
type counter struct{ n *atomic.Int64 }

const counterBytes = 8

func openCounter(path string) (*counter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the count: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(counterBytes); err != nil {
		return nil, fmt.Errorf("the count: %w", err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, counterBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("the count: %w", err)
	}
	return &counter{n: (*atomic.Int64)(unsafe.Pointer(&b[0]))}, nil
}

func (c *counter) add() { c.n.Add(1) }

// Frames reads a count; 0 where there is none. It is in the byte order of the
// processor, which is the same for both ends of a file that never travels.
func Frames(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil || len(b) != counterBytes {
		return 0
	}
	return max(0, int64(binary.NativeEndian.Uint64(b)))
}
