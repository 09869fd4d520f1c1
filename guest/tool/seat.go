package tool

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"slipway/guest"
)

// A seat is the session of whoever is signed in at the screen: applications are
// started in it, and files come and go, with that user's rights and no others.
// How a system keeps it is in seat_linux.go and seat_windows.go:
//
//	findSeat() (*seat, error)                 a problem when nobody is signed in
//	(*seat).start(guest.Launch, guest.Environment) (*started, error)
//	(*seat).as(func() error) error            runs it with the user's rights
//	(*seat).resize(guest.Size) error          gives the screen another size
//	(*seat).close()

// problem is an error with a name that the host knows.
type problem struct {
	kind, text string
	exit       int
}

func (p *problem) Error() string { return p.text }

// started is a program that runs.
type started struct {
	done chan struct{} // closed when it has ended; exit is written before
	exit int
}

// seated are the orders about the seat.
var seated = map[string]func(o *Orderly, args json.RawMessage) (guest.Report, error){
	guest.OrderLaunch: sit((*Orderly).launch), guest.OrderFiles: sit((*Orderly).files), guest.OrderWrite: sit((*Orderly).write),
	guest.OrderRead: sit((*Orderly).read), guest.OrderCancel: sit((*Orderly).cancel),
	guest.OrderScreen: sit((*Orderly).screen),
}

// sit finds the seat for an order, and names its problems.
func sit[T any](f func(o *Orderly, s *seat, in T) (guest.Report, error)) func(*Orderly, json.RawMessage) (guest.Report, error) {
	return func(o *Orderly, args json.RawMessage) (guest.Report, error) {
		var in T
		if err := json.Unmarshal(args, &in); err != nil {
			return guest.Report{}, err
		}
		find := o.seat
		if find == nil {
			find = findSeat
		}
		r := guest.Report{}
		s, err := find()
		if err == nil {
			r, err = f(o, s, in)
			s.close()
		}
		var p *problem
		if errors.As(err, &p) {
			r.Problem, r.Exit = p.kind, p.exit
		}
		return r, err
	}
}

// endsAtOnce is how long a program is watched: one that ends sooner, and badly,
// did not start.
const endsAtOnce = 1500 * time.Millisecond

// launch starts an application at the screen.
func (o *Orderly) launch(s *seat, in guest.Launch) (guest.Report, error) {
	if !filepath.IsAbs(in.Path) {
		return guest.Report{}, &problem{kind: guest.ProblemMissing, text: "the program's path is not absolute"}
	}
	o.mu.Lock()
	env := o.env
	o.mu.Unlock()
	p, err := s.start(in, env)
	if err != nil {
		return guest.Report{}, err
	}
	watch := o.watch
	if watch == 0 {
		watch = endsAtOnce
	}
	t := time.NewTimer(watch)
	defer t.Stop()
	select {
	case <-p.done:
		if p.exit != 0 {
			return guest.Report{}, &problem{kind: guest.ProblemEnded, text: "the program ended at once", exit: p.exit}
		}
	case <-t.C:
	}
	return guest.Report{}, nil
}

// whyNot names the problem of starting a program.
func whyNot(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &problem{kind: guest.ProblemMissing, text: "there is no such program"}
	case errors.Is(err, fs.ErrPermission):
		return &problem{kind: guest.ProblemProgram, text: "the program may not be run"}
	}
	return &problem{kind: guest.ProblemProgram, text: "the program could not be started: " + err.Error()}
}

// with is an environment with the variables of a session in it.
func with(env []string, e guest.Environment) []string {
	out := slices.Clone(env)
	for _, vars := range []map[string]string{e.Machine, e.User} {
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			out = slices.DeleteFunc(out, func(kv string) bool {
				old, _, _ := strings.Cut(kv, "=")
				return old == name || System == "windows" && strings.EqualFold(old, name)
			})
			out = append(out, name+"="+vars[name])
		}
	}
	return out
}

// words cuts launch parameters as a shell does that expands nothing: blanks
// separate, quotes and backslashes keep together. What is not closed ends with
// the line.
func words(line string) (out []string) {
	var b strings.Builder
	var quote rune
	in, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' && r != '$' && r != '`' {
				b.WriteRune('\\')
			}
			b.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, in = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, in = r, true
		case quote == 0 && unicode.IsSpace(r):
			if in {
				out = append(out, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteRune(r)
			in = true
		}
	}
	if escaped {
		b.WriteRune('\\')
	}
	if in {
		out = append(out, b.String())
	}
	return out
}

// commandLine is what Windows is given: the parameters stand in it as they are.
func commandLine(path, parameters string) string {
	line := `"` + path + `"`
	if parameters != "" {
		line += " " + parameters
	}
	switch ext := strings.ToLower(path[strings.LastIndex(path, ".")+1:]); ext {
	case "bat", "cmd":
		// cmd.exe takes the outer quotes away (cmd /?).
		return `cmd.exe /d /s /c "` + line + `"`
	}
	return line
}

// openFolder opens the transfer folder of the user, making it when missing. It
// must run with the user's rights. Links that lead out of the home are not
// followed.
func (s *seat) openFolder() (*os.Root, error) {
	home, err := os.OpenRoot(s.home)
	if err != nil {
		return nil, err
	}
	defer home.Close()
	if err := home.MkdirAll(folderPath, 0o700); err != nil {
		return nil, err
	}
	return home.OpenRoot(folderPath)
}
