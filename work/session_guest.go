package work

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
)

// Seats carries out in guests what the users of sessions ask for: applications
// that start, files that come and go. It decides nothing about who may.
type Seats struct {
	// Talk lets f give orders to the tool in a session's guest; see Listener.
	Talk func(ctx context.Context, session domain.Key, f func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error) error
}

// seatTime is how long a user waits for a guest tool that does not answer.
const seatTime = time.Minute

// give gives an order to the tool of a session's guest, and says in a user's words
// why it could not be carried out.
func (s *Seats) give(ctx context.Context, session domain.Key, name string, args any) (r guest.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, seatTime)
	defer cancel()
	err = s.Talk(ctx, session, func(ctx context.Context, o *guest.Orders, _ guest.Greeting) error {
		r, err = o.Give(ctx, name, args)
		return err
	})
	return r, problemOf(r, err)
}

// problems are the words for users, and their kind.
var problems = map[string]func(err error, r guest.Report) error{
	guest.ProblemNobody: func(err error, _ guest.Report) error {
		return fault.Wrap(fault.NotAvailable, err, "Nobody is signed in at the screen of the machine.").WithHint("Try again when its desktop is there, or sign in.")
	},
	guest.ProblemMissing: func(err error, _ guest.Report) error {
		return fault.Wrap(fault.NotFound, err, "It is not there any more.")
	},
	guest.ProblemDirectory: func(err error, _ guest.Report) error {
		return fault.Wrap(fault.NotFound, err, "The directory that it starts in is not there.")
	},
	guest.ProblemProgram: func(err error, _ guest.Report) error {
		return fault.Wrap(fault.NotAvailable, err, "Its program cannot be run.")
	},
	guest.ProblemEnded: func(err error, r guest.Report) error {
		return fault.Wrap(fault.NotAvailable, err, "It started and ended at once (exit code %d).", r.Exit)
	},
	guest.ProblemName: func(err error, _ guest.Report) error {
		return badFileName()
	},
	guest.ProblemSize: func(err error, _ guest.Report) error {
		return fault.Wrap(fault.Quota, err, "The file is too large, or the machine's disk is full.")
	},
	guest.ProblemScreen: func(err error, _ guest.Report) error {
		return fault.Wrap(fault.Unsupported, err, "The guest's screen keeps its size.")
	},
	guest.ProblemDenied: func(err error, _ guest.Report) error {
		return fault.Wrap(fault.Denied, err, "The machine does not allow that.")
	},
}

func problemOf(r guest.Report, err error) error {
	if say := problems[r.Problem]; err != nil && say != nil {
		return say(err, r)
	}
	return err
}

func badFileName() error {
	return fault.New(fault.BadValue, "A file may not be called so.").WithHint(`Use a name without / \ : * ? " < > |, of at most 255 bytes.`)
}

// Launch starts an application for the user at the screen of a session. Errors:
// NotFound, NotAvailable.
func (s *Seats) Launch(ctx context.Context, session domain.Key, app domain.Application) error {
	title := app.DisplayName
	if title == "" {
		title = app.Name
	}
	r, err := s.give(ctx, session, guest.OrderLaunch, guest.Launch{Path: app.Path, Parameters: app.Parameters, Directory: app.WorkingDirectory})
	var f *fault.Error
	if err != nil && r.Problem != "" && errors.As(err, &f) {
		words := *f
		words.Public = title + " could not be started: " + strings.ToLower(f.Public[:1]) + f.Public[1:]
		return &words
	}
	return err
}

// Resize gives the screen of a session or an image builder another size. Errors:
// Unsupported when the guest cannot, NotAvailable.
func (s *Seats) Resize(ctx context.Context, who domain.Key, width, height int) error {
	_, err := s.give(ctx, who, guest.OrderScreen, guest.Size{Width: width, Height: height})
	return err
}

// maxFiles bounds a list: what a guest says after that is not heard.
const maxFiles = 5000

