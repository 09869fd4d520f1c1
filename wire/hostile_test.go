package wire_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/wire"
)

// One test per kind of hostile request, over real connections: the right
// answer, no call that should not be, bounded memory, nothing left behind.

func TestHostileSignatures(t *testing.T) {
	s := besiege(t, nil)
	good := func() *http.Request { return s.json("DeleteImageBuilder", `{"Name":"b"}`) }
	s.send("a good one", good(), 200, "{}")
	s.got("a good one", 1)
	replace := func(old, new string) *http.Request {
		return tamper(good(), func(a string) string { return strings.Replace(a, old, new, 1) })
	}
	cut := func(n int) *http.Request { return tamper(good(), func(a string) string { return a[:len(a)-n] }) }
	unsigned, another, body, extra, twice := good(), good(), good(), good(), good()
	unsigned.Header.Del("Authorization")
	another.Header.Set("X-Amz-Target", "PhotonAdminProxyService.TagResource")
	body.Body = http.NoBody
	extra.Header.Set("X-Amz-Meta", "1")
	twice.Header.Add("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request")
	hashless := good()
	hashless.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	for _, c := range []struct {
		what   string
		r      *http.Request
		status int
		code   string
	}{
		{"unsigned", unsigned, 400, "MissingAuthenticationTokenException"},
		{"a digit off", tamper(good(), func(a string) string { return a[:len(a)-1] + string('0'+(a[len(a)-1]-'0'+1)%10) }), 400, "InvalidSignatureException"},
		{"half a signature", cut(32), 400, "InvalidSignatureException"},
		{"no signature", cut(64), 400, "IncompleteSignatureException"},
		{"not hexadecimal", cut(64 - 1), 400, "InvalidSignatureException"},
		{"an unknown key", replace("AKIDEXAMPLE", "AKIDNOBODY"), 400, "UnrecognizedClientException"},
		{"another region", replace("eu-central-1", "us-east-1"), 400, "InvalidSignatureException"},
		{"a region that forges ARNs", replace("eu-central-1", "a:b"), 400, "InvalidSignatureException"},
		{"another service", replace("/appstream/", "/ec2/"), 400, "InvalidSignatureException"},
		{"another day", replace("20260102", "20260103"), 400, "InvalidSignatureException"},
		{"another algorithm", replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), 400, "IncompleteSignatureException"},
		{"the host is not signed", replace("host;", ""), 400, "InvalidSignatureException"},
		{"the operation is not signed", replace(";x-amz-target", ""), 400, "InvalidSignatureException"},
		{"another operation", another, 400, "InvalidSignatureException"},
		{"another body", body, 400, "InvalidSignatureException"},
		{"a header more", extra, 400, "InvalidSignatureException"},
		{"the body is left out", hashless, 400, "InvalidSignatureException"},
		{"two signatures", twice, 400, "IncompleteSignatureException"},
		{"a credential of 60 KB", replace("AKIDEXAMPLE", strings.Repeat("A", 60<<10)), 400, "IncompleteSignatureException"},
	} {
		s.send(c.what, c.r, c.status, c.code)
		s.got(c.what, 0)
	}
}

