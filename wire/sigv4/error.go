package sigv4

import "fmt"

// Reason says in which way a request failed to authenticate. Protocol codecs
// map it to the code their clients expect.
type Reason uint8

const (
	// Missing: the request carries no signature at all.
	Missing Reason = iota + 1
	// Incomplete: a signature is there but a part of it is absent or malformed.
	Incomplete
	// Mismatch: the signature, the scope or the payload hash is wrong.
	Mismatch
	// Skewed: the request's time is outside the window (RequestExpired,
	// RequestTimeTooSkewed, "Signature expired").
	Skewed
	// UnknownKey: no such access key, or it is inactive, or its session token
	// is absent or wrong.
	UnknownKey
	// ExpiredToken: temporary credentials are past their end.
	ExpiredToken
	// Failed: keys could not be looked up; our fault, not the caller's.
	Failed
)

var reasonCodes = map[Reason]string{
	Missing:      "MissingAuthenticationTokenException",
	Incomplete:   "IncompleteSignatureException",
	Mismatch:     "InvalidSignatureException",
	Skewed:       "InvalidSignatureException",
	UnknownKey:   "UnrecognizedClientException",
	ExpiredToken: "ExpiredTokenException",
	Failed:       "InternalFailure",
}

// Error is what Verify returns. Message is safe to send.
type Error struct {
	Reason  Reason
	Message string
	Err     error // private cause, set for Failed only
}

func (e *Error) Error() string {
	s := "sigv4: " + e.Code() + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Err }

// Code is the name JSON and CBOR services use for the reason (AWS "Common
// Error Types"). Query services spell some differently; see wire/query.
func (e *Error) Code() string { return reasonCodes[e.Reason] }

func refuse(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Message: fmt.Sprintf(format, args...)}
}

const (
	mismatchText = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	badTokenText     = "The security token included in the request is invalid."
	expiredTokenText = "The security token included in the request is expired"
)
