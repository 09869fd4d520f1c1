package guestnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
)

// FuzzGuest throws whatever a guest may send at its network: nothing ends it,
// and nothing beyond what is public is ever connected to.
func FuzzGuest(f *testing.F) {
	f.Add(fromNowhere(discover(dhcpDiscover)))
	f.Add(fromNowhere(discover(dhcpRequest, optWanted, 4, 10, 20, 30, 40)))
	f.Add(eth(0x0806, make([]byte, 28)))
	for _, to := range []string{"8.8.8.8:53", "10.20.30.2:53", "127.0.0.1:80", "10.20.30.1:67"} {
		f.Add(eth(0x0800, udpPacket(netip.MustParseAddrPort("10.20.30.40:9"), netip.MustParseAddrPort(to), []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"))))
	}
	dir := f.TempDir()
	c := Config{Link: dir + "/n", Peer: dir + "/m", Count: dir + "/count", MAC: cardMAC.String(), Address: netip.MustParsePrefix("10.20.30.40/24"), Internet: true, Metadata: true, Service: true}
	ctx, cancel := context.WithCancel(context.Background())
	n, l, err := open(ctx, c)
	if err != nil {
		f.Fatal(err)
	}
	n.dial = func(_ context.Context, over string, to netip.AddrPort) (net.Conn, error) {
		if !public(to.Addr()) {
			panic(over + " " + to.String())
		}
		return nil, errors.New("no")
	}
	done := make(chan struct{})
	go func() { defer close(done); l.transmit(ctx) }()
	f.Cleanup(func() { cancel(); <-done; l.close(); n.close() })
	f.Fuzz(func(_ *testing.T, b []byte) {
		b = bytes.Clone(b)
		if len(b) >= ethBytes { // else every input would have to find the address first
			copy(b[6:12], cardMAC)
			if kind := binary.BigEndian.Uint16(b[12:]); kind == 0x0800 && len(b) >= ethBytes+20 && b[0]&1 == 0 {
				copy(b[ethBytes+12:], netip.MustParseAddr("10.20.30.40").AsSlice())
			}
		}
		l.frame(b)
	})
}
