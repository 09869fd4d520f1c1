package stream

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// Guests does in the guest of a session what its user asks for. Errors:
// NotAvailable (its tool does not answer, nobody is signed in there, a program
// does not start), NotFound, BadValue, Quota, Denied, all fit for the user.
type Guests interface {
	Launch(ctx context.Context, session domain.Key, app domain.Application) error
	Files(ctx context.Context, session domain.Key) ([]domain.SessionFile, error)
	// PutFile adds a piece at an offset; have is how much is there then. A piece
	// that does not begin there changes nothing. When the file is whole, name is
	// what it is called.
	PutFile(ctx context.Context, session domain.Key, f domain.Arriving, offset int64, piece []byte) (have int64, name string, err error)
	CancelFile(ctx context.Context, session domain.Key, f domain.Arriving) error
	GetFile(ctx context.Context, session domain.Key, name string, offset int64) (domain.Leaving, error)
}

// Deed is what a session's user did beside looking.
type Deed struct {
	What        string // Launch, Upload or Download
	Session     domain.Key
	User        string
	Stack       string
	Name        string // of the application or the file
	Bytes       int64
	At          time.Time
	Source      string // address of the user, with a port
	Browser     string
	Err         error // it was refused or went wrong
	SessionView string
}

// What a deed can be.
const (
	Launch   = "LaunchApplication"
	Upload   = "UploadFile"
	Download = "DownloadFile"
)

// maxName is how many bytes of a name are written down: anybody may ask for any.
const maxName = 255

// did tells of a deed: it is counted, logged, and written down for good.
func (s *Server) did(r *http.Request, scr *service.Screen, what, name string, bytes int64, err error) {
	name = strings.ToValidUTF8(name[:min(len(name), maxName)], "")
	s.figures.did(what, bytes, err)
	d := Deed{What: what, Session: scr.Session.Key, User: scr.Session.User, Stack: scr.Session.Stack, Name: name, Bytes: bytes,
		At: s.c.Now(), Source: r.RemoteAddr, Browser: r.UserAgent(), Err: err, SessionView: scr.Session.View}
	s.c.Log.Info("a session's user acts", "what", what, "session", d.Session.Name, "user", d.User, "name", name, "bytes", bytes, "err", err)
	if s.c.Did != nil {
		s.c.Did(d)
	}
}

// userPage makes a handler from a function on the screen of a session's page.
func userPage[I any](s *Server, f func(r *http.Request, scr *service.Screen, in I) (any, error)) http.HandlerFunc {
	return asked(s, "a session's page", func(r *http.Request, token string, in I) (any, error) {
		scr, err := s.sessionOf(r, token)
		if err != nil {
			return nil, err
		}
		return f(r, scr, in)
	})
}

// sessionOf is the screen of a page that is a session's.
func (s *Server) sessionOf(r *http.Request, token string) (*service.Screen, error) {
	scr, err := s.c.Tickets.Screen(r.Context(), token)
	if err == nil && scr.Session == nil {
		err = fault.New(fault.Unsupported, "This is for users' sessions; the page shows an image builder.")
	}
	return scr, err
}

// up wants the guest of a session to be there.
func up(scr *service.Screen) error {
	if scr.Machine == "" {
		return fault.New(fault.WrongState, "The session is being prepared.")
	}
	return nil
}

// choice is an application to choose. Where it lies in the guest is not told.
type choice struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Icon  string `json:"icon,omitempty"` // a path on this server
}

// choices are all of a session.
type choices struct {
	Applications []choice `json:"applications"`
}

// wanted is the application that is to be started.
type wanted struct {
	Name string `json:"name"`
}

// applications hangs the handlers about applications below the pages.
func (s *Server) applications() {
	at := s.c.Path + "p/{page}/"
	type none struct{}
	s.mux.HandleFunc("GET "+at+"applications", userPage(s, func(r *http.Request, scr *service.Screen, _ none) (any, error) {
		list, err := s.c.Sessions.SessionApplications(r.Context(), scr.Session.Key)
		out := choices{Applications: []choice{}}
		for _, a := range list {
			c := choice{Name: a.Name, Title: a.DisplayName, Icon: s.pictureOf(r.PathValue("page"), a.IconURL)}
			if c.Title == "" {
				c.Title = a.Name
			}
			out.Applications = append(out.Applications, c)
		}
		return out, err
	}))
	s.mux.Handle("GET "+at+"pictures/{token}", s.c.Pictures)
	s.mux.HandleFunc("POST "+at+"launch", userPage(s, func(r *http.Request, scr *service.Screen, in wanted) (any, error) {
		err := s.launch(r, scr, in.Name)
		s.did(r, scr, Launch, in.Name, 0, err)
		return none{}, err
	}))
}

// pictureOf is where a page has the picture of an address: below itself, so that it
// is there wherever the page is, also at an access endpoint.
func (s *Server) pictureOf(page, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Path == "" {
		return ""
	}
	return s.pagePath(page) + "pictures/" + url.PathEscape(path.Base(u.Path))
}

func (s *Server) launch(r *http.Request, scr *service.Screen, name string) error {
	if err := up(scr); err != nil {
		return err
	}
	list, err := s.c.Sessions.SessionApplications(r.Context(), scr.Session.Key)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.Name != name {
			continue
		}
		s.stir(r.PathValue("page"))
		if err := s.c.Guests.Launch(r.Context(), scr.Session.Key, a.Application); err != nil {
			return err
		}
		return s.c.Sessions.SessionLaunched(r.Context(), scr.Session.Key, name)
	}
	return fault.New(fault.BadValue, "This application is not in the catalogue of the session.")
}

// stir notes that the user of a page is there, though neither keys nor pointer
// have reached the guest.
func (s *Server) stir(page string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.viewers {
		if v.page == page {
			v.stirs.Add(1)
		}
	}
}
