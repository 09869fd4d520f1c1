package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway/wire/sigv4"
)

const (
	exampleID     = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func exampleOptions() sigv4.Options {
	return sigv4.Options{
		Now: func() time.Time { return exampleTime },
		Lookup: func(_ context.Context, id string) (sigv4.Key, error) {
			if id != exampleID {
				return sigv4.Key{}, sigv4.ErrUnknownKey
			}
			return sigv4.Key{Secret: exampleSecret}, nil
		},
		Services: []string{"service", "iam"},
	}
}

// parse reads a request the way the server does: from bytes.
func parse(t testing.TB, head string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n"))))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The signatures are those of AWS's published Signature Version 4 test suite
// and of the worked ListUsers example in the signing guide.
func TestPublishedVectors(t *testing.T) {
	const auth = "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
	const head = "Host:example.amazonaws.com\nX-Amz-Date:20150830T123600Z\n"
	for _, c := range []struct{ name, head, body string }{
		{"get-vanilla", "GET / HTTP/1.1\n" + head + auth +
			"SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ""},
		{"get-relative", "GET /example/.. HTTP/1.1\n" + head + auth +
			"SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ""},
		{"get-slash-dot-slash", "GET /./ HTTP/1.1\n" + head + auth +
			"SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ""},
		{"get-slash", "GET // HTTP/1.1\n" + head + auth +
			"SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", ""},
		{"post-vanilla", "POST / HTTP/1.1\n" + head + auth +
			"SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", ""},
		{"get-vanilla-query-order-key-case", "GET /?Param2=value2&Param1=value1 HTTP/1.1\n" + head + auth +
			"SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", ""},
		{"get-vanilla-query-unreserved",
			"GET /?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz HTTP/1.1\n" + head + auth +
				"SignedHeaders=host;x-amz-date, Signature=9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197", ""},
		{"get-header-value-trim", "GET / HTTP/1.1\nHost:example.amazonaws.com\nMy-Header1: value1\nMy-Header2: \"a   b   c\"\nX-Amz-Date:20150830T123600Z\n" + auth +
			"SignedHeaders=host;my-header1;my-header2;x-amz-date, Signature=acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736", ""},
		{"get-header-key-duplicate", "GET / HTTP/1.1\nHost:example.amazonaws.com\nMy-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\nX-Amz-Date:20150830T123600Z\n" + auth +
			"SignedHeaders=host;my-header1;x-amz-date, Signature=c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea", ""},
		{"post-x-www-form-urlencoded", "POST / HTTP/1.1\nContent-Type:application/x-www-form-urlencoded\n" + head + auth +
			"SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a", "Param1=value1"},
		{"iam ListUsers", "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\nHost: iam.amazonaws.com\n" +
			"Content-Type: application/x-www-form-urlencoded; charset=utf-8\nX-Amz-Date: 20150830T123600Z\n" +
			"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
			"SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := parse(t, c.head)
			got, err := sigv4.Verify(r, []byte(c.body), exampleOptions())
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessKeyID != exampleID || got.Region != "us-east-1" || got.Presigned || !got.SignedAt.Equal(exampleTime) {
				t.Errorf("result %+v", got)
			}
			if _, err := sigv4.Verify(r, []byte(c.body+"x"), exampleOptions()); err == nil {
				t.Error("another body was accepted under the same signature")
			}
		})
	}
}
