package stream_test

import (
	"context"
	"errors"
	"image"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"slipway/compute"
	"slipway/compute/fake"
	"slipway/compute/rfb"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/stream"
	"slipway/stream/filter"
)

// desk is a place to look from: pages over a fake machine, with tickets that
// the test makes.
type desk struct {
	t      *testing.T
	srv    *stream.Server
	http   *httptest.Server
	driver *fake.Driver

	mu      sync.Mutex
	screens map[string]*service.Screen // by token
	refusal error                      // of everything, when set
	display func() (net.Conn, error)   // instead of the machine's, when set
	told    []string                   // about sessions
}

func (d *desk) tell(what string, key domain.Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, what+" "+key.Name)
}

func (d *desk) SessionConnected(_ context.Context, key domain.Key, link string) error {
	d.tell("connected", key)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := *d.screens[page]
	session := *now.Session
	session.Link, now.Session = link, &session
	d.screens[page] = &now
	return nil
}

func (d *desk) SessionDisconnected(_ context.Context, key domain.Key, _ string) error {
	d.tell("disconnected", key)
	return nil
}

func (d *desk) SessionActive(_ context.Context, key domain.Key, _ string) error {
	d.tell("active", key)
	return nil
}

func (d *desk) EndSession(_ context.Context, key domain.Key) error {
	d.tell("ended", key)
	return nil
}

func (d *desk) SessionApplications(context.Context, domain.Key) ([]service.SessionApplication, error) {
	return []service.SessionApplication{
		{Application: domain.Application{Name: "calc", DisplayName: "<b>Calc</b>", Path: "/secret/calc"}, IconURL: "https://elsewhere.example.com/_slipway/icons/abc"},
		{Application: domain.Application{Name: "gone", Path: "/secret/gone"}},
	}, nil
}

func (d *desk) SessionLaunched(_ context.Context, key domain.Key, application string) error {
	d.tell("launched "+application, key)
	return nil
}

const good, page = "aaaa.secret", "bbbb.secret"

func (d *desk) OpenAddress(_ context.Context, token string) (*service.Screen, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refusal != nil {
		return nil, "", d.refusal
	}
	if token != good {
		return nil, "", fault.New(fault.Denied, "This streaming address is not valid.")
	}
	return d.screens[page], page, nil
}

func (d *desk) Screen(_ context.Context, token string) (*service.Screen, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refusal != nil {
		return nil, d.refusal
	}
	if s := d.screens[token]; s != nil {
		return s, nil
	}
	return nil, fault.New(fault.Denied, "This streaming address is not valid.")
}

func (d *desk) Display(ctx context.Context, machine string) (net.Conn, error) {
	d.mu.Lock()
	f := d.display
	d.mu.Unlock()
	if f != nil {
		return f()
	}
	return d.driver.Display(ctx, machine)
}

func (d *desk) refuse(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refusal = err
}

func sit(t *testing.T, change func(*stream.Config)) *desk {
	t.Helper()
	dir := t.TempDir()
	driver, err := fake.New(fake.Options{Dir: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(disk, make([]byte, 512), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := compute.Spec{ID: "m", CPUs: 1, MemoryMB: 128, Disk: compute.Disk{Chain: []compute.File{{Path: disk, Format: "raw"}}}}
	if _, err := driver.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	ticket := &domain.Ticket{Purpose: domain.ForBuilder, User: "arn:aws:iam::123456789012:root", Subject: domain.Key{Kind: domain.KindBuilder, Name: "b"}}
	screen := &service.Screen{Ticket: ticket, Machine: "m", Title: "A <script>alert(1)</script> \" builder", Until: time.Now().Add(time.Hour), CopyIn: filter.MaxText, CopyOut: filter.MaxText}
	d := &desk{t: t, driver: driver, screens: map[string]*service.Screen{page: screen, "cccc.secret": screen}}
	c := stream.Config{Tickets: d, Sessions: d, NewLink: domain.RandomIDs.UUID, Displays: d, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Path: "/_slipway/stream/"}
	if change != nil {
		change(&c)
	}
	d.srv = stream.New(c)
	d.http = httptest.NewServer(d.srv)
	if err := d.srv.SetOrigin(d.http.URL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.srv.Close(); d.http.Close() })
	return d
}

// get asks for a path with a cookie.
func (d *desk) get(path, token string, header ...string) *http.Response {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), "GET", d.http.URL+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Cookie", "slipway-page="+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { res.Body.Close() })
	return res
}

func body(res *http.Response) string {
	b, _ := io.ReadAll(res.Body) // what came is what is judged
	return string(b)
}

const socket = "/_slipway/stream/p/bbbb/socket"

// dial connects as the page does.
func (d *desk) dial() (*websocket.Conn, *http.Response, error) {
	c, res, err := websocket.Dial(d.t.Context(), "ws"+strings.TrimPrefix(d.http.URL, "http")+socket, &websocket.DialOptions{
		HTTPHeader: http.Header{"Origin": {d.http.URL}, "Cookie": {"slipway-page=" + page}},
	})
	if c != nil {
		c.SetReadLimit(64 << 20)
		d.t.Cleanup(func() { _ = c.CloseNow() }) // closed already, mostly
	}
	return c, res, err
}

func (d *desk) viewer() *websocket.Conn {
	d.t.Helper()
	c, _, err := d.dial()
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// wire is a viewer's connection without the notes beside the screen.
type wire struct {
	net.Conn
	c    *websocket.Conn
	rest []byte
}

func (w *wire) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		kind, b, err := w.c.Read(context.Background())
		if err != nil {
			return 0, err
		}
		if kind == websocket.MessageBinary {
			w.rest = b
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	return len(p), w.c.Write(context.Background(), websocket.MessageBinary, p)
}

func (w *wire) SetDeadline(time.Time) error { return nil }

// ended reads until the server closes and returns how.
func ended(t *testing.T, c *websocket.Conn) websocket.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		var e websocket.CloseError
		if errors.As(err, &e) {
			return e
		}
		if err != nil {
			t.Errorf("ended without a word: %v", err)
			return websocket.CloseError{}
		}
	}
}

