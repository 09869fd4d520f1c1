package stream

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// MaxUpload is how many bytes of a file come in one request: a page sends a file
// in as many as it takes, and goes on after the last that arrived.
const MaxUpload = 1 << 20

// moving is how many files of one session may be on their way at once: a page sends
// one after the other, and a browser has no more connections. Each takes a piece of
// memory.
const moving = 8

// moves counts a file that begins its way; done that it has ended.
func (s *Server) moves(session domain.Key) (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved[session] >= moving {
		return nil, fault.New(fault.Busy, "%d files of this session are on their way.", moving).WithHint("Wait until one has arrived.")
	}
	s.moved[session]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.moved[session]--; s.moved[session] == 0 {
			delete(s.moved, session)
		}
	}, nil
}

// linkLife is how long the address of a file works, also to go on with it.
const linkLife = time.Hour

// file is one of the transfer folder, as the page knows it.
type file struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Href     string    `json:"href,omitempty"` // when it may be had
}

type folder struct {
	Files    []file `json:"files"`
	Upload   bool   `json:"upload"`
	Download bool   `json:"download"`
	Piece    int    `json:"piece"` // bytes of one request
}

// arrived answers a piece of a file.
type arrived struct {
	Have int64  `json:"have"`
	Name string `json:"name,omitempty"` // it is whole, and called so
}

// files hangs the handlers about files below the pages.
func (s *Server) files() {
	at := s.c.Path + "p/{page}/files"
	type none struct{}
	s.mux.HandleFunc("GET "+at, userPage(s, func(r *http.Request, scr *service.Screen, _ none) (any, error) {
		if !scr.Upload && !scr.Download {
			return nil, notAllowed("exchange files")
		}
		if err := up(scr); err != nil {
			return nil, err
		}
		list, err := s.c.Guests.Files(r.Context(), scr.Session.Key)
		if err != nil {
			return nil, err
		}
		out := folder{Files: []file{}, Upload: scr.Upload, Download: scr.Download, Piece: MaxUpload}
		for _, f := range list {
			x := file{Name: f.Name, Size: f.Size, Modified: f.Modified}
			if scr.Download {
				x.Href = s.linkOf(r.PathValue("page"), f.Name)
			}
			out.Files = append(out.Files, x)
		}
		return out, nil
	}))
	s.mux.HandleFunc("GET "+at+"/get/{name}", s.download)
	s.mux.HandleFunc("PUT "+at+"/put/{name}", s.upload)
	s.mux.HandleFunc("DELETE "+at+"/put/{name}", userPage(s, func(r *http.Request, scr *service.Screen, _ none) (any, error) {
		f, _, err := arriving(r)
		if err == nil && !scr.Upload {
			err = notAllowed("upload files")
		}
		if err == nil {
			err = up(scr)
		}
		if err != nil {
			return nil, err
		}
		err = s.c.Guests.CancelFile(r.Context(), scr.Session.Key, f)
		s.did(r, scr, Upload, f.Name, 0, errors.Join(fault.New(fault.Canceled, "The user gave the file up."), err))
		return none{}, err
	}))
}

func notAllowed(what string) error {
	return fault.New(fault.Denied, "Users of this stack may not %s.", what)
}

// arriving reads what a request says about the file that it brings.
func arriving(r *http.Request) (f domain.Arriving, offset int64, err error) {
	q := r.URL.Query()
	size, err1 := strconv.ParseInt(q.Get("size"), 10, 64)
	offset, err2 := strconv.ParseInt(q.Get("offset"), 10, 64)
	f = domain.Arriving{Name: r.PathValue("name"), ID: q.Get("id"), Size: size}
	if err1 != nil || err2 != nil && r.Method != http.MethodDelete || size < 0 || offset < 0 {
		return f, 0, fault.New(fault.BadValue, "The request cannot be read.")
	}
	return f, offset, nil
}

// upload takes one piece of a file.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	const what = "a file that comes"
	if !s.sameOrigin(r) {
		s.refuse(w, what, fault.New(fault.Denied, "This is for the streaming page of this server alone."))
		return
	}
	token, err := tokenOf(r)
	var scr *service.Screen
	if err == nil {
		scr, err = s.sessionOf(r, token)
	}
	if err != nil {
		s.refuse(w, what, err)
		return
	}
	f, offset, err := arriving(r)
	out := arrived{}
	if err == nil {
		out, err = s.put(w, r, scr, f, offset)
	}
	if err != nil {
		s.did(r, scr, Upload, f.Name, 0, err)
		s.refuse(w, what, err)
		return
	}
	if out.Name != "" {
		s.did(r, scr, Upload, out.Name, f.Size, nil)
	}
	s.answer(w, http.StatusOK, out)
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, scr *service.Screen, f domain.Arriving, offset int64) (out arrived, err error) {
	if !scr.Upload {
		return out, notAllowed("upload files")
	}
	if err := up(scr); err != nil {
		return out, err
	}
	over, err := s.moves(scr.Session.Key)
	if err != nil {
		return out, err
	}
	defer over()
	done := comes(w, 15*s.c.Body)
	piece, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxUpload))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return out, fault.Wrap(fault.BadValue, err, "A request brings at most %d bytes of a file.", MaxUpload)
	} else if err != nil {
		return out, fault.Wrap(fault.BadValue, err, "The request cannot be read.")
	}
	done()
	s.stir(r.PathValue("page"))
	out.Have, out.Name, err = s.c.Guests.PutFile(r.Context(), scr.Session.Key, f, offset, piece)
	return out, err
}

