package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// OwnPrefix is the part of the URL space that is not AWS's; requests below
// OwnAPIPrefix must be signed for the service OwnSigningName.
const (
	OwnPrefix      = "/_slipway/"
	OwnAPIPrefix   = "/_slipway/v1/"
	OwnSigningName = "slipway"
)

// DefaultMaxBody is the cap on request bodies when Config.MaxBody is 0. The
// largest legitimate one is a set of client branding logos.
const DefaultMaxBody = 16 << 20

// Config is everything a server needs. All fields are required unless they say
// otherwise.
type Config struct {
	Services []*Service
	// Handlers does the work. An operation without one answers
	// NotImplementedException, HTTP 501.
	Handlers map[*Op]Handler
	// Codecs has one entry per protocol the services speak; see
	// package protocols.
	Codecs   []Codec
	Verifier Verifier
	Keys     Keys
	// Explain turns an error that is no *Exception into one: errors of
	// handlers, and *shape.ValidationError of requests. nil means it has no
	// opinion. May itself be nil.
	Explain func(op *Op, err error) *Exception
	// After sees every finished call of a known operation, including refused
	// ones (then c.Input may be nil and c.Identity empty). May be nil.
	After func(ctx context.Context, c *Call, o Outcome)

	Now          func() time.Time
	NewRequestID func() string
	Log          *slog.Logger
	// DevCredentials takes every request's access key at its word: nothing is
	// verified, and Keys decides who an unknown (or empty) key is.
	DevCredentials bool
	// Own serves everything below OwnPrefix; may be nil.
	Own     http.Handler
	MaxBody int64 // 0: DefaultMaxBody
	// BodyRoom is how many bytes of large bodies are held at once; 0 means
	// DefaultBodyRoom.
	BodyRoom int64
	// BodyTimeout is how long a caller may take to send a body; 0 means
	// DefaultBodyTimeout.
	BodyTimeout time.Duration
}

