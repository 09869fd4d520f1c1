package attack

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
)

// everyPage is one of each kind of answer below /_slipway/, and a few beside it.
func (s *siege) everyPage() map[string]answer {
	s.t.Helper()
	user := s.user("stack", "crawler")
	out, err := s.me.CreateImageBuilderStreamingURL(s.t.Context(), &appstream.CreateImageBuilderStreamingURLInput{Name: aws.String("builder")})
	s.ok(err)
	address := parsed(s, *out.StreamingURL)
	builder := s.open(address)
	ended := s.user("stack", "crawler2")
	s.ask(ended.host, "POST "+ended.path+"end", "Cookie: "+ended.cookie, "Origin: http://"+ended.host, "Content-Length: 0")
	inside := s.address(s.me, "inside", "crawler3", 600)
	h := s.host()
	all := map[string]answer{
		"an image builder's page": s.ask(h, "GET "+address.RequestURI()), "a user's page": s.ask(h, "GET "+s.address(s.me, "stack", "crawler", 600).RequestURI()),
		"a user's page at an endpoint": s.ask(inside.Host, "GET "+inside.RequestURI()), "a page of an endpoint elsewhere": s.ask(h, "GET "+inside.RequestURI()),
		"a user's page again": s.ask(h, "GET "+user.path, "Cookie: "+user.cookie), "an image builder's page again": s.ask(h, "GET "+builder.path, "Cookie: "+builder.cookie),
		"a page of another": s.ask(h, "GET "+user.path), "a page that has ended": s.ask(h, "GET "+ended.path, "Cookie: "+ended.cookie), "no address": s.ask(h, "GET /_slipway/stream/"),
		"a bad address": s.ask(h, "GET /_slipway/stream/?token=<script>alert(1)</script>"), "no page": s.ask(h, "GET /_slipway/stream/<script>alert(1)</script>"),
		"what has no slash": s.ask(h, "GET /_slipway/stream"), "a path to be cleaned at an endpoint": s.ask(inside.Host, "GET //<script>alert(1)</script>/../x"),
		"nothing at an endpoint": s.ask(inside.Host, "GET /<script>alert(1)</script>"), "what has no slash at an endpoint": s.ask(inside.Host, "GET /_slipway/stream"),
		"the program": s.ask(h, "GET /_slipway/stream/assets/app.js"), "the style": s.ask(h, "GET /_slipway/stream/assets/style.css"), "no file": s.ask(h, "GET /_slipway/stream/assets/<script>"),
		"what a page is told": s.ask(h, "GET "+user.path+"status", "Cookie: "+user.cookie), "what a page of another is told": s.ask(h, "GET "+user.path+"status"),
		"a websocket that is refused": s.socket(h, user.path, "", "https://evil.example.com"), "a websocket that is none": s.ask(h, "GET "+user.path+"socket", "Cookie: "+user.cookie, "Origin: http://"+h),
		"an end from elsewhere": s.ask(h, "POST "+user.path+"end", "Content-Length: 0"), "a verb": s.ask(h, "PUT "+user.path, "Content-Length: 0"),
		"applications": s.ask(h, "GET "+builder.path+"assistant/applications", "Cookie: "+builder.cookie), "applications of another": s.ask(h, "GET "+builder.path+"assistant/applications"),
		"files": s.own(user, "GET "+user.path+"files", ""), "files of another": s.ask(h, "GET "+user.path+"files"), "no file of a session": s.own(user, "GET "+user.path+"files/get/<script>?until=1&mac=x", ""),
		"a user's applications": s.own(user, "GET "+user.path+"applications", ""), "no application": s.own(user, "POST "+user.path+"launch", `{"name":"<script>alert(1)</script>"}`),
		"no icon": s.ask(h, "GET /_slipway/icons/<script>"), "our API without a name": s.ask(h, "GET /_slipway/v1/machines"), "nothing of ours": s.ask(h, "GET /_slipway/<script>alert(1)</script>"),
		"ours without a slash": s.ask(h, "GET /_slipway"), "health": s.ask(h, "GET /_slipway/healthz"), "readiness": s.ask(h, "GET /_slipway/readyz"), "figures": s.ask(h, "GET /_slipway/metrics"),
		"a service's errors in XML": s.ask(h, "GET /?Action=<script>alert(1)</script>&Version=2016-11-15"), "a service's root": s.ask(h, "GET /"), "a path of no service": s.ask(h, "GET /<script>alert(1)</script>"),
	}
	return all
}

var (
	quotes  = regexp.MustCompile(`"[^"]*"`)
	handler = regexp.MustCompile(`(?i)<[^>]*\son[a-z]+\s*=`)
	inline  = regexp.MustCompile(`(?i)<script(\s[^>]*)?>[^<]`)
)

