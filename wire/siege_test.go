package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/ec2"
	"slipway/wire/protocols"
	"slipway/wire/sigv4"
)

// siege is a server on a real socket, with the connection limits of the real
// one, and a count of the calls that got through to a handler.
type siege struct {
	t     *testing.T
	addr  string
	calls atomic.Int64
	clock atomic.Int64 // seconds since testNow
}

// allowance is what an attack may make the server allocate in total, test
// client included.
const allowance = 64 << 20

// besiege starts the server; when the test ends, nothing of it may be left and
// no more than the allowance may have been used.
func besiege(t *testing.T, change func(*http.Server, *wire.Config)) *siege {
	t.Helper()
	s := &siege{t: t}
	goroutines := runtime.NumGoroutine()
	now := func() time.Time { return testNow.Add(time.Duration(s.clock.Load()) * time.Second) }
	cfg := wire.Config{
		Services: protocols.Services(), Codecs: protocols.Codecs(), Verifier: protocols.Verifier(now, protocols.Services()),
		Handlers: map[*wire.Op]wire.Handler{
			appstream.OpDeleteImageBuilder: s.count, appstream.OpDescribeImages: s.count, appstream.OpTagResource: s.count,
			ec2.OpDescribeImages: s.count, ec2.OpCreateTags: s.count,
		},
		Keys: func(_ context.Context, id string) (wire.Secret, error) {
			if id != "AKIDEXAMPLE" {
				return wire.Secret{}, wire.ErrUnknownKey
			}
			return wire.Secret{Key: "secret"}, nil
		},
		Own: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "own "+r.URL.Path) }),
		Now: now, NewRequestID: func() string { return "req" }, Log: silent, MaxBody: 1 << 20,
	}
	srv := wire.NewHTTPServer(nil, silent)
	if srv.ReadHeaderTimeout == 0 || srv.IdleTimeout == 0 || srv.MaxHeaderBytes == 0 {
		t.Fatal("a connection has no limits")
	}
	if change != nil {
		change(srv, &cfg)
	}
	srv.Handler = wire.NewServer(cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	t.Cleanup(func() {
		var after runtime.MemStats
		runtime.ReadMemStats(&after)
		used := after.TotalAlloc - before.TotalAlloc
		t.Logf("%d KiB were allocated", used>>10)
		if used > allowance {
			t.Errorf("the attack made us allocate %d MiB", used>>20)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-done
		for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<16)
				t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
	return s
}

func (s *siege) count(context.Context, *wire.Call) (any, error) {
	s.calls.Add(1)
	return nil, nil
}

// got wants a number of calls to have come through since the last time.
func (s *siege) got(what string, n int64) {
	s.t.Helper()
	if c := s.calls.Swap(0); c != n {
		s.t.Errorf("%s: %d calls came through, not %d", what, c, n)
	}
}

// request is signed for service; "" leaves it unsigned. header is name, value, …
func (s *siege) request(service, method, target, body string, header ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequest(method, "http://"+s.addr+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if service != "" {
		sigv4.Signer{AccessKeyID: "AKIDEXAMPLE", Secret: "secret", Region: "eu-central-1", Service: service}.Sign(r, []byte(body), testNow)
	}
	return r
}

func (s *siege) json(op, body string, header ...string) *http.Request {
	return s.request("appstream", "POST", "/", body, append([]string{"X-Amz-Target", "PhotonAdminProxyService." + op,
		"Content-Type", "application/x-amz-json-1.1"}, header...)...)
}

func (s *siege) cbor(op, body string) *http.Request {
	return s.request("appstream", "POST", "/service/PhotonAdminProxyService/operation/"+op, body,
		"Smithy-Protocol", "rpc-v2-cbor", "Content-Type", "application/cbor")
}

func (s *siege) form(body string) *http.Request {
	return s.request("ec2", "POST", "/", body, "Content-Type", "application/x-www-form-urlencoded")
}

// raw is the head of a request as text, without the empty line; the lengths
// are up to the caller.
func raw(r *http.Request, more ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), r.URL.Host)
	for k, vs := range r.Header {
		for _, v := range vs {
			fmt.Fprintf(&b, "%s: %s\r\n", k, v)
		}
	}
	return b.String() + strings.Join(append(more, ""), "\r\n")
}

// answer is what came back on a connection.
type answer struct {
	status int
	body   string
	closed bool // the server closed the connection afterwards
}

// say writes raw bytes and reads every answer until the connection is closed
// or want answers are there.
func (s *siege) say(text string, want int) []answer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.Copy(c, strings.NewReader(text)) }() // the server may stop listening
	in := bufio.NewReader(c)
	var out []answer
	for len(out) < want {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			break
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		out = append(out, answer{resp.StatusCode, string(body), resp.Close})
	}
	return out
}

// send wants one answer with a status and all parts.
func (s *siege) send(what string, r *http.Request, status int, parts ...string) {
	s.t.Helper()
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	s.sendRaw(what, raw(r, fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close", "")+string(body), status, parts...)
}

func (s *siege) sendRaw(what, text string, status int, parts ...string) {
	s.t.Helper()
	got := s.say(text, 2)
	if len(got) != 1 || got[0].status != status {
		s.t.Errorf("%s: %d answers, not one with status %d: %.300v", what, len(got), status, got)
		return
	}
	for _, p := range parts {
		if !bytes.Contains([]byte(got[0].body), []byte(p)) {
			s.t.Errorf("%s: no %q in %.300s", what, p, got[0].body)
		}
	}
}

// tamper changes the header that carries the signature.
func tamper(r *http.Request, f func(string) string) *http.Request {
	r.Header.Set("Authorization", f(r.Header.Get("Authorization")))
	return r
}
