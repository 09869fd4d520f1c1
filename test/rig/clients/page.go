package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"slipway/compute/rfb"
)

// Page is what a browser has of a streaming page: where it is, and its cookie.
// It goes on as the same page whatever becomes of the server.
type Page struct {
	at     *url.URL // with a slash at its end
	cookie *http.Cookie
}

// PageError is an answer of a page that is no success.
type PageError struct {
	Status int
	Text   string
}

func (e *PageError) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Text) }

// OpenPage opens a streaming address as a browser does. Errors: *PageError, and
// those of a server that is not there.
func OpenPage(ctx context.Context, address string) (*Page, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return nil, err
	}
	res, _, err := do(r)
	if err != nil {
		return nil, err
	}
	for _, c := range res.Cookies() {
		if at, err := r.URL.Parse(c.Path); err == nil {
			return &Page{at: at, cookie: c}, nil
		}
	}
	return nil, fmt.Errorf("the page %s came without a cookie", r.URL.Path)
}

// do sends a request and reads the whole answer.
func do(r *http.Request) (*http.Response, []byte, error) {
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = &PageError{res.StatusCode, string(b)}
	}
	return res, b, err
}

func (p *Page) header() http.Header {
	return http.Header{"Origin": {p.at.Scheme + "://" + p.at.Host}, "Cookie": {p.cookie.Name + "=" + p.cookie.Value}}
}

func (p *Page) ask(ctx context.Context, method, what string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.at.JoinPath(what).String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header = p.header()
	_, b, err := do(r)
	return b, err
}

// End ends the page's session, as its user asks for.
func (p *Page) End(ctx context.Context) error {
	_, err := p.ask(ctx, "POST", "end")
	return err
}

// Over tells whether the page was told that its session has ended; an error
// means that it was told nothing.
func (p *Page) Over(ctx context.Context) (over bool, err error) {
	_, err = p.ask(ctx, "GET", "status")
	if refused, ok := err.(*PageError); ok {
		var told struct{ Final bool }
		if json.Unmarshal([]byte(refused.Text), &told) == nil && told.Final {
			return true, nil
		}
	}
	return false, err
}

// Connection is a page's websocket. As a net.Conn it carries what the display
// and its viewer say; the gateway's own notes are left out.
type Connection struct {
	net.Conn // nil: what is not below is not used
	ws       *websocket.Conn
	rest     []byte
}

// Connect connects the page to its screen.
func (p *Page) Connect(ctx context.Context) (*Connection, error) {
	at := *p.at.JoinPath("socket")
	at.Scheme = strings.Replace(at.Scheme, "http", "ws", 1)
	ws, res, err := websocket.Dial(ctx, at.String(), &websocket.DialOptions{HTTPHeader: p.header()})
	if err != nil {
		if res != nil {
			err = &PageError{res.StatusCode, err.Error()}
		}
		return nil, err
	}
	ws.SetReadLimit(64 << 20)
	return &Connection{ws: ws}, nil
}

// Picture is the whole screen.
func (c *Connection) Picture(ctx context.Context) (image.Image, error) { return rfb.Frame(ctx, c) }

// Wait waits for the end of the connection, or of ctx.
func (c *Connection) Wait(ctx context.Context) error {
	for {
		if _, _, err := c.ws.Read(ctx); err != nil {
			return err
		}
	}
}

// Leave closes the connection as a page does that is closed.
func (c *Connection) Leave() { _ = c.ws.Close(websocket.StatusNormalClosure, "") } // gone already, perhaps

func (c *Connection) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		kind, b, err := c.ws.Read(context.Background())
		if err != nil {
			return 0, err
		}
		if kind == websocket.MessageBinary {
			c.rest = b
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *Connection) Write(p []byte) (int, error) {
	return len(p), c.ws.Write(context.Background(), websocket.MessageBinary, p)
}

// SetDeadline breaks a read off when the time is up at once; there are no other
// deadlines here.
func (c *Connection) SetDeadline(t time.Time) error {
	if !t.IsZero() && !time.Now().Before(t) {
		return c.ws.CloseNow()
	}
	return nil
}
