// Package shape holds the schema of everything that travels on the wire and
// the three walks over it: Bind (tree to Go struct), Tree (Go struct to tree)
// and Validate (tree against the constraints).
//
// The generic tree is what every protocol codec produces and consumes:
// structures and maps are map[string]any, lists are []any, leaves are string,
// []byte, bool, int64, float64 and time.Time. Structures are keyed by
// Member.Name, never by the name a protocol gives the member (Member.Wire):
// translating between the two is the codec's work.
//
// Bytes, HTTP and the names of services do not belong here.
package shape

// Kind is what a shape is made of.
type Kind uint8

// The kinds. Every integer width of the model is Integer or Long, and both
// are int64 in Go; Float and Double are float64.
const (
	Invalid Kind = iota
	Structure
	List
	Map
	String
	Boolean
	Integer
	Long
	Float
	Double
	Timestamp
	Blob
)

var kindNames = [...]string{"invalid", "structure", "list", "map", "string", "boolean", "integer", "long",
	"float", "double", "timestamp", "blob"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// Shape is one type of the model. Shapes are plain data, built statically by
// the generator, and are never changed afterwards.
type Shape struct {
	Name    string
	Kind    Kind
	Members []Member // Structure
	Key     *Shape   // Map
	Elem    *Shape   // List element, Map value

	// ElemName is the wire name of a list element where the model gives one
	// ("item"); empty means the protocol's default ("member").
	ElemName  string
	Flattened bool // lists and maps without a wrapper (query protocols)

	// Min and Max bound the length of strings (code points), blobs (bytes),
	// lists and maps (entries) and the value of numbers.
	Min, Max       int64
	HasMin, HasMax bool
	Pattern        string   // as in the model; see Matches
	Enum           []string // allowed values of a string

	Sensitive bool   // the value must not appear in logs or messages
	Streaming bool   // a blob that is the body itself
	Union     bool   // exactly one member is set
	Payload   string // the member that is the HTTP body, if one is
	Time      string // "epoch", "iso8601" or "http" where it differs from the protocol's default

	Error *ErrorTrait // non-nil for exceptions
}

// ErrorTrait is what the model says about an exception.
type ErrorTrait struct {
	Code   string // the code on the wire where it differs from the shape's name (query protocols)
	Status int    // modelled HTTP status; 0 when the model is silent
	Fault  bool   // the server's fault
}

// In says where in an HTTP request or response a member travels.
type In uint8

// The locations. Body is the zero value: inside the document.
const (
	Body In = iota
	URI
	Query
	Header
)

// Member is one member of a structure.
type Member struct {
	Name       string // the model's name and the key in the tree
	Wire       string // the name on the wire; equal to Name unless the model says otherwise
	Shape      *Shape
	Required   bool
	In         In
	Token      bool // an idempotency token, which clients fill in themselves
	Deprecated bool
}

// Member finds a member by its model name, or returns nil.
func (s *Shape) Member(name string) *Member {
	for i := range s.Members {
		if s.Members[i].Name == name {
			return &s.Members[i]
		}
	}
	return nil
}

// MemberByWire finds a member of the document (In == Body) by its wire name,
// or returns nil.
func (s *Shape) MemberByWire(wire string) *Member {
	for i := range s.Members {
		if s.Members[i].Wire == wire && s.Members[i].In == Body {
			return &s.Members[i]
		}
	}
	return nil
}

// IsError tells whether the shape is an exception.
func (s *Shape) IsError() bool { return s.Error != nil }

// Code is the word that names this exception on the wire.
func (s *Shape) Code() string {
	if s.Error != nil && s.Error.Code != "" {
		return s.Error.Code
	}
	return s.Name
}

// MessageMember is the member that carries the text of an exception:
// "Message" or "message", whichever the model has; "message" when it has none.
func (s *Shape) MessageMember() string {
	for i := range s.Members {
		if n := s.Members[i].Name; n == "Message" || n == "message" {
			return n
		}
	}
	return "message"
}
