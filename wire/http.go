package wire

import (
	"log/slog"
	"net/http"
	"time"
)

// The limits on connections. Requests are limited in wire/body.go.
const (
	// headTime is how long the head of a request may take.
	headTime = 20 * time.Second
	// idleTime is how long a connection may wait for its next request.
	idleTime = 5 * time.Minute
	// maxHead bounds the request line and all headers together. Presigned URLs
	// with a session token come to a few kilobytes.
	maxHead = 64 << 10
	// DefaultBodyTimeout is how long a body may take when Config.BodyTimeout is
	// 0: the largest one at a megabit a second.
	DefaultBodyTimeout = 150 * time.Second
	// answerTime is how long a caller may take to read an answer.
	answerTime = 2 * time.Minute
)

// NewHTTPServer is the one place where the limits on connections are set. There
// is no ReadTimeout and no WriteTimeout: both would end what takes long on
// purpose. Bodies and answers of AWS requests have deadlines of their own.
func NewHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHead,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Closed tells browsers that what is answered is no page: it runs nothing, is
// framed by nobody and is what its type says. Handlers of pages say otherwise.
func Closed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		closed(w.Header())
		next.ServeHTTP(w, r)
	})
}

func closed(h http.Header) {
	h["Content-Security-Policy"], h["X-Content-Type-Options"], h["X-Frame-Options"] = nothing, noSniff, noFrame
}

// Nobody changes these.
var (
	nothing = []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
	noSniff = []string{"nosniff"}
	noFrame = []string{"DENY"}
)

// readWithin and writeWithin put a deadline on the rest of a request or answer;
// 0 takes it away. Recorders have none, which is no error.
func readWithin(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetReadDeadline(deadline(d))
}

func writeWithin(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(deadline(d))
}

func deadline(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
