// Package rpccbor speaks Smithy's rpc-v2-cbor: a CBOR map in, a CBOR map out,
// the operation named by the path. The CBOR codec is its own and covers what
// the protocol uses of RFC 8949.
//
// Only bytes and trees here: routing, signatures and constraints belong to
// package wire.
package rpccbor

import (
	"net/http"
	"time"

	"slipway/wire"
	"slipway/wire/shape"
)

// ContentType is the media type of requests and answers.
const ContentType = "application/cbor"

// Codec is the wire.Codec of rpc-v2-cbor.
type Codec struct{}

// Protocol implements wire.Codec.
func (Codec) Protocol() wire.Protocol { return wire.RPCv2CBOR }

// Decode implements wire.Codec.
func (Codec) Decode(r *wire.Request) (map[string]any, error) {
	// An operation without input comes without a body.
	if len(r.Body) == 0 {
		return map[string]any{}, nil
	}
	raw, err := Decode(r.Body)
	if err != nil {
		return nil, wire.Exceptionf("SerializationException", "The request body is not valid CBOR: %v.", err)
	}
	tree, err := shape.Conform(raw, r.Op.Input, leaf)
	if err != nil {
		return nil, wire.Exceptionf("SerializationException", "The request does not fit %s: %v.", r.Op.Name, err)
	}
	return tree.(map[string]any), nil
}

func leaf(s *shape.Shape, raw any) (any, error) {
	ok := false
	switch s.Kind {
	case shape.String:
		_, ok = raw.(string)
	case shape.Boolean:
		_, ok = raw.(bool)
	case shape.Blob:
		_, ok = raw.([]byte)
	case shape.Timestamp:
		_, ok = raw.(time.Time)
	case shape.Integer, shape.Long:
		var n int64
		if n, ok = raw.(int64); ok && !shape.FitsInteger(s, n) {
			return nil, &shape.TypeError{Want: s.Kind.String(), Got: "a larger number"}
		}
	case shape.Float, shape.Double:
		if n, isInt := raw.(int64); isInt {
			raw = float64(n)
		}
		_, ok = raw.(float64)
	}
	if !ok {
		return nil, shape.Mismatch(s, raw)
	}
	return raw, nil
}

// Encode implements wire.Codec. An empty result is an empty map, not an empty
// body: every operation here has an output structure.
func (Codec) Encode(r *wire.Request, out any) (*wire.Response, error) {
	body, err := Append(r.Room, out, r.Op.Output)
	if err != nil {
		return nil, err
	}
	return &wire.Response{Status: http.StatusOK, Header: header(), Body: body, Reuse: true}, nil
}

// EncodeError implements wire.Codec. __type is an absolute shape id where the
// model has the shape; the common errors have none, and clients compare their
// bare names (the Go SDK does not cut a namespace off an error it has no type
// for, and would not see that a ThrottlingException may be retried). The
// status is the modelled one.
func (Codec) EncodeError(r *wire.Request, ex *wire.Exception) *wire.Response {
	id := ex.Code
	if ex.Shape(r.Service) != nil {
		id = r.Service.ShapePrefix + "#" + id
	}
	tree, sh := ex.Document(r.Service)
	body, err := appendTyped(tree, sh, id)
	if err != nil { // the name of the error matters more than a bad field
		body, _ = appendTyped(map[string]any{}, sh, id)
	}
	return &wire.Response{Status: ex.HTTPStatus(r.Service), Header: header(), Body: body}
}

func header() http.Header {
	return http.Header{"Content-Type": {ContentType}, "Smithy-Protocol": {"rpc-v2-cbor"}}
}
