package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	// believed is what a request's own word about its length can make us
	// allocate; more comes as bytes arrive.
	believed = 64 << 10
	// maxRatio is how many times a body may grow when it is inflated, once it
	// is larger than believed. JSON of our shapes reaches 30.
	maxRatio = 200
)

// readBody takes the whole body off the connection, in time.
func (s *server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *Exception) {
	if r.Body == nil || r.Body == http.NoBody {
		return []byte{}, nil
	}
	if r.ContentLength > s.cfg.MaxBody {
		// Not read at all; who waits for "100 Continue" never sends it.
		w.Header().Set("Connection", "close")
		return nil, s.tooLarge()
	}
	if len(r.TransferEncoding) > 0 {
		// Something in front of us may have seen another end of this request
		// than we do: what follows it on the connection is nobody's.
		w.Header().Set("Connection", "close")
	}
	// Not http.Server.ReadTimeout, which would also end the context of a
	// handler that takes long.
	readWithin(w, s.cfg.BodyTimeout)
	body, err := readAll(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, s.tooLarge()
	case err != nil:
		w.Header().Set("Connection", "close")
		return nil, Exceptionf("SerializationException", "The request body could not be read.")
	}
	readWithin(w, 0)
	return body, nil
}

func (s *server) tooLarge() *Exception {
	return &Exception{Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
		Message: fmt.Sprintf("The request body is larger than %d bytes.", s.cfg.MaxBody)}
}

// readAll is io.ReadAll for a stream that says how long it is (-1: it does not).
// A word that the first bytes have backed is believed further: a block of a
// disk is copied once on its way in and not at every doubling.
func readAll(r io.Reader, size int64) ([]byte, error) {
	room := int64(512)
	if size >= 0 {
		room = min(size, believed) + 1 // the last read then finds the end
	}
	b := make([]byte, 0, room)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			next := max(2*int64(cap(b)), min(size+1, 16*int64(cap(b))))
			grown := make([]byte, len(b), next)
			copy(grown, b)
			b = grown
		}
	}
}

// inflate undoes a request's Content-Encoding. It is called once the caller is
// known: signatures cover the body as it was sent.
func (s *server) inflate(r *http.Request, body []byte) ([]byte, *Exception) {
	coded := false
	for _, v := range r.Header.Values("Content-Encoding") {
		for name := range strings.SplitSeq(v, ",") {
			switch name = strings.ToLower(strings.TrimSpace(name)); {
			case name == "" || name == "identity":
			case name == "gzip" && !coded:
				coded = true
			default:
				return nil, &Exception{Code: "SerializationException", Status: http.StatusUnsupportedMediaType,
					Message: fmt.Sprintf("The content encoding '%s' is not supported.", clip(name))}
			}
		}
	}
	if !coded {
		return body, nil
	}
	broken := Exceptionf("SerializationException", "The request body is not valid gzip.")
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, broken
	}
	limit := min(s.cfg.MaxBody, max(believed, maxRatio*int64(len(body))))
	out, err := readAll(io.LimitReader(z, limit+1), -1)
	switch {
	case err != nil:
		return nil, broken
	case int64(len(out)) > limit && limit == s.cfg.MaxBody:
		return nil, s.tooLarge()
	case int64(len(out)) > limit:
		return nil, &Exception{Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("The request body inflates to more than %d times its size.", maxRatio)}
	}
	return out, nil
}
