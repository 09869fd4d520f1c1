package restjson

import (
	"bytes"
	"net/http"
	"net/url"

	"slipway/wire"
	"slipway/wire/awsjson"
	"slipway/wire/shape"
)

// Codec is the wire.Codec of restJson1.
type Codec struct{}

// Protocol implements wire.Codec.
func (Codec) Protocol() wire.Protocol { return wire.RESTJSON1 }

// Decode implements wire.Codec.
func (Codec) Decode(r *wire.Request) (map[string]any, error) {
	in := r.Op.Input
	out, err := document(r, in)
	if err != nil {
		return nil, err
	}
	var query url.Values
	for i := range in.Members {
		m := &in.Members[i]
		var values []string
		switch m.In {
		case shape.URI:
			if v, ok := r.Labels[m.Wire]; ok {
				values = []string{v}
			}
		case shape.Query:
			if query == nil {
				if query, err = url.ParseQuery(r.HTTP.URL.RawQuery); err != nil {
					return nil, wire.Exceptionf("SerializationException", "The query string cannot be read.")
				}
			}
			values = query[m.Wire]
		case shape.Header:
			values = r.HTTP.Header.Values(m.Wire)
		}
		if len(values) == 0 {
			continue
		}
		v, err := bound(m, values)
		if err != nil {
			return nil, err
		}
		out[m.Name] = v
	}
	return out, nil
}

// document reads what travels in the body.
func document(r *wire.Request, in *shape.Shape) (map[string]any, error) {
	out := map[string]any{}
	if in.Payload == "" {
		if !hasDocument(in) || len(bytes.TrimSpace(r.Body)) == 0 {
			return out, nil
		}
		v, err := parse(r, in)
		if err != nil {
			return nil, err
		}
		return v.(map[string]any), nil
	}
	p := in.Member(in.Payload)
	switch {
	case p.Shape.Kind == shape.Blob:
		// An absent payload and an empty one look alike; it is empty.
		// The body is nobody else's: blocks of half a megabyte are not copied.
		out[p.Name] = r.Body
	case p.Shape.Kind == shape.String:
		out[p.Name] = string(r.Body)
	case len(r.Body) > 0:
		v, err := parse(r, p.Shape)
		if err != nil {
			return nil, err
		}
		out[p.Name] = v
	}
	return out, nil
}

func parse(r *wire.Request, s *shape.Shape) (any, error) {
	raw, err := awsjson.Parse(r.Body)
	if err != nil {
		return nil, wire.Exceptionf("SerializationException", "The request body is not valid JSON: %v.", err)
	}
	v, err := shape.Conform(raw, s, awsjson.Leaf)
	if err != nil {
		return nil, wire.Exceptionf("SerializationException", "The request does not fit %s: %v.", r.Op.Name, err)
	}
	return v, nil
}

// hasDocument tells whether any member travels in the JSON document.
func hasDocument(s *shape.Shape) bool {
	for i := range s.Members {
		if s.Members[i].In == shape.Body {
			return true
		}
	}
	return false
}

// Encode implements wire.Codec.
func (Codec) Encode(r *wire.Request, src any) (*wire.Response, error) {
	s := r.Op.Output
	out, err := shape.Tree(src, s)
	if err != nil {
		return nil, err
	}
	res := &wire.Response{Status: r.Op.HTTP.Status, Header: http.Header{}}
	if res.Status == 0 {
		res.Status = http.StatusOK
	}
	if err := headers(res.Header, s, out); err != nil {
		return nil, err
	}
	if s.Payload == "" {
		if hasDocument(s) {
			res.Header.Set("Content-Type", "application/json")
			res.Body, err = awsjson.Append(nil, out, s)
		}
		return res, err
	}
	p := s.Member(s.Payload)
	v, ok := out[p.Name]
	if !ok {
		return res, nil
	}
	switch v := v.(type) {
	case []byte:
		res.Header.Set("Content-Type", "application/octet-stream")
		res.Body = v
	case string:
		res.Header.Set("Content-Type", "text/plain")
		res.Body = []byte(v)
	default:
		res.Header.Set("Content-Type", "application/json")
		res.Body, err = awsjson.Append(nil, v, p.Shape)
	}
	return res, err
}

// EncodeError implements wire.Codec: the name travels in a header, the members
// in the document.
func (Codec) EncodeError(r *wire.Request, ex *wire.Exception) *wire.Response {
	tree, s := ex.Document(r.Service)
	res := &wire.Response{
		Status: ex.HTTPStatus(r.Service),
		Header: http.Header{"Content-Type": {"application/json"}, "X-Amzn-Errortype": {ex.Code}},
	}
	var err error
	if res.Body, err = awsjson.Append(nil, tree, s); err != nil {
		res.Body = []byte("{}") // the name of the error matters more than a bad field
	}
	return res
}
