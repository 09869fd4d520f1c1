// Package convert holds what every api package needs to cross between shapes
// and domain: callers, optional members, page tokens and the form of an error
// table. No operation lives here.
package convert

import (
	"encoding/base64"
	"errors"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/wire"
)

// Caller is who sent the call, in our terms.
func Caller(c *wire.Call) domain.Caller {
	return domain.Caller{Account: c.Identity.Account, Region: c.Region, ARN: c.Identity.ARN, UserID: c.Identity.UserID}
}

// Val is the member's value, or the zero value when it was not sent.
func Val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// Opt is a member that is left out when it is the zero value.
func Opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// Token makes the opaque token of a page that goes on after a position.
func Token(after string) *string {
	if after == "" {
		return nil
	}
	return new(base64.RawURLEncoding.EncodeToString([]byte("p1:" + after)))
}

// Position reads a token back.
func Position(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	after, ok := strings.CutPrefix(string(b), "p1:")
	if err != nil || !ok {
		return "", fault.New(fault.BadValue, "The NextToken is not valid.").WithHint("Send the token of the previous page unchanged, or none.")
	}
	return after, nil
}

// Table says which exception a kind of error becomes in one service.
type Table struct {
	Kinds map[fault.Kind]string
	// PerOp corrects Kinds for single operations whose model lacks the usual
	// exception.
	PerOp map[string]map[fault.Kind]string
	// Codes: a fault's own Code, where it has one, is the exception's name.
	Codes bool
	// Reason puts a fault's Code into this member instead.
	Reason string
	// Statuses overrides the HTTP status of an exception.
	Statuses map[string]int
}

// Code is the exception's name for a kind in an operation; "" is a bug of ours.
func (t Table) Code(op *wire.Op, k fault.Kind) string {
	if c, ok := t.PerOp[op.Name][k]; ok {
		return c
	}
	return t.Kinds[k]
}

// Explain turns any error into an exception; what has no row is InternalFailure.
func (t Table) Explain(op *wire.Op, err error) *wire.Exception {
	if ex := (*wire.Exception)(nil); errors.As(err, &ex) {
		return ex
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return wire.Exceptionf("InternalFailure", "An internal error occurred.")
	}
	code := t.Code(op, f.Kind)
	if t.Codes && f.Code != "" {
		code = f.Code
	}
	if code == "" {
		return wire.Exceptionf("InternalFailure", "An internal error occurred.")
	}
	ex := wire.Exceptionf(code, "%s", fault.Public(err))
	ex.Status = t.Statuses[code]
	if t.Reason != "" && f.Code != "" && !strings.Contains(f.Code, ".") {
		ex.Fields = map[string]any{t.Reason: f.Code}
	}
	return ex
}
