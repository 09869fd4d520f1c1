package sigv4_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"slipway/wire/sigv4"
)

// Whatever stands in the head of a request: no panic, every refusal has a
// reason of the caller's, and no text is accepted that was not signed.
func FuzzHead(f *testing.F) {
	f.Add("POST / HTTP/1.1\nHost: x\nX-Amz-Date: 20150830T123600Z\nX-Amz-Security-Token: t\nAuthorization: AWS4-HMAC-SHA256 Credential="+
		"AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="+strings.Repeat("a", 64), "body")
	f.Add("GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request"+
		"&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00 HTTP/1.1\nHost: x", "")
	f.Add("POST / HTTP/1.1\nHost: x\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f/aws4_request,SignedHeaders=;;host, Signature=,", "")
	f.Add("POST //../a%2f HTTP/1.1\nHost: x:80\nDate: Sun, 30 Aug 2015 12:36:00 GMT\nAuthorization: AWS4-HMAC-SHA256 Credential="+
		"AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=date;host, Signature="+strings.Repeat("0", 64), "x")
	f.Fuzz(func(t *testing.T, head, body string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n")))
		if err != nil {
			return
		}
		o := exampleOptions()
		// Nobody knows this secret, the fuzzer least of all.
		o.Lookup = func(context.Context, string) (sigv4.Key, error) {
			return sigv4.Key{Secret: "b0b6f2c1-unknown-to-everybody"}, nil
		}
		_, err = sigv4.Verify(r, []byte(body), o)
		switch why := reason(err); why {
		case sigv4.Missing, sigv4.Incomplete, sigv4.Mismatch, sigv4.Skewed, sigv4.UnknownKey:
		default:
			t.Fatalf("%v (%v)", err, why)
		}
		if len(err.Error()) > 2048 {
			t.Fatalf("a refusal of %d bytes", len(err.Error()))
		}
	})
}
