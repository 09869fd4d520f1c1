package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"slipway/compute/guestnet"
	"slipway/wire"
)

// listener is where requests come in and how that place is called.
type listener struct {
	net.Listener
	endpoint string      // what clients are told
	secure   *tls.Config // nil: plain HTTP
	bundle   string      // file with the certificate they must trust; "" for the system's
}

func listen(c ServeConfig) (*listener, error) {
	cfg, bundle, err := tlsConfig(c)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("something listens on %s already: stop it, or choose another address with --listen", c.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: choose another address with --listen", c.Listen, err)
	}
	l := &listener{Listener: ln, endpoint: "http://" + ln.Addr().String(), secure: cfg, bundle: bundle}
	if cfg != nil {
		l.Listener = tls.NewListener(ln, cfg)
		l.endpoint = "https://" + ln.Addr().String()
	}
	if c.PublicURL != "" {
		l.endpoint = strings.TrimRight(c.PublicURL, "/")
	}
	return l, nil
}

// tlsConfig is nil without TLS.
func tlsConfig(c ServeConfig) (cfg *tls.Config, bundle string, err error) {
	cert, key := c.TLSCert, c.TLSKey
	if c.TLSSelfSigned {
		dir := filepath.Join(c.DataDir, "tls")
		cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		bundle = cert
		if _, err := os.Stat(cert); errors.Is(err, fs.ErrNotExist) {
			if err := selfSign(dir, cert, key, c); err != nil {
				return nil, "", fmt.Errorf("make a certificate: %w", err)
			}
		}
	}
	if cert == "" {
		return nil, "", nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, "", fmt.Errorf("read the certificate %s and its key: %w", cert, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, bundle, nil
}

// selfSign makes a certificate for the names this server may be reached by.
func selfSign(dir, certFile, keyFile string, c ServeConfig) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Slipway, self-signed"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost", guestnet.ServiceName}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	addresses := []string{c.Listen}
	for _, e := range c.Endpoints {
		addresses = append(addresses, e.listen)
	}
	for _, a := range addresses {
		host, _, err := net.SplitHostPort(a)
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if err == nil && host != "" {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	if name, err := os.Hostname(); err == nil {
		t.DNSNames = append(t.DNSNames, name)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The certificate comes last: it says that both are there.
	if err := writeFileAtomic(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600); err != nil {
		return err
	}
	return writeFileAtomic(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// behindProxies believes X-Forwarded-For from trusted addresses: the caller is
// the last address in it that is not a trusted proxy itself. Host is the
// client's own, since it is signed: a proxy must pass it on unchanged.
func behindProxies(trusted []netip.Prefix, h http.Handler) http.Handler {
	if len(trusted) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && within(trusted, peer.Addr()) {
			hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
			for i := len(hops) - 1; i >= 0; i-- {
				ip, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
				if err != nil {
					break
				}
				r.RemoteAddr = netip.AddrPortFrom(ip, 0).String()
				if !within(trusted, ip) {
					break
				}
			}
		}
		h.ServeHTTP(w, r)
	})
}

func within(ps []netip.Prefix, ip netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// answer serves until ctx ends, telling clients where once it is true; stopping
// is called when it does, to end what lasts.
func answer(ctx context.Context, ln *listener, h http.Handler, announce func() error, stopping func(), log *slog.Logger) error {
	srv := wire.NewHTTPServer(h, log)
	waiting := unused{conns: map[net.Conn]bool{}}
	srv.ConnState = waiting.follow
	srv.RegisterOnShutdown(waiting.close)
	srv.RegisterOnShutdown(stopping)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	if err := announce(); err != nil {
		return errors.Join(err, srv.Close())
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		return errors.Join(srv.Close(), fmt.Errorf("requests did not end in time: %w", err))
	}
	return nil
}
