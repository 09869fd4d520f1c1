package wire

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Call is one authenticated, decoded and validated request.
type Call struct {
	Op        *Op
	RequestID string
	Identity  Identity
	Region    string // of the credential scope
	Source    string // the caller's address without port
	Private   bool   // Source is an address of a private network: see FromPrivate
	Secure    bool   // it came over TLS
	Protocol  Protocol
	UserAgent string
	Input     any // *<Input struct of Op>
	// Words is the input as it was sent, in protocols where it is in the body
	// alone and the answer does not name the request; nil in others.
	Words []byte

	write func(out any) (*Response, *Exception)
}

type privateKey struct{}

// FromPrivate marks a request that came out of a private network, such as a
// guest's: whoever made the network chose the addresses in it, so that they
// prove nothing.
func FromPrivate(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), privateKey{}, true))
}

// Private tells whether FromPrivate marked a request.
func Private(r *http.Request) bool {
	p, _ := r.Context().Value(privateKey{}).(bool)
	return p
}

// Ready is an answer as it travels. A handler may return it in place of the
// output struct, for any number of calls with the same Op, Protocol and Words.
type Ready struct{ response Response }

// Bytes is the length of the body.
func (r *Ready) Bytes() int { return len(r.response.Body) }

// Ready writes an output struct in the call's protocol; only where it has Words.
func (c *Call) Ready(out any) (*Ready, error) {
	if c.write == nil {
		return nil, fmt.Errorf("wire: an answer of %s cannot be made ready in %s", c.Op.Name, c.Protocol)
	}
	resp, ex := c.write(out)
	if ex != nil {
		return nil, ex
	}
	r := &Ready{*resp}
	r.response.Body, r.response.Reuse = slices.Clone(resp.Body), false
	resp.release()
	return r, nil
}

// Handler does the work of an operation and returns a pointer to its output
// struct (or nil for an empty one).
type Handler func(ctx context.Context, c *Call) (any, error)

// Handle makes a Handler of a function typed with the operation's structs.
// Given to an operation of other types it answers an internal failure; On finds
// the mistake at start.
func Handle[I, O any](f func(context.Context, *Call, *I) (*O, error)) Handler {
	return func(ctx context.Context, c *Call) (any, error) {
		in, ok := c.Input.(*I)
		if !ok {
			return nil, fmt.Errorf("wire: handler of %s takes %T, not %T", c.Op.Name, new(I), c.Input)
		}
		out, err := f(ctx, c, in)
		if err != nil {
			return nil, err
		}
		if out == nil {
			return nil, nil
		}
		return out, nil
	}
}

// On is Handle for a certain operation. It panics when the function is typed
// with the structs of another one: that is a mistake in the program.
func On[I, O any](op *Op, f func(context.Context, *Call, *I) (*O, error)) Handler {
	_, in := op.NewInput().(*I)
	_, out := op.NewOutput().(*O)
	if !in || !out {
		panic(fmt.Sprintf("wire: %s.%s takes %T and answers %T; its handler is a %T", op.Service.Name, op.Name, op.NewInput(), op.NewOutput(), f))
	}
	return Handle(f)
}

// Outcome is how a call ended, for Config.After.
type Outcome struct {
	Status  int
	Error   *Exception // nil for a success
	Cause   error      // what the handler returned, before it was explained
	Output  any        // what the handler returned; nil for a failure
	Elapsed time.Duration
}

type contextKey int

const (
	identityKey contextKey = iota
	regionKey
	requestIDKey
)

// IdentityFrom is who signed the request: set in the contexts of handlers and
// of authenticated requests to Config.Own.
func IdentityFrom(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey).(Identity)
	return id, ok
}

// RegionFrom is the region of the request's credential scope, where
// IdentityFrom has an identity.
func RegionFrom(ctx context.Context) string {
	s, _ := ctx.Value(regionKey).(string)
	return s
}

// RequestIDFrom is the id of the request being served, or "".
func RequestIDFrom(ctx context.Context) string {
	s, _ := ctx.Value(requestIDKey).(string)
	return s
}

func withIdentity(ctx context.Context, id Identity, region string) context.Context {
	return context.WithValue(context.WithValue(ctx, identityKey, id), regionKey, region)
}
