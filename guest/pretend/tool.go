// Package pretend is the guest tool of machines that are not real, for the fake
// driver: it greets, takes files, and runs command lines of a tiny shell in which
// nothing happens. Nothing of the host is ever run or written.
package pretend

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"slipway/guest"
)

// System is what the tool says that it runs on.
const System = "fake"

// Tools are the tools of all machines; what a machine remembers goes with them.
type Tools struct {
	Version string
	// Newer is what a machine's tool says instead once another was put in its place
	// (touch tool) and begun (touch again).
	Newer string
	// Shell runs a line instead of the tiny shell: its exit code and output. nil:
	// the tiny shell.
	Shell func(machine, line string) (exit int, output string)
	// Started is told of applications that are started at a machine's screen; nil:
	// nobody is.
	Started func(machine, program string)

	mu       sync.Mutex
	machines map[string]*machine
}

type machine struct {
	marks map[string]bool         // what touch made
	files map[string]int64        // bytes that were put
	runs  map[string]guest.Report // commands that were begun; they end at once
	env   guest.Environment
	seat  seat
}

// Forget is what starting a machine anew does to its memory.
func (t *Tools) Forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.machines, id)
}

// Serve is a machine's tool at one end of a connection, until that ends.
func (t *Tools) Serve(id string, c net.Conn) {
	peer := &guest.Peer{Self: guest.Greeting{Tool: t.version(id), System: System},
		Do: func(_ context.Context, name string, args json.RawMessage) guest.Report { return t.do(id, name, args) }}
	_ = peer.Run(context.Background(), c) // ends with c
}

func (t *Tools) version(id string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.machines[id]; t.Newer != "" && m != nil && m.marks["tool"] && m.marks["again"] {
		return t.Newer
	}
	return t.Version
}

func (t *Tools) do(id, name string, args json.RawMessage) guest.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.machines == nil {
		t.machines = map[string]*machine{}
	}
	m := t.machines[id]
	if m == nil {
		m = &machine{marks: map[string]bool{}, files: map[string]int64{}, runs: map[string]guest.Report{}}
		m.seat = seat{files: map[string][]byte{}, parts: map[string][]byte{}}
		t.machines[id] = m
	}
	if r, ok := m.seat.do(t, id, name, args); ok {
		return r
	}
	var c guest.Command
	var a guest.Asked
	var p guest.Piece
	var e guest.Environment
	if json.Unmarshal(args, map[string]any{guest.OrderRun: &c, guest.OrderResult: &a, guest.OrderDrop: &a, guest.OrderPut: &p, guest.OrderEnter: &e}[name]) != nil {
		return guest.Report{Error: fmt.Sprintf("there is no order %q", name)}
	}
	switch name {
	case guest.OrderRun:
		if _, begun := m.runs[c.ID]; !begun {
			r := guest.Report{Ended: true}
			if t.Shell != nil {
				r.Exit, r.Output = t.Shell(id, c.Line)
			} else {
				r.Exit, r.Output = m.shell(c.Line)
			}
			m.runs[c.ID] = r
		}
	case guest.OrderResult:
		r, begun := m.runs[a.ID]
		r.Lost = !begun
		return r
	case guest.OrderPut:
		if p.Offset == m.files[p.Name] {
			m.files[p.Name] += int64(len(p.Data))
		}
		return guest.Report{Have: m.files[p.Name], Whole: m.files[p.Name] == p.Size}
	case guest.OrderEnter:
		m.env = e
	case guest.OrderDrop:
		delete(m.runs, a.ID)
		delete(m.files, a.ID)
	}
	return guest.Report{}
}

// shell knows true, false, exit N, echo …, printenv NAME, touch NAME, rm NAME and test -e NAME,
// joined by "&&" and "||", which are taken from left to right.
func (m *machine) shell(line string) (exit int, output string) {
	op := "&&"
	for line = strings.TrimSpace(line); line != ""; {
		part, next := line, ""
		if i := strings.IndexAny(line, "&|"); i >= 0 && i+1 < len(line) && line[i] == line[i+1] {
			part, next, line = line[:i], line[i:i+2], strings.TrimSpace(line[i+2:])
		} else {
			line = ""
		}
		if (op == "&&") == (exit == 0) {
			var out string
			exit, out = m.word(strings.Fields(part))
			output += out
		}
		op = next
	}
	return exit, output
}

func (m *machine) word(w []string) (int, string) {
	switch {
	case len(w) == 1 && w[0] == "true":
	case len(w) == 1 && w[0] == "false":
		return 1, ""
	case len(w) == 2 && w[0] == "exit":
		n, _ := strconv.Atoi(w[1])
		return n, ""
	case len(w) > 0 && w[0] == "echo":
		return 0, strings.Join(w[1:], " ") + "\n"
	case len(w) == 2 && w[0] == "printenv":
		v, ok := m.env.User[w[1]]
		if !ok {
			v, ok = m.env.Machine[w[1]]
		}
		if !ok {
			return 1, ""
		}
		return 0, v + "\n"
	case len(w) == 2 && w[0] == "touch":
		m.marks[w[1]] = true
	case len(w) == 2 && w[0] == "rm":
		delete(m.marks, w[1])
	case len(w) == 3 && w[0] == "test" && w[1] == "-e":
		if !m.marks[w[2]] {
			return 1, ""
		}
	default:
		return 127, fmt.Sprintf("a machine that is not real knows no command %q\n", strings.Join(w, " "))
	}
	return 0, ""
}
