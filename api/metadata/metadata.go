// Package metadata is what the guest of an image builder or a fleet is told at
// 169.254.169.254: EC2's instance metadata service, in both its versions (EC2 user guide,
// "Instance metadata and user data"). Whom it answers is known before a byte is
// read: each guest comes over a socket of its own, and nothing in a request
// says who it is.
//
// Facts come from service.Service; how packets get here is compute/guestnet's
// business.
package metadata

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// Source is who knows the guests.
type Source interface {
	// Guest is fault.NotFound for a machine whose guest is not at work.
	Guest(ctx context.Context, machine string) (*service.Guest, error)
	// GuestCredentials is fault.NotFound for a guest without a role.
	GuestCredentials(ctx context.Context, machine string) (*domain.SessionKey, error)
}

// Limits of one guest. EC2 publishes 1,024 packets a second.
const (
	perSecond = 100
	burst     = 400
	bodyMost  = 1 << 10
	// HeadMost and HeadTime are for the server that carries this handler.
	HeadMost = 8 << 10
	HeadTime = 5 * time.Second
)

// Handler answers guests; see WithMachine. secret, at least 16 random bytes,
// proves the tokens; those of a handler with another one are not valid. endpoint
// is where guests reach this server, as a URL; guests are told, which is ours and
// not EC2's.
func Handler(src Source, secret []byte, now func() time.Time, endpoint string) http.Handler {
	return &handler{src: src, secret: secret, now: now, endpoint: endpoint, limits: map[string]*rate.Limiter{}}
}

type handler struct {
	src    Source
	secret []byte
	now    func() time.Time

	endpoint string

	mu     sync.Mutex
	limits map[string]*rate.Limiter
}

type machineKey struct{}

// WithMachine marks everything that comes over one connection with the machine
// at its other end.
func WithMachine(ctx context.Context, machine string) context.Context {
	return context.WithValue(ctx, machineKey{}, machine)
}

// Machine is who WithMachine has named; "" for nobody.
func Machine(ctx context.Context) string {
	m, _ := ctx.Value(machineKey{}).(string)
	return m
}

// limitsMost is how many guests' limits are remembered until those are forgotten
// who have asked nothing of late.
const limitsMost = 1024

func (h *handler) allowed(machine string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.limits[machine]
	if l == nil {
		if len(h.limits) >= limitsMost {
			maps.DeleteFunc(h.limits, func(_ string, l *rate.Limiter) bool { return l.TokensAt(h.now()) >= burst })
		}
		l = rate.NewLimiter(perSecond, burst)
		h.limits[machine] = l
	}
	return l.AllowN(h.now(), 1)
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyMost)
	// A client that has said all may close its half of the connection and wait
	// for the answer; net/http takes that for a client that has gone.
	ctx, done := context.WithTimeout(context.WithoutCancel(r.Context()), HeadTime)
	defer done()
	r = r.WithContext(ctx)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Server", "EC2ws")
	machine := Machine(r.Context())
	if machine == "" {
		say(w, http.StatusForbidden)
		return
	}
	if !h.allowed(machine) {
		w.Header().Set("Retry-After", "1")
		say(w, http.StatusServiceUnavailable)
		return
	}
	// A request that somebody passed on is somebody else's.
	if len(r.Header.Values("X-Forwarded-For")) > 0 {
		say(w, http.StatusForbidden)
		return
	}
	if r.URL.Path == tokenPath {
		h.token(w, r, machine)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		say(w, http.StatusMethodNotAllowed)
		return
	}
	h.read(w, r, machine)
}

func (h *handler) read(w http.ResponseWriter, r *http.Request, machine string) {
	g, err := h.src.Guest(r.Context(), machine)
	if err != nil {
		fail(w, err)
		return
	}
	token := r.Header.Get(tokenHeader)
	v1 := g.NoIMDSv1 == nil || !*g.NoIMDSv1
	if token == "" && !v1 || token != "" && !h.valid(token, machine) {
		say(w, http.StatusUnauthorized)
		return
	}
	path := strings.Trim(r.URL.Path, "/")
	if path == "" {
		_, _ = io.WriteString(w, strings.Join(versions, "\n"))
		return
	}
	version, rest, _ := strings.Cut(path, "/")
	if !slices.Contains(versions, version) {
		say(w, http.StatusNotFound)
		return
	}
	all := facts(g)
	all["meta-data/services/endpoint"] = text(h.endpoint)
	if asksRole(rest) {
		k, err := h.src.GuestCredentials(r.Context(), machine)
		switch {
		case err == nil:
			role(all, k, h.now())
		case !fault.Is(err, fault.NotFound):
			fail(w, err)
			return
		}
	}
	text, err := look(all, rest)
	if err != nil {
		fail(w, err)
		return
	}
	if strings.HasPrefix(text, "{") {
		w.Header().Set("Content-Type", "application/json")
	}
	_, _ = io.WriteString(w, text)
}

// versions are those whose trees are the one that is served (EC2 user guide:
// any may be asked for).
var versions = []string{"1.0", "2009-04-04", "2016-09-02", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15", "latest"}

// fail answers what went wrong; only that something is not there is a guest's
// business.
func fail(w http.ResponseWriter, err error) {
	if fault.Is(err, fault.NotFound) {
		say(w, http.StatusNotFound)
		return
	}
	say(w, http.StatusInternalServerError)
}

func say(w http.ResponseWriter, code int) {
	w.WriteHeader(code)
	_, _ = io.WriteString(w, http.StatusText(code)+"\n")
}