func TestHostilePaths(t *testing.T) {
	s := besiege(t, nil)
	for _, p := range []string{"/_slipway/a/../v1/x", "/_slipway//v1/x", "/_slipway/./v1/x", "/_slipway/a/%2e%2e/v1/x", "/_slipway/a/.%2e/v1"} {
		s.send(p, s.request("", "GET", p, ""), 404)
	}
	for _, p := range []string{"/_slipway/v1/x", "/_slipway/%761/x", "/_slipway%2fv1/x", "/%5fslipway/v1", "/_slipway/v1"} {
		s.send(p, s.request("", "GET", p, ""), 403, "MissingAuthenticationTokenException")
	}
	// What does not begin with our prefix is AWS's, whatever it is cleaned into.
	for _, p := range []string{"/../_slipway/v1/x", "//_slipway/v1/x", "/x/../_slipway/healthz", "/.//_slipway/healthz"} {
		s.send(p, s.request("", "GET", p, ""), 400, "MissingAuthenticationTokenException")
	}
	for _, p := range []string{"/snapshots/..%2f..%2fetc/blocks", "/snapshots/%2e%2e/blocks", "/snapshots//blocks", "/snapshots/a%00b/blocks"} {
		r := s.request("ebs", "GET", p, "")
		if got := s.say(raw(r, "Connection: close", "", ""), 2); len(got) != 1 || got[0].status < 400 || strings.Contains(got[0].body, "own ") {
			t.Errorf("%s: %+v", p, got)
		}
	}
	for p, status := range map[string]int{"/service/PhotonAdminProxyService/operation/..%2fDeleteImageBuilder": 400,
		"/service/PhotonAdminProxyService/operation/": 400, "/service/../operation/DeleteImageBuilder": 404} {
		r := s.request("appstream", "POST", p, "\xa1\x64Name\x61b", "Smithy-Protocol", "rpc-v2-cbor", "Content-Type", "application/cbor")
		s.send(p, r, status, "UnknownOperation")
	}
	s.sendRaw("an absolute address", "GET http://elsewhere/_slipway/v1/x HTTP/1.1\r\nHost: "+s.addr+"\r\nConnection: close\r\n\r\n", 403)
	s.sendRaw("no path", "OPTIONS * HTTP/1.1\r\nHost: "+s.addr+"\r\nConnection: close\r\n\r\n", 200)
	s.sendRaw("CONNECT", "CONNECT 10.0.0.1:22 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400, "MissingAuthenticationToken")
	s.got("path tricks", 0)
}

func TestHostileSmuggling(t *testing.T) {
	s := besiege(t, nil)
	body := `{"Name":"b"}`
	head := func(more ...string) string { return raw(s.json("DeleteImageBuilder", body), more...) }
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	second := raw(s.json("DeleteImageBuilder", `{"Name":"c"}`), "Content-Length: 12", "", `{"Name":"c"}`)

	// Who believes Content-Length sees the second request inside the first.
	got := s.say(head(fmt.Sprintf("Content-Length: %d", len(chunked)+len(second)), "Transfer-Encoding: chunked", "", chunked+second), 3)
	if len(got) != 1 || !got[0].closed {
		t.Errorf("both lengths: %+v", got)
	}
	s.got("both lengths", 1)
	got = s.say(head("Transfer-Encoding: chunked", "", chunked+second), 3)
	if len(got) != 1 || got[0].status != 200 {
		t.Errorf("chunks: %+v", got)
	}
	s.got("chunks", 1)
	for what, more := range map[string][]string{
		"two lengths":           {"Content-Length: 12", "Content-Length: 13"},
		"a length with a sign":  {"Content-Length: +12"},
		"a list of lengths":     {"Content-Length: 12, 12"},
		"a negative length":     {"Content-Length: -1"},
		"an unknown coding":     {"Transfer-Encoding: xchunked"},
		"two codings":           {"Transfer-Encoding: chunked", "Transfer-Encoding: identity"},
		"a space before colon":  {"Transfer-Encoding : chunked"},
		"a folded header":       {"X-A: b", " Transfer-Encoding: chunked", "Content-Length : 12"},
		"a header without name": {": x"},
		"a vertical tab":        {"Transfer-Encoding:\x0bchunked"},
	} {
		got := s.say(head(append(more, "", body+second)...), 3)
		if len(got) != 1 || got[0].status != 400 && got[0].status != 501 {
			t.Errorf("%s: %+v", what, got)
		}
		s.got(what, 0)
	}
	for what, chunks := range map[string]string{
		"a length that is none": "zz\r\n" + body, "a length beyond all bounds": "ffffffffffffffff0\r\n" + body,
		"a chunk that goes on": "1\r\n" + body + "\r\n0\r\n\r\n", "extensions without end": "1;" + strings.Repeat("x", 1<<17) + "\r\n",
	} {
		got := s.say(head("Transfer-Encoding: chunked", "", chunks+second), 3)
		if len(got) != 1 || got[0].status != 400 || !got[0].closed {
			t.Errorf("%s: %+v", what, got)
		}
		s.got(what, 0)
	}
	s.sendRaw("no host", "GET / HTTP/1.1\r\n\r\n", 400)
	s.sendRaw("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400)
}

func TestHostileSlowness(t *testing.T) {
	s := besiege(t, func(srv *http.Server, c *wire.Config) {
		// The same limits, sooner; not so soon that a busy host keeps good requests
		// waiting for longer.
		const limit = 2 * time.Second
		srv.ReadHeaderTimeout, srv.IdleTimeout, c.BodyTimeout = limit, limit, limit
	})
	whole := raw(s.json("DeleteImageBuilder", `{"Name":"b"}`), "Content-Length: 12", "", `{"Name":"b"}`)
	head, _, _ := strings.Cut(whole, "\r\n\r\n")
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			switch i % 3 {
			case 0: // half a head
				if got := s.say(head, 1); len(got) != 0 {
					t.Errorf("half a head: %+v", got)
				}
			case 1: // half a body
				if got := s.say(head+"\r\n\r\n{", 2); len(got) != 1 || got[0].status != 400 || !got[0].closed || !strings.Contains(got[0].body, "SerializationException") {
					t.Errorf("half a body: %+v", got)
				}
			case 2: // nothing more
				if got := s.say(whole, 2); len(got) != 1 || got[0].status != 200 {
					t.Errorf("an idle connection: %+v", got)
				}
			}
		})
	}
	all.Wait()
	s.got("slowness", 20)
}

