package wire

import "slipway/wire/shape"

// Protocol names a way to put shapes into HTTP messages, in Smithy's words.
type Protocol string

// The protocols.
const (
	AWSJSON11 Protocol = "awsJson1_1"
	RPCv2CBOR Protocol = "rpcv2Cbor"
	EC2Query  Protocol = "ec2Query"
	AWSQuery  Protocol = "awsQuery"
	RESTJSON1 Protocol = "restJson1"
)

// Service is one AWS service: its names on the wire and its operations.
// Services are generated and never changed afterwards.
type Service struct {
	Name           string // "appstream": the package and model file
	Title          string
	ID             string // the SDKs' service id
	SigningName    string // the service in a SigV4 credential scope
	EndpointPrefix string
	TargetPrefix   string // before the dot in X-Amz-Target, and in rpc-v2-cbor paths
	APIVersion     string
	ShapePrefix    string // namespace of absolute shape ids, "com.amazonaws.appstream"
	XMLNamespace   string
	Protocols      []Protocol
	Shapes         []*shape.Shape // every shape, sorted by name
	Ops            []*Op          // every operation, sorted by name
}

// HTTP is the binding of an operation. RPC protocols leave it at "POST /".
type HTTP struct {
	Method string
	Path   string // may hold {label} segments
	Status int    // of a success; 0 means 200
}

// Op is one row of the operation table, the single source for routing,
// support matrices and "not implemented" answers.
type Op struct {
	Service *Service
	Name    string
	// Input and Output are always structures; an operation that answers
	// nothing has an Output without members.
	Input, Output *shape.Shape
	Errors        []string // names of the modelled exceptions, sorted
	HTTP          HTTP
	ResultWrapper string // awsQuery: the element around the output
	UnsignedBody  bool   // the signature may leave the body out
	NewInput      func() any
	NewOutput     func() any
}

// Shape finds a shape of the service by name, or returns nil.
func (s *Service) Shape(name string) *shape.Shape {
	lo, hi := 0, len(s.Shapes)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.Shapes[mid].Name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(s.Shapes) && s.Shapes[lo].Name == name {
		return s.Shapes[lo]
	}
	return nil
}

// Op finds an operation by name, or returns nil.
func (s *Service) Op(name string) *Op {
	lo, hi := 0, len(s.Ops)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.Ops[mid].Name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(s.Ops) && s.Ops[lo].Name == name {
		return s.Ops[lo]
	}
	return nil
}

// Speaks tells whether the service answers in protocol p.
func (s *Service) Speaks(p Protocol) bool {
	for _, q := range s.Protocols {
		if q == p {
			return true
		}
	}
	return false
}

// Allows tells whether the model lists exception name for the operation.
func (o *Op) Allows(name string) bool {
	for _, e := range o.Errors {
		if e == name {
			return true
		}
	}
	return false
}