// linkOf is where a page's user can have a file: the page's cookie is asked for
// as well, but a browser that loads a file does not say from which page it was
// told to. Nobody else can make such an address.
func (s *Server) linkOf(page, name string) string {
	until := s.c.Now().Add(linkLife).Unix()
	return s.pagePath(page) + "files/get/" + url.PathEscape(name) + "?" + url.Values{"until": {strconv.FormatInt(until, 10)}, "mac": {s.mac(page, name, until)}}.Encode()
}

func (s *Server) mac(page, name string, until int64) string {
	m := hmac.New(sha256.New, s.c.Secret)
	fmt.Fprintf(m, "slipway file %q %q %d", page, name, until)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// download sends a file, or the part of it that a browser still lacks.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	name, page := r.PathValue("name"), r.PathValue("page")
	until, err := strconv.ParseInt(r.URL.Query().Get("until"), 10, 64)
	if err != nil || !hmac.Equal([]byte(s.mac(page, name, until)), []byte(r.URL.Query().Get("mac"))) {
		s.notice(w, fault.New(fault.Denied, "This is not the address of a file."))
		return
	}
	token, err := tokenOf(r)
	if err == nil && until < s.c.Now().Unix() {
		err = fault.New(fault.Denied, "The address of the file has expired.").WithHint("Open the list of files again.")
	}
	var scr *service.Screen
	if err == nil {
		scr, err = s.sessionOf(r, token)
	}
	if err != nil {
		s.notice(w, err)
		return
	}
	f := &leaving{ResponseWriter: w, name: name, session: scr.Session.Key, r: r, s: s, token: token, looked: s.c.Now()}
	over, err := s.moves(f.session)
	if err == nil {
		defer over()
		err = f.begin(scr)
	}
	if err != nil {
		s.did(r, scr, Download, name, 0, err)
		s.notice(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	sum := sha256.Sum256([]byte(f.first.Stamp)) // the guest's words
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	if strings.Contains(r.Header.Get("Range"), ",") {
		r.Header.Del("Range") // each of many parts would be asked of the guest
	}
	http.ServeContent(f, r, "", time.Time{}, f)
	s.did(r, scr, Download, name, f.sent, f.err)
	if f.err != nil {
		panic(http.ErrAbortHandler) // so that the browser knows that it has not all
	}
}

// leaving reads a file of a guest, and writes it to a browser.
type leaving struct {
	http.ResponseWriter
	name, token string
	session     domain.Key
	r           *http.Request
	s           *Server
	first       domain.Leaving // as the file was when it began
	at, sent    int64
	rest        []byte // of what came, at the place at
	looked      time.Time
	err         error
}

func (f *leaving) begin(scr *service.Screen) (err error) {
	if !scr.Download {
		return notAllowed("download files")
	}
	if err := up(scr); err != nil {
		return err
	}
	f.s.stir(f.r.PathValue("page"))
	f.first, err = f.s.c.Guests.GetFile(f.r.Context(), f.session, f.name, 0)
	f.rest = f.first.Data
	return err
}

// Seek implements io.Seeker for http.ServeContent.
func (f *leaving) Seek(offset int64, whence int) (int64, error) {
	to := offset
	switch whence {
	case io.SeekCurrent:
		to += f.at
	case io.SeekEnd:
		to += f.first.Size
	}
	if to < 0 {
		return f.at, errors.New("before the beginning")
	}
	if to != f.at {
		f.at, f.rest = to, nil
	}
	if to == 0 {
		f.rest = f.first.Data
	}
	return to, nil
}

// Write implements http.ResponseWriter. A browser that takes nothing is not waited
// for.
func (f *leaving) Write(p []byte) (int, error) {
	done := goes(f.ResponseWriter, f.s.c.Slow)
	n, err := f.ResponseWriter.Write(p)
	if f.sent += int64(n); err == nil {
		// What is kept back is lost when the rest cannot be had.
		err = http.NewResponseController(f.ResponseWriter).Flush()
	}
	done()
	if err != nil {
		f.err = fault.Wrap(fault.Canceled, err, "The browser did not take all of it.")
	}
	return n, err
}

// Read implements io.Reader. While it goes on, it is asked again whether the user
// may have it.
func (f *leaving) Read(p []byte) (int, error) {
	if f.at >= f.first.Size {
		return 0, io.EOF
	}
	if len(f.rest) == 0 {
		if f.err = f.more(); f.err != nil {
			return 0, f.err
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	f.at += int64(n)
	return n, nil
}

func (f *leaving) more() error {
	if f.s.isClosed() {
		return restarting()
	}
	if now := f.s.c.Now(); now.Sub(f.looked) >= f.s.c.Look {
		f.looked = now
		scr, err := f.s.sessionOf(f.r, f.token)
		if err == nil && (!scr.Download) {
			err = notAllowed("download files")
		}
		if err != nil {
			return err
		}
		f.s.stir(f.r.PathValue("page"))
	}
	x, err := f.s.c.Guests.GetFile(f.r.Context(), f.session, f.name, f.at)
	switch {
	case err != nil:
		return err
	case x.Stamp != f.first.Stamp || len(x.Data) == 0:
		return fault.New(fault.Busy, "The file changed while it was sent.")
	}
	f.rest = x.Data
	return nil
}
