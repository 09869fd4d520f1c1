// Package attack does to the streaming pages and their gateway what somebody
// would who wants to see another's screen, or end the server: with the real
// program, over the wire, as two users, two stacks and two accounts. What takes a
// browser is in test/web/attack.test.mjs.
//
// A test is named after the attack that it shows to be refused.
package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
	"slipway/test/rig/clients"
)

// script stands in every name that can hold it.
const script = `<script>alert(1)</script>"'&<img src=x onerror=alert(1)>`

// siege is a server with a fleet behind two stacks of one account, another
// account, and an image builder.
type siege struct {
	t         *testing.T
	srv       *rig.Server
	me, other *appstream.Client
}

const limit = time.Minute

func lay(t *testing.T) *siege {
	images := filepath.Join(t.TempDir(), "images.json")
	base := `{"images":[{"name":"base","platform":"WINDOWS_SERVER_2022","display_name":` + quoted(script) + `,"applications":[{"name":"paint","display_name":` + quoted(script) + `,"path":"C:\\paint.exe"}]}]}`
	if err := os.WriteFile(images, []byte(base), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &siege{t: t, srv: rig.Start(t, "--compute", "fake", "--fake-boot-time", "20ms", "--public-images", images, "--access-endpoint", "vpce-1=127.0.0.1:0")}
	s.me = clients.New(s.srv.Client).AppStream
	s.other = clients.New(s.tenant()).AppStream
	t.Cleanup(s.lift)
	s.fleet(s.me, 48) // users of attacks keep their machines
	s.fleet(s.other, 2)
	s.stack(s.me, "stack", "fleet", nil)
	s.stack(s.other, "stack", "fleet", nil)
	s.stack(s.me, "second", "fleet", nil)
	s.stack(s.me, "inside", "fleet", func(in *appstream.CreateStackInput) {
		in.AccessEndpoints = []types.AccessEndpoint{{EndpointType: types.AccessEndpointTypeStreaming, VpceId: aws.String("vpce-1")}}
	})
	_, err := s.me.CreateImageBuilder(t.Context(), &appstream.CreateImageBuilderInput{Name: aws.String("builder"), ImageName: aws.String("base"), InstanceType: aws.String("stream.standard.small"),
		DisplayName: aws.String(script)})
	s.ok(err)
	rig.Until(t, limit, "the builder runs", func() (bool, error) {
		out, err := s.me.DescribeImageBuilders(t.Context(), &appstream.DescribeImageBuildersInput{Names: []string{"builder"}})
		return err == nil && out.ImageBuilders[0].State == types.ImageBuilderStateRunning, err
	})
	return s
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a text is always JSON
	return string(b)
}

func (s *siege) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// tenant makes an account.
func (s *siege) tenant() rig.Client {
	var n adminapi.NewAccount
	s.ok(json.Unmarshal([]byte(s.srv.Must("account", "create", "--json")), &n))
	c := s.srv.Client
	c.AccessKeyID, c.SecretAccessKey, c.Account = n.Key.ID, n.Key.Secret, n.Account.ID
	return c
}

func (s *siege) fleet(c *appstream.Client, machines int32) {
	s.t.Helper()
	name := "fleet"
	_, err := c.CreateFleet(s.t.Context(), &appstream.CreateFleetInput{Name: &name, ImageName: aws.String("base"), InstanceType: aws.String("stream.standard.small"), StreamView: types.StreamViewDesktop,
		DisplayName: aws.String(script), ComputeCapacity: &types.ComputeCapacity{DesiredInstances: &machines}})
	s.ok(err)
	_, err = c.StartFleet(s.t.Context(), &appstream.StartFleetInput{Name: &name})
	s.ok(err)
	rig.Until(s.t, limit, "the fleet has its machines", func() (bool, error) {
		out, err := c.DescribeFleets(s.t.Context(), &appstream.DescribeFleetsInput{Names: []string{name}})
		return err == nil && *out.Fleets[0].ComputeCapacityStatus.Available == machines, err
	})
}

// lift stops everything: nothing of it may be left.
func (s *siege) lift() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, c := range []*appstream.Client{s.me, s.other} {
		_, err := c.StopFleet(ctx, &appstream.StopFleetInput{Name: aws.String("fleet")})
		s.ok(err)
	}
	_, err := s.me.DeleteImageBuilder(ctx, &appstream.DeleteImageBuilderInput{Name: aws.String("builder")})
	s.ok(err)
	rig.Until(s.t, limit, "all machines are gone", func() (bool, error) {
		left, err := os.ReadDir(filepath.Join(s.srv.DataDir, "run"))
		return len(left) == 0, err
	})
}

