package guestnet

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	dhcpServerPort = 67
	dhcpClientPort = 68
	leaseSeconds   = 3600
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Options and message types that are used (RFC 2132).
const (
	optMask, optRouter, optDNS, optHostname, optMTU   = 1, 3, 6, 12, 26
	optWanted, optLease, optType, optServer           = 50, 51, 53, 54
	optRenew, optRebind, optDomain, optEnd            = 58, 59, 15, 255
	dhcpDiscover, dhcpOffer, dhcpRequest, dhcpDecline = 1, 2, 3, 4
	dhcpAck, dhcpNak, dhcpInform                      = 5, 6, 8
)

const (
	bootpBytes  = 236
	bootpCookie = "\x63\x82\x53\x63"
	bootpMin    = 300 // clients older than DHCP expect at least that
)

// dhcp answers one message of the guest's with an IPv4 packet, or nil. There
// is one address for one card, so nothing is remembered (RFC 2131).
func (p plan) dhcp(m []byte) []byte {
	if len(m) < bootpBytes+len(bootpCookie) || m[0] != 1 || m[1] != 1 || m[2] != 6 ||
		!bytes.Equal(m[28:34], p.mac) || string(m[bootpBytes:bootpBytes+4]) != bootpCookie {
		return nil
	}
	kind, wanted, server := dhcpOptions(m[bootpBytes+4:])
	if server.IsValid() && server != p.gateway {
		return nil // it has chosen another server
	}
	current := netip.AddrFrom4([4]byte(m[12:16]))
	answer := byte(dhcpAck)
	switch kind {
	case dhcpDiscover:
		answer = dhcpOffer
	case dhcpRequest:
		if !wanted.IsValid() {
			wanted = current
		}
		if wanted != p.guest {
			answer = dhcpNak
		}
	case dhcpInform:
	default:
		return nil
	}
	r := make([]byte, bootpBytes, bootpMin)
	r[0], r[1], r[2] = 2, 1, 6
	copy(r[4:8], m[4:8])     // transaction
	copy(r[10:12], m[10:12]) // flags
	copy(r[28:44], m[28:44]) // the client's hardware address
	if answer != dhcpNak {
		copy(r[12:16], m[12:16])
		if kind != dhcpInform {
			copy(r[16:20], p.guest.AsSlice())
		}
		copy(r[20:24], p.gateway.AsSlice())
	}
	r = append(r, bootpCookie...)
	r = p.dhcpAnswer(r, answer, kind == dhcpInform)
	for len(r) < bootpMin {
		r = append(r, 0)
	}
	to := broadcast
	if kind == dhcpInform || m[12] != 0 && answer == dhcpAck {
		to = p.guest
	}
	return udpPacket(netip.AddrPortFrom(p.gateway, dhcpServerPort), netip.AddrPortFrom(to, dhcpClientPort), r)
}

func (p plan) dhcpAnswer(r []byte, answer byte, inform bool) []byte {
	add := func(option byte, value ...byte) { r = append(append(r, option, byte(len(value))), value...) }
	seconds := func(option byte, n uint32) { add(option, binary.BigEndian.AppendUint32(nil, n)...) }
	add(optType, answer)
	add(optServer, p.gateway.AsSlice()...)
	if answer != dhcpNak {
		if !inform {
			seconds(optLease, leaseSeconds)
			seconds(optRenew, leaseSeconds/2)
			seconds(optRebind, leaseSeconds/8*7)
		}
		add(optMask, binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Address.Bits()))...)
		add(optRouter, p.gateway.AsSlice()...)
		add(optDNS, p.resolver.AsSlice()...)
		add(optMTU, byte(mtu>>8), byte(mtu&0xff))
		if p.Hostname != "" {
			add(optHostname, []byte(p.Hostname)...)
		}
		add(optDomain, []byte(localDomain)...)
	}
	return append(r, optEnd)
}

// dhcpOptions reads what matters of the options; what is cut off is not there.
func dhcpOptions(b []byte) (kind byte, wanted, server netip.Addr) {
	for len(b) > 0 && b[0] != optEnd {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return
		}
		v := b[2 : 2+int(b[1])]
		switch {
		case b[0] == optType && len(v) == 1:
			kind = v[0]
		case b[0] == optWanted && len(v) == 4:
			wanted = netip.AddrFrom4([4]byte(v))
		case b[0] == optServer && len(v) == 4:
			server = netip.AddrFrom4([4]byte(v))
		}
		b = b[2+int(b[1]):]
	}
	return
}

// udpPacket is an IPv4 packet with one datagram.
func udpPacket(from, to netip.AddrPort, body []byte) []byte {
	size := header.UDPMinimumSize + len(body)
	b := make([]byte, header.IPv4MinimumSize+size)
	src, dst := tcpip.AddrFrom4(from.Addr().As4()), tcpip.AddrFrom4(to.Addr().As4())
	ip := header.IPv4(b)
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(header.UDPProtocolNumber), SrcAddr: src, DstAddr: dst})
	ip.SetChecksum(^ip.CalculateChecksum())
	u := header.UDP(ip.Payload())
	u.Encode(&header.UDPFields{SrcPort: from.Port(), DstPort: to.Port(), Length: uint16(size)})
	copy(u.Payload(), body)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, src, dst, uint16(size))
	u.SetChecksum(^u.CalculateChecksum(checksum.Checksum(body, sum)))
	return b
}

func addr(a tcpip.Address) netip.Addr {
	x, _ := netip.AddrFromSlice(a.AsSlice())
	return x
}