func (d *desk) until(what string, ok func() bool) {
	d.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			d.t.Fatalf("waited until %s", what)
		}
	}
}

func TestScreenReachesTheViewer(t *testing.T) {
	d := sit(t, nil)
	direct, err := d.driver.Display(t.Context(), "m")
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	want, err := rfb.Frame(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	c := d.viewer()
	kind, hello, err := c.Read(t.Context())
	if err != nil || kind != websocket.MessageText && kind != websocket.MessageBinary {
		t.Fatal(kind, err)
	}
	w := &wire{c: c}
	if kind == websocket.MessageBinary {
		w.rest = hello
	} else if !strings.Contains(string(hello), `"hello"`) || !strings.Contains(string(hello), `"copyIn":1048576`) {
		t.Errorf("hello: %s", hello)
	}
	got, err := rfb.Frame(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Bounds().Eq(want.Bounds()) || string(got.(*image.RGBA).Pix) != string(want.(*image.RGBA).Pix) {
		t.Error("the picture is another one")
	}
	if n := d.srv.Bytes()["out"]; n < 640*400*4 {
		t.Errorf("counted %v bytes", n)
	}
}

// TestWebsocketIsForOurPagesAlone: every refusal comes before the websocket, and
// the display is not even asked for.
func TestWebsocketIsForOurPagesAlone(t *testing.T) {
	d := sit(t, nil)
	asked := 0
	d.display = func() (net.Conn, error) { asked++; return nil, errors.New("none") }
	own := d.http.URL
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	for name, c := range map[string]struct {
		path, token, origin string
		want                int
	}{
		"no origin":               {socket, page, "", 403},
		"an origin that is none":  {socket, page, "null", 403},
		"a foreign origin":        {socket, page, "https://evil.example.com", 403},
		"a look-alike":            {socket, page, own + ".evil.example.com", 403},
		"our host in the path":    {socket, page, "http://evil.example.com/" + strings.TrimPrefix(own, "http://"), 403},
		"another scheme":          {socket, page, strings.Replace(own, "http:", "https:", 1), 403},
		"no cookie":               {socket, "", own, 403},
		"another page's cookie":   {socket, "cccc.secret", own, 403},
		"an address for a page":   {"/_slipway/stream/p/aaaa/socket", good, own, 403},
		"a changed cookie":        {socket, page + "0", own, 403},
		"a page nobody has":       {"/_slipway/stream/p/dddd/socket", page, own, 403},
		"a path around":           {"/_slipway/stream/p/cccc/%2e%2e/bbbb/socket", page, own, 0},
		"a path into the address": {"/_slipway/stream/p/bbbb%2fsocket", page, own, 0},
	} {
		res := d.get(c.path, c.token, append([]string{"Origin", c.origin}, upgrade...)...)
		if c.want == 0 && res.StatusCode < 300 || c.want != 0 && res.StatusCode != c.want {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if asked != 0 {
		t.Errorf("%d displays were asked for", asked)
	}
	if res := d.get(socket, page, "Origin", own); res.StatusCode == http.StatusSwitchingProtocols {
		t.Error("a websocket without a handshake")
	}
}

// TestPagesAreClosedToOthers: headers, cookie and names on every page.
func TestPagesAreClosedToOthers(t *testing.T) {
	d := sit(t, nil)
	if d.get("/_slipway/stream/assets/app.js", "").StatusCode == http.StatusNotFound {
		if res := d.get("/_slipway/stream/?token="+good, ""); res.StatusCode != http.StatusNotImplemented || !strings.Contains(body(res), "make web") {
			t.Errorf("a page without its client: %s", res.Status)
		}
		t.Log("the client is not built: `make web`; its page is not looked at")
	} else {
		d.livePages()
	}
	expired := fault.New(fault.Denied, "This streaming address has expired.").WithCode(service.TicketExpired)
	for name, c := range map[string]struct {
		path, token string
		refusal     error
		status      int
		words       string
	}{
		"unknown":           {"/_slipway/stream/?token=x", "", nil, 403, "not valid"},
		"none":              {"/_slipway/stream/", "", nil, 403, "not valid"},
		"another's page":    {"/_slipway/stream/p/bbbb/", "", nil, 403, "another browser"},
		"expired":           {"/_slipway/stream/?token=" + good, "", expired, 403, "This address has expired"},
		"an expired page":   {"/_slipway/stream/p/bbbb/", page, expired, 403, "This address has expired"},
		"stopped":           {"/_slipway/stream/p/bbbb/", page, fault.New(fault.WrongState, "The <b>builder</b> is STOPPED."), 409, "The &lt;b&gt;builder&lt;/b&gt; is STOPPED."},
		"gone":              {"/_slipway/stream/p/bbbb/", page, fault.New(fault.NotFound, "It does not exist any more."), 404, "any more"},
		"broken":            {"/_slipway/stream/p/bbbb/", page, errors.New("secret words"), 500, "An internal error"},
		"status":            {"/_slipway/stream/p/bbbb/status", page, expired, 403, `"final":true`},
		"status of no page": {"/_slipway/stream/p/bbbb/status", "", nil, 403, `"final":true`},
		"no such file":      {"/_slipway/stream/assets/README.md", "", nil, 404, "no such file"},
		"a file elsewhere":  {"/_slipway/stream/assets/..%2fpage.html", "", nil, 404, "no such file"},
		"nothing":           {"/_slipway/stream/p/bbbb/else", page, nil, 404, "no such page"},
	} {
		d.refuse(c.refusal)
		res := d.get(c.path, c.token)
		text := body(res)
		if built := d.get("/_slipway/stream/assets/app.js", "").StatusCode == 200; !built && res.StatusCode == http.StatusNotImplemented {
			continue
		}
		if res.StatusCode != c.status || !strings.Contains(text, c.words) || strings.Contains(text, "secret words") || len(res.Cookies()) > 0 {
			t.Errorf("%s: %s %s", name, res.Status, text)
		}
		d.closed(name, res)
	}
	if res := d.get("/_slipway/stream/", "", "Host", "x"); res.Header.Get("Location") != "" {
		t.Error("a page leads elsewhere")
	}
}

// closed judges the headers that every answer has.
func (d *desk) closed(name string, res *http.Response) {
	d.t.Helper()
	csp := res.Header.Get("Content-Security-Policy")
	if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") ||
		res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" || res.Header.Get("X-Frame-Options") != "DENY" {
		d.t.Errorf("%s: %v", name, res.Header)
	}
}

func (d *desk) livePages() {
	res := d.get("/_slipway/stream/?token="+good, "")
	text := body(res)
	if res.StatusCode != 200 || strings.Contains(text, "<script>alert") || !strings.Contains(text, "A &lt;script&gt;alert(1)&lt;/script&gt;") || strings.Contains(text, "secret") {
		d.t.Errorf("the page: %s %s", res.Status, text)
	}
	d.closed("the page", res)
	if c := res.Cookies(); len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Path != "/_slipway/stream/p/bbbb/" || c[0].Value != page || c[0].Domain != "" {
		d.t.Errorf("the cookie: %v", c)
	}
	again := d.get("/_slipway/stream/p/bbbb/", page)
	if again.StatusCode != 200 || len(again.Cookies()) != 0 {
		d.t.Errorf("after a reload: %s", again.Status)
	}
	if res := d.get("/_slipway/stream/p/bbbb/status", page); !strings.Contains(body(res), `"until"`) {
		d.t.Errorf("status: %s", res.Status)
	}
}

// TestPublicOrigin: behind a proxy that speaks HTTPS, the cookie is for HTTPS
// alone, and only the public origin opens a websocket.
func TestPublicOrigin(t *testing.T) {
	d := sit(t, nil)
	const public = "https://slipway.example.com"
	if err := d.srv.SetOrigin(public); err != nil {
		t.Fatal(err)
	}
	if res := d.get("/_slipway/stream/?token="+good, ""); res.StatusCode == 200 && !res.Cookies()[0].Secure {
		t.Error("the cookie is sent over HTTP too")
	}
	dial := func(origin string) error {
		c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(d.http.URL, "http")+socket, &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {origin}, "Cookie": {"slipway-page=" + page}},
		})
		if c != nil {
			_ = c.CloseNow() // that it opened is enough
		}
		return err
	}
	if err := dial(public); err != nil {
		t.Errorf("from the public origin: %v", err)
	}
	for _, origin := range []string{d.http.URL, "http://slipway.example.com", public + ":8443"} {
		if dial(origin) == nil {
			t.Errorf("a websocket from %s", origin)
		}
	}
}
