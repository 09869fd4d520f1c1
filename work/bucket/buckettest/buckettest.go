// Package buckettest is a small S3-compatible service in memory, for tests: it
// checks every signature, and can break off and refuse on demand.
package buckettest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"slipway/work/bucket"
)

const (
	keyID  = "AKIDTEST"
	secret = "topsecret"
)

// Service is the service.
type Service struct {
	*httptest.Server

	mu      sync.Mutex
	objects map[string][]byte
	parts   map[string]map[int][]byte // by upload
	begun   int
	sent    atomic.Int64

	// Fault may answer in the service's place: it returns true when it did.
	Fault func(w http.ResponseWriter, r *http.Request) bool
}

// Start runs a service until the test ends.
func Start(t testing.TB) *Service {
	s := &Service{objects: map[string][]byte{}, parts: map[string]map[int][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Sent is how many bytes of objects were sent.
func (s *Service) Sent() int64 { return s.sent.Load() }

// Client is a client with the right key.
func (s *Service) Client() *bucket.Client {
	return &bucket.Client{Endpoint: s.URL, Region: "us-east-1", KeyID: keyID, Secret: secret, Now: time.Now, PartSize: 1 << 20}
}

// Key is the right key as a server's --s3-key file holds it.
func (s *Service) Key() string { return keyID + ":" + secret + "\n" }

// Set puts an object at BUCKET/KEY.
func (s *Service) Set(path string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[path] = data
}

// Object reads one; nil when there is none.
func (s *Service) Object(path string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path]
}

// Left counts objects and unfinished uploads.
func (s *Service) Left() (objects, uploads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.objects), len(s.parts)
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if why := refused(r, body); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	if s.Fault != nil && s.Fault(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path, q := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		s.begun++
		id := fmt.Sprint("upload-", s.begun)
		s.parts[id] = map[int][]byte{}
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	case q.Has("uploadId"):
		s.part(w, r, path, body)
	case r.Method == http.MethodPut:
		s.objects[path] = body
	case r.Method == http.MethodDelete:
		delete(s.objects, path)
		w.WriteHeader(http.StatusNoContent)
	case s.objects[path] == nil:
		http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
	default:
		s.send(w, r, s.objects[path])
	}
}

func etag(b []byte) string { sum := sha256.Sum256(b); return `"` + hex.EncodeToString(sum[:8]) + `"` }

func (s *Service) send(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("ETag", etag(data))
	if m := r.Header.Get("If-Match"); m != "" && m != etag(data) {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	status := http.StatusOK
	if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		n, _ := strconv.Atoi(strings.TrimSuffix(from, "-"))
		data, status = data[min(n, len(data)):], http.StatusPartialContent
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		n, _ := w.Write(data)
		s.sent.Add(int64(n))
	}
}

func (s *Service) part(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	id := r.URL.Query().Get("uploadId")
	parts := s.parts[id]
	switch {
	case parts == nil:
		http.Error(w, "<Error><Code>NoSuchUpload</Code></Error>", http.StatusNotFound)
	case r.Method == http.MethodPut:
		n, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
		parts[n] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == http.MethodDelete:
		delete(s.parts, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		var list struct {
			Part []struct {
				PartNumber int
				ETag       string
			}
		}
		if err := xml.Unmarshal(body, &list); err != nil || len(list.Part) != len(parts) {
			fmt.Fprint(w, "<Error><Code>InvalidPart</Code></Error>")
			return
		}
		sort.Slice(list.Part, func(i, j int) bool { return list.Part[i].PartNumber < list.Part[j].PartNumber })
		var whole bytes.Buffer
		for _, p := range list.Part {
			if etag(parts[p.PartNumber]) != p.ETag {
				fmt.Fprint(w, "<Error><Code>InvalidPart</Code></Error>")
				return
			}
			whole.Write(parts[p.PartNumber])
		}
		s.objects[path] = whole.Bytes()
		delete(s.parts, id)
		fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
	}
}

// refused signs the request again, as its sender should have.
func refused(r *http.Request, body []byte) string {
	sum := sha256.Sum256(body)
	if r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) {
		return "the hash of the body is wrong"
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "no date"
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return err.Error()
	}
	again.ContentLength = r.ContentLength
	for _, h := range []string{"X-Amz-Content-Sha256", "If-Match", "Range"} {
		if v := r.Header.Get(h); v != "" {
			again.Header.Set(h, v)
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(r.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, again, hex.EncodeToString(sum[:]), "s3", "us-east-1", at); err != nil {
		return err.Error()
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		return "the signature is wrong: " + got + " instead of " + want
	}
	return ""
}
