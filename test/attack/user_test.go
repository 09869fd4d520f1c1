package attack

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

var users = []attack{
	{"one user has the cookie of another's page beside their own", func(s *siege) {
		a, b := s.user("stack", "ann"), s.user("stack", "bob")
		s.shut(a, b.cookie)
		s.shut(b, a.cookie)
		s.works(a)
		s.works(b)
	}},
	{"one user swaps the halves of two cookies", func(s *siege) {
		a, b := s.user("stack", "half1"), s.user("stack", "half2")
		first, _, _ := strings.Cut(a.cookie, ".")
		_, second, _ := strings.Cut(b.cookie, ".")
		s.shut(a, first+"."+second)
	}},
	{"a user of one stack opens the page of another stack", func(s *siege) {
		a, b := s.user("stack", "same"), s.user("second", "same")
		s.shut(a, b.cookie)
		s.shut(b, a.cookie)
		if a.path == b.path || s.machine("stack", "same") == s.machine("second", "same") {
			s.t.Error("users of two stacks who are called the same share a machine")
		}
	}},
	{"a user is called as another but for the case", func(s *siege) {
		a, b := s.user("stack", "Case"), s.user("stack", "case")
		s.shut(a, b.cookie)
		if s.machine("stack", "Case") == s.machine("stack", "case") {
			s.t.Error("they share a machine")
		}
	}},
	{"a user of another account opens a page", func(s *siege) {
		mine, theirs := s.user("stack", "twin"), s.open(s.address(s.other, "stack", "twin", 600))
		s.shut(mine, theirs.cookie)
		s.shut(theirs, mine.cookie)
		s.works(mine)
	}},
	{"another account asks for the address of a stack", func(s *siege) {
		_, err := s.other.CreateStreamingURL(s.t.Context(), &appstream.CreateStreamingURLInput{StackName: aws.String("second"), FleetName: aws.String("fleet"), UserId: aws.String("thief")})
		s.missing(err)
		_, err = s.other.CreateImageBuilderStreamingURL(s.t.Context(), &appstream.CreateImageBuilderStreamingURLInput{Name: aws.String("builder")})
		s.missing(err)
	}},
	{"another account lists, drains and expires a session", func(s *siege) {
		p := s.user("stack", "target")
		id := s.session("target")
		out, err := s.other.DescribeSessions(s.t.Context(), &appstream.DescribeSessionsInput{StackName: aws.String("stack"), FleetName: aws.String("fleet")})
		s.ok(err)
		for _, x := range out.Sessions {
			if *x.Id == *id {
				s.t.Error("it is listed")
			}
		}
		_, err = s.other.DrainSessionInstance(s.t.Context(), &appstream.DrainSessionInstanceInput{SessionId: id})
		s.missing(err)
		_, err = s.other.ExpireSession(s.t.Context(), &appstream.ExpireSessionInput{SessionId: id})
		s.ok(err) // the operation has no errors
		s.works(p)
	}},
	{"a user opens the page of an image builder", func(s *siege) {
		out, err := s.me.CreateImageBuilderStreamingURL(s.t.Context(), &appstream.CreateImageBuilderStreamingURLInput{Name: aws.String("builder")})
		s.ok(err)
		b, p := s.open(parsed(s, *out.StreamingURL)), s.user("stack", "climber")
		s.shut(b, p.cookie)
		for _, what := range []string{"GET %sassistant/applications", "POST %sassistant/applications", "DELETE %sassistant/applications/a", "POST %sassistant/image"} {
			for name, at := range map[string]page{"with their cookie": {b.host, b.path, p.cookie}, "on their page": p} {
				a := s.ask(at.host, strings.Replace(what, "%s", at.path, 1), "Cookie: "+at.cookie, "Origin: http://"+at.host, "Content-Length: 0")
				if a.status < 400 {
					s.t.Errorf("%s %s: %d %s", what, name, a.status, a.body)
				}
			}
		}
	}},
}

// machine is the id of the machine that a user has through a stack.
func (s *siege) machine(stack, user string) string {
	s.t.Helper()
	out, err := s.me.DescribeSessions(s.t.Context(), &appstream.DescribeSessionsInput{StackName: &stack, FleetName: aws.String("fleet"), UserId: &user, AuthenticationType: "API"})
	s.ok(err)
	if len(out.Sessions) != 1 {
		s.t.Fatalf("%s has %d sessions", user, len(out.Sessions))
	}
	return *out.Sessions[0].InstanceId
}

// missing wants an error that says that there is no such thing.
func (s *siege) missing(err error) {
	s.t.Helper()
	var e *types.ResourceNotFoundException
	if !errors.As(err, &e) {
		s.t.Errorf("%v", err)
	}
}

