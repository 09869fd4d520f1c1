package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"slipway/service"
	"slipway/stream"
	"slipway/wire"
)

// accessEndpoint is where the screens behind an access endpoint are looked at:
// on one's own machines, an address in the network that the endpoint stands for.
type accessEndpoint struct {
	id     string // vpce-…
	listen string // host:port; port 0 picks a free one
	origin string // as browsers call it; "" for the listening address
}

var endpointForm = regexp.MustCompile(`^vpce-[A-Za-z0-9-]+$`)

func parseEndpoint(s string) (accessEndpoint, error) {
	id, at, _ := strings.Cut(s, "=")
	e := accessEndpoint{id: id}
	e.listen, e.origin, _ = strings.Cut(at, ",")
	if _, _, err := net.SplitHostPort(e.listen); err != nil || !endpointForm.MatchString(e.id) {
		return e, fmt.Errorf("%q must look like vpce-0123=10.0.0.1:4581", s)
	}
	if e.origin != "" {
		u, err := url.Parse(e.origin)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.RawQuery != "" {
			return e, fmt.Errorf("%q: %q must look like https://screens.example.com", s, e.origin)
		}
	}
	return e, nil
}

// endpoints are the servers of access endpoints.
type endpoints []*http.Server

// openPages tells pages and use cases where screens are looked at, and begins to
// answer at every access endpoint, as securely as the server itself.
func openPages(c ServeConfig, main *listener, screens *stream.Server, at *service.Streaming, log *slog.Logger) (all endpoints, err error) {
	at.Base, at.Endpoints = main.endpoint+streamPath, map[string]string{}
	if err := screens.SetOrigin(main.endpoint); err != nil {
		return nil, err
	}
	for _, e := range c.Endpoints {
		if at.Endpoints[e.id] != "" {
			return all, errors.Join(fmt.Errorf("the access endpoint %s is given twice", e.id), all.close())
		}
		ln, err := net.Listen("tcp", e.listen)
		if err != nil {
			return all, errors.Join(fmt.Errorf("listen for %s: %w: choose another address with --access-endpoint", e.id, err), all.close())
		}
		scheme := "http://"
		if main.secure != nil {
			ln, scheme = tls.NewListener(ln, main.secure), "https://"
		}
		if e.origin == "" {
			e.origin = scheme + ln.Addr().String()
		}
		pages, err := screens.Endpoint(e.id, e.origin)
		if err != nil {
			return all, errors.Join(err, ln.Close(), all.close())
		}
		srv := wire.NewHTTPServer(behindProxies(c.TrustedProxies, wire.Closed(pages)), log)
		all = append(all, srv)
		at.Endpoints[e.id] = e.origin + streamPath
		go func() {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				log.Error("an access endpoint", "endpoint", e.id, "err", err)
			}
		}()
		log.Info("answering at an access endpoint", "endpoint", e.id, "at", e.origin)
	}
	return all, nil
}

func (all endpoints) close() (err error) {
	for _, s := range all {
		err = errors.Join(err, s.Close())
	}
	return err
}
