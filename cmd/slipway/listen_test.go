package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
)

func TestForwardedForIsBelievedFromProxiesOnly(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, c := range []struct{ peer, header, want string }{
		{"127.0.0.1:1000", "203.0.113.9", "203.0.113.9:0"},
		{"127.0.0.1:1000", "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9:0"}, // what the client wrote itself is left of it
		{"192.0.2.1:1000", "203.0.113.9", "192.0.2.1:1000"},
		{"127.0.0.1:1000", "", "127.0.0.1:1000"},
		{"127.0.0.1:1000", "nonsense", "127.0.0.1:1000"},
	} {
		got := ""
		h := behindProxies(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.header != "" {
			r.Header.Set("X-Forwarded-For", c.header)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want {
			t.Errorf("%s with %q: %s, want %s", c.peer, c.header, got, c.want)
		}
	}
}

func TestSelfSignedCertificateIsTrustedByItsBundle(t *testing.T) {
	c := DefaultServeConfig()
	c.DataDir, c.Listen, c.TLSSelfSigned = t.TempDir(), "127.0.0.1:0", true
	for range 2 { // the second start uses the first one's certificate
		ln, err := listen(c)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		go srv.Serve(ln)
		client, err := httpClient(ln.bundle)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Get(ln.endpoint)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		srv.Close()
	}
	if st, err := os.Stat(c.DataDir + "/tls/key.pem"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v %v", st, err)
	}
}

// TestWhatLastsIsEnded: a server that stops waits for its requests, and those that
// go on until they are told to end are told first.
func TestWhatLastsIsEnded(t *testing.T) {
	c := DefaultServeConfig()
	c.DataDir, c.Listen = t.TempDir(), "127.0.0.1:0"
	ln, err := listen(c)
	if err != nil {
		t.Fatal(err)
	}
	begun, told := make(chan bool), make(chan bool)
	lasts := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-told
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- answer(ctx, ln, lasts, func() error { return nil }, func() { close(told) }, slog.New(slog.DiscardHandler))
	}()
	go func() {
		<-begun
		stop()
	}()
	resp, err := http.Get(ln.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestReachIsValidated(t *testing.T) {
	for _, change := range []func(*ServeConfig){
		func(c *ServeConfig) { c.TLSCert = "x" },
		func(c *ServeConfig) { c.TLSCert, c.TLSKey, c.TLSSelfSigned = "x", "y", true },
		func(c *ServeConfig) { c.PublicURL = "slipway.example.com" },
		func(c *ServeConfig) { c.PublicURL = "https://slipway.example.com/path" },
		func(c *ServeConfig) { c.AuditKeep = 0 },
	} {
		c := DefaultServeConfig()
		c.DataDir = t.TempDir()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}
