package sigv4_test

import (
	"context"
	"errors"
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

	got, err := v.Verify(signed(t, example, "b"), []byte("b"), good)
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
			_, err := v.Verify(signed(t, example, "b"), c.body, c.keys)
			var ex *wire.Exception
			switch {
			case c.code == "" && !errors.Is(err, lookup):
				t.Fatal(err)
			case c.code != "" && (!errors.As(err, &ex) || ex.Code != c.code):
				t.Fatal(err)
			}
		})
	}
	sc, ok := v.Scope(signed(t, example, ""))
	if !ok || sc.Service != "service" || sc.Presigned {
		t.Error(sc, ok)
	}
	if _, ok := v.Scope(parse(t, "GET / HTTP/1.1\nHost: x")); ok {
		t.Error("a scope from nowhere")
	}
	r := parse(t, "GET / HTTP/1.1\nHost: x\nAuthorization: "+strings.Repeat("A", 500))
	if _, err := v.Verify(r, []byte{}, good); err == nil || len(err.Error()) > 300 {
		t.Error(err)
	}
}
