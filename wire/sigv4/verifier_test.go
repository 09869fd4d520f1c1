package sigv4_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/sigv4"
)

func TestWireVerifier(t *testing.T) {
	v := sigv4.Verifier{Now: func() time.Time { return exampleTime }, Services: []string{"service"}}
	keys := func(s wire.Secret, err error) wire.Keys {
		return func(context.Context, string) (wire.Secret, error) { return s, err }
	}
	good := keys(wire.Secret{Key: exampleSecret, Identity: wire.Identity{Account: "123456789012"}}, nil)
	lookup := errors.New("disk")

	verify := func(r *http.Request, body []byte, k wire.Keys) (wire.Signed, error) {
		c, err := v.Claim(r)
		if err != nil {
			return wire.Signed{}, err
		}
		return c.Verify(r, body, k)
	}
	got, err := verify(signed(t, example, "b"), []byte("b"), good)
	if err != nil || got.Secret.Identity.Account != "123456789012" || got.Region != "eu-central-1" || got.Service != "service" {
		t.Fatal(got, err)
	}
	for _, c := range []struct {
		name string
		keys wire.Keys
		body []byte
		code string
	}{
		{"body", good, []byte("c"), "InvalidSignatureException"},
		{"unknown", keys(wire.Secret{}, wire.ErrUnknownKey), []byte("b"), "UnrecognizedClientException"},
		{"expired", keys(wire.Secret{}, wire.ErrExpiredKey), []byte("b"), "ExpiredTokenException"},
		{"lookup", keys(wire.Secret{}, lookup), []byte("b"), ""},
		{"cut off", good, nil, "InvalidSignatureException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verify(signed(t, example, "b"), c.body, c.keys)
			var ex *wire.Exception
			switch {
			case c.code == "" && !errors.Is(err, lookup):
				t.Fatal(err)
			case c.code != "" && (!errors.As(err, &ex) || ex.Code != c.code):
				t.Fatal(err)
			}
		})
	}
	c, err := v.Claim(signed(t, example, ""))
	if err != nil || c.Scope().Service != "service" || c.Scope().Presigned {
		t.Error(c, err)
	}
	if _, err := v.Claim(parse(t, "GET / HTTP/1.1\nHost: x")); err == nil {
		t.Error("a claim from nowhere")
	}
	r := parse(t, "GET / HTTP/1.1\nHost: x\nAuthorization: "+strings.Repeat("A", 500))
	if _, err := verify(r, []byte{}, good); err == nil || len(err.Error()) > 300 {
		t.Error(err)
	}
}

func TestKeyCache(t *testing.T) {
	cache := new(sigv4.KeyCache)
	ask := func(secret string) error {
		o := exampleOptions()
		o.Cache = cache
		o.Lookup = func(context.Context, string) (sigv4.Key, error) { return sigv4.Key{Secret: secret}, nil }
		_, err := sigv4.Verify(signed(t, example, "b"), []byte("b"), o)
		return err
	}
	for range 3 {
		if err := ask("another"); err == nil {
			t.Error("a wrong secret is right")
		}
		if err := ask(exampleSecret); err != nil {
			t.Error(err)
		}
	}
}
