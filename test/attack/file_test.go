package attack

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

// own is a request of a page's user, from the page.
func (s *siege) own(p page, line string, body string, more ...string) answer {
	s.t.Helper()
	head := append([]string{line, "Cookie: " + p.cookie, "Origin: http://" + p.host, "Content-Length: " + strconv.Itoa(len(body))}, more...)
	return s.ask(p.host, append(head, "", body)...)
}

// put is the address of a piece of a file on a page.
func put(p page, name string, size int) string {
	return "PUT " + p.path + "files/put/" + name + "?id=x" + strconv.Itoa(size) + "&offset=0&size=" + strconv.Itoa(size)
}

// file puts one into the session of a page, and returns where it can be had.
func (s *siege) file(p page, name, text string) (href string) {
	s.t.Helper()
	if a := s.own(p, put(p, url.PathEscape(name), len(text)), text); a.status != http.StatusOK || !strings.Contains(a.body, `"name"`) {
		s.t.Fatalf("%s cannot be put: %d %s", name, a.status, a.body)
	}
	var list struct {
		Files []struct{ Name, Href string }
	}
	a := s.own(p, "GET "+p.path+"files", "")
	s.ok(json.Unmarshal([]byte(a.body), &list))
	for _, f := range list.Files {
		if f.Name == name {
			return f.Href
		}
	}
	s.t.Fatalf("%s is not listed: %s", name, a.body)
	return ""
}

