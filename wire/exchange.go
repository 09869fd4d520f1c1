package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"slipway/wire/shape"
)

// exchange is one request on its way through the server.
type exchange struct {
	s     *server
	start time.Time
	req   Request
	route route
	call  Call
	cause error // what the handler returned when it failed
	out   any   // and when it did not
}

// run takes the exchange from bytes to bytes. Every refusal on the way is an
// *Exception and is written in one place.
func (x *exchange) run(w http.ResponseWriter) *Response {
	resp, ex := x.answer(w)
	if ex != nil {
		ex = x.admit(ex)
		resp = x.route.codec(x.s).EncodeError(&x.req, ex)
	}
	x.finish(resp, ex)
	return resp
}

func (x *exchange) answer(w http.ResponseWriter) (*Response, *Exception) {
	r := x.req.HTTP
	claim, ex := x.s.claim(r)
	var sc Scope
	if claim != nil {
		sc = claim.Scope()
	}
	// The protocol is known before the body is read, so that even "too large"
	// is answered in it. Nobody in particular may not make us read a body.
	x.route = x.s.router.protocol(r, sc.Service)
	x.req.Service = x.route.service
	if ex != nil {
		return nil, ex
	}
	// Only the query protocols name their operation in the body.
	late := x.route.protocol == EC2Query || x.route.protocol == AWSQuery
	if !late {
		if ex := x.s.router.operation(&x.route, &x.req); ex != nil {
			return nil, ex
		}
	}
	free, ex := x.s.roomFor(w, r)
	if ex != nil {
		return nil, ex
	}
	defer free()
	body, ex := x.s.readBody(w, r)
	if ex != nil {
		return nil, ex
	}
	who, ex := x.s.authenticate(r, claim, body, !late && x.req.Op.UnsignedBody)
	if ex != nil {
		return nil, ex
	}
	if x.req.Body, ex = x.s.inflate(r, body); ex != nil {
		return nil, ex
	}
	if late {
		if ex := x.s.router.operation(&x.route, &x.req); ex != nil {
			return nil, ex
		}
	}
	op := x.req.Op
	if ex := x.s.scoped(who, op.Service.SigningName); ex != nil {
		return nil, ex
	}
	x.call = Call{Op: op, RequestID: x.req.RequestID, Identity: who.Secret.Identity, Region: who.Region,
		Source: Source(r.RemoteAddr), Private: Private(r), Secure: r.TLS != nil, Protocol: x.route.protocol, UserAgent: r.UserAgent()}
	if p := x.route.protocol; p == AWSJSON11 || p == RPCv2CBOR {
		x.call.Words, x.call.write = x.req.Body, x.encode
	}
	handler := x.s.cfg.Handlers[op]
	if handler == nil {
		return nil, Exceptionf(notImplemented, "The operation %s is not implemented.", op.Name)
	}
	if ex := x.bind(); ex != nil {
		return nil, ex
	}
	ctx := withIdentity(r.Context(), who.Secret.Identity, who.Region)
	out, err := x.safely(ctx, handler)
	if err != nil {
		x.cause = err
		return nil, x.explain(err)
	}
	if r, ok := out.(*Ready); ok {
		return &r.response, nil
	}
	x.out = out
	return x.encode(out)
}

// bind decodes, validates and fills the input struct.
func (x *exchange) bind() *Exception {
	op := x.req.Op
	tree, err := x.route.codec(x.s).Decode(&x.req)
	if err != nil {
		var ex *Exception
		if errors.As(err, &ex) {
			return ex
		}
		return Exceptionf("SerializationException", "The request could not be read: %v.", err)
	}
	if err := shape.Validate(tree, op.Input); err != nil {
		return x.explain(err)
	}
	x.call.Input = op.NewInput()
	if err := shape.Bind(tree, op.Input, x.call.Input); err != nil {
		var te *shape.TypeError
		if errors.As(err, &te) {
			return Exceptionf("SerializationException", "The request does not fit %s: %v.", op.Name, te)
		}
		return x.s.internal(x.req.HTTP.Context(), op, err)
	}
	return nil
}

// safely runs the handler; a panic becomes an error.
func (x *exchange) safely(ctx context.Context, h Handler) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			x.s.cfg.Log.Error("a handler panicked", "request", x.req.RequestID, "operation", x.req.Op.Name,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = &Exception{Code: internalFailure, Message: internalText}
		}
	}()
	return h(ctx, &x.call)
}

func (x *exchange) encode(out any) (*Response, *Exception) {
	op := x.req.Op
	x.req.Room = (*rooms.Get().(*[]byte))[:0]
	resp, err := x.route.codec(x.s).Encode(&x.req, out)
	if err == nil {
		return resp, nil
	}
	return nil, x.s.internal(x.req.HTTP.Context(), op, fmt.Errorf("writing the answer: %w", err))
}

func (x *exchange) finish(resp *Response, ex *Exception) {
	if x.req.Op == nil {
		return
	}
	o := Outcome{Status: resp.Status, Error: ex, Cause: x.cause, Output: x.out, Elapsed: x.s.cfg.Now().Sub(x.start)}
	code := ""
	if ex != nil {
		code = ex.Code
	}
	x.call.Op, x.call.RequestID, x.call.Source, x.call.Protocol = x.req.Op, x.req.RequestID, Source(x.req.HTTP.RemoteAddr), x.route.protocol
	x.call.Private = Private(x.req.HTTP)
	if ctx := x.req.HTTP.Context(); x.s.cfg.Log.Enabled(ctx, slog.LevelDebug) {
		x.s.cfg.Log.DebugContext(ctx, "call", "request", x.req.RequestID, "service", x.req.Op.Service.Name, "operation", x.req.Op.Name,
			"protocol", string(x.route.protocol), "account", x.call.Identity.Account, "region", x.call.Region,
			"status", o.Status, "error", code, "elapsed", o.Elapsed)
	}
	if x.s.cfg.After != nil {
		x.s.cfg.After(x.req.HTTP.Context(), &x.call, o)
	}
}

// rooms holds what answers are written into. Each is big enough for a page of
// descriptions; a much larger one is not kept.
var rooms = sync.Pool{New: func() any { return new(make([]byte, 0, 16<<10)) }}

const maxRoom = 1 << 20

// release takes back the body of an answer that has been sent.
func (resp *Response) release() {
	if resp.Reuse && cap(resp.Body) <= maxRoom {
		rooms.Put(new(resp.Body))
		resp.Body = nil
	}
}
