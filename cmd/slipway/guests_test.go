package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/api/metadata"
	"slipway/compute"
	"slipway/service"
	"slipway/wire"
)

// arrival is a connection as the driver brings it.
type arrival struct{ net.Conn }

func (arrival) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.5:7"))
}

// asks says a request at a place as a guest of machine m-1 and reads the answer.
func (g *guests) asks(t *testing.T, to compute.Place, request string) (int, string) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	g.visit("m-1", to, arrival{far})
	if err := near.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(near, request) }()
	r, err := http.ReadResponse(bufio.NewReader(near), nil)
	if err != nil {
		t.Fatalf("%.40q: %v", request, err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

// TestGuestsAreLetIn: to the service under their own address, to their metadata
// with small requests, and not to what is the operator's.
func TestGuestsAreLetIn(t *testing.T) {
	service := &service.Service{}
	said := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %v", r.URL.Path, r.RemoteAddr, metadata.Machine(r.Context()), wire.Private(r))
	})
	for _, dev := range []bool{false, true} {
		g := newGuests()
		g.open(ServeConfig{DevCredentials: dev}, service, said, nil, slog.New(slog.DiscardHandler))
		const head = " HTTP/1.1\r\nHost: slipway.internal\r\nConnection: close\r\n"
		code, body := g.asks(t, compute.PlaceService, "GET /x"+head+"\r\n")
		switch {
		case !dev && (code != 200 || body != "/x 10.0.0.5:7 m-1 true"):
			t.Errorf("the service: %d %q", code, body)
		case dev && code != http.StatusForbidden:
			t.Errorf("the service, where every key is the operator's: %d %q", code, body)
		}
		if code, _ := g.asks(t, compute.PlaceService, "GET /_slipway/metrics"+head+"\r\n"); code == 200 {
			t.Error("the operator's pages are open to guests")
		}
		if code, _ := g.asks(t, compute.PlaceMetadata, "GET /latest/"+head+"X-Forwarded-For: 1.2.3.4\r\n\r\n"); code != http.StatusForbidden {
			t.Errorf("metadata for somebody else: %d", code)
		}
		if code, _ := g.asks(t, compute.PlaceMetadata, "GET /latest/"+head+"X: "+strings.Repeat("x", 16<<10)+"\r\n\r\n"); code != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("metadata for a long request: %d", code)
		}
		g.close()
		g.close()
		near, far := net.Pipe()
		g.visit("m-1", compute.PlaceMetadata, arrival{far})
		if _, err := near.Read(make([]byte, 1)); err == nil {
			t.Error("somebody answers after the end")
		}
	}
}

func TestGuestNetworkOfTheOperator(t *testing.T) {
	c := DefaultServeConfig()
	c.PublicURL = "https://slipway.example.com:8443"
	n := newGuests().network(c)
	if !slices.Equal(n.Ports, []uint16{4580, 8443}) || !slices.Equal(n.Names, []string{"slipway.example.com"}) {
		t.Errorf("%v %v", n.Ports, n.Names)
	}
	c.Guests.DNS = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}
	c.Listen, c.PublicURL = "127.0.0.1:0", ""
	if n := newGuests().network(c); len(n.Ports) > 0 || len(n.Names) > 0 || !slices.Equal(n.Resolvers, c.Guests.DNS) {
		t.Errorf("%+v", n)
	}
	got := hostResolvers("# nameserver 1.1.1.1\nsearch x\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver what\nnameserver\n nameserver 2001:db8::1 # two\n")
	if s := fmt.Sprint(got); s != "[192.0.2.1:53 [fe80::1%eth0]:53 [2001:db8::1]:53]" {
		t.Error(s)
	}
	if _, err := resolvers([]string{"dns.example.com"}); err == nil {
		t.Error("a name is taken for a resolver")
	}
	if got, err := resolvers([]string{"192.0.2.1:5353"}); err != nil || got[0].Port() != 5353 {
		t.Error(got, err)
	}
}
