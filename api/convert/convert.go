// Package convert holds what every api package needs to cross between shapes
// and domain: callers, optional members, page tokens and the form of an error
// table. No operation lives here.
package convert

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/wire"
	"slipway/wire/shape"
)

// Caller is who sent the call, in our terms.
func Caller(c *wire.Call) domain.Caller {
	return CallerOf(c.Identity, c.Region)
}

// Attributes of an identity on the wire.
const (
	AttributeName   = "name"   // domain.Caller.Name
	AttributeScoped = "scoped" // set for a session with policies of its own
)

// CallerOf is an identity of the wire in our terms.
func CallerOf(id wire.Identity, region string) domain.Caller {
	return domain.Caller{
		Account: id.Account, Region: region, ARN: id.ARN, UserID: id.UserID, Kind: domain.CallerKind(id.Kind),
		Name: id.Attributes[AttributeName], KeyID: id.AccessKeyID, Scoped: id.Attributes[AttributeScoped] != "",
	}
}

// Keys are the condition keys that every request has. One out of a private
// network has no aws:SourceIp (IAM user guide, "aws:SourceIp"): the address
// means something in that network only.
func Keys(c *wire.Call) map[string][]string {
	source := "aws:SourceIp"
	if c.Private {
		source = "aws:VpcSourceIp"
	}
	return map[string][]string{
		source: {c.Source}, "aws:RequestedRegion": {c.Region},
		"aws:SecureTransport": {strconv.FormatBool(c.Secure)}, "aws:UserAgent": {c.UserAgent},
	}
}

// Row is one operation: who answers it and what it is about. Authorisation,
// documentation and coverage read the row.
type Row struct {
	Op     *wire.Op
	Handle wire.Handler
	// Action is the IAM action, "appstream:CreateImportedImage".
	Action string
	// Resources lists the ARNs that the caller must be allowed the action on.
	// nil: what api's table of permissions says of the operation.
	Resources func(c domain.Caller, in any) []string
	// Own: the use case itself decides who may, or everybody may.
	Own bool
	// Remember: answers come from memory until something they were read from
	// changes. They depend on the store, the caller and the input alone.
	Remember bool
}

// Remembered makes a row whose answers are remembered.
func (r Row) Remembered() Row {
	r.Remember = true
	return r
}

// Itself makes a row whose use case decides who may.
func (r Row) Itself() Row {
	r.Own = true
	return r
}

// On makes a row. about may be nil: what the action is about is then told by
// the table of permissions.
func On[I, O any](op *wire.Op, h func(context.Context, *wire.Call, *I) (*O, error), about func(c domain.Caller, in *I) []string) Row {
	r := Row{Op: op, Handle: wire.On(op, h), Action: op.Service.SigningName + ":" + op.Name}
	if about != nil {
		r.Resources = func(c domain.Caller, in any) []string {
			if i, ok := in.(*I); ok {
				return about(c, i)
			}
			return []string{"*"}
		}
	}
	return r
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

// Set is Opt without a copy: the member is what v points at.
func Set[T comparable](v *T) *T {
	var zero T
	if *v == zero {
		return nil
	}
	return v
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
	// Nearest is what a kind is told as where an operation's model lacks its
	// exception, tried in order.
	Nearest map[fault.Kind][]fault.Kind
	// Always lists exceptions that any operation may answer although no model
	// has them.
	Always []string
	// Open: the service models no errors, any word may be answered.
	Open bool
	// Codes: a fault's own Code, where it has one, is the exception's name.
	Codes bool
	// Words: a fault's own Code, where it is here and the operation allows the
	// exception, decides.
	Words map[string]string
	// Reason puts a fault's Code into this member instead.
	Reason string
	// Broken is the Reason for a request that breaks a constraint of the model;
	// nil leaves those to the wire.
	Broken func(shape.Violation) string
	// Statuses overrides the HTTP status of an exception.
	Statuses map[string]int
}

// Code is the exception's name for a kind in an operation: the first one that
// its model allows. "" means that there is none, which is a bug of ours.
func (t Table) Code(op *wire.Op, k fault.Kind) string {
	for _, k := range append([]fault.Kind{k}, t.Nearest[k]...) {
		if c := t.Kinds[k]; c != "" && t.allows(op, c) {
			return c
		}
	}
	return ""
}

func (t Table) allows(op *wire.Op, code string) bool {
	return t.Open || op.Allows(code) || wire.IsCommon(code) || slices.Contains(t.Always, code)
}

// Explain turns any error into an exception; what has no row is InternalFailure.
func (t Table) Explain(op *wire.Op, err error) *wire.Exception {
	if ex := (*wire.Exception)(nil); errors.As(err, &ex) {
		return ex
	}
	if ve := (*shape.ValidationError)(nil); t.Broken != nil && errors.As(err, &ve) {
		return &wire.Exception{Code: "ValidationException", Message: ve.Error(), Fields: map[string]any{t.Reason: t.Broken(ve.Violations[0])}}
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind == fault.Internal {
		return nil // the wire logs it and answers InternalFailure
	}
	code := t.Code(op, f.Kind)
	if t.Codes && f.Code != "" {
		code = f.Code
	}
	if w := t.Words[f.Code]; w != "" && t.allows(op, w) {
		code = w
	}
	if code == "" {
		return nil
	}
	ex := wire.Exceptionf(code, "%s", fault.Public(err))
	ex.Status = t.Statuses[code]
	if t.Reason != "" && f.Code != "" && !strings.Contains(f.Code, ".") {
		ex.Fields = map[string]any{t.Reason: f.Code}
	}
	return ex
}
