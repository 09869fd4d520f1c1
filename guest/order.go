package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"slipway/fault"
)

// Names of orders: what a host may have done in its guest. There is no way back:
// a guest gives its host no orders.
const (
	OrderRun    = "run"    // Command: begin it, unless it was begun
	OrderResult = "result" // Asked: how a command ended
	OrderPut    = "put"    // Piece: of a file
	OrderDrop   = "drop"   // Asked: remove a file, and forget a command
	OrderEnter  = "enter"  // Environment: of programs that are started from now on
)

// Limits of orders.
const (
	MaxPiece  = 32 << 10 // bytes of a file in one order
	MaxOutput = 8 << 10  // bytes of a command's output that are kept: the last ones
	MaxWait   = 20 * time.Second
)

// Command is a line for the system's shell: /bin/sh, or PowerShell on Windows. Of
// one ID there is never a second: to begin it again changes nothing.
type Command struct {
	ID      string `json:"id"` // like a file's name
	Line    string `json:"line"`
	Seconds int    `json:"seconds"` // it may take; it is ended then with all it has begun
	// File is a file that was put; the environment has its path as SLIPWAY_FILE.
	File string `json:"file,omitempty"`
}

// Environment is what programs find in their environment: a user's own, and
// everybody's. It takes the place of what an earlier order said.
type Environment struct {
	User    map[string]string `json:"user,omitempty"`
	Machine map[string]string `json:"machine,omitempty"`
}

// Asked names what an order is about.
type Asked struct {
	ID string `json:"id"`
	// WaitMillis is how long to wait for a command's end; at most MaxWait.
	WaitMillis int64 `json:"wait,omitempty"`
}

// Piece is a part of a file. One without data asks how much is there.
type Piece struct {
	Name   string `json:"name"` // 1 to 100 of A-Z, a-z, 0-9, ., - and _, not beginning with a period
	Size   int64  `json:"size"` // of the whole file
	SHA256 string `json:"sha256"`
	Offset int64  `json:"offset"`
	Data   []byte `json:"data,omitempty"`
}

// Report says how an order went.
type Report struct {
	Error string `json:"error,omitempty"` // it could not be carried out
	Lost  bool   `json:"lost,omitempty"`  // result: no such command was begun since the tool started
	Ended bool   `json:"ended,omitempty"` // result
	Late  bool   `json:"late,omitempty"`  // result: it was ended because its time was over
	Exit  int    `json:"exit,omitempty"`  // result, launch: exit code
	// Output is the end of what the command wrote, of both its streams.
	Output string `json:"output,omitempty"`
	Have   int64  `json:"have,omitempty"`  // put, write: bytes that are there
	Whole  bool   `json:"whole,omitempty"` // put, write: and they are the file
	// Problem is the kind of Error, for orders about a session.
	Problem string  `json:"problem,omitempty"`
	Folder  *Folder `json:"folder,omitempty"` // files, write, read
}

// Orders gives orders to the tool at the other end of a Host's stream.
type Orders struct {
	mu      sync.Mutex
	stream  *Stream
	session string
	tool    Greeting
	there   chan struct{} // closed while there is a tool
	next    int64
	waiting map[int64]chan Report
	hands   chan struct{} // full when the tool can do no more at once
	credit  int           // bytes that were asked for and have not come
}

// spend takes up to n bytes from what was asked for.
func (o *Orders) spend(n int) int {
	if o == nil {
		return 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	n = min(n, o.credit)
	o.credit -= n
	return n
}

func (o *Orders) ready() {
	if o.there == nil {
		o.there, o.waiting, o.hands = make(chan struct{}), map[int64]chan Report{}, make(chan struct{}, ordersAtOnce)
	}
}

// begin: the tool has answered the greeting. A tool that greets again is a new
// one: what was asked of the one before is lost.
func (o *Orders) begin(s *Stream, session string, g Greeting) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stream == s && o.tool == g {
		return
	}
	o.forget()
	o.stream, o.session, o.tool = s, session, g
	close(o.there)
}

func (o *Orders) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget()
}

func (o *Orders) forget() {
	o.ready()
	o.credit = 0
	for id, c := range o.waiting {
		close(c)
		delete(o.waiting, id)
	}
	if o.stream != nil {
		o.stream, o.there = nil, make(chan struct{})
	}
}

// reported hands a report to who waits for it; false when nobody does.
func (o *Orders) reported(m Message) bool {
	if o == nil || m.Report == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.waiting[m.ID]
	if c != nil {
		c <- *m.Report
		delete(o.waiting, m.ID)
	}
	return c != nil
}

