// Package stream is where a browser looks at a machine: the pages below
// /_slipway/stream/, and the gateway between a page's websocket and the display
// of a guest.
//
// Who may look at what is decided by the use cases (service), which hand out
// tickets and know the screens; how a display is reached is the driver's
// business. Here are HTTP, websockets and the life of a connection. The web
// client lies in web/; the protocol's filter in filter/.
package stream

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// Tickets are the use cases of a page.
type Tickets interface {
	// OpenAddress takes the token of an address; see service.OpenAddress.
	OpenAddress(ctx context.Context, token string) (*service.Screen, string, error)
	// Screen takes the token of a page; see service.Screen.
	Screen(ctx context.Context, page string) (*service.Screen, error)
}

// Displays reaches the displays of machines; a compute driver does.
type Displays interface {
	// Display opens a connection that speaks RFB, the display's greeting first.
	Display(ctx context.Context, machine string) (net.Conn, error)
}

// Config is everything the pages need.
type Config struct {
	Tickets  Tickets
	Sessions Sessions
	Displays Displays
	NewLink  func() string // names a connection, never twice the same
	// Assistant is behind the panel of image builders; nil: they have none.
	Assistant Assistant
	// Guests starts applications and moves files in users' sessions; nil: they can
	// do neither.
	Guests Guests
	// Pictures serves the picture that a path value "token" names, as the address of
	// an icon ends; it comes with Guests.
	Pictures http.Handler
	// Did is told what users do; nil: nobody is.
	Did func(Deed)
	// Streamed is told how long after a session began its user was sent something
	// of a picture for the first time; nil: nobody is.
	Streamed func(time.Duration)
	Secret   []byte // of this server's life: addresses of files are made with it
	// Resize gives the screen of a builder's or a session's guest another size, or
	// says why not; nil: displays alone are asked.
	Resize func(ctx context.Context, who domain.Key, width, height int) error
	Now    func() time.Time
	Log    *slog.Logger
	// Path is where the handler hangs, with a slash at both ends.
	Path string
	// Limits; 0 means the standard ones.
	Viewers        int           // connections at once: 1024
	ViewersPerPage int           // of one page: 4
	Look           time.Duration // how often the screen is asked for again: 5 s
	Slow           time.Duration // how long a viewer may take to receive a piece, of a picture or a file: 30 s
	Ping           time.Duration // how often a viewer must show that it is there: 20 s
	Body           time.Duration // how long the body of a request may take to come: 10 s; of a piece of a file 15 times as long
}

// Server serves pages and their connections until Close.
type Server struct {
	c       Config
	mux     *http.ServeMux
	origin  *url.URL
	figures figures

	mu      sync.Mutex
	closed  bool
	viewers map[*viewer]bool
	moved   map[domain.Key]int // files on their way, by session
	running sync.WaitGroup
}

// New makes the pages.
func New(c Config) *Server {
	for d, standard := range map[*time.Duration]time.Duration{&c.Look: 5 * time.Second, &c.Slow: 30 * time.Second, &c.Ping: 20 * time.Second, &c.Body: 10 * time.Second} {
		if *d == 0 {
			*d = standard
		}
	}
	if c.Viewers == 0 {
		c.Viewers = 1024
	}
	if c.ViewersPerPage == 0 {
		c.ViewersPerPage = 4
	}
	s := &Server{c: c, mux: http.NewServeMux(), viewers: map[*viewer]bool{}, moved: map[domain.Key]int{},
		figures: newFigures()}
	s.mux.HandleFunc("GET "+c.Path+"{$}", s.openAddress)
	s.mux.HandleFunc("GET "+c.Path+"p/{page}/{$}", s.openPage)
	s.mux.HandleFunc("GET "+c.Path+"p/{page}/status", s.status)
	s.mux.HandleFunc("GET "+c.Path+"p/{page}/socket", s.socket)
	s.mux.HandleFunc("POST "+c.Path+"p/{page}/end", s.endSession)
	s.mux.HandleFunc("GET "+c.Path+"assets/{file}", s.asset)
	if c.Assistant != nil {
		s.assistant()
	}
	if c.Guests != nil {
		s.applications()
		s.files()
	}
	s.mux.HandleFunc(c.Path, func(w http.ResponseWriter, r *http.Request) {
		s.notice(w, fault.New(fault.NotFound, "There is no such page."))
	})
	return s
}

