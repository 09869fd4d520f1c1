package attack

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"

	"slipway/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// attack is one, and what shows that it is refused.
type attack struct {
	name string
	try  func(s *siege)
}

// TestAttack lays siege to one server with everything.
func TestAttack(t *testing.T) {
	s := lay(t)
	s.letsIn(s.user("stack", "guest")) // or else everything would be refused
	for _, list := range [][]attack{tokens, users, origins, handshakes, frames, paths, headers, names, files} {
		for _, a := range list {
			t.Run(strings.ReplaceAll(a.name, " ", "_"), func(t *testing.T) {
				own := *s
				own.t = t
				a.try(&own)
			})
		}
	}
	if a := s.ask(s.host(), "GET /_slipway/healthz"); a.status != http.StatusOK {
		t.Errorf("after all of them the server answers %d", a.status)
	}
}

// shut wants every door of a page closed to a cookie: the page, what it is told,
// the screen, the applications, the files and the end.
func (s *siege) shut(p page, cookie string, statuses ...int) {
	s.t.Helper()
	if len(statuses) == 0 {
		statuses = []int{http.StatusForbidden}
	}
	own := "http://" + p.host
	for what, a := range map[string]answer{
		"page":      s.ask(p.host, "GET "+p.path, "Cookie: "+cookie),
		"status":    s.ask(p.host, "GET "+p.path+"status", "Cookie: "+cookie),
		"socket":    s.socket(p.host, p.path, cookie, own),
		"end":       s.ask(p.host, "POST "+p.path+"end", "Cookie: "+cookie, "Origin: "+own, "Content-Length: 0"),
		"catalogue": s.ask(p.host, "GET "+p.path+"applications", "Cookie: "+cookie), "files": s.ask(p.host, "GET "+p.path+"files", "Cookie: "+cookie),
		"application": s.post(page{p.host, p.path, cookie}, "launch", "{}"),
		"upload":      s.ask(p.host, "PUT "+p.path+"files/put/a?id=a&size=0&offset=0", "Cookie: "+cookie, "Origin: "+own, "Content-Length: 0"),
		"giving up":   s.ask(p.host, "DELETE "+p.path+"files/put/a?id=a&size=0", "Cookie: "+cookie, "Origin: "+own),
	} {
		good := false
		for _, n := range statuses {
			good = good || a.status == n
		}
		if !good || len(a.cookies) > 0 {
			s.t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
}

// works wants a page to be its user's still.
func (s *siege) works(p page) {
	s.t.Helper()
	if a := s.ask(p.host, "GET "+p.path+"status", "Cookie: "+p.cookie); a.status != http.StatusOK {
		s.t.Errorf("the page itself: %d %s", a.status, a.body)
	}
	if a := s.socket(p.host, p.path, p.cookie, "http://"+p.host); a.status != http.StatusSwitchingProtocols {
		s.t.Errorf("its screen: %d %s", a.status, a.body)
	}
}

// opensNot wants an address to open nothing.
func (s *siege) opensNot(u *url.URL, words string, statuses ...int) {
	s.t.Helper()
	if len(statuses) == 0 {
		statuses = []int{http.StatusForbidden}
	}
	a := s.ask(u.Host, "GET "+u.RequestURI())
	if a.status != statuses[0] || len(a.cookies) > 0 || !strings.Contains(a.body, words) {
		s.t.Errorf("%d %s", a.status, a.body)
	}
}

// with is an address with another token.
func with(u *url.URL, token string) *url.URL {
	c := *u
	c.RawQuery = url.Values{"token": {token}}.Encode()
	return &c
}

func token(u *url.URL) string { return u.Query().Get("token") }

// flipped is a text whose last digit is another.
func flipped(s string) string {
	if strings.HasSuffix(s, "0") {
		return s[:len(s)-1] + "1"
	}
	return s[:len(s)-1] + "0"
}

var tokens = []attack{
	{"an address is tampered with", func(s *siege) {
		u := s.address(s.me, "stack", "tamper", 600)
		for _, bad := range []string{flipped(token(u)), token(u)[:len(token(u))-1], token(u) + "0", strings.ToUpper(token(u)), "x" + token(u), "", ".", strings.Repeat("a", 1<<14)} {
			s.opensNot(with(u, bad), "not valid")
		}
	}},
	{"the secret of one address is tried on another", func(s *siege) {
		a, b := s.address(s.me, "stack", "swap1", 600), s.address(s.me, "stack", "swap2", 600)
		name, _, _ := strings.Cut(token(a), ".")
		_, secret, _ := strings.Cut(token(b), ".")
		s.opensNot(with(a, name+"."+secret), "not valid")
	}},
	{"an address is opened after its time", func(s *siege) {
		u := s.address(s.me, "stack", "late", 1)
		rig.Until(s.t, limit, "the address has expired", func() (bool, error) { return s.ask(u.Host, "GET "+u.RequestURI()).status == http.StatusForbidden, nil })
		s.opensNot(u, "expired")
	}},
	{"the secret of a page is used as an address", func(s *siege) {
		u := s.address(s.me, "stack", "upward", 600)
		p := s.open(u)
		s.opensNot(with(u, strings.TrimPrefix(p.cookie, "slipway-page=")), "not valid")
	}},
	{"the secret of an address is used as a page", func(s *siege) {
		u := s.address(s.me, "stack", "downward", 600)
		p := s.open(u)
		name, _, _ := strings.Cut(token(u), ".")
		s.shut(page{p.host, "/_slipway/stream/p/" + name + "/", ""}, "slipway-page="+token(u))
		s.works(p)
	}},
	{"the address bar is copied into another browser", func(s *siege) {
		p := s.user("stack", "bar")
		s.shut(p, "none=1")
		s.works(p)
	}},
	{"a cookie is tampered with", func(s *siege) {
		p := s.user("stack", "cookie")
		for _, bad := range []string{flipped(p.cookie), p.cookie[:len(p.cookie)-1], p.cookie + "0", strings.ToUpper(p.cookie), "slipway-page=", "slipway-page=" + strings.Trim(p.path, "/")} {
			s.shut(p, bad)
		}
		s.works(p)
	}},
	{"a cookie is used after its session was expired by its owner", func(s *siege) {
		p := s.user("stack", "expired")
		_, err := s.me.ExpireSession(s.t.Context(), &appstream.ExpireSessionInput{SessionId: s.session("expired")})
		s.ok(err)
		s.shut(p, p.cookie, http.StatusNotFound)
	}},
	{"a cookie is used after its user has ended the session", func(s *siege) {
		p := s.user("stack", "ended")
		if a := s.ask(p.host, "POST "+p.path+"end", "Cookie: "+p.cookie, "Origin: http://"+p.host, "Content-Length: 0"); a.status != http.StatusOK {
			s.t.Fatal(a.status, a.body)
		}
		s.shut(p, p.cookie, http.StatusNotFound)
	}},
	{"an address is used after its fleet was made anew", func(s *siege) {
		s.stack(s.me, "anew", "fleet", nil)
		u := s.address(s.me, "anew", "anew", 600)
		_, err := s.me.DisassociateFleet(s.t.Context(), &appstream.DisassociateFleetInput{FleetName: aws.String("fleet"), StackName: aws.String("anew")})
		s.ok(err)
		_, err = s.me.DeleteStack(s.t.Context(), &appstream.DeleteStackInput{Name: aws.String("anew")})
		s.ok(err)
		s.opensNot(u, "does not exist any more", http.StatusNotFound)
		s.stack(s.me, "anew", "fleet", nil)
		s.opensNot(u, "does not exist any more", http.StatusNotFound)
	}},
	{"an address is used after its fleet was taken from its stack", func(s *siege) {
		s.stack(s.me, "taken", "fleet", nil)
		u := s.address(s.me, "taken", "taken", 600)
		_, err := s.me.DisassociateFleet(s.t.Context(), &appstream.DisassociateFleetInput{FleetName: aws.String("fleet"), StackName: aws.String("taken")})
		s.ok(err)
		s.opensNot(u, "not associated", http.StatusConflict)
	}},
	{"a screen behind an access endpoint is looked at from elsewhere", func(s *siege) {
		u := s.address(s.me, "inside", "insider", 600)
		if u.Host == s.host() {
			s.t.Fatal("its address is the server's own")
		}
		outside := *u
		outside.Host = s.host()
		s.opensNot(&outside, "only through its access endpoints")
		p := s.open(u)
		s.works(p)
		p.host = s.host()
		s.shut(p, p.cookie)
	}},
	{"a screen without access endpoints is looked at through one", func(s *siege) {
		inside := s.address(s.me, "inside", "insider2", 600).Host
		u := s.address(s.me, "stack", "outsider", 600)
		through := *u
		through.Host = inside
		s.opensNot(&through, "not looked at through an access endpoint")
		p := s.open(u)
		p.host = inside
		s.shut(p, p.cookie)
	}},
	{"the API is asked at an access endpoint", func(s *siege) {
		inside := s.address(s.me, "inside", "insider3", 600).Host
		for _, path := range []string{"/", "/_slipway/v1/machines", "/_slipway/metrics", "/_slipway/healthz", "/_slipway/icons/x"} {
			if a := s.ask(inside, "GET "+path); a.status != http.StatusNotFound {
				s.t.Errorf("%s: %d", path, a.status)
			}
		}
	}},
}

// session is the id of a user's session.
func (s *siege) session(user string) *string {
	s.t.Helper()
	out, err := s.me.DescribeSessions(s.t.Context(), &appstream.DescribeSessionsInput{StackName: aws.String("stack"), FleetName: aws.String("fleet"), UserId: &user, AuthenticationType: "API"})
	s.ok(err)
	if len(out.Sessions) != 1 {
		s.t.Fatalf("%s has %d sessions", user, len(out.Sessions))
	}
	return out.Sessions[0].Id
}