// NewServer makes the handler of the whole port. It panics when the
// configuration is incomplete: that is a mistake in the program.
func NewServer(c Config) http.Handler {
	if c.Now == nil || c.NewRequestID == nil || c.Log == nil || c.Keys == nil || (c.Verifier == nil && !c.DevCredentials) {
		panic("wire: incomplete Config")
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.BodyRoom == 0 {
		c.BodyRoom = DefaultBodyRoom
	}
	if c.BodyTimeout == 0 {
		c.BodyTimeout = DefaultBodyTimeout
	}
	s := &server{cfg: c, codecs: map[Protocol]Codec{}, router: newRouter(c.Services), room: &bodyRoom{left: c.BodyRoom}}
	for _, codec := range c.Codecs {
		s.codecs[codec.Protocol()] = codec
	}
	known := map[*Op]bool{}
	for _, svc := range c.Services {
		for _, p := range svc.Protocols {
			if s.codecs[p] == nil {
				panic(fmt.Sprintf("wire: %s speaks %s, for which there is no codec", svc.Name, p))
			}
		}
		for _, op := range svc.Ops {
			known[op] = true
		}
	}
	for op, h := range c.Handlers {
		if !known[op] || h == nil {
			panic(fmt.Sprintf("wire: handler for %s.%s, which is not served, or none", op.Service.Name, op.Name))
		}
	}
	return s
}

type server struct {
	cfg    Config
	codecs map[Protocol]Codec
	router *router
	room   *bodyRoom
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := s.cfg.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	closed(w.Header())
	r = r.WithContext(context.WithValue(r.Context(), requestIDKey, id))
	if strings.HasPrefix(r.URL.Path, OwnPrefix) {
		s.serveOwn(w, r, id)
		return
	}
	x := &exchange{s: s, start: s.cfg.Now(), req: Request{HTTP: r, RequestID: id}}
	s.write(w, r, x.run(w))
}

func (s *server) write(w http.ResponseWriter, r *http.Request, resp *Response) {
	h := w.Header()
	for k, v := range resp.Header {
		h[k] = v
	}
	h.Set("Content-Length", strconv.Itoa(len(resp.Body)))
	writeWithin(w, answerTime)
	w.WriteHeader(resp.Status)
	if _, err := w.Write(resp.Body); err != nil {
		s.cfg.Log.Debug("the caller went away", "request", RequestIDFrom(r.Context()), "err", err)
	}
	writeWithin(w, 0)
	resp.release()
}

// serveOwn hands a request to Config.Own, after authentication where the path
// asks for it.
func (s *server) serveOwn(w http.ResponseWriter, r *http.Request, id string) {
	// A path that could be cleaned into another one could walk around the
	// check below.
	if p := r.URL.Path; s.cfg.Own == nil || strings.Contains(p, "//") || strings.Contains(p+"/", "/./") || strings.Contains(p+"/", "/../") {
		http.NotFound(w, r)
		return
	}
	if strings.HasPrefix(r.URL.Path+"/", OwnAPIPrefix) {
		signed, body, ex := s.ownCaller(w, r)
		if ex != nil {
			s.write(w, r, plainError(ex))
			return
		}
		r = r.WithContext(withIdentity(r.Context(), signed.Secret.Identity, signed.Region))
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if r.ContentLength != 0 { // also one that nobody reads is waited for
		readWithin(w, s.cfg.BodyTimeout)
	}
	s.cfg.Own.ServeHTTP(w, r)
}

func (s *server) ownCaller(w http.ResponseWriter, r *http.Request) (Signed, []byte, *Exception) {
	claim, ex := s.claim(r)
	if ex != nil {
		return Signed{}, nil, ex
	}
	free, ex := s.roomFor(w, r)
	if ex != nil {
		return Signed{}, nil, ex
	}
	defer free()
	body, ex := s.readBody(w, r)
	if ex != nil {
		return Signed{}, nil, ex
	}
	signed, ex := s.authenticate(r, claim, body, false)
	if ex == nil {
		ex = s.scoped(signed, OwnSigningName)
	}
	return signed, body, ex
}

// plainError is an error outside any AWS protocol.
func plainError(ex *Exception) *Response {
	return &Response{Status: ex.HTTPStatus(nil), Header: http.Header{"Content-Type": {"application/json"}},
		Body: []byte(`{"__type":` + strconv.Quote(ex.Code) + `,"message":` + strconv.QuoteToASCII(ex.Message) + `}`)}
}

// claim reads who a request says it is from. With DevCredentials it may be
// nobody: nil without an exception.
func (s *server) claim(r *http.Request) (Claim, *Exception) {
	if s.cfg.Verifier == nil {
		return nil, nil
	}
	c, err := s.cfg.Verifier.Claim(r)
	switch {
	case err == nil:
		return c, nil
	case s.cfg.DevCredentials:
		return nil, nil
	}
	return nil, s.unproven(r.Context(), err)
}

// authenticate finds out who sent the request. Whether the caller has signed
// for the right service is up to scoped.
func (s *server) authenticate(r *http.Request, c Claim, body []byte, unsignedBody bool) (Signed, *Exception) {
	ctx := r.Context()
	if s.cfg.DevCredentials {
		var sc Scope
		if c != nil {
			sc = c.Scope()
		}
		secret, err := s.cfg.Keys(ctx, sc.AccessKeyID)
		if errors.Is(err, ErrUnknownKey) {
			return Signed{}, Exceptionf("UnrecognizedClientException", "The security token included in the request is invalid.")
		}
		if err != nil {
			return Signed{}, s.internal(ctx, nil, fmt.Errorf("looking up an access key: %w", err))
		}
		return Signed{Secret: secret, Region: sc.Region, Service: sc.Service, Presigned: sc.Presigned}, nil
	}
	if unsignedBody && r.Header.Get("X-Amz-Content-Sha256") == "UNSIGNED-PAYLOAD" {
		body = nil
	}
	signed, err := c.Verify(r, body, s.cfg.Keys)
	switch {
	case err != nil:
		return Signed{}, s.unproven(ctx, err)
	case !regionName(signed.Region):
		return Signed{}, Exceptionf("InvalidSignatureException", "Credential should be scoped to a valid region.")
	}
	return signed, nil
}

// scoped refuses a credential that was made for another service.
func (s *server) scoped(who Signed, service string) *Exception {
	if who.Service == service || s.cfg.DevCredentials {
		return nil
	}
	return Exceptionf("InvalidSignatureException", "Credential should be scoped to correct service: '%s'.", service)
}

// unproven lets out what a verifier says to the caller, and nothing else.
func (s *server) unproven(ctx context.Context, err error) *Exception {
	var ex *Exception
	if errors.As(err, &ex) && IsCommon(ex.Code) && ex.Code != internalFailure {
		return ex
	}
	return s.internal(ctx, nil, fmt.Errorf("verifying a signature: %w", err))
}

// Source is who sent a request, by http.Request's RemoteAddr, without the port.
func Source(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// regionName tells whether s may be the name of a region. Any such name is
// served; it becomes part of ARNs, so it must not be able to forge one.
func regionName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
