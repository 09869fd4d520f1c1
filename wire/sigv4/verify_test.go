package sigv4_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway/wire/sigv4"
)

// signed makes a request our Signer signed at exampleTime.
func signed(t *testing.T, s sigv4.Signer, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", "http://127.0.0.1:4566/snapshots/snap-1/x%20y?b=2&a=%2F&a=", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "T.Op")
	s.Sign(r, []byte(body), exampleTime)
	return r
}

var example = sigv4.Signer{AccessKeyID: exampleID, Secret: exampleSecret, Region: "eu-central-1", Service: "service"}

func reason(err error) sigv4.Reason {
	var e *sigv4.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return 0
}

func TestRefusals(t *testing.T) {
	edit := func(old, new string) func(*http.Request, *sigv4.Options) {
		return func(r *http.Request, _ *sigv4.Options) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	set := func(k, v string) func(*http.Request, *sigv4.Options) {
		return func(r *http.Request, _ *sigv4.Options) { r.Header.Set(k, v) }
	}
	at := func(d time.Duration) func(*http.Request, *sigv4.Options) {
		return func(_ *http.Request, o *sigv4.Options) { o.Now = func() time.Time { return exampleTime.Add(d) } }
	}
	key := func(k sigv4.Key, err error) func(*http.Request, *sigv4.Options) {
		return func(_ *http.Request, o *sigv4.Options) {
			o.Lookup = func(context.Context, string) (sigv4.Key, error) { return k, err }
		}
	}
	for _, c := range []struct {
		name   string
		change func(*http.Request, *sigv4.Options)
		want   sigv4.Reason // 0: accepted
		text   string
	}{
		{"untouched", func(*http.Request, *sigv4.Options) {}, 0, ""},
		{"no signature", func(r *http.Request, _ *sigv4.Options) { r.Header.Del("Authorization") }, sigv4.Missing, "Missing Authentication Token"},
		{"other scheme", set("Authorization", "Bearer x"), sigv4.Incomplete, "Unsupported AWS 'algorithm': 'Bearer'"},
		{"sigv4a", edit("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), sigv4.Incomplete, "Unsupported"},
		{"no credential", edit("Credential=", "Creds="), sigv4.Incomplete, "requires 'Credential'"},
		{"no signed headers", edit("SignedHeaders=", "Headers="), sigv4.Incomplete, "requires 'SignedHeaders'"},
		{"no pairs", set("Authorization", "AWS4-HMAC-SHA256 foo"), sigv4.Incomplete, "key=value"},
		{"repeated", edit("Signature=", "Signature=aa, Signature="), sigv4.Incomplete, "repeated"},
		{"two headers", func(r *http.Request, _ *sigv4.Options) { r.Header.Add("Authorization", "x") }, sigv4.Incomplete, "more than one"},
		{"both mechanisms", func(r *http.Request, _ *sigv4.Options) { r.URL.RawQuery += "&X-Amz-Signature=00" }, sigv4.Incomplete, "one authentication"},
		{"short credential", edit("/aws4_request", ""), sigv4.Incomplete, "5 slash-delimited"},
		{"terminator", edit("aws4_request", "aws5_request"), sigv4.Mismatch, "valid terminator"},
		{"region", edit("eu-central-1", "eu_central-1"), sigv4.Mismatch, "valid region"},
		{"another region", edit("eu-central-1", "eu-central-2"), sigv4.Mismatch, "does not match"},
		{"service", edit("/service/", "/s3/"), sigv4.Mismatch, "correct service: 'service"},
		{"scope date", edit("/20150830/", "/20150831/"), sigv4.Mismatch, "'20150831' != '20150830'"},
		{"date format", set("X-Amz-Date", "2015-08-30"), sigv4.Incomplete, "ISO-8601"},
		{"no date", func(r *http.Request, _ *sigv4.Options) { r.Header.Del("X-Amz-Date") }, sigv4.Incomplete, "'X-Amz-Date' or a 'Date'"},
		{"unsorted", edit("host;", "zost;"), sigv4.Incomplete, "sorted"},
		{"host unsigned", edit("host;", ""), sigv4.Mismatch, "'Host'"},
		{"unsigned x-amz", set("X-Amz-Checksum", "x"), sigv4.Mismatch, "'x-amz-checksum'"},
		{"unsigned other", set("Accept", "x"), 0, ""},
		{"changed header", set("X-Amz-Target", "T.Op2"), sigv4.Mismatch, "does not match"},
		{"added value", func(r *http.Request, _ *sigv4.Options) { r.Header.Add("X-Amz-Target", "T.Op2") }, sigv4.Mismatch, "does not match"},
		{"changed host", func(r *http.Request, _ *sigv4.Options) { r.Host = "127.0.0.1" }, sigv4.Mismatch, "does not match"},
		{"changed path", func(r *http.Request, _ *sigv4.Options) { r.URL.Path += "z"; r.URL.RawPath = "" }, sigv4.Mismatch, "does not match"},
		{"changed query", func(r *http.Request, _ *sigv4.Options) { r.URL.RawQuery += "&c=1" }, sigv4.Mismatch, "does not match"},
		{"reordered query", func(r *http.Request, _ *sigv4.Options) { r.URL.RawQuery = "a=&a=%2f&b=2" }, 0, ""},
		{"method", func(r *http.Request, _ *sigv4.Options) { r.Method = "PUT" }, sigv4.Mismatch, "does not match"},
		{"payload hash", set("X-Amz-Content-Sha256", strings.Repeat("0", 64)), sigv4.Mismatch, "x-amz-content-sha256"},
		{"unsigned payload", set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.Mismatch, "unsigned payload"},
		{"streaming payload", set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), sigv4.Mismatch, "x-amz-content-sha256"},
		{"signature not hex", edit("Signature=", "Signature=zz"), sigv4.Mismatch, "does not match"},
		{"signature cut", edit("Signature=", "Signature=00"), sigv4.Mismatch, "does not match"},
		{"five minutes late", at(5 * time.Minute), 0, ""},
		{"later", at(5*time.Minute + time.Second), sigv4.Skewed, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"},
		{"five minutes early", at(-5 * time.Minute), 0, ""},
		{"earlier", at(-5*time.Minute - time.Second), sigv4.Skewed, "not yet current"},
		{"unknown key", key(sigv4.Key{}, sigv4.ErrUnknownKey), sigv4.UnknownKey, "invalid"},
		{"empty secret", key(sigv4.Key{}, nil), sigv4.UnknownKey, "invalid"},
		{"wrong secret", key(sigv4.Key{Secret: "x"}, nil), sigv4.Mismatch, "does not match"},
		{"lookup broke", key(sigv4.Key{}, errors.New("disk")), sigv4.Failed, ""},
		{"token not sent", key(sigv4.Key{Secret: exampleSecret, Token: "t"}, nil), sigv4.UnknownKey, "invalid"},
		{"expired", key(sigv4.Key{Secret: exampleSecret, Expires: exampleTime}, nil), sigv4.ExpiredToken, "expired"},
		{"not yet expired", key(sigv4.Key{Secret: exampleSecret, Expires: exampleTime.Add(time.Second)}, nil), 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, o := signed(t, example, "body"), exampleOptions()
			c.change(r, &o)
			_, err := sigv4.Verify(r, []byte("body"), o)
			if c.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if reason(err) != c.want || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want reason %d with %q", err, c.want, c.text)
			}
		})
	}
}

func TestSessionToken(t *testing.T) {
	s, o := example, exampleOptions()
	s.SessionToken = "tok/en+="
	o.Lookup = func(context.Context, string) (sigv4.Key, error) {
		return sigv4.Key{Secret: exampleSecret, Token: "tok/en+=", Expires: exampleTime.Add(time.Hour)}, nil
	}
	got, err := sigv4.Verify(signed(t, s, ""), nil, o)
	if err != nil || got.SessionToken != "tok/en+=" {
		t.Fatal(got, err)
	}
	s.SessionToken = "other"
	if _, err := sigv4.Verify(signed(t, s, ""), nil, o); reason(err) != sigv4.UnknownKey {
		t.Fatal(err)
	}
}

func TestClaimed(t *testing.T) {
	got, err := sigv4.Claimed(signed(t, example, ""))
	if err != nil || got != (sigv4.Scope{AccessKeyID: exampleID, Date: "20150830", Region: "eu-central-1", Service: "service"}) {
		t.Fatal(got, err)
	}
	if _, err := sigv4.Claimed(parse(t, "GET / HTTP/1.1\nHost: x")); reason(err) != sigv4.Missing {
		t.Fatal(err)
	}
}

// Every reason has a code, so no answer can go out nameless.
func TestReasonsHaveCodes(t *testing.T) {
	for r := sigv4.Missing; r <= sigv4.Failed; r++ {
		if (&sigv4.Error{Reason: r}).Code() == "" {
			t.Errorf("reason %d has no code", r)
		}
	}
}