// Tool waits for the tool and returns what it says of itself. Errors: NotAvailable
// when ctx ends first, or the tool takes no orders.
func (o *Orders) Tool(ctx context.Context) (Greeting, error) {
	o.mu.Lock()
	o.ready()
	there := o.there
	o.mu.Unlock()
	select {
	case <-there:
	case <-ctx.Done():
		return Greeting{}, fault.Wrap(fault.NotAvailable, context.Cause(ctx), "The guest tool does not answer.").
			WithHint("Install it in the guest from its CD: install.sh on Linux, install.cmd on Windows.")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stream != nil && !o.tool.Orders {
		return o.tool, fault.New(fault.NotAvailable, "The guest tool %s takes no orders: it is older than this server.", o.tool.Tool).
			WithHint("Install it again from its CD.")
	}
	return o.tool, nil
}

// reportTime is how long a tool may take for an order, beyond what it waits itself.
const reportTime = 30 * time.Second

// Give gives one order and waits for the report. Errors: NotAvailable, when the
// tool is not there or went away meanwhile; the order may have been carried out
// then. What the report says is the caller's business, but for its Error.
func (o *Orders) Give(ctx context.Context, name string, args any) (Report, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return Report{}, fmt.Errorf("guest: encode: %w", err)
	}
	if _, err := o.Tool(ctx); err != nil {
		return Report{}, err
	}
	select {
	case o.hands <- struct{}{}:
		defer func() { <-o.hands }()
	case <-ctx.Done():
		return Report{}, fault.Wrap(fault.NotAvailable, context.Cause(ctx), "The guest tool is busy.")
	}
	ctx, cancel := context.WithTimeout(ctx, MaxWait+reportTime)
	defer cancel()
	away := fault.New(fault.NotAvailable, "The guest tool went away.")
	o.mu.Lock()
	if o.stream == nil {
		o.mu.Unlock()
		return Report{}, away
	}
	o.next++
	id, s, c := o.next, o.stream, make(chan Report, 1)
	o.waiting[id] = c
	if name == OrderRead {
		o.credit = min(o.credit+MaxFrame, ordersAtOnce*MaxFrame)
	}
	m := Message{Kind: KindOrder, Session: o.session, ID: id, Name: name, Args: body}
	o.mu.Unlock()
	if err := s.Write(m); err != nil {
		return Report{}, fault.Wrap(fault.NotAvailable, err, "The guest tool could not be given an order.")
	}
	select {
	case r, ok := <-c:
		switch {
		case !ok:
			return r, away
		case r.Error != "":
			return r, fault.New(fault.NotAvailable, "The guest tool could not carry out an order: %s.", clip(r.Error))
		}
		return r, nil
	case <-ctx.Done():
		o.mu.Lock()
		delete(o.waiting, id)
		o.mu.Unlock()
		return Report{}, fault.Wrap(fault.NotAvailable, context.Cause(ctx), "The guest tool did not report.")
	}
}

// clip keeps what a guest says short.
func clip(s string) string {
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}

const (
	runGrace   = 10 * time.Minute // beyond a command's time, twice since it may be begun anew
	maxBegun   = 3
	maxStalled = 3 // pieces of a file that a tool says it does not have
)

// Run has a command run and waits for its end, through tools that go away and
// come back: it is begun once, and once more if the guest has started anew
// meanwhile. Errors are those of Give; a command that ends badly is none. A tool
// that never says how a command ended is given up some time after the command's
// own, and one that loses it again and again: guests are not believed.
func (o *Orders) Run(ctx context.Context, c Command) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Duration(c.Seconds)*time.Second+runGrace)
	defer cancel()
	for begun, times := false, 0; ; {
		if !begun {
			if times++; times > maxBegun {
				return Report{}, fault.New(fault.NotAvailable, "The guest tool lost a command %d times.", maxBegun)
			}
			if _, err := o.Give(ctx, OrderRun, c); err != nil {
				return Report{}, err
			}
			begun = true
		}
		r, err := o.Give(ctx, OrderResult, Asked{ID: c.ID, WaitMillis: MaxWait.Milliseconds()})
		switch {
		case err != nil:
			return r, err
		case r.Lost:
			begun = false
		case r.Ended:
			_, err := o.Give(ctx, OrderDrop, Asked{ID: c.ID})
			return r, err
		}
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
	}
}

// Put brings a file into the guest, piece by piece; what is there already is not
// sent again. The file is read to its end only when it has to be sent. progress
// may be nil. Errors: those of Give, of the file, and Internal when it is not what
// sum says.
func (o *Orders) Put(ctx context.Context, name string, f io.ReaderAt, size int64, sum [sha256.Size]byte, progress func(done, total int64)) error {
	p := Piece{Name: name, Size: size, SHA256: hex.EncodeToString(sum[:])}
	r, err := o.Give(ctx, OrderPut, p)
	buf := make([]byte, MaxPiece)
	best, stalled := int64(-1), 0
	for err == nil && !r.Whole {
		if stalled++; r.Have > best {
			best, stalled = r.Have, 0
		}
		if r.Have < 0 || r.Have >= size || stalled > maxStalled {
			return fault.New(fault.NotAvailable, "The guest tool lost count of a file.")
		}
		n := min(int64(len(buf)), size-r.Have)
		if _, err := f.ReadAt(buf[:n], r.Have); err != nil {
			return fault.Wrap(fault.Unavailable, err, "The file %s could not be read.", name)
		}
		p.Offset, p.Data = r.Have, buf[:n]
		if progress != nil {
			progress(r.Have, size)
		}
		r, err = o.Give(ctx, OrderPut, p)
	}
	return err
}
