// Package awsjson speaks awsJson1_1: a JSON document in, a JSON document out,
// the operation named by a header. Its parser and writer also serve REST-JSON
// bodies.
//
// Only bytes and trees here: routing, signatures and constraints belong to
// package wire.
package awsjson

import (
	"bytes"
	"net/http"

	"slipway/wire"
	"slipway/wire/shape"
)

// ContentType is the media type of requests and answers.
const ContentType = "application/x-amz-json-1.1"

// Codec is the wire.Codec of awsJson1_1.
type Codec struct{}

// Protocol implements wire.Codec.
func (Codec) Protocol() wire.Protocol { return wire.AWSJSON11 }

// Decode implements wire.Codec.
func (Codec) Decode(r *wire.Request) (map[string]any, error) {
	// An operation without input may come without a body.
	if len(bytes.TrimSpace(r.Body)) == 0 {
		return map[string]any{}, nil
	}
	raw, err := Parse(r.Body)
	if err != nil {
		return nil, wire.Exceptionf("SerializationException", "The request body is not valid JSON: %v.", err)
	}
	tree, err := shape.Conform(raw, r.Op.Input, Leaf)
	if err != nil {
		return nil, wire.Exceptionf("SerializationException", "The request does not fit %s: %v.", r.Op.Name, err)
	}
	return tree.(map[string]any), nil
}

// Encode implements wire.Codec.
func (Codec) Encode(r *wire.Request, out any) (*wire.Response, error) {
	body, err := Append(r.Room, out, r.Op.Output)
	if err != nil {
		return nil, err
	}
	return &wire.Response{Status: http.StatusOK, Header: header(), Body: body, Reuse: true}, nil
}

// EncodeError implements wire.Codec. Modelled exceptions carry their text in
// the member the model names, all others in "message".
//
// The status is 400 for everything the caller can mend, whatever the model's
// HTTP trait says: in this protocol clients read only __type, and 400 is what
// the API reference gives for all of them.
func (Codec) EncodeError(r *wire.Request, ex *wire.Exception) *wire.Response {
	status := ex.HTTPStatus(r.Service)
	if status < 500 && ex.Status == 0 {
		status = http.StatusBadRequest
	}
	tree, sh := ex.Document(r.Service)
	body := append([]byte(`{"__type":`), AppendString(nil, ex.Code)...)
	members, err := Append(nil, tree, sh)
	if err != nil {
		members = []byte("{}") // the name of the error matters more than a bad field
	}
	if len(members) > 2 {
		body = append(append(body, ','), members[1:]...)
	} else {
		body = append(body, '}')
	}
	h := header()
	h.Set("X-Amzn-ErrorType", ex.Code)
	return &wire.Response{Status: status, Header: h, Body: body}
}

func header() http.Header {
	return http.Header{"Content-Type": {ContentType}}
}
