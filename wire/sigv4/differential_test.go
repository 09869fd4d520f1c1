package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"slipway/wire/sigv4"
)

// judged is one request as the AWS SDK's signer signs it: the independent
// judge of our canonicalisation.
type judged struct {
	method, host, path, query, header, body, token string
	presign, unsigned                              bool
}

// request builds it, or says why net/http itself would not carry it.
func (j judged) request() (*http.Request, bool) {
	path := "/" + (&url.URL{Path: strings.TrimLeft(j.path, "/")}).EscapedPath()
	path = strings.Replace(path, "/./", "/", 1)
	var q []string
	for kv := range strings.SplitSeq(j.query, "&") {
		k, v, _ := strings.Cut(kv, "=")
		// The SDK sorts decoded names, the guide (and we) encoded ones: they
		// differ only for names beyond ASCII letters, which AWS never uses.
		if k != "" && plain(k) {
			q = append(q, k+"="+url.QueryEscape(v))
		}
	}
	target := "http://" + j.host + path
	if len(q) > 0 {
		target += "?" + strings.Join(q, "&")
	}
	r, err := http.NewRequest(j.method, target, strings.NewReader(j.body))
	if err != nil {
		return nil, false
	}
	for line := range strings.SplitSeq(j.header, "\n") {
		k, v, _ := strings.Cut(line, ":")
		if plain(k) && visible(v) && !strings.HasPrefix(strings.ToLower(k), "x-amz-") && !hopByHop[strings.ToLower(k)] {
			r.Header.Add(k, v)
		}
	}
	return r, true
}

// hopByHop headers are rewritten by net/http itself.
var hopByHop = map[string]bool{"connection": true, "host": true, "content-length": true, "transfer-encoding": true,
	"trailer": true, "authorization": true, "user-agent": true, "te": true, "upgrade": true, "date": true, "expect": true}

func plain(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return s != ""
}

func visible(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x20 || c == 0x7f {
			return false
		}
	}
	// The SDK trims Unicode's spaces too, HTTP knows only two kinds.
	return strings.TrimSpace(s) == strings.Trim(s, " ")
}

// check signs with the SDK, sends through bytes, verifies with ours.
func (j judged) check(t *testing.T) {
	t.Helper()
	r, ok := j.request()
	if !ok {
		t.Skip("net/http refuses this request")
	}
	hash := "UNSIGNED-PAYLOAD"
	if !j.unsigned {
		sum := sha256.Sum256([]byte(j.body))
		hash = hex.EncodeToString(sum[:])
	}
	cred := aws.Credentials{AccessKeyID: exampleID, SecretAccessKey: exampleSecret, SessionToken: j.token}
	signer := v4.NewSigner()
	if j.presign {
		q := r.URL.Query()
		q.Set("X-Amz-Expires", "60")
		r.URL.RawQuery = q.Encode()
		signedURL, header, err := signer.PresignHTTP(context.Background(), cred, r, hash, "service", "us-east-1", exampleTime)
		if err != nil {
			t.Fatal(err)
		}
		if r.URL, err = url.Parse(signedURL); err != nil {
			t.Fatal(err)
		}
		for k, vs := range header {
			if k != "Host" && k != "Content-Length" {
				r.Header[k] = vs
			}
		}
	} else {
		r.Header.Set("X-Amz-Content-Sha256", hash)
		if err := signer.SignHTTP(context.Background(), cred, r, hash, "service", "us-east-1", exampleTime); err != nil {
			t.Fatal(err)
		}
	}
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Skip("net/http refuses this request")
	}
	text := wire.String()
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Skip("net/http refuses this request")
	}
	o := exampleOptions()
	o.AllowUnsignedPayload = j.unsigned
	o.Lookup = func(context.Context, string) (sigv4.Key, error) {
		return sigv4.Key{Secret: exampleSecret, Token: j.token}, nil
	}
	res, err := sigv4.Verify(got, []byte(j.body), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if res.Presigned != j.presign || res.UnsignedPayload != j.unsigned || res.SessionToken != j.token {
		t.Fatalf("result %+v for %+v", res, j)
	}
	// What signs one request must sign no other.
	got.URL.RawQuery += "&zz=1"
	if _, err := sigv4.Verify(got, []byte(j.body), o); err == nil {
		t.Fatalf("accepted with another query\n%s", text)
	}
}

var hosts = []string{"127.0.0.1:4566", "localhost", "ebs.us-east-1.amazonaws.com", "h:80", "[::1]:8080"}
var methods = []string{"GET", "POST", "PUT", "DELETE"}

