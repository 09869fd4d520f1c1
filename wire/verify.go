package wire

import (
	"context"
	"errors"
	"net/http"
)

// Identity is who signed a request. The fields beyond the access key are
// opaque to this room: the Keys lookup sets them, handlers read them.
type Identity struct {
	AccessKeyID string
	Account     string
	ARN         string
	UserID      string
	Kind        string            // the lookup's own word: "root", "user", "assumed-role", …
	Attributes  map[string]string // further facts for handlers; may be nil
}

// Secret is what the Keys lookup returns about an access key.
type Secret struct {
	Key string // the secret access key
	// SessionToken must be repeated by the request when it is not empty
	// (temporary credentials); a request that sends a token with a permanent
	// key is refused.
	SessionToken string
	Identity     Identity
}

// Keys finds an access key. An unknown or disabled key is ErrUnknownKey, an
// expired one ErrExpiredKey; other errors are ours (500).
type Keys func(ctx context.Context, accessKeyID string) (Secret, error)

// Signed is what a verified request claims.
type Signed struct {
	Secret  Secret
	Region  string // of the credential scope
	Service string // signing name of the credential scope
	// Presigned requests carry the signature in the URL.
	Presigned bool
}

// Verifier checks SigV4 signatures; package sigv4 implements it.
type Verifier interface {
	// Claim reads what a request says about its signature, without checking
	// anything that needs a key, so that the request can be routed and a bad
	// signature answered in its protocol. Failures are *Exception with one of
	// the common codes (MissingAuthenticationTokenException,
	// IncompleteSignatureException, …).
	Claim(r *http.Request) (Claim, error)
}

// Claim is the credential of one request.
type Claim interface {
	Scope() Scope
	// Verify checks the signature over r, which is the request the claim was
	// read from, and its body, the clock skew and the session token. Failures
	// are *Exception with one of the common codes (InvalidSignatureException,
	// UnrecognizedClientException, ExpiredTokenException, …). body is nil when
	// the payload hash header may be taken as it stands.
	Verify(r *http.Request, body []byte, keys Keys) (Signed, error)
}

// Scope is the credential of a request, as claimed.
type Scope struct {
	AccessKeyID string
	Date        string // YYYYMMDD
	Region      string
	Service     string
	Presigned   bool
}

// What a Keys lookup says about a key it will not vouch for.
var (
	ErrUnknownKey = errors.New("wire: no such access key")
	ErrExpiredKey = errors.New("wire: the session token has expired")
)