func (s *siege) stack(c *appstream.Client, name, fleet string, change func(in *appstream.CreateStackInput)) {
	s.t.Helper()
	in := &appstream.CreateStackInput{Name: &name, DisplayName: aws.String(script), Description: aws.String(script)}
	if change != nil {
		change(in)
	}
	_, err := c.CreateStack(s.t.Context(), in)
	s.ok(err)
	_, err = c.AssociateFleet(s.t.Context(), &appstream.AssociateFleetInput{FleetName: &fleet, StackName: &name})
	s.ok(err)
}

// address asks for a streaming address.
func (s *siege) address(c *appstream.Client, stack, user string, seconds int64) *url.URL {
	s.t.Helper()
	out, err := c.CreateStreamingURL(s.t.Context(), &appstream.CreateStreamingURLInput{StackName: &stack, FleetName: aws.String("fleet"), UserId: &user, Validity: &seconds,
		SessionContext: aws.String(script)})
	s.ok(err)
	u, err := url.Parse(*out.StreamingURL)
	s.ok(err)
	return u
}

// page is what a browser has of a streaming page.
type page struct {
	host   string // that it was opened at
	path   string // ends in a slash
	cookie string // name=value
}

// open opens an address as a browser does.
func (s *siege) open(u *url.URL) page {
	s.t.Helper()
	a := s.ask(u.Host, "GET "+u.RequestURI())
	if a.status == http.StatusNotImplemented {
		s.t.Fatal("the server was built without its pages: run `make web`")
	}
	if a.status != http.StatusOK || len(a.cookies) != 1 {
		s.t.Fatalf("an address was answered %d, with %d cookies", a.status, len(a.cookies))
	}
	return page{u.Host, a.cookies[0].Path, a.cookies[0].Name + "=" + a.cookies[0].Value}
}

// user is a page of a user's session on a stack.
func (s *siege) user(stack, name string) page { return s.open(s.address(s.me, stack, name, 600)) }

// answer is what a server said.
type answer struct {
	status  int
	header  http.Header
	body    string
	cookies []*http.Cookie
}

// ask sends one request exactly as it is written, on a connection of its own;
// head is the request line without the version, headers, and after an empty line
// the body.
func (s *siege) ask(host string, head ...string) answer {
	s.t.Helper()
	c, res, err := s.raw(host, head...)
	s.ok(err)
	defer c.Close()
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header, cookies: res.Cookies()}
	if a.status != http.StatusSwitchingProtocols {
		b, err := io.ReadAll(res.Body)
		s.ok(err)
		a.body = string(b)
	}
	return a
}

func (s *siege) raw(host string, head ...string) (net.Conn, *http.Response, error) {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, nil, err
	}
	_ = c.SetDeadline(time.Now().Add(limit)) // a pipe that cannot be bounded would fail at the next line
	text, body := head[0]+" HTTP/1.1\r\n", ""
	named := false
	for i, h := range head[1:] {
		if h == "" {
			body = strings.Join(head[i+2:], "")
			break
		}
		text += h + "\r\n"
		named = named || strings.HasPrefix(h, "Host:")
	}
	if !named {
		text += "Host: " + host + "\r\n"
	}
	if !strings.Contains(text, "Upgrade:") {
		text += "Connection: close\r\n"
	}
	if _, err := io.WriteString(c, text+"\r\n"+body); err != nil {
		return c, nil, err
	}
	verb, _, _ := strings.Cut(head[0], " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: verb})
	if err != nil {
		err = fmt.Errorf("%s: %w", head[0], err)
	}
	return c, res, err
}

// post sends what a page sends, from its origin.
func (s *siege) post(p page, what, body string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+p.host+p.path+what, strings.NewReader(body))
	s.ok(err)
	r.Header.Set("Cookie", p.cookie)
	r.Header.Set("Origin", "http://"+p.host)
	res, err := http.DefaultClient.Do(r)
	s.ok(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	s.ok(err)
	return answer{status: res.StatusCode, header: res.Header, body: string(b), cookies: res.Cookies()}
}

// upgrade are the headers of a websocket.
var upgrade = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}

// socket asks for the websocket of a page.
func (s *siege) socket(host, path, cookie, origin string, more ...string) answer {
	s.t.Helper()
	head := append([]string{"GET " + path + "socket"}, upgrade...)
	if cookie != "" {
		head = append(head, "Cookie: "+cookie)
	}
	if origin != "" {
		head = append(head, "Origin: "+origin)
	}
	return s.ask(host, append(head, more...)...)
}

func (s *siege) host() string { return strings.TrimPrefix(s.srv.Endpoint, "http://") }