var names = []attack{
	{"script stands in every name that reaches a page", func(s *siege) {
		for name, a := range s.everyPage() {
			kind := a.header.Get("Content-Type")
			page := strings.HasPrefix(kind, "text/html")
			if !page && (strings.Contains(kind, "html") || strings.Contains(kind, "svg") || kind == "") && a.body != "" {
				s.t.Errorf("%s is of type %q", name, kind)
			}
			if page && (strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<img") || handler.MatchString(quotes.ReplaceAllString(a.body, "")) || inline.MatchString(a.body)) {
				s.t.Errorf("%s has script:\n%s", name, a.body)
			}
			if strings.HasSuffix(name, "'s page") && !strings.Contains(a.body, "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;&lt;img") {
				s.t.Errorf("%s does not tell its name as words:\n%s", name, a.body)
			}
		}
	}},
	{"a page is framed, sniffed or made to run what is not ours", func(s *siege) {
		for name, a := range s.everyPage() {
			csp := a.header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
				s.t.Errorf("%s: policy %q", name, csp)
			}
			if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("X-Frame-Options") != "DENY" {
				s.t.Errorf("%s: %v", name, a.header)
			}
			if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && a.status == http.StatusOK &&
				(a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cross-Origin-Opener-Policy") != "same-origin" || a.header.Get("Cache-Control") != "no-store") {
				s.t.Errorf("%s: %v", name, a.header)
			}
		}
	}},
	{"a secret is in what is answered", func(s *siege) {
		u := s.address(s.me, "stack", "secretive", 600)
		_, first, _ := strings.Cut(token(u), ".")
		a := s.ask(u.Host, "GET "+u.RequestURI())
		p := s.open(u)
		_, second, _ := strings.Cut(p.cookie, ".")
		for what, text := range map[string]string{"the page": a.body, "the page again": s.ask(p.host, "GET "+p.path, "Cookie: "+p.cookie).body, "its status": s.ask(p.host, "GET "+p.path+"status", "Cookie: "+p.cookie).body,
			"the figures": s.ask(p.host, "GET /_slipway/metrics").body, "the server's log": s.srv.Log()} {
			if strings.Contains(text, first) || strings.Contains(text, second) {
				s.t.Errorf("%s has a secret", what)
			}
		}
	}},
	{"a name in a request reaches the page that refuses it", func(s *siege) {
		for _, path := range []string{"/_slipway/stream/?token=needle<b>", "/_slipway/stream/needle", "/_slipway/stream/p/needle/", "/_slipway/stream/assets/needle", "/_slipway/needle"} {
			if a := s.ask(s.host(), "GET "+path); strings.Contains(a.body, "needle") {
				s.t.Errorf("%s: %s", path, a.body)
			}
		}
	}},
}

// headers are attacks with headers that proxies set, and browsers never.
var headers = []attack{
	{"a page is opened through another name", func(s *siege) {
		u := s.address(s.me, "stack", "hosts", 600)
		for _, more := range [][]string{{"Host: evil.example.com"}, {"X-Forwarded-Host: evil.example.com", "X-Forwarded-Proto: https"}, {"Forwarded: host=evil.example.com;proto=https"}, {"X-Original-URL: /_slipway/v1/machines", "X-Rewrite-URL: /_slipway/v1/machines"}} {
			a := s.ask(u.Host, append([]string{"GET " + u.RequestURI()}, more...)...)
			if strings.Contains(a.body, "evil.example.com") || strings.Contains(a.body, "machines") || a.header.Get("Location") != "" {
				s.t.Errorf("%v: %s", more, a.body)
			}
			for _, c := range a.cookies {
				if c.Domain != "" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || !strings.HasPrefix(c.Path, "/_slipway/stream/p/") {
					s.t.Errorf("%v: cookie %v", more, c)
				}
			}
		}
	}},
	{"a path to be cleaned leads to another site", func(s *siege) {
		for _, path := range []string{"//evil.example.com/..", "/\\evil.example.com", "//evil.example.com/%2f..", "/_slipway//evil.example.com/", "/_slipway/stream//evil.example.com"} {
			for _, h := range []string{s.host(), s.address(s.me, "inside", "redirect", 600).Host} {
				a := s.ask(h, "GET "+path)
				if l := a.header.Get("Location"); strings.HasPrefix(l, "//") || strings.Contains(l, "://") || strings.HasPrefix(l, "/\\") {
					s.t.Errorf("%s leads to %s", path, l)
				}
			}
		}
	}},
	{"an API's address is asked for through another name", func(s *siege) {
		a := s.ask(s.host(), "GET /_slipway/v1/machines", "Host: evil.example.com", "X-Forwarded-Host: 127.0.0.1", "X-Forwarded-For: 127.0.0.1")
		if a.status != http.StatusForbidden && a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized {
			s.t.Errorf("%d %s", a.status, a.body)
		}
	}},
	{"a browser sends more cookies than a page has", func(s *siege) {
		p := s.user("stack", "jar")
		jar := "Cookie: slipway-page=x; slipway-page=" + strings.Repeat("y", 4000) + "; " + p.cookie + "; slipway-page=\"z\""
		if a := s.ask(p.host, "GET "+p.path+"status", jar); a.status != http.StatusOK {
			s.t.Errorf("its own user: %d", a.status)
		}
		if a := s.ask(p.host, "GET "+p.path+"status", "Cookie: "+strings.Repeat("slipway-page=x; ", 3000)); a.status < 400 {
			s.t.Errorf("nobody: %d", a.status)
		}
	}},
	{"a header is smuggled into an answer", func(s *siege) {
		for _, path := range []string{"/_slipway/stream/?token=%0d%0aSet-Cookie:%20a=b", "/_slipway/stream/%0d%0aSet-Cookie:%20a=b", "/_slipway/stream/assets/%0d%0aSet-Cookie:%20a=b"} {
			if a := s.ask(s.host(), "GET "+path); len(a.cookies) > 0 || a.status < 400 {
				s.t.Errorf("%s: %d %v", path, a.status, a.header)
			}
		}
	}},
}