// The AWS SDK's signer is the judge: what it signs verifies, and nothing else.
func FuzzSigV4(f *testing.F) {
	f.Add(uint8(0), "", "", "", "", "", uint8(0))
	f.Add(uint8(1), "snapshots/snap-0123/blocks/7", "blockToken=AAAB+/==&a=1", "X-Custom: a   b\nx-custom:c", "body", "tok+/=", uint8(0))
	f.Add(uint8(2), "a b/ü/%2F/~;=+", "x= &x=&b=%&c=+", "Content-Type: application/x-amz-json-1.1", "{}", "", uint8(1))
	f.Add(uint8(3), "/a//b/../c/.", "a-=1&a=2&A=3", "Accept:  \t x", "\x00\xff", "t", uint8(3))
	f.Fuzz(func(t *testing.T, pick uint8, path, query, header, body, token string, mode uint8) {
		if !visible(token) || strings.TrimSpace(token) != token {
			t.Skip("not a header value")
		}
		judged{
			method: methods[int(pick)%len(methods)], host: hosts[int(pick/4)%len(hosts)],
			path: path, query: query, header: header, body: body, token: token,
			presign: mode&1 != 0, unsigned: mode&2 != 0,
		}.check(t)
	})
}

// A bounded number of random cases runs with every `go test`.
func TestDifferentialRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	letters := []rune("abzAZ09-._~!$&'()*+,;=:@%/ /\"<>[]{}|\\^`üሴ\u00a0?#")
	word := func(max int) string {
		var b strings.Builder
		for range rng.IntN(max + 1) {
			b.WriteRune(letters[rng.IntN(len(letters))])
		}
		return b.String()
	}
	for i := range 600 {
		j := judged{
			method: methods[rng.IntN(len(methods))], host: hosts[rng.IntN(len(hosts))], path: word(24),
			body: word(20), presign: rng.IntN(2) == 0, unsigned: rng.IntN(4) == 0,
		}
		for range rng.IntN(5) {
			j.query += fmt.Sprintf("&%c%c=%s", 'a'+rng.IntN(3), 'A'+rng.IntN(3), url.QueryEscape(word(8)))
			j.header += fmt.Sprintf("X-H%d: %s\n", rng.IntN(3), word(8))
		}
		if rng.IntN(2) == 0 {
			j.token = "tok" + word(6) + "en"
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) { j.check(t) })
	}
}

// The SDK must accept what our Signer makes: compared by signing the same
// request with both.
func TestSignerAgreesWithSDK(t *testing.T) {
	r := judged{method: "POST", host: "127.0.0.1:4566", path: "_slipway/v1/a b", query: "b=1&a=x y", header: "Content-Type: application/json"}
	ours, _ := r.request()
	theirs, _ := r.request()
	sigv4.Signer{AccessKeyID: exampleID, Secret: exampleSecret, SessionToken: "t", Region: "us-east-1", Service: "slipway"}.Sign(ours, nil, exampleTime)
	theirs.Header.Set("X-Amz-Content-Sha256", ours.Header.Get("X-Amz-Content-Sha256"))
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: exampleID, SecretAccessKey: exampleSecret, SessionToken: "t"},
		theirs, ours.Header.Get("X-Amz-Content-Sha256"), "slipway", "us-east-1", exampleTime)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := ours.Header.Get("Authorization"), theirs.Header.Get("Authorization"); a != b {
		t.Errorf("ours   %s\ntheirs %s", a, b)
	}
}

func TestPresignedWindow(t *testing.T) {
	r, _ := http.NewRequest("GET", "http://sts.local:4566/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	empty := sha256.Sum256(nil)
	u, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: exampleID, SecretAccessKey: exampleSecret},
		r, hex.EncodeToString(empty[:]), "service", "us-east-1", exampleTime)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		add  string
		late time.Duration
		want sigv4.Reason
	}{
		{"", 15 * time.Minute, 0},
		{"", 15*time.Minute + time.Second, sigv4.Skewed},
		{"", -5*time.Minute - time.Second, sigv4.Skewed},
		{"&X-Amz-Expires=604801", 0, sigv4.Incomplete},
		{"&X-Amz-Expires=0", 0, sigv4.Incomplete},
		{"&X-Amz-Expires=", 0, sigv4.Incomplete},
		{"&X-Amz-Expires=60", 0, sigv4.Mismatch},
		{"&X-Amz-Date=20150830T123600Z", 0, sigv4.Incomplete},
		{"&%58-Amz-Date=20150830T123600Z", 0, sigv4.Incomplete},
	} {
		req := parse(t, "GET "+strings.TrimPrefix(u, "http://sts.local:4566")+c.add+" HTTP/1.1\nHost: sts.local:4566")
		o := exampleOptions()
		o.Now = func() time.Time { return exampleTime.Add(c.late) }
		if _, err := sigv4.Verify(req, nil, o); reason(err) != c.want {
			t.Errorf("%q %v: %v", c.add, c.late, err)
		}
	}
}