var files = []attack{
	{"files and applications of a session are asked for by another user", func(s *siege) {
		a, b := s.user("stack", "files1"), s.user("stack", "files2")
		href := s.file(a, "secret.txt", "secret")
		for _, c := range []string{b.cookie, "slipway-page=x", flipped(a.cookie)} {
			thief := page{a.host, a.path, c}
			for _, r := range []answer{
				s.own(thief, "GET "+a.path+"files", ""), s.own(thief, "GET "+href, ""), s.own(thief, put(a, "f", 1), "x"), s.own(thief, "DELETE "+a.path+"files/put/f?id=x1&size=1", ""),
				s.own(thief, "GET "+a.path+"applications", ""), s.own(thief, "POST "+a.path+"launch", `{"name":"paint"}`),
			} {
				if r.status != http.StatusForbidden || strings.Contains(r.body, "secret") {
					s.t.Errorf("%d %s", r.status, r.body)
				}
			}
		}
		if r := s.own(b, "GET "+strings.Replace(href, a.path, b.path, 1), ""); r.status != http.StatusForbidden {
			s.t.Errorf("the address of a file on another page: %d", r.status)
		}
		if r := s.own(a, "GET "+href, ""); r.status != http.StatusOK || r.body != "secret" {
			s.t.Errorf("its own user: %d %s", r.status, r.body)
		}
	}},
	{"a file or an application is asked for from another site", func(s *siege) {
		p := s.user("stack", "files3")
		for _, line := range []string{put(p, "f", 1), "DELETE " + p.path + "files/put/f?id=x1&size=1", "POST " + p.path + "launch"} {
			for _, o := range []string{"null", "https://evil.example.com", "http://" + p.host + ".evil.example.com"} {
				if r := s.ask(p.host, line, "Cookie: "+p.cookie, "Origin: "+o, "Content-Length: 0"); r.status != http.StatusForbidden {
					s.t.Errorf("%s from %s: %d", line, o, r.status)
				}
			}
		}
	}},
	{"the address of a file is tampered with", func(s *siege) {
		p := s.user("stack", "files4")
		href := s.file(p, "a.txt", "a")
		s.file(p, "b.txt", "bb")
		u, err := url.Parse(href)
		s.ok(err)
		q := u.Query()
		for what, change := range map[string]func(){
			"another file": func() { u.Path = strings.Replace(u.Path, "a.txt", "b.txt", 1) }, "later": func() { q.Set("until", q.Get("until")+"0") }, "changed": func() { q.Set("mac", flipped(q.Get("mac"))) },
			"without": func() { q.Del("mac") }, "never": func() { q.Set("until", "-1") },
		} {
			q, err = url.ParseQuery(u.RawQuery)
			s.ok(err)
			was := u.Path
			change()
			if r := s.own(p, "GET "+u.EscapedPath()+"?"+q.Encode(), ""); r.status != http.StatusForbidden {
				s.t.Errorf("%s: %d", what, r.status)
			}
			u.Path = was
		}
	}},
	{"the name of a file climbs out of its folder", func(s *siege) {
		p := s.user("stack", "files5")
		for _, name := range []string{"..%2f..%2fetc%2fpasswd", "..%5c..%5cx", "%2fetc%2fpasswd", "C:%5cx", "a%2fb", "a%5cb", "..", ".", "%2e%2e", ".profile", "a%00b", "a%0ab", "a%1b%5bb", "CON", "nul.txt", "COM1", "a.", "a%20", "a:b", "exe.%e2%80%aefdp",
			strings.Repeat("a", 300)} {
			for _, line := range []string{put(p, name, 1), "DELETE " + p.path + "files/put/" + name + "?id=x1&size=1", "GET " + p.path + "files/get/" + name} {
				if r := s.own(p, line, map[bool]string{true: "x"}[strings.HasPrefix(line, "PUT")]); r.status < 400 && r.header.Get("Location") == "" {
					s.t.Errorf("%s: %d %s", line, r.status, r.body)
				}
			}
		}
		if r := s.own(p, "GET "+p.path+"files", ""); !strings.Contains(r.body, `"files":[]`) {
			s.t.Errorf("there is something: %s", r.body)
		}
	}},
	{"a file is larger or smaller than it says", func(s *siege) {
		p := s.user("stack", "files6")
		for _, q := range []string{"size=-1&offset=0", "size=1&offset=-1", "size=1&offset=9223372036854775807", "size=9223372036854775808&offset=0", "size=x&offset=0", "size=1&offset=5", "size=1&offset=0&size=9", ""} {
			r := s.own(p, "PUT "+p.path+"files/put/f?id=y&"+q, "xx")
			if r.status < 400 && !strings.Contains(r.body, `"have":0`) {
				s.t.Errorf("%s: %d %s", q, r.status, r.body)
			}
		}
		if r := s.own(p, "PUT "+p.path+"files/put/f?id=z&size=9999999&offset=0", zeros(1<<20+1)); r.status != http.StatusBadRequest {
			s.t.Errorf("a piece that is too large: %d", r.status)
		}
		if r := s.own(p, "GET "+p.path+"files", ""); !strings.Contains(r.body, `"files":[]`) {
			s.t.Errorf("there is something: %s", r.body)
		}
	}},
	{"a file that is a page is shown by the browser", func(s *siege) {
		p := s.user("stack", "files7")
		for _, name := range []string{"page.html", "picture.svg", "a';alert(1);'.htm", "x.xhtml"} {
			r := s.own(p, "GET "+s.file(p, name, "<script>alert(1)</script>"), "")
			if r.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(r.header.Get("Content-Disposition"), "attachment;") || r.header.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.Contains(r.header.Get("Content-Security-Policy"), "sandbox") || r.header.Get("X-Frame-Options") != "DENY" {
				s.t.Errorf("%s: %v", name, r.header)
			}
		}
	}},
	{"a user takes what the stack keeps from them", func(s *siege) {
		s.stack(s.me, "keeping", "fleet", func(in *appstream.CreateStackInput) {
			in.UserSettings = []types.UserSetting{{Action: types.ActionFileUpload, Permission: types.PermissionDisabled}, {Action: types.ActionFileDownload, Permission: types.PermissionDisabled}}
		})
		p := s.open(s.address(s.me, "keeping", "files8", 600))
		for _, r := range []answer{s.own(p, "GET "+p.path+"files", ""), s.own(p, put(p, "f", 1), "x"), s.own(p, "DELETE "+p.path+"files/put/f?id=x1&size=1", ""), s.own(p, "GET "+p.path+"files/get/f", "")} {
			if r.status != http.StatusForbidden {
				s.t.Errorf("%d %s", r.status, r.body)
			}
		}
	}},
	{"a program is started that is no application", func(s *siege) {
		p := s.user("stack", "files9")
		for _, body := range []string{`{"name":"C:\\Windows\\System32\\cmd.exe"}`, `{"name":"../paint"}`, `{"name":""}`, `{}`, `{"name":"paint","path":"C:\\x.exe"}`, `["paint"]`, `{"name":"paint"}{"name":"paint"}`, "paint"} {
			if r := s.own(p, "POST "+p.path+"launch", body); r.status != http.StatusBadRequest {
				s.t.Errorf("%s: %d %s", body, r.status, r.body)
			}
		}
	}},
	{"files and applications of an ended session are asked for", func(s *siege) {
		p := s.user("stack", "files10")
		href := s.file(p, "a.txt", "a")
		if r := s.own(p, "POST "+p.path+"end", ""); r.status != http.StatusOK {
			s.t.Fatal(r.status)
		}
		for _, r := range []answer{s.own(p, "GET "+p.path+"files", ""), s.own(p, "GET "+href, ""), s.own(p, put(p, "f", 1), "x"), s.own(p, "GET "+p.path+"applications", ""), s.own(p, "POST "+p.path+"launch", `{"name":"paint"}`)} {
			if r.status != http.StatusNotFound {
				s.t.Errorf("%d %s", r.status, r.body)
			}
		}
	}},
}
