package bucket_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway/fault"
	"slipway/work/bucket/buckettest"
)

func TestObjectsInAndOut(t *testing.T) {
	s := buckettest.Start(t)
	c := s.Client()
	for _, size := range []int{0, 10, 1 << 20, 3<<20 + 5} {
		data := bytes.Repeat([]byte("slipway\n"), size/8+1)[:size]
		key := "a b/ü+%/disk.raw"
		var last int64
		if err := c.Put(t.Context(), "images", key, bytes.NewReader(data), int64(size), func(n int64) { last = n }); err != nil {
			t.Fatal(size, err)
		}
		if last != int64(size) || !bytes.Equal(s.Object("images/"+key), data) {
			t.Errorf("%d bytes: the object differs, progress %d", size, last)
		}
		n, tag, err := c.Stat(t.Context(), "images", key)
		if size > 0 && (err != nil || n != int64(size) || tag == "") {
			t.Errorf("%d bytes: stat %d %q %v", size, n, tag, err)
		}
		if size < 11 {
			continue
		}
		body, err := c.Get(t.Context(), "images", key, tag, 11)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, data[11:]) || body.Close() != nil {
			t.Errorf("%d bytes: read %d from 11 on: %v", size, len(got), err)
		}
		if _, err := c.Get(t.Context(), "images", key, `"older"`, 0); !fault.Is(err, fault.Busy) {
			t.Errorf("another version: %v", err)
		}
		for range 2 {
			if err := c.Delete(t.Context(), "images", key); err != nil {
				t.Error(err)
			}
		}
	}
	if n, uploads := s.Left(); n != 0 || uploads != 0 {
		t.Errorf("left: %d objects, %d uploads", n, uploads)
	}
}

func TestServiceThatFails(t *testing.T) {
	s := buckettest.Start(t)
	c := s.Client()
	if _, _, err := c.Stat(t.Context(), "images", "none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("missing: %v", err)
	}
	wrong := *c
	wrong.Secret = "other"
	if _, _, err := wrong.Stat(t.Context(), "images", "none"); !fault.Is(err, fault.Denied) {
		t.Errorf("wrong key: %v", err)
	}
	s.Fault = func(w http.ResponseWriter, r *http.Request) bool { // in the middle of an upload
		if r.URL.Query().Get("partNumber") == "2" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	data := strings.Repeat("x", 3<<20)
	if err := c.Put(t.Context(), "images", "k", strings.NewReader(data), int64(len(data)), func(int64) {}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a part failed: %v", err)
	}
	if n, uploads := s.Left(); n != 0 || uploads != 0 {
		t.Errorf("left: %d objects, %d uploads", n, uploads)
	}
	s.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusTemporaryRedirect)
		return true
	}
	if _, _, err := c.Stat(t.Context(), "images", "k"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a redirection: %v", err)
	}
	s.Fault = func(w http.ResponseWriter, r *http.Request) bool { // sends a little, then nothing
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	}
	c.Stall = 2 * time.Second // time enough for the little that comes
	body, err := c.Get(t.Context(), "images", "k", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); err == nil {
		t.Error("a silent service was waited for")
	}
	body.Close()
}