func TestHostileHeaders(t *testing.T) {
	s := besiege(t, nil)
	flood := func(n, size int) []string {
		var h []string
		for i := range n {
			h = append(h, fmt.Sprintf("X-Flood-%d", i), strings.Repeat("x", size))
		}
		return h
	}
	s.send("10,000 headers", s.request("", "GET", "/", "", flood(10_000, 20)...), 431)
	s.send("a header of 1 MB", s.request("", "GET", "/", "", flood(1, 1<<20)...), 431)
	s.send("an address of 1 MB", s.request("", "GET", "/?"+strings.Repeat("a", 1<<20), ""), 431)
	s.send("unsigned ones that fit", s.request("", "GET", "/", "", flood(2000, 8)...), 400, "MissingAuthenticationToken")
	s.send("more signed ones than a client has", s.json("DeleteImageBuilder", `{"Name":"b"}`, flood(200, 8)...), 400, "IncompleteSignature")
	r := s.json("DeleteImageBuilder", `{"Name":"b"}`)
	s.sendRaw("one name a thousand times", raw(r, append(strings.Split(strings.Repeat("X-A: 1\n", 1000), "\n")[:1000], "Content-Length: 12", "Connection: close", "", `{"Name":"b"}`)...), 200)
	s.got("header floods", 1)
	s.sendRaw("a request without end", "GET /"+strings.Repeat("a", 4<<20), 431)
}

func TestHostileReplay(t *testing.T) {
	s := besiege(t, nil)
	json := func() *http.Request { return s.json("DeleteImageBuilder", `{"Name":"b"}`) }
	form := func() *http.Request { return s.form("Action=DescribeImages&Version=2016-11-15") }
	for _, c := range []struct {
		seconds    int64
		ok         bool
		json, form string
	}{
		{0, true, "", ""}, {299, true, "", ""}, {300, true, "", ""},
		{301, false, "Signature expired: 20260102T030405Z is now earlier than 20260102T030406Z (20260102T030906Z - 5 min.)", "<Code>RequestExpired</Code>"},
		{86400 * 365, false, "Signature expired", "<Code>RequestExpired</Code>"},
		{-300, true, "", ""},
		{-301, false, "Signature not yet current: 20260102T030405Z is still later than 20260102T030404Z (20260102T025904Z + 5 min.)", "<Code>RequestExpired</Code>"},
	} {
		s.clock.Store(c.seconds)
		status, calls := 400, int64(0)
		if c.ok {
			status, calls = 200, 2
		}
		s.send(fmt.Sprint(c.seconds), json(), status, c.json)
		s.send(fmt.Sprint(c.seconds), form(), status, c.form)
		s.got(fmt.Sprint(c.seconds), calls)
	}
}

func TestHostileSilence(t *testing.T) {
	s := besiege(t, nil)
	// A hundred callers who say nothing hold nothing but their connection, and
	// it ends with the server (see besiege).
	for range 100 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
}