// origins are attacks with the websocket's origin, with the right cookie in
// hand: what a page of another site has that is opened in the user's browser.
var origins = []attack{
	{"a websocket without an origin", origin("")},
	{"a websocket whose origin is null", origin("null")},
	{"a websocket whose origin is empty", origin(" ")},
	{"a websocket from another site", origin("https://evil.example.com")},
	{"a websocket from a site whose name begins with ours", origin("HOST.evil.example.com")},
	{"a websocket from a site whose name ends with ours", origin("http://evil-ADDRESS")},
	{"a websocket from another port of our host", origin("http://127.0.0.1:1")},
	{"a websocket from another scheme of our host", origin("https://ADDRESS")},
	{"a websocket from a site with our name as its user", origin("http://ADDRESS@evil.example.com")},
	{"a websocket from a site with our name in its path", origin("http://evil.example.com/ADDRESS")},
	{"a websocket from a file", origin("file://")},
	{"a websocket from an extension", origin("chrome-extension://abcdefghijklmnop")},
	{"a websocket with two origins", origin("HOST", "Origin: https://evil.example.com")},
	{"a websocket whose second origin is ours", origin("https://evil.example.com", "Origin: HOST")},
	{"a websocket through a name that somebody has lead here", origin("http://rebound.example.com", "Host: rebound.example.com")},
	{"a websocket whose proxy is said to be us", origin("http://evil.example.com", "X-Forwarded-Host: evil.example.com", "X-Forwarded-Proto: http", "Forwarded: host=evil.example.com")},
	{"a session is ended from another site", func(s *siege) {
		p := s.user("stack", "forged")
		for _, o := range []string{"", "null", "https://evil.example.com", "http://" + p.host + ".evil.example.com"} {
			head := []string{"POST " + p.path + "end", "Cookie: " + p.cookie, "Content-Length: 0"}
			if o != "" {
				head = append(head, "Origin: "+o)
			}
			if a := s.ask(p.host, head...); a.status != http.StatusForbidden {
				s.t.Errorf("%q: %d", o, a.status)
			}
		}
		s.works(p)
	}},
	{"an application is started and a file is sent from another site", func(s *siege) {
		p := s.user("stack", "guided")
		for _, o := range []string{"", "null", "https://evil.example.com", "http://" + p.host + ".evil.example.com", "http://127.0.0.1:1"} {
			for _, what := range []string{"POST " + p.path + "launch", "PUT " + p.path + "files/put/a?id=a&size=0&offset=0", "DELETE " + p.path + "files/put/a?id=a&size=0"} {
				head := []string{what, "Cookie: " + p.cookie, "Content-Length: 0"}
				if o != "" {
					head = append(head, "Origin: "+o)
				}
				if a := s.ask(p.host, head...); a.status != http.StatusForbidden {
					s.t.Errorf("%q: %s: %d %s", o, what, a.status, a.body)
				}
			}
		}
		s.works(p)
	}},
	{"a file comes, or leaves, by a path", func(s *siege) {
		p := s.user("stack", "pathfinder")
		own := "Origin: http://" + p.host
		for _, name := range []string{"..%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%2fetc%2fpasswd", "..%5cx", "C:%5cx", "a:b", "%2e%2e", "%2ebashrc", "a%00b", "a%0d%0ab", "con", "%e2%80%aegnp.exe", strings.Repeat("a", 300)} {
			if a := s.ask(p.host, "PUT "+p.path+"files/put/"+name+"?id=a&size=0&offset=0", "Cookie: "+p.cookie, own, "Content-Length: 0"); a.status < 300 {
				s.t.Errorf("%s came: %d %s", name, a.status, a.body)
			}
			if a := s.ask(p.host, "GET "+p.path+"files/get/"+name+"?until=9999999999&mac=AAAA", "Cookie: "+p.cookie); a.status < 300 {
				s.t.Errorf("%s left: %d", name, a.status)
			}
		}
		for _, id := range []string{"", "..%2fa", "a%2fb", "%00"} {
			if a := s.ask(p.host, "PUT "+p.path+"files/put/a?size=0&offset=0&id="+id, "Cookie: "+p.cookie, own, "Content-Length: 0"); a.status != http.StatusBadRequest {
				s.t.Errorf("as %q: %d %s", id, a.status, a.body)
			}
		}
		s.works(p)
	}},
	{"a program is started that is not in the catalogue", func(s *siege) {
		p := s.user("stack", "programmer")
		for _, body := range []string{`{"name":"/bin/sh"}`, `{"name":""}`, `{"name":"PAINT"}`, `{"name":"paint","path":"/bin/sh"}`, `{"name":["paint"]}`, `[]`, `{`} {
			if a := s.post(p, "launch", body); a.status != http.StatusBadRequest {
				s.t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		s.works(p)
	}},
	{"a page of another site reads an answer", func(s *siege) {
		p := s.user("stack", "reader")
		for _, path := range []string{"", "status", "applications", "files", "socket", "../../assets/app.js"} {
			for _, verb := range []string{"GET", "OPTIONS"} {
				at := strings.Replace(p.path+path, p.path+"../../", "/_slipway/stream/", 1)
				a := s.ask(p.host, verb+" "+at, "Cookie: "+p.cookie, "Origin: https://evil.example.com", "Access-Control-Request-Method: GET")
				for name := range a.header {
					if strings.HasPrefix(name, "Access-Control-") {
						s.t.Errorf("%s %s lets others read: %s", verb, path, name)
					}
				}
				if a.header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
					s.t.Errorf("%s %s may be loaded by others: %v", verb, path, a.header)
				}
			}
		}
	}},
}

// origin is a websocket from somewhere else; HOST is our origin, and ADDRESS our
// address.
func origin(o string, more ...string) func(s *siege) {
	return func(s *siege) {
		p := s.user("stack", "origins")
		ours := strings.NewReplacer("HOST", "http://"+p.host, "ADDRESS", p.host)
		head := append([]string{"GET " + p.path + "socket", "Cookie: " + p.cookie}, upgrade...)
		if o != "" {
			head = append(head, "Origin: "+ours.Replace(o))
		}
		for _, m := range more {
			if name, value, _ := strings.Cut(m, ":"); name == "Origin" {
				m = name + ":" + ours.Replace(value)
			}
			head = append(head, m)
		}
		if a := s.ask(p.host, head...); a.status != http.StatusForbidden {
			s.t.Errorf("%d %s", a.status, a.body)
		}
		s.works(p)
	}
}