// SetOrigin says how the server is called from outside, such as
// https://slipway.example.com. It comes before the first request.
func (s *Server) SetOrigin(origin string) error {
	u, err := url.Parse(origin)
	s.origin = u
	return err
}

type originKey struct{}

// Endpoint is the same pages at an access endpoint, which is called origin from
// outside: they show what may be looked at through it, and nothing else.
func (s *Server) Endpoint(id, origin string) (http.Handler, error) {
	u, err := url.Parse(origin)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(service.Through(r.Context(), id), originKey{}, u)
		s.ServeHTTP(w, r.WithContext(ctx))
	}), err
}

// originOf is how the place is called that a request came to.
func (s *Server) originOf(r *http.Request) *url.URL {
	if u, ok := r.Context().Value(originKey{}).(*url.URL); ok {
		return u
	}
	return s.origin
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if r.ContentLength != 0 {
		comes(w, s.c.Body)
	}
	s.mux.ServeHTTP(w, r)
}

// policy lets a page load its own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func secure(h http.Header) {
	for k, v := range map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
		"Permissions-Policy": "clipboard-read=(self), clipboard-write=(self), fullscreen=(self), camera=(), microphone=(), geolocation=(), usb=()",
	} {
		h.Set(k, v)
	}
}

// Close ends all connections, telling viewers to come again, and waits for
// them; files that leave are cut off at their next piece. Repeatable.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for v := range s.viewers {
		v.end(ending{code: comeAgain, text: "The server is restarting.", why: "shutdown"})
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func restarting() error { return fault.New(fault.Unavailable, "The server is restarting.") }

// enter counts a viewer in, or says why it may not.
func (s *Server) enter(v *viewer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := 0
	for o := range s.viewers {
		if o.page == v.page {
			same++
		}
	}
	switch {
	case s.closed:
		return restarting()
	case len(s.viewers) >= s.c.Viewers:
		return fault.New(fault.Unavailable, "Too many screens are looked at. Try again later.")
	case same >= s.c.ViewersPerPage:
		return fault.New(fault.Quota, "This page is connected %d times already.", same).WithHint("Close its other windows.")
	}
	s.viewers[v] = true
	s.running.Add(1)
	return nil
}

func (s *Server) leave(v *viewer) {
	s.mu.Lock()
	delete(s.viewers, v)
	s.figures.in += float64(v.in.Load())
	s.figures.out += float64(v.out.Load())
	s.figures.inputs += float64(v.inputs.Load())
	s.mu.Unlock()
	s.running.Done()
}

// cookie carries a page's token. It is sent to this page alone: its path is the
// page's.
const cookie = "slipway-page"

// tokenOf is the token of the page that a request is about. id, in the path, is
// the public part of it.
func tokenOf(r *http.Request) (string, error) {
	id := r.PathValue("page")
	for _, c := range r.CookiesNamed(cookie) {
		name, _, _ := strings.Cut(c.Value, ".")
		if subtle.ConstantTimeCompare([]byte(name), []byte(id)) == 1 {
			return c.Value, nil
		}
	}
	return "", fault.New(fault.Denied, "This page belongs to another browser.").WithHint("Open the streaming address that you were given.")
}

// pageOf finds the screen of the page that a request is about; the request must
// carry that page's token.
func (s *Server) pageOf(r *http.Request) (scr *service.Screen, token, id string, err error) {
	if token, err = tokenOf(r); err == nil {
		scr, err = s.c.Tickets.Screen(r.Context(), token)
	}
	return scr, token, r.PathValue("page"), err
}

// sameOrigin tells whether a request comes from a page of ours. Browsers send
// Origin with every websocket; what does not is no browser of a user's. A name
// that is not this server's is nobody's of ours, though Host says the same:
// whoever owns a name may have it lead here.
func (s *Server) sameOrigin(r *http.Request) bool {
	own, said := s.originOf(r), r.Header.Values("Origin")
	if len(said) != 1 || own == nil {
		return false
	}
	u, err := url.Parse(said[0])
	if err != nil || u.Host == "" || u.Scheme != own.Scheme {
		return false
	}
	return strings.EqualFold(u.Host, own.Host) || strings.EqualFold(u.Host, r.Host) && nobodys(u.Hostname())
}

// nobodys tells whether nobody can have a host name lead to another machine.
func nobodys(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil || name == "localhost"
}
