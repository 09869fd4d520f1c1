package stream

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// web holds the pages and, where `make web` was run before the binary was built,
// the client.
//
//go:embed web/page.html web/notice.html web/style.css all:web/dist
var web embed.FS

var pages = template.Must(template.ParseFS(web, "web/*.html"))

// client is the program of the page; without it there are no screens.
const client = "app.js"

// statuses of HTTP for what a page may be refused with.
var statuses = map[fault.Kind]int{
	fault.Denied: http.StatusForbidden, fault.NotFound: http.StatusNotFound, fault.WrongState: http.StatusConflict, fault.NotAvailable: http.StatusConflict,
	fault.BadValue: http.StatusBadRequest, fault.BadCombination: http.StatusBadRequest, fault.Exists: http.StatusConflict, fault.Busy: http.StatusConflict,
	fault.InUse: http.StatusConflict, fault.Quota: http.StatusTooManyRequests, fault.Unavailable: http.StatusServiceUnavailable, fault.Unsupported: http.StatusNotImplemented,
}

func statusOf(err error) int {
	if n := statuses[fault.KindOf(err)]; n != 0 {
		return n
	}
	return http.StatusInternalServerError
}

// titles are what a page that refuses is headed with.
var titles = map[fault.Kind]string{
	fault.Denied: "This address does not open a screen", fault.NotFound: "There is nothing here", fault.WrongState: "There is no screen now",
	fault.NotAvailable: "There is no screen now", fault.Quota: "Too many", fault.Unavailable: "Not now", fault.Unsupported: "No streaming pages here",
}

func titleOf(err error) string {
	switch t := titles[fault.KindOf(err)]; {
	case codeOf(err) == service.TicketExpired:
		return "This address has expired"
	case t != "":
		return t
	}
	return "Something went wrong"
}

// notice answers with a page that only says something.
func (s *Server) notice(w http.ResponseWriter, err error) {
	if statusOf(err) == http.StatusInternalServerError {
		s.c.Log.Error("a streaming page", "err", err)
	}
	data := map[string]string{"Title": titleOf(err), "Text": fault.Public(err), "Path": s.c.Path}
	if fault.Is(err, fault.Unavailable) {
		data["Again"] = strconv.Itoa(int(askAgain.Seconds()))
		w.Header().Set("Retry-After", data["Again"])
	}
	s.render(w, statusOf(err), "notice.html", data)
}

// askAgain is after how long a page is asked for once more where it may come soon,
// for instance when all machines of a fleet are taken.
const askAgain = 5 * time.Second

func (s *Server) render(w http.ResponseWriter, status int, name string, data map[string]string) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		s.c.Log.Error("a streaming page", "err", err)
		http.Error(w, "An internal error occurred.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // whoever asked has gone: nobody to tell
}

// built tells whether the client is in this binary.
func built() error {
	if _, err := fs.Stat(web, "web/dist/"+client); err != nil {
		return fault.New(fault.Unsupported, "This server was built without its streaming pages.").WithHint("Build them with `make web`, then build the server again.")
	}
	return nil
}

// openAddress makes a page of its own for whoever has an address. There is no
// redirection: a cookie for this site alone would not follow one that began
// elsewhere. The page takes the address out of the browser's bar.
func (s *Server) openAddress(w http.ResponseWriter, r *http.Request) {
	err := built()
	var scr *service.Screen
	var token string
	if err == nil {
		scr, token, err = s.c.Tickets.OpenAddress(r.Context(), r.URL.Query().Get(service.StreamToken))
	}
	if err != nil {
		s.notice(w, err)
		return
	}
	id, _, _ := strings.Cut(token, ".")
	c := &http.Cookie{Name: cookie, Value: token, Path: s.pagePath(id), HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.originOf(r).Scheme == "https"}
	if len(scr.Embedders) > 0 && c.Secure {
		// In a frame of another site nothing stricter is sent; it is kept apart
		// for each site that frames.
		c.SameSite, c.Partitioned = http.SameSiteNoneMode, true
	}
	http.SetCookie(w, c)
	s.page(w, scr, id)
}

// openPage is the same page again, after a reload.
func (s *Server) openPage(w http.ResponseWriter, r *http.Request) {
	scr, _, id, err := s.pageOf(r)
	if err == nil {
		err = built()
	}
	if err != nil {
		s.notice(w, err)
		return
	}
	s.page(w, scr, id)
}

func (s *Server) pagePath(id string) string { return s.c.Path + "p/" + id + "/" }

func (s *Server) page(w http.ResponseWriter, scr *service.Screen, id string) {
	framed(w.Header(), scr.Embedders)
	data := map[string]string{"Title": scr.Title, "Path": s.c.Path, "Page": s.pagePath(id)}
	if scr.Session != nil {
		data["Session"], data["View"], data["Launched"] = scr.Session.Key.Name, scr.Session.View, scr.Session.Launched
		if s.c.Guests != nil {
			data["Applications"], data["Wish"] = "yes", scr.Application
		}
	}
	if scr.Ticket.Purpose == domain.ForBuilder && s.c.Assistant != nil {
		data["Assistant"] = "yes"
	}
	s.render(w, http.StatusOK, "page.html", data)
}

// Status is what a page asks for while it is not connected.
type Status struct {
	Title string    `json:"title,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Error string    `json:"error,omitempty"`
	// Waiting: the machine of the session is being started.
	Waiting bool `json:"waiting,omitempty"`
	// Final: asking again is of no use.
	Final bool `json:"final,omitempty"`
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	scr, _, _, err := s.pageOf(r)
	if err != nil {
		s.answer(w, statusOf(err), Status{Error: fault.Public(err), Final: final(err)})
		return
	}
	s.answer(w, http.StatusOK, Status{Title: scr.Title, Until: scr.Until, Waiting: scr.Machine == ""})
}

// final tells whether nothing a page waits for can happen.
func final(err error) bool { return fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) }

func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // whoever asked has gone: nobody to tell
}

var kinds = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8"}

// asset serves a file of the client. They are the same for everybody.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	kind := kinds[path.Ext(name)]
	b, err := fs.ReadFile(web, "web/dist/"+name)
	if err != nil && name == "style.css" {
		b, err = fs.ReadFile(web, "web/style.css")
	}
	if err != nil || kind == "" {
		s.notice(w, fault.New(fault.NotFound, "There is no such file."))
		return
	}
	sum := sha256.Sum256(b)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache") // asked for again, sent again only when changed
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

func codeOf(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
