package tool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"slipway/guest"
)

// Orderly carries out the orders of the host. What it began goes on when the host
// goes away, and is still known when it comes back.
type Orderly struct {
	// Dir is where files are put; made when missing, for nobody else to read.
	Dir string
	// Enter sets the environment of programs that are started from now on; nil: that
	// cannot be done here.
	Enter func(guest.Environment) error
	Now   func() time.Time

	// seat finds who sits at the screen; nil: as this system does.
	seat func() (*seat, error)
	// watch is how long a program is watched that starts; 0 means endsAtOnce.
	watch time.Duration

	mu    sync.Mutex
	env   guest.Environment // that was entered last
	runs  map[string]*command
	whole []arrival // files that came lately
}

// NewOrderly is the one of this machine.
func NewOrderly(now func() time.Time) *Orderly {
	return &Orderly{Dir: spoolDir, Enter: enter, Now: now}
}

// command is one that was begun.
type command struct {
	done chan struct{} // closed when it has ended; what follows is written before
	exit int
	late bool
	out  tail
}

// maxSeconds is how long a command may run at most.
const maxSeconds = 24 * 60 * 60

var fileName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$`)

// Do is one order; it is guest.Peer's.
func (o *Orderly) Do(ctx context.Context, name string, args json.RawMessage) guest.Report {
	r, err := o.do(ctx, name, args)
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func (o *Orderly) do(ctx context.Context, name string, args json.RawMessage) (guest.Report, error) {
	switch name {
	case guest.OrderRun:
		var c guest.Command
		if err := json.Unmarshal(args, &c); err != nil {
			return guest.Report{}, err
		}
		return guest.Report{}, o.run(c)
	case guest.OrderResult:
		var a guest.Asked
		if err := json.Unmarshal(args, &a); err != nil {
			return guest.Report{}, err
		}
		return o.result(ctx, a), nil
	case guest.OrderPut:
		var p guest.Piece
		if err := json.Unmarshal(args, &p); err != nil {
			return guest.Report{}, err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.put(p)
	case guest.OrderDrop:
		var a guest.Asked
		if err := json.Unmarshal(args, &a); err != nil {
			return guest.Report{}, err
		}
		return guest.Report{}, o.drop(a.ID)
	case guest.OrderEnter:
		var e guest.Environment
		if err := json.Unmarshal(args, &e); err != nil {
			return guest.Report{}, err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		return guest.Report{}, o.enter(e)
	}
	if f := seated[name]; f != nil {
		return f(o, args)
	}
	return guest.Report{}, fmt.Errorf("there is no order %q", name)
}

// run begins a command, unless one of its ID was begun.
func (o *Orderly) run(c guest.Command) error {
	if !fileName.MatchString(c.ID) || c.File != "" && !fileName.MatchString(c.File) {
		return errors.New("that is no name")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.runs[c.ID] != nil {
		return nil
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	limit := time.Duration(min(max(c.Seconds, 1), maxSeconds)) * time.Second
	// Not the order's context: a command outlives the talk about it.
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	run := &command{done: make(chan struct{})}
	cmd := shell(ctx, c.Line)
	cmd.Dir, cmd.Stdout, cmd.Stderr = o.Dir, &run.out, &run.out
	if c.File != "" {
		cmd.Env = append(cmd.Environ(), "SLIPWAY_FILE="+filepath.Join(o.Dir, c.File))
	}
	cmd.WaitDelay = 5 * time.Second // for pipes that a child has kept
	if err := cmd.Start(); err != nil {
		cancel()
		return err
	}
	if o.runs == nil {
		o.runs = map[string]*command{}
	}
	o.runs[c.ID] = run
	go func() {
		err := cmd.Wait()
		run.late, run.exit = ctx.Err() != nil, cmd.ProcessState.ExitCode()
		if err != nil && run.exit == 0 && !errors.Is(err, exec.ErrWaitDelay) {
			run.exit = -1
			_, _ = run.out.Write([]byte(err.Error()))
		}
		cancel()
		close(run.done)
	}()
	return nil
}

// variable is a name that every shell takes.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)

func (o *Orderly) enter(e guest.Environment) error {
	if o.Enter == nil {
		return errors.New("this tool sets no environment")
	}
	for _, m := range []map[string]string{e.User, e.Machine} {
		for name, value := range m {
			if !variable.MatchString(name) || strings.ContainsRune(value, 0) {
				return errors.New("that is no variable")
			}
		}
	}
	o.env = e
	return o.Enter(e)
}

func (o *Orderly) result(ctx context.Context, a guest.Asked) guest.Report {
	o.mu.Lock()
	run := o.runs[a.ID]
	o.mu.Unlock()
	if run == nil {
		return guest.Report{Lost: true}
	}
	t := time.NewTimer(min(max(time.Duration(a.WaitMillis)*time.Millisecond, 0), guest.MaxWait))
	defer t.Stop()
	select {
	case <-run.done:
		return guest.Report{Ended: true, Exit: run.exit, Late: run.late, Output: run.out.String()}
	case <-t.C:
	case <-ctx.Done():
	}
	return guest.Report{Output: run.out.String()}
}

// put writes one piece and says how much of the file is there. What is there of
// another file is thrown away; the name is the file's only once it is whole.
func (o *Orderly) put(p guest.Piece) (guest.Report, error) {
	sum, err := hex.DecodeString(p.SHA256)
	if err != nil || len(sum) != sha256.Size || !fileName.MatchString(p.Name) || p.Size < 0 || len(p.Data) > guest.MaxPiece {
		return guest.Report{}, errors.New("that is no piece of a file")
	}
	whole, part := filepath.Join(o.Dir, p.Name), filepath.Join(o.Dir, "."+p.SHA256[:32]+".part")
	if len(p.Data) == 0 && p.Offset == 0 && matches(whole, p.Size, sum) {
		return guest.Report{Have: p.Size, Whole: true}, nil
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return guest.Report{}, err
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return guest.Report{}, err
	}
	have, err := f.Seek(0, io.SeekEnd)
	if err == nil && len(p.Data) > 0 && p.Offset == have && have+int64(len(p.Data)) <= p.Size {
		_, err = f.Write(p.Data)
		have += int64(len(p.Data))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return guest.Report{}, err
	}
	if have < p.Size {
		return guest.Report{Have: have}, nil
	}
	if !matches(part, p.Size, sum) {
		return guest.Report{}, errors.Join(errors.New("the file is not the one that was promised"), os.Remove(part))
	}
	return guest.Report{Have: have, Whole: true}, os.Rename(part, whole)
}

// matches tells whether a file has a size and a digest.
func matches(path string, size int64, sum []byte) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() != size {
		return false
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && bytes.Equal(h.Sum(nil), sum)
}

// drop forgets a command that has ended, and removes a file.
func (o *Orderly) drop(id string) error {
	if !fileName.MatchString(id) {
		return errors.New("that is no name")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if run := o.runs[id]; run != nil {
		select {
		case <-run.done:
			delete(o.runs, id)
		default:
			return errors.New("the command still runs")
		}
	}
	if err := os.Remove(filepath.Join(o.Dir, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// tail keeps the end of what is written into it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[max(0, len(p)-guest.MaxOutput):]...)
	if n := len(t.b) - guest.MaxOutput; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.b), "\uFFFD")
}
