package stream_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/stream"
)

// hands are guests that remember what was done in them.
type hands struct {
	put   func() // called with every piece that comes, when set
	mu    sync.Mutex
	did   []string
	files map[string][]byte
	parts map[string][]byte
	reads int
	each  func(reads int) // called with every piece that leaves, when set
	stamp string
}

func (h *hands) Launch(_ context.Context, x domain.Key, app domain.Application) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.did = append(h.did, "launch "+x.Name+" "+app.Path)
	if app.Name == "gone" {
		return fault.New(fault.NotFound, "gone could not be started.")
	}
	return nil
}

func (h *hands) Files(context.Context, domain.Key) (out []domain.SessionFile, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, b := range h.files {
		out = append(out, domain.SessionFile{Name: name, Size: int64(len(b))})
	}
	return out, nil
}

func (h *hands) PutFile(_ context.Context, _ domain.Key, f domain.Arriving, offset int64, piece []byte) (int64, string, error) {
	if h.put != nil {
		h.put()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.ContainsAny(f.Name, `/\`) || f.Name == ".." {
		return 0, "", fault.New(fault.BadValue, "A file may not be called so.")
	}
	if int64(len(h.parts[f.ID])) == offset {
		h.parts[f.ID] = append(h.parts[f.ID], piece...)
	}
	have := int64(len(h.parts[f.ID]))
	if have < f.Size {
		return have, "", nil
	}
	h.files[f.Name] = h.parts[f.ID]
	return have, f.Name, nil
}

func (h *hands) CancelFile(_ context.Context, _ domain.Key, f domain.Arriving) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.parts, f.ID)
	h.did = append(h.did, "cancel "+f.ID)
	return nil
}

func (h *hands) GetFile(_ context.Context, _ domain.Key, name string, offset int64) (domain.Leaving, error) {
	h.mu.Lock()
	h.reads++
	each, n := h.each, h.reads
	h.mu.Unlock()
	if each != nil {
		each(n)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.files[name]
	if !ok {
		return domain.Leaving{}, fault.New(fault.NotFound, "It is not there any more.")
	}
	return domain.Leaving{Data: b[offset:min(offset+1000, int64(len(b)))], Size: int64(len(b)), Stamp: h.stamp}, nil
}

// handed is a desk whose page is one of a session, with guests that remember.
func handed(t *testing.T) (*desk, *hands, func() []stream.Deed) {
	t.Helper()
	h := &hands{files: map[string][]byte{}, parts: map[string][]byte{}, stamp: "1"}
	var mu sync.Mutex
	var deeds []stream.Deed
	var asked atomic.Int64
	d := sit(t, func(c *stream.Config) {
		c.Pictures = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "picture "+r.PathValue("token"))
		})
		c.Guests, c.Secret, c.Look = h, []byte("secret"), 10*time.Millisecond
		// Time passes with every look at the clock.
		c.Now = func() time.Time { return time.Now().Add(time.Duration(asked.Add(1)) * c.Look) }
		c.Did = func(x stream.Deed) { mu.Lock(); defer mu.Unlock(); deeds = append(deeds, x) }
	})
	d.used(func(s *service.Screen) { s.Upload, s.Download = true, true })
	return d, h, func() []stream.Deed {
		mu.Lock()
		defer mu.Unlock()
		out := deeds
		deeds = nil
		return out
	}
}

// ask sends a request as our page does, but for what is said otherwise.
func (d *desk) ask(method, path, token, origin string, body io.Reader) *http.Response {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.http.URL+"/_slipway/stream/p/bbbb/"+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Cookie", "slipway-page="+token)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { res.Body.Close() })
	return res
}

// TestApplicationsOfASession: the catalogue tells names and pictures of ours, and
// no paths; what is started is in it, and written down.
func TestApplicationsOfASession(t *testing.T) {
	d, h, deeds := handed(t)
	const list = `{"applications":[{"name":"calc","title":"\u003cb\u003eCalc\u003c/b\u003e","icon":"/_slipway/stream/p/bbbb/pictures/abc"},{"name":"gone","title":"gone"}]}`
	if res := d.ask("GET", "applications", page, "", nil); res.StatusCode != 200 || body(res) != list {
		t.Errorf("list: %s", res.Status)
	}
	if res := d.ask("GET", "pictures/abc", page, "", nil); body(res) != "picture abc" {
		t.Errorf("its picture: %s", res.Status)
	}
	own := d.http.URL
	for name, c := range map[string]struct {
		token, origin, body string
		status              int
		words, did, deed    string
	}{
		"start":              {page, own, `{"name":"calc"}`, 200, "{}", "launch s /secret/calc", "LaunchApplication calc "},
		"not in it":          {page, own, `{"name":"/bin/sh"}`, 400, "not in the catalogue", "", "LaunchApplication /bin/sh This application is not in the catalogue of the session."},
		"failed":             {page, own, `{"name":"gone"}`, 404, "could not be started", "launch s /secret/gone", "LaunchApplication gone gone could not be started."},
		"from elsewhere":     {page, "https://evil.example.com", `{"name":"calc"}`, 403, "alone", "", ""},
		"from nowhere":       {page, "", `{"name":"calc"}`, 403, "alone", "", ""},
		"without a cookie":   {"", own, `{"name":"calc"}`, 403, "another browser", "", ""},
		"with another page":  {"cccc.secret", own, `{"name":"calc"}`, 403, "another browser", "", ""},
		"with a bad secret":  {"bbbb.other", own, `{"name":"calc"}`, 403, "not valid", "", ""},
		"with more than one": {page, own, `{"name":"calc","path":"/bin/sh"}`, 400, "cannot be read", "", ""},
	} {
		h.did = nil
		res := d.ask("POST", "launch", c.token, c.origin, strings.NewReader(c.body))
		text := body(res)
		deed := ""
		for _, x := range deeds() {
			deed = x.What + " " + x.Name + " "
			if x.Err != nil {
				deed += fault.Public(x.Err)
			}
		}
		if res.StatusCode != c.status || !strings.Contains(text, c.words) || strings.Join(h.did, ",") != c.did || deed != c.deed {
			t.Errorf("%s: %s %s, did %q, deed %q", name, res.Status, text, h.did, deed)
		}
	}
	if !d.heard("launched calc s") || d.heard("launched gone s") {
		t.Error("what was launched is not what the session was told")
	}
	d.used(func(s *service.Screen) { s.Machine = "" })
	if res := d.ask("POST", "launch", page, own, strings.NewReader(`{"name":"calc"}`)); res.StatusCode != 409 {
		t.Errorf("while it is prepared: %s", res.Status)
	}
	n := d.srv.Deeds()
	if n["LaunchApplication done"] != 1 || n["LaunchApplication failed"] != 3 {
		t.Errorf("counted: %v", n)
	}
}

// TestBuildersHaveNoSession: what is for users' sessions is refused on an image
// builder's page.
func TestBuildersHaveNoSession(t *testing.T) {
	h := &hands{}
	d := sit(t, func(c *stream.Config) { c.Guests, c.Pictures = h, http.NotFoundHandler() })
	for _, c := range []struct{ method, path string }{{"GET", "applications"}, {"POST", "launch"}, {"GET", "files"}, {"PUT", "files/put/a?id=a&size=1&offset=0"}, {"DELETE", "files/put/a?id=a&size=1"}} {
		if res := d.ask(c.method, c.path, page, d.http.URL, strings.NewReader("{}")); res.StatusCode != http.StatusNotImplemented {
			t.Errorf("%s %s: %s", c.method, c.path, res.Status)
		}
	}
	if len(h.did) > 0 {
		t.Errorf("did %q", h.did)
	}
}

// TestLaunchingIsDoingSomething: who chooses on the page is not idle.
func TestLaunchingIsDoingSomething(t *testing.T) {
	d, _, _ := handed(t)
	d.viewer()
	d.ask("POST", "launch", page, d.http.URL, strings.NewReader(`{"name":"calc"}`))
	d.until("its activity is told", func() bool { return d.heard("active s") })
}

// TestBeingAtThePageIsDoingSomething, also without the screen.
func TestBeingAtThePageIsDoingSomething(t *testing.T) {
	d, _, _ := handed(t)
	c := d.viewer()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"here":true}`)); err != nil {
		t.Fatal(err)
	}
	d.until("its activity is told", func() bool { return d.heard("active s") })
}

// TestDeedsHaveShortNames, whatever is asked for.
func TestDeedsHaveShortNames(t *testing.T) {
	d, _, deeds := handed(t)
	d.used(func(s *service.Screen) { s.Upload = false })
	d.ask("PUT", put(strings.Repeat("ä", 5000), "x", 1, 0), page, d.http.URL, strings.NewReader("a"))
	if x := deeds(); len(x) != 1 || len(x[0].Name) > 300 || !strings.HasPrefix(x[0].Name, "ää") {
		t.Errorf("%d deeds, the first of %d bytes", len(x), len(x[0].Name))
	}
}
