package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"slipway/api/metadata"
	"slipway/compute"
	"slipway/compute/guestnet"
	"slipway/compute/qemu"
	"slipway/service"
	"slipway/wire"
)

// GuestConfig is what an operator decides about the networks of guests.
type GuestConfig struct {
	Allow, Deny []netip.Prefix
	DNS         []netip.AddrPort // empty: the host's
}

func (g *GuestConfig) flags(fs *flag.FlagSet) {
	list := func(to *[]netip.Prefix) func(string) error {
		return func(s string) error {
			p, err := prefixes(s)
			*to = append(*to, p...)
			return err
		}
	}
	fs.Func("guest-allow", "let guests with internet access also reach these comma-separated `networks`, which are not public", list(&g.Allow))
	fs.Func("guest-deny", "keep guests with internet access from these comma-separated `networks`", list(&g.Deny))
	fs.Func("guest-dns", "ask these comma-separated `servers` for names on behalf of guests with internet access (default: those of /etc/resolv.conf)", func(s string) (err error) {
		g.DNS, err = resolvers(strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }))
		return err
	})
}

// resolvers reads addresses with or without a port.
func resolvers(words []string) (out []netip.AddrPort, err error) {
	for _, w := range words {
		a, e := netip.ParseAddrPort(w)
		if e != nil {
			ip, e := netip.ParseAddr(w)
			if e != nil {
				return nil, fmt.Errorf("%q is no address of a DNS server such as 192.0.2.53", w)
			}
			a = netip.AddrPortFrom(ip, 53)
		}
		out = append(out, a)
	}
	return out, nil
}

// hostResolvers are those of the host, as its own programs find them; what is
// not understood is not asked.
func hostResolvers(resolvConf string) (out []netip.AddrPort) {
	for l := range strings.Lines(resolvConf) {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "nameserver" {
			if a, err := resolvers(f[1:2]); err == nil {
				out = append(out, a...)
			}
		}
	}
	return out
}

// guests is where guests come in: their connections, by the place they want.
type guests struct {
	places map[compute.Place]*hall
	stop   []func()
}

func newGuests() *guests {
	return &guests{places: map[compute.Place]*hall{compute.PlaceMetadata: newHall(), compute.PlaceService: newHall()}}
}

// network is what the driver needs to know about the networks of guests.
func (g *guests) network(c ServeConfig) qemu.Network {
	n := qemu.Network{Visitor: g.visit, Allow: c.Guests.Allow, Deny: c.Guests.Deny, Resolvers: c.Guests.DNS}
	if len(n.Resolvers) == 0 {
		b, _ := os.ReadFile("/etc/resolv.conf") // a host without one knows no names
		n.Resolvers = hostResolvers(string(b))
	}
	addresses := []string{"http://" + c.Listen, c.PublicURL}
	for _, a := range addresses {
		u, err := url.Parse(a)
		if err != nil || a == "" {
			continue
		}
		if port, err := netip.ParseAddrPort("0.0.0.0:" + u.Port()); err == nil && port.Port() != 0 {
			n.Ports = append(n.Ports, port.Port())
		}
		if _, err := netip.ParseAddr(u.Hostname()); err != nil && u.Hostname() != "" && u.Hostname() != "localhost" {
			n.Names = append(n.Names, u.Hostname())
		}
	}
	return n
}

func (g *guests) visit(machine string, to compute.Place, c net.Conn) {
	if h := g.places[to]; h != nil {
		h.enter(guestConn{c, machine})
		return
	}
	_ = c.Close()
}

// open answers guests: their metadata, and the service as everybody else gets
// it, without our own pages. Where every key is accepted guests get nothing of
// it, since they would be the operator.
func (g *guests) open(c ServeConfig, svc *service.Service, handler http.Handler, secure *tls.Config, log *slog.Logger) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	endpoint := "http://" + guestnet.ServiceName
	if secure != nil {
		endpoint = "https://" + guestnet.ServiceName
	}
	meta := wire.NewHTTPServer(metadata.Handler(svc, secret, time.Now, endpoint), log)
	meta.ReadHeaderTimeout, meta.MaxHeaderBytes, meta.IdleTimeout = metadata.HeadTime, metadata.HeadMost, time.Minute
	meta.ReadTimeout, meta.WriteTimeout = metadata.HeadTime, metadata.HeadTime
	api := wire.NewHTTPServer(forGuests(c, handler), log)
	for _, s := range []*http.Server{meta, api} {
		s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			if m, ok := c.(guestConn); ok {
				return metadata.WithMachine(ctx, m.machine)
			}
			return ctx
		}
	}
	serve := func(s *http.Server, ln net.Listener) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				log.Error("guests are not answered any more", "err", err)
			}
		}()
		g.stop = append(g.stop, func() { _ = s.Close(); <-done })
	}
	serve(meta, g.places[compute.PlaceMetadata])
	var ln net.Listener = g.places[compute.PlaceService]
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	serve(api, ln)
}

// forGuests is the service without what is for people and operators.
func forGuests(c ServeConfig, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case c.DevCredentials:
			http.Error(w, "Guests are not let in while --dev-credentials lets everybody in.", http.StatusForbidden)
		case strings.HasPrefix(r.URL.Path, wire.OwnPrefix):
			http.NotFound(w, r)
		default:
			h.ServeHTTP(w, wire.FromPrivate(r))
		}
	})
}

// close ends all answers and sends away who comes later.
func (g *guests) close() {
	for _, h := range g.places {
		_ = h.Close()
	}
	for _, f := range g.stop {
		f()
	}
}

// guestConn remembers which machine is at the other end.
type guestConn struct {
	net.Conn
	machine string
}

// hall is a listener whose connections are brought to it.
type hall struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// hallMost is how many may wait; more find the door shut.
const hallMost = 64

func newHall() *hall { return &hall{conns: make(chan net.Conn, hallMost), done: make(chan struct{})} }

func (h *hall) enter(c net.Conn) {
	select {
	case <-h.done:
	default:
		select {
		case h.conns <- c:
			return
		default:
		}
	}
	_ = c.Close()
}

// Accept implements net.Listener.
func (h *hall) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *hall) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *hall) Addr() net.Addr { return &net.UnixAddr{Name: "guests", Net: "unix"} }