// Files lists the transfer folder of a session, in order of name.
func (s *Seats) Files(ctx context.Context, session domain.Key) (out []domain.SessionFile, err error) {
	for after := ""; ; {
		r, err := s.give(ctx, session, guest.OrderFiles, guest.Asked{ID: after})
		if err != nil {
			return nil, err
		}
		if r.Folder == nil {
			return out, nil
		}
		for _, f := range r.Folder.Files {
			// Guests are not believed.
			if guest.FileName(f.Name) && f.Name > after && f.Size >= 0 && len(out) < maxFiles {
				after = f.Name
				out = append(out, domain.SessionFile{Name: f.Name, Size: f.Size, Modified: f.Modified})
			}
		}
		if !r.Folder.More || len(r.Folder.Files) == 0 || len(out) >= maxFiles || after != r.Folder.Files[len(r.Folder.Files)-1].Name {
			return out, nil
		}
	}
}

// filePiece is what every order about a file that arrives says.
func filePiece(f domain.Arriving) (guest.FilePiece, error) {
	switch {
	case !guest.FileName(f.Name):
		return guest.FilePiece{}, badFileName()
	case f.Size > guest.MaxFile:
		return guest.FilePiece{}, fault.New(fault.Quota, "The file is too large: at most %d MiB are taken.", guest.MaxFile>>20)
	case f.ID == "" || len(f.ID) > 100 || strings.Trim(f.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "":
		return guest.FilePiece{}, fault.New(fault.BadValue, "The request cannot be read.")
	}
	return guest.FilePiece{Name: f.Name, ID: f.ID, Size: f.Size}, nil
}

// PutFile adds to a file that arrives; see stream.Guests. Errors: BadValue, Quota,
// NotAvailable, Denied.
func (s *Seats) PutFile(ctx context.Context, session domain.Key, f domain.Arriving, offset int64, piece []byte) (have int64, name string, err error) {
	p, err := filePiece(f)
	if err != nil {
		return 0, "", err
	}
	p.Offset = offset
	for {
		p.Data = piece[:min(len(piece), guest.MaxPiece)]
		piece = piece[len(p.Data):]
		r, err := s.give(ctx, session, guest.OrderWrite, p)
		if err != nil {
			return have, "", err
		}
		have = max(0, min(r.Have, f.Size))
		switch next := p.Offset + int64(len(p.Data)); {
		case r.Whole && r.Folder != nil && guest.FileName(r.Folder.Name):
			return f.Size, r.Folder.Name, nil
		case r.Whole:
			return f.Size, f.Name, nil
		case have != next || len(piece) == 0:
			return have, "", nil
		default:
			p.Offset = next
		}
	}
}

// CancelFile forgets what came of a file; repeatable.
func (s *Seats) CancelFile(ctx context.Context, session domain.Key, f domain.Arriving) error {
	p, err := filePiece(f)
	if err == nil {
		_, err = s.give(ctx, session, guest.OrderCancel, p)
	}
	return err
}

// GetFile reads a piece of a file that leaves. Errors: NotFound, BadValue,
// NotAvailable, Denied.
func (s *Seats) GetFile(ctx context.Context, session domain.Key, name string, offset int64) (out domain.Leaving, err error) {
	if !guest.FileName(name) {
		return out, badFileName()
	}
	r, err := s.give(ctx, session, guest.OrderRead, guest.FilePiece{Name: name, Offset: offset})
	switch {
	case err != nil:
		return out, err
	case r.Folder == nil || r.Folder.Size < 0 || len(r.Folder.Data) > guest.MaxPiece || offset+int64(len(r.Folder.Data)) > r.Folder.Size || !utf8.ValidString(r.Folder.Stamp):
		return out, fault.New(fault.NotAvailable, "The guest tool's report about a file is wrong.")
	}
	return domain.Leaving{Data: r.Folder.Data, Size: r.Folder.Size, Stamp: r.Folder.Stamp}, nil
}
