package stream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/fault"
	"slipway/service"
	"slipway/stream"
)

func put(name, id string, size, offset int) string {
	return "files/put/" + url.PathEscape(name) + "?" + url.Values{"id": {id}, "size": {fmt.Sprint(size)}, "offset": {fmt.Sprint(offset)}}.Encode()
}

// TestFilesGoUp: in pieces, by the page alone, as the stack says; each file is
// written down and counted.
func TestFilesGoUp(t *testing.T) {
	d, h, deeds := handed(t)
	own := d.http.URL
	if res := d.ask("PUT", put("a b", "x", 6, 0), page, own, strings.NewReader("abc")); res.StatusCode != 200 || body(res) != `{"have":3}` {
		t.Errorf("first piece: %s", res.Status)
	}
	if res := d.ask("PUT", put("a b", "x", 6, 3), page, own, strings.NewReader("def")); res.StatusCode != 200 || body(res) != `{"have":6,"name":"a b"}` || string(h.files["a b"]) != "abcdef" {
		t.Errorf("last piece: %s", res.Status)
	}
	if x := deeds(); len(x) != 1 || x[0].What != stream.Upload || x[0].Name != "a b" || x[0].Bytes != 6 || x[0].Err != nil {
		t.Errorf("deeds: %+v", x)
	}
	if n := d.srv.FileBytes(); n["in"] != 6 {
		t.Errorf("counted: %v", n)
	}
	for name, c := range map[string]struct {
		path, token, origin string
		size, status        int
	}{
		"elsewhere": {put("f", "y", 1, 0), page, "https://evil.example.com", 1, 403}, "nowhere": {put("f", "y", 1, 0), page, "", 1, 403}, "no cookie": {put("f", "y", 1, 0), "", own, 1, 403},
		"too much": {put("f", "y", 9<<20, 0), page, own, stream.MaxUpload + 1, 400}, "no size": {"files/put/f?id=y&offset=0", page, own, 1, 400}, "minus": {put("f", "y", 1, -1), page, own, 1, 400},
		"path": {put("../../etc/passwd", "y", 1, 0), page, own, 1, 400}, "path of Windows": {put(`..\x`, "y", 1, 0), page, own, 1, 400},
	} {
		res := d.ask("PUT", c.path, c.token, c.origin, bytes.NewReader(make([]byte, c.size)))
		if res.StatusCode != c.status || len(h.parts["y"]) > 0 {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	deeds()
	if res := d.ask("DELETE", "files/put/f?id=z&size=1", page, own, nil); res.StatusCode != 200 || strings.Join(h.did, ",") != "cancel z" {
		t.Errorf("cancelled: %s, %q", res.Status, h.did)
	}
	d.used(func(s *service.Screen) { s.Upload = false })
	if res := d.ask("PUT", put("f", "y", 1, 0), page, own, strings.NewReader("a")); res.StatusCode != 403 || !strings.Contains(body(res), "may not upload") {
		t.Errorf("not allowed: %s", res.Status)
	}
	if res := d.ask("DELETE", "files/put/f?id=z&size=1", page, own, nil); res.StatusCode != 403 {
		t.Errorf("not allowed to cancel: %s", res.Status)
	}
	if x := deeds(); len(x) != 2 || x[1].Err == nil {
		t.Errorf("deeds: %+v", x)
	}
}

// links are the addresses of files, by name.
func (d *desk) links() map[string]string {
	d.t.Helper()
	var list struct {
		Files []struct{ Name, Href string }
	}
	if err := json.Unmarshal([]byte(body(d.ask("GET", "files", page, "", nil))), &list); err != nil {
		d.t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range list.Files {
		out[f.Name] = strings.TrimPrefix(f.Href, "/_slipway/stream/p/bbbb/")
	}
	return out
}

// TestFilesComeDown: whole, or the rest of them; for the page's user alone, by an
// address that nobody else makes, and never as something that a browser shows.
func TestFilesComeDown(t *testing.T) {
	d, h, deeds := handed(t)
	content := bytes.Repeat([]byte("0123456789"), 500)
	h.files["ä;\"x.html"], h.files["b"] = content, []byte("b")
	link := d.links()[`ä;"x.html`]
	res := d.ask("GET", link, page, "", nil)
	if b := body(res); res.StatusCode != 200 || b != string(content) || res.Header.Get("Content-Type") != "application/octet-stream" ||
		res.Header.Get("Content-Disposition") != `attachment; filename*=utf-8''%C3%A4%3B%22x.html` || !strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "sandbox") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s, %d bytes, %v", res.Status, len(b), res.Header)
	}
	var x []stream.Deed
	d.until("the download is written down", func() bool { x = append(x, deeds()...); return len(x) > 0 })
	if len(x) != 1 || x[0].What != stream.Download || x[0].Bytes != int64(len(content)) || x[0].Err != nil {
		t.Errorf("deeds: %+v", x)
	}
	b := d.links()["b"]
	_, query, _ := strings.Cut(b, "?")
	for name, c := range map[string]struct{ path, token string }{
		"no cookie": {b, ""}, "another page": {b, "cccc.secret"}, "a bad secret": {b, "bbbb.other"}, "no address": {"files/get/b", page}, "changed": {strings.Replace(b, "mac=", "mac=a", 1), page},
		"another file": {"files/get/c?" + query, page}, "a path": {"files/get/..%2Fb?" + query, page},
	} {
		if res := d.ask("GET", c.path, c.token, "", nil); res.StatusCode != 403 {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	d.used(func(s *service.Screen) { s.Download = false })
	if res := d.ask("GET", b, page, "", nil); res.StatusCode != 403 || !strings.Contains(body(res), "may not download") {
		t.Errorf("not allowed: %s", res.Status)
	}
	if l := d.links(); len(l) != 2 || l["b"] != "" {
		t.Errorf("links: %v", l)
	}
	d.used(func(s *service.Screen) { s.Upload = false })
	if res := d.ask("GET", "files", page, "", nil); res.StatusCode != 403 {
		t.Errorf("neither is allowed: %s", res.Status)
	}
}

// TestDownloadsAreCutOff: when the file changes, or the user may have it no
// longer, the browser does not take what came for the whole; with the same file it
// goes on where it was.
func TestDownloadsAreCutOff(t *testing.T) {
	d, h, deeds := handed(t)
	h.files["f"] = bytes.Repeat([]byte("0123456789"), 500)
	link := d.links()["f"]
	whole := func(change func(n int)) (int64, error) {
		h.mu.Lock()
		h.reads, h.each = 0, change
		h.mu.Unlock()
		res := d.ask("GET", link, page, "", nil)
		return io.Copy(io.Discard, res.Body)
	}
	if n, err := whole(func(int) {}); n != 5000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	n, err := whole(func(n int) {
		if n == 3 {
			h.mu.Lock()
			h.stamp = "2"
			h.mu.Unlock()
		}
	})
	if err == nil || n >= 5000 {
		t.Errorf("it changed: %d, %v", n, err)
	}
	n, err = whole(func(n int) {
		if n == 2 {
			d.used(func(s *service.Screen) { s.Download = false })
		}
	})
	if err == nil || n >= 5000 {
		t.Errorf("not allowed any more: %d, %v", n, err)
	}
	var x []stream.Deed
	d.until("three downloads are written down", func() bool { x = append(x, deeds()...); return len(x) == 3 })
	if x[0].Err != nil || x[1].Err == nil || x[2].Err == nil {
		t.Errorf("deeds: %+v", x)
	}
	d.used(func(s *service.Screen) { s.Download = true })
	h.mu.Lock()
	h.each = nil
	h.mu.Unlock()
	res := d.part(link, "bytes=4990-")
	if b := body(res); res.StatusCode != http.StatusPartialContent || b != "0123456789" {
		t.Errorf("the rest: %s %q", res.Status, b)
	}
}

// part asks for a part of a file.
func (d *desk) part(link, ranges string) *http.Response {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), "GET", d.http.URL+"/_slipway/stream/p/bbbb/"+link, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Cookie", "slipway-page="+page)
	r.Header.Set("Range", ranges)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	return res
}

// TestFilesOnTheirWayAreFew: what a session's pieces take of the server's memory
// has an end; when one has arrived the next may come.
func TestFilesOnTheirWayAreFew(t *testing.T) {
	d, h, deeds := handed(t)
	begun, gate := make(chan bool, 64), make(chan bool)
	h.put = func() { begun <- true; <-gate }
	own := d.http.URL
	ended := make(chan int, 64)
	send := func(id int) {
		res := d.ask("PUT", put("f", fmt.Sprint("t", id), 1, 0), page, own, strings.NewReader("a"))
		ended <- res.StatusCode
	}
	n := 0
	for refused := false; !refused && n < 32; n++ {
		go send(n)
		select {
		case <-begun:
		case status := <-ended:
			refused = status == http.StatusConflict
			if !refused {
				t.Errorf("piece %d: %d", n, status)
			}
		}
	}
	if n == 32 {
		t.Error("there is no end of them")
	}
	if res := d.ask("GET", "files", page, "", nil); res.StatusCode != http.StatusOK {
		t.Errorf("the list meanwhile: %s", res.Status)
	}
	close(gate)
	for range n - 1 {
		<-ended
	}
	deeds()
	if res := d.ask("PUT", put("f", "after", 1, 0), page, own, strings.NewReader("a")); res.StatusCode != http.StatusOK {
		t.Errorf("after them: %s", res.Status)
	}
}

// TestDownloadsThatNobodyTakes end: with the browser that has stopped reading.
func TestDownloadsThatNobodyTakes(t *testing.T) {
	h := &hands{files: map[string][]byte{"f": make([]byte, 64<<20)}, stamp: "1"} // more than lies on the way
	deeds := make(chan stream.Deed, 1)
	d := sit(t, func(c *stream.Config) {
		c.Guests, c.Pictures, c.Secret, c.Slow = h, http.NotFoundHandler(), []byte("secret"), 50*time.Millisecond
		c.Did = func(x stream.Deed) { deeds <- x }
	})
	d.used(func(s *service.Screen) { s.Download = true })
	d.ask("GET", d.links()["f"], page, "", nil)
	select {
	case x := <-deeds:
		if x.Err == nil || x.Bytes >= 64<<20 {
			t.Errorf("%d bytes, %v", x.Bytes, x.Err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it goes on for ever")
	}
}

// TestDownloadsEndWithTheServer: one that stops waits for none.
func TestDownloadsEndWithTheServer(t *testing.T) {
	d, h, deeds := handed(t)
	h.files["f"] = make([]byte, 5000)
	link := d.links()["f"]
	h.each = func(n int) {
		if n == 2 {
			d.srv.Close()
		}
	}
	if n, err := io.Copy(io.Discard, d.ask("GET", link, page, "", nil).Body); err == nil || n >= 5000 {
		t.Errorf("%d bytes, %v", n, err)
	}
	var x []stream.Deed
	d.until("it is written down", func() bool { x = append(x, deeds()...); return len(x) > 0 })
	if !fault.Is(x[0].Err, fault.Unavailable) {
		t.Errorf("%v", x[0].Err)
	}
}

// TestDownloadsInManyPieces: who asks for several parts of a file gets it whole.
func TestDownloadsInManyPieces(t *testing.T) {
	d, h, _ := handed(t)
	h.files["f"] = []byte("0123456789")
	res := d.part(d.links()["f"], "bytes=0-0,2-2")
	if b := body(res); res.StatusCode != http.StatusOK || b != "0123456789" {
		t.Errorf("%s %q", res.Status, b)
	}
}
