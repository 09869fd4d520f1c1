package wire

import (
	"net/http"
	"net/url"
)

// Codec puts trees (see package shape) into the bytes of one protocol and
// back. A codec holds no state; the server has already authenticated the
// request, capped its body and found its operation.
type Codec interface {
	// Protocol is the protocol this codec speaks; the server has one codec
	// per protocol.
	Protocol() Protocol
	// Decode reads the input of r.Op into a tree keyed by member names, with
	// leaves of the Go types the shape asks for. Unknown members are dropped,
	// absent ones stay absent. Errors are *Exception (SerializationException
	// and its relatives); any other error is reported as one.
	Decode(r *Request) (map[string]any, error)
	// Encode writes the output of a success: the operation's output struct or
	// a tree (shape.Walk and shape.Tree take both). The server adds the request
	// id header; a protocol that repeats the id in its body finds it in r.
	Encode(r *Request, out any) (*Response, error)
	// EncodeError writes a failure. r.Op is nil when the request named no
	// known operation; r.Service may be nil then, too.
	EncodeError(r *Request, ex *Exception) *Response
}

// Request is what a codec sees of a call.
type Request struct {
	HTTP      *http.Request // its Body is already drained into Body
	Body      []byte        // never nil, and nobody else's
	Room      []byte        // empty, with capacity to write the answer into; may be nil
	Service   *Service
	Op        *Op
	RequestID string
	Form      url.Values        // query protocols: parameters from the URL and the body
	Labels    map[string]string // REST protocols: the {labels} of the path, unescaped
}

// Response is an HTTP answer ready to be written.
type Response struct {
	Status int
	Header http.Header // may be nil
	Body   []byte
	Reuse  bool // Body was made for this answer alone; it may be overwritten afterwards
}
