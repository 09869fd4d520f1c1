package query

import (
	"encoding/xml"
	"net/http"
	"strings"

	"slipway/wire"
	"slipway/wire/shape"
)

// Codec is one of the two dialects; use EC2 or AWS.
type Codec struct{ ec2 bool }

// EC2 speaks ec2Query.
func EC2() Codec { return Codec{ec2: true} }

// AWS speaks awsQuery.
func AWS() Codec { return Codec{} }

// Protocol names the dialect.
func (c Codec) Protocol() wire.Protocol {
	if c.ec2 {
		return wire.EC2Query
	}
	return wire.AWSQuery
}

// Encode writes the answer document of a success.
func (c Codec) Encode(r *wire.Request, src any) (*wire.Response, error) {
	out, err := shape.Tree(src, r.Op.Output)
	if err != nil {
		return nil, err
	}
	w := newWriter(c.ec2)
	root := r.Op.Name + "Response"
	w.openRoot(root, c.namespace(r.Service))
	if c.ec2 {
		w.text("requestId", r.RequestID)
		if len(r.Op.Output.Members) == 0 {
			// Operations without a result say that they worked.
			w.text("return", "true")
		}
		w.members(r.Op.Output, out)
	} else {
		if r.Op.ResultWrapper != "" {
			w.open(r.Op.ResultWrapper)
			w.members(r.Op.Output, out)
			w.close(r.Op.ResultWrapper)
		}
		w.open("ResponseMetadata")
		w.text("RequestId", r.RequestID)
		w.close("ResponseMetadata")
	}
	w.close(root)
	if w.err != nil {
		return nil, w.err
	}
	status := r.Op.HTTP.Status
	if status == 0 {
		status = http.StatusOK
	}
	return c.response(status, w), nil
}

// EncodeError writes a failure in the dialect's own form, with the code these
// protocols use for it.
func (c Codec) EncodeError(r *wire.Request, ex *wire.Exception) *wire.Response {
	a := c.explain(r, ex)
	w := newWriter(c.ec2)
	if c.ec2 {
		w.open("Response")
		w.open("Errors")
		w.open("Error")
		w.text("Code", a.code)
		w.text("Message", a.message)
		w.close("Error")
		w.close("Errors")
		w.text("RequestID", r.RequestID)
		w.close("Response")
		return c.response(a.status, w)
	}
	party := "Sender"
	if a.status >= 500 {
		party = "Receiver"
	}
	w.openRoot("ErrorResponse", c.namespace(r.Service))
	w.open("Error")
	w.text("Type", party)
	w.text("Code", a.code)
	w.text("Message", a.message)
	w.close("Error")
	w.text("RequestId", r.RequestID)
	w.close("ErrorResponse")
	return c.response(a.status, w)
}

// namespace is the xmlns of an answer. EC2's answers end theirs in a slash that
// its model does not have.
func (c Codec) namespace(s *wire.Service) string {
	if s == nil || s.XMLNamespace == "" {
		return ""
	}
	if c.ec2 {
		return strings.TrimSuffix(s.XMLNamespace, "/") + "/"
	}
	return s.XMLNamespace
}

func (c Codec) response(status int, w *writer) *wire.Response {
	kind := "text/xml"
	if c.ec2 {
		kind = "text/xml;charset=UTF-8"
	}
	return &wire.Response{
		Status: status,
		Header: http.Header{"Content-Type": {kind}},
		Body:   append([]byte(xml.Header), w.buf.Bytes()...),
	}
}
