package sigv4

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Skew is how far the caller's clock may be from ours (AWS: five minutes).
const Skew = 5 * time.Minute

// Key is what the holder of an access key id must prove to know.
type Key struct {
	Secret string
	// Token is the session token issued with temporary credentials; empty for
	// a user's long-lived key.
	Token string
	// Expires is the end of temporary credentials; zero for never.
	Expires time.Time
}

// ErrUnknownKey is what Options.Lookup returns for an access key that does not
// exist or is inactive. Every other error is reported as Failed.
var ErrUnknownKey = errors.New("sigv4: unknown access key")

// ErrExpiredKey is what Options.Lookup may return instead of a Key whose
// Expires is past, when the secret is gone by then.
var ErrExpiredKey = errors.New("sigv4: expired access key")

// Options are what Verify needs from its caller. All functions are required.
type Options struct {
	// Now is the clock.
	Now func() time.Time
	// Lookup finds a key. Errors: ErrUnknownKey, ErrExpiredKey, or anything for
	// "could not look".
	Lookup func(ctx context.Context, accessKeyID string) (Key, error)
	// Services are the names a credential may be scoped to: all that are served,
	// or the one that was dispatched to.
	Services []string
	// AllowUnsignedPayload accepts UNSIGNED-PAYLOAD, for operations that carry
	// a checksum of their own (EBS PutSnapshotBlock).
	AllowUnsignedPayload bool
	// Cache remembers derived keys; nil derives them every time.
	Cache *KeyCache
}

// Result is who a verified request is from.
type Result struct {
	AccessKeyID  string
	Region       string
	Service      string
	SessionToken string
	SignedAt     time.Time
	Presigned    bool
	// UnsignedPayload is set when the signature does not cover the body.
	UnsignedPayload bool
}

// Verify checks the signature of r, whose whole body has been read into body.
// It does not touch r.Body. Errors: *Error, always.
//
// Source: AWS IAM User Guide, "Create a signed AWS API request".
func Verify(r *http.Request, body []byte, o Options) (Result, error) {
	p, refused := readProof(r)
	if refused != nil {
		return Result{}, refused
	}
	res, refused := p.verify(r, body, o)
	if refused != nil {
		return Result{}, refused
	}
	return res, nil
}

func (p *proof) verify(r *http.Request, body []byte, o Options) (Result, *Error) {
	now := o.Now().UTC()
	if refused := p.check(r, now, o.Services); refused != nil {
		return Result{}, refused
	}
	key, refused := o.find(r.Context(), p)
	if refused != nil {
		return Result{}, refused
	}
	hashes, refused := payloadHashes(r, body, p.presigned, o)
	if refused != nil {
		return Result{}, refused
	}
	hash := matching(r, p, o.Cache, key.Secret, hashes)
	if hash == "" {
		return Result{}, refuse(Mismatch, mismatchText)
	}
	// Expiry is told only to somebody who proved to hold the key.
	if !key.Expires.IsZero() && !now.Before(key.Expires) {
		return Result{}, refuse(ExpiredToken, expiredTokenText)
	}
	return Result{
		AccessKeyID: p.AccessKeyID, Region: p.Region, Service: p.Service,
		SessionToken: p.token, SignedAt: p.at, Presigned: p.presigned,
		UnsignedPayload: hash == unsignedPayload,
	}, nil
}

// check is everything that needs no key: time, scope, signed headers.
func (p *proof) check(r *http.Request, now time.Time, services []string) *Error {
	if day := p.at.UTC().AppendFormat(make([]byte, 0, len(dateFormat)), dateFormat); p.Date != string(day) {
		return refuse(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			clip(p.Date), day, p.stamp)
	}
	if edge := now.Add(Skew); p.at.After(edge) {
		return refuse(Skewed, "Signature not yet current: %s is still later than %s (%s + 5 min.)",
			p.stamp, edge.Format(timeFormat), now.Format(timeFormat))
	}
	life, shown := Skew, "5 min."
	if p.presigned {
		life, shown = p.lifetime, p.lifetime.String()
	}
	if edge := now.Add(-life); p.at.Before(edge) {
		return refuse(Skewed, "Signature expired: %s is now earlier than %s (%s - %s)",
			p.stamp, edge.Format(timeFormat), now.Format(timeFormat), shown)
	}
	if !slices.Contains(services, p.Service) {
		return refuse(Mismatch, "Credential should be scoped to correct service: '%s'.", clip(strings.Join(services, "', '")))
	}
	if !slices.Contains(p.signed, "host") {
		return refuse(Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	// An unsigned X-Amz-* header could have been put there by anyone, and they
	// choose operations, lengths and checksums.
	for name := range r.Header {
		const prefix = "X-Amz-"
		if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		if !slices.ContainsFunc(p.signed, func(s string) bool { return strings.EqualFold(s, name) }) {
			return refuse(Mismatch, "'%s' must be a 'SignedHeader' in the AWS Authorization.", clip(strings.ToLower(name)))
		}
	}
	return nil
}

func (o Options) find(ctx context.Context, p *proof) (Key, *Error) {
	key, err := o.Lookup(ctx, p.AccessKeyID)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return Key{}, refuse(UnknownKey, badTokenText)
	case errors.Is(err, ErrExpiredKey):
		return Key{}, refuse(ExpiredToken, expiredTokenText)
	case err != nil:
		return Key{}, &Error{Reason: Failed, Message: "The access key could not be looked up.", Err: err}
	case key.Secret == "", subtle.ConstantTimeCompare([]byte(key.Token), []byte(p.token)) != 1:
		// An empty secret would make everybody's signature computable.
		return Key{}, refuse(UnknownKey, badTokenText)
	}
	return key, nil
}

// payloadHashes lists what the last line of the canonical request may be.
func payloadHashes(r *http.Request, body []byte, presigned bool, o Options) ([]string, *Error) {
	actual := hexHash(body)
	stated := r.Header.Values("X-Amz-Content-Sha256")
	switch {
	case len(stated) > 1:
		return nil, refuse(Mismatch, "The request has more than one X-Amz-Content-SHA256 header.")
	case len(stated) == 0 && presigned && o.AllowUnsignedPayload:
		return []string{actual, unsignedPayload}, nil
	case len(stated) == 0:
		return []string{actual}, nil
	case stated[0] == unsignedPayload && o.AllowUnsignedPayload:
		return []string{unsignedPayload}, nil
	case stated[0] == unsignedPayload:
		return nil, refuse(Mismatch, "This operation does not accept an unsigned payload.")
	case strings.ToLower(stated[0]) != actual:
		return nil, refuse(Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return stated, nil
}

// matching returns the payload hash with which the signature is right, or "".
func matching(r *http.Request, p *proof, cache *KeyCache, secret string, hashes []string) string {
	given, err := hex.DecodeString(p.signature)
	if err != nil || len(given) != sha256.Size {
		return ""
	}
	key, cached := cache.find(secret, p.Scope)
	queries := canonicalQueries(r.URL.RawQuery)
	for _, host := range canonicalHosts(r) {
		for _, path := range canonicalPaths(r.URL) {
			for _, query := range queries {
				for _, hash := range hashes {
					toSign := stringToSign(p.stamp, p.Scope, canonicalRequest(r, host, path, query, p.signed, hash))
					if subtle.ConstantTimeCompare(given, mac(key, toSign)) != 1 {
						continue
					}
					if !cached {
						cache.remember(secret, p.Scope, key)
					}
					return hash
				}
			}
		}
	}
	return ""
}
