package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
)

// A frame is the mark, the length of its body in eight hexadecimal digits, and
// the body, one JSON object. The mark's first byte is in no UTF-8 text, so it is
// nowhere else in a frame: a reader that meets it begins anew there.
const (
	mark    = "\xffSW1"
	head    = len(mark) + 8
	maxBody = MaxFrame - head
)

// MaxFrame is the size of the largest frame in bytes.
const MaxFrame = 64 << 10

// maxRubbish is how many bytes without a frame in them a reader takes before it
// gives the stream up.
const maxRubbish = 4 << 20

// ErrTooLarge is a message that does not fit into a frame.
var ErrTooLarge = errors.New("the message is larger than a frame")

// Version of the protocol. A peer with another one is refused in the greeting.
const Version = 1

// Kinds of messages.
const (
	KindKnock  = "knock"  // tool: I am new here, greet me
	KindHello  = "hello"  // host: this is your session; tool: I heard it
	KindCall   = "call"   // tool
	KindAnswer = "answer" // host
	KindOrder  = "order"  // host
	KindReport = "report" // tool
)

// Message is the body of a frame.
type Message struct {
	Kind string `json:"kind"`
	// Session is chosen by the host in its greeting; every later message of
	// either side repeats it, and what names another session is not heard.
	Session string    `json:"session,omitempty"`
	Hello   *Greeting `json:"hello,omitempty"`
	// ID numbers the calls of a session, and its orders; answer and report have the
	// same.
	ID     int64           `json:"id,omitempty"`
	Name   string          `json:"name,omitempty"` // of a call or an order
	Args   json.RawMessage `json:"args,omitempty"` // of a call or an order
	Answer *Answer         `json:"answer,omitempty"`
	Report *Report         `json:"report,omitempty"`
}

// Greeting is what each side says of itself.
type Greeting struct {
	Version int    `json:"version"`
	Role    string `json:"role,omitempty"`   // host: what the machine is, for example RoleBuilder
	Tool    string `json:"tool,omitempty"`   // tool: its own version
	System  string `json:"system,omitempty"` // tool: "linux" or "windows"
	Orders  bool   `json:"orders,omitempty"` // tool: it carries out orders
	Life    string `json:"life,omitempty"`   // tool: of this run of it, to tell a new one from one that greets twice
}

// Roles of machines: RoleBuilder of those that images are made on, RoleFleet of
// those that users work on.
const (
	RoleBuilder = "image-builder"
	RoleFleet   = "fleet"
)

// Stream reads and writes messages. Reads are for one goroutine, writes for any.
type Stream struct {
	r   io.Reader
	buf []byte // read and not yet understood

	mu sync.Mutex
	w  io.Writer
}

// NewStream puts messages on a stream of bytes.
func NewStream(rw io.ReadWriter) *Stream { return &Stream{r: rw, w: rw} }

// Write sends a message in one piece. Errors: ErrTooLarge, those of the stream.
func (s *Stream) Write(m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("guest: encode: %w", err)
	}
	if len(body) > maxBody {
		return ErrTooLarge
	}
	frame := append(fmt.Appendf(nil, "%s%08x", mark, len(body)), body...)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.w.Write(frame)
	return err
}

// Read returns the next message; what is no message is skipped. Errors are those
// of the stream, and one when there is nothing but rubbish.
func (s *Stream) Read() (Message, error) {
	rubbish := 0
	for {
		m, skip, ok := s.parse()
		s.buf = s.buf[skip:]
		if ok {
			return m, nil
		}
		if rubbish += skip; rubbish > maxRubbish {
			return Message{}, errors.New("guest: the stream holds no messages")
		}
		if skip > 0 {
			continue
		}
		if err := s.more(); err != nil {
			return Message{}, err
		}
	}
}

// more reads what there is. The buffer never holds more than a frame and a read,
// and is small while nothing comes: a host listens to thousands of guests.
func (s *Stream) more() error {
	if cap(s.buf)-len(s.buf) < 512 {
		s.buf = append(make([]byte, 0, len(s.buf)+min(max(len(s.buf), 1<<10), 32<<10)), s.buf...)
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// parse looks at the front of the buffer: a message and its length, bytes that
// can be dropped, or neither when more must come first.
func (s *Stream) parse() (m Message, skip int, ok bool) {
	b := s.buf
	if i := bytes.IndexByte(b, mark[0]); i != 0 {
		if i < 0 {
			i = len(b)
		}
		return m, i, false
	}
	// A mark inside is the beginning of another frame: this one was cut off.
	cut := bytes.IndexByte(b[1:], mark[0]) + 1
	n, whole := 0, len(b) >= head
	if whole {
		v, err := strconv.ParseUint(string(b[len(mark):head]), 16, 32)
		if !bytes.HasPrefix(b, []byte(mark)) || err != nil || v > uint64(maxBody) {
			return m, 1, false
		}
		n, whole = head+int(v), len(b) >= head+int(v)
	}
	switch {
	case cut > 0 && (!whole || cut < n):
		return m, cut, false
	case !whole:
		return m, 0, false
	case json.Unmarshal(b[head:n], &m) != nil:
		return Message{}, n, false
	}
	return m, n, true
}
