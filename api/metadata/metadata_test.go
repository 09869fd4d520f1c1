package metadata_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/api/metadata"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// source knows one guest, m-1, and whether it has a role.
type source struct {
	guest *service.Guest
	key   *domain.SessionKey
}

func (s *source) Guest(ctx context.Context, machine string) (*service.Guest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if machine != "m-1" {
		return nil, fault.New(fault.NotFound, "no")
	}
	return s.guest, nil
}

func (s *source) GuestCredentials(_ context.Context, machine string) (*domain.SessionKey, error) {
	if machine != "m-1" || s.key == nil {
		return nil, fault.New(fault.NotFound, "no")
	}
	return s.key, nil
}

type world struct {
	*source
	t   *testing.T
	now time.Time
	h   http.Handler
}

func newWorld(t *testing.T) *world {
	b := &domain.Builder{Machine: "m-1", Address: "10.0.0.5/24", ENI: "eni-1", InstanceType: "t.small", Subnets: []string{"subnet-1"}, Groups: []string{"sg-1", "sg-2"}}
	b.Key = domain.Key{Scope: domain.Scope{Account: "111122223333", Region: "eu-west-1"}, Name: "b"}
	n := &domain.Subnet{CIDR: "10.0.0.0/24", VPC: "vpc-1"}
	n.Key.Name = "subnet-1"
	k := &domain.SessionKey{Secret: "s3cret", Token: "t0ken", Account: "111122223333", Role: "maker", RoleID: "AROA1", Expires: time.Unix(5000, 0)}
	k.Key.Name = "ASIA1"
	w := &world{t: t, now: time.Unix(1000, 0), source: &source{guest: &service.Guest{Guest: b.Guest(), Zone: domain.Zones("eu-west-1")[1], In: n}, key: k}}
	w.h = metadata.Handler(w.source, []byte("0123456789abcdef"), func() time.Time { return w.now }, "http://slipway.internal")
	return w
}

// ask makes a request as a machine; headers are name, value, name, value.
func (w *world) ask(machine, method, path string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	w.h.ServeHTTP(out, r.WithContext(metadata.WithMachine(r.Context(), machine)))
	return out
}

func (w *world) says(path, want string) {
	w.t.Helper()
	if r := w.ask("m-1", "GET", path); r.Code != 200 || r.Body.String() != want {
		w.t.Errorf("%s: %d %q, want %q", path, r.Code, r.Body, want)
	}
}

func TestTree(t *testing.T) {
	w := newWorld(t)
	mac := w.guest.MAC()
	for path, want := range map[string]string{
		"/latest": "dynamic/\nmeta-data/\nuser-data", "/latest/dynamic/instance-identity": "document", "/2021-07-15/meta-data/placement": "availability-zone\navailability-zone-id\nregion",
		"/latest/meta-data/instance-id": domain.InstanceID("m-1"), "/latest/meta-data/local-ipv4": "10.0.0.5", "/latest/meta-data/hostname": "ip-10-0-0-5.ec2.internal",
		"/latest/meta-data/placement/availability-zone": "eu-west-1b", "/latest/meta-data/placement/region": "eu-west-1", "/latest/meta-data/instance-type": "t.small",
		"/latest/meta-data/mac": mac, "/latest/meta-data/network/interfaces/macs/": mac + "/",
		"/latest/meta-data/network/interfaces/macs/" + mac + "/security-group-ids": "sg-1\nsg-2", "/latest/meta-data/network/interfaces/macs/" + mac + "/subnet-id": "subnet-1",
		"/latest/meta-data/iam/": "info\nsecurity-credentials/", "/latest/meta-data/iam/security-credentials/": "maker",
	} {
		w.says(path, want)
	}
	if r := w.ask("m-1", "GET", "/latest/meta-data/"); !strings.Contains(r.Body.String(), "\niam/\n") || !strings.HasPrefix(r.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("the list: %q", r.Body)
	}
	var doc struct{ AccountID, InstanceID, Region, PrivateIP string }
	r := w.ask("m-1", "GET", "/latest/dynamic/instance-identity/document")
	if err := json.Unmarshal(r.Body.Bytes(), &doc); err != nil || doc.AccountID != "111122223333" || doc.InstanceID != domain.InstanceID("m-1") || doc.Region != "eu-west-1" || doc.PrivateIP != "10.0.0.5" {
		t.Errorf("document: %s, %v", r.Body, err)
	}
	var keys map[string]string
	r = w.ask("m-1", "GET", "/latest/meta-data/iam/security-credentials/maker")
	if err := json.Unmarshal(r.Body.Bytes(), &keys); err != nil || keys["Code"] != "Success" || keys["AccessKeyId"] != "ASIA1" || keys["SecretAccessKey"] != "s3cret" || keys["Token"] != "t0ken" || keys["Expiration"] != "1970-01-01T01:23:20Z" {
		t.Errorf("credentials: %s, %v", r.Body, err)
	}
	w.key = nil // the role is gone
	for _, p := range []string{"iam", "iam/info", "iam/security-credentials/", "iam/security-credentials/maker"} {
		if r := w.ask("m-1", "GET", "/latest/meta-data/"+p); r.Code != 404 {
			t.Errorf("%s without a role: %d", p, r.Code)
		}
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	const ttl, header, id = "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token", "/latest/meta-data/instance-id"
	put := w.ask("m-1", "PUT", "/latest/api/token", ttl, "60")
	token := put.Body.String()
	if put.Code != 200 || put.Header().Get(ttl) != "60" || len(token) < 40 {
		t.Fatalf("token: %d %q", put.Code, token)
	}
	for name, c := range map[string]struct {
		got, want int
	}{
		"version 1":          {w.ask("m-1", "GET", id).Code, 200},
		"version 2":          {w.ask("m-1", "GET", id, header, token).Code, 200},
		"a forged token":     {w.ask("m-1", "GET", id, header, "B"+token[1:]).Code, 401},
		"no token at all":    {w.ask("m-1", "GET", id, header, "x").Code, 401},
		"ttl 0":              {w.ask("m-1", "PUT", "/latest/api/token", ttl, "0").Code, 400},
		"ttl too long":       {w.ask("m-1", "PUT", "/latest/api/token", ttl, "21601").Code, 400},
		"no ttl":             {w.ask("m-1", "PUT", "/latest/api/token").Code, 400},
		"a token by GET":     {w.ask("m-1", "GET", "/latest/api/token", ttl, "60").Code, 405},
		"passed on":          {w.ask("m-1", "PUT", "/latest/api/token", ttl, "60", "X-Forwarded-For", "1.2.3.4").Code, 403},
		"passed on, reading": {w.ask("m-1", "GET", id, "x-forwarded-for", "").Code, 403},
		"POST":               {w.ask("m-1", "POST", id).Code, 405},
		"PUT elsewhere":      {w.ask("m-1", "PUT", id, ttl, "60").Code, 405},
		"unknown version":    {w.ask("m-1", "GET", "/2030-01-01/meta-data/").Code, 404},
		"unknown path":       {w.ask("m-1", "GET", "/latest/meta-data/nothing").Code, 404},
		"part of a name":     {w.ask("m-1", "GET", "/latest/meta-data/inst").Code, 404},
		"user data":          {w.ask("m-1", "GET", "/latest/user-data", header, token).Code, 200},
		"nobody":             {w.ask("", "GET", id).Code, 403},
		"an ended machine":   {w.ask("m-2", "GET", id).Code, 404},
		"its token":          {w.ask("m-2", "PUT", "/latest/api/token", ttl, "60").Code, 404},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
	w.says("/latest/user-data", "{\n  \"resourceArn\": \"arn:aws:appstream:eu-west-1:111122223333:image-builder/b\"\n}")
	w.guest.Fleet = "f"
	w.says("/latest/user-data", "{\n  \"resourceArn\": \"arn:aws:appstream:eu-west-1:111122223333:fleet/f\"\n}")
	w.guest.NoIMDSv1 = new(true)
	if r := w.ask("m-1", "GET", id); r.Code != 401 {
		t.Errorf("version 1 where it is off: %d", r.Code)
	}
	if r := w.ask("m-1", "GET", id, header, token); r.Code != 200 {
		t.Errorf("version 2 where 1 is off: %d", r.Code)
	}
	w.now = w.now.Add(time.Minute)
	if r := w.ask("m-1", "GET", id, header, token); r.Code != 401 {
		t.Errorf("a token past its end: %d", r.Code)
	}
}

// TestTokenIsOneGuests: a token says nothing in another guest's mouth.
func TestTokenIsOneGuests(t *testing.T) {
	w := newWorld(t)
	token := w.ask("m-1", "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60").Body.String()
	other := &source{guest: w.guest}
	h := metadata.Handler(anyone{other}, []byte("0123456789abcdef"), func() time.Time { return w.now }, "http://slipway.internal")
	for machine, want := range map[string]int{"m-1": 200, "m-2": 401} {
		r := httptest.NewRequest("GET", "/latest/meta-data/mac", nil)
		r.Header.Set("X-aws-ec2-metadata-token", token)
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r.WithContext(metadata.WithMachine(r.Context(), machine)))
		if out.Code != want {
			t.Errorf("%s: %d", machine, out.Code)
		}
	}
}

// anyone takes every machine for the one guest.
type anyone struct{ *source }

func (a anyone) Guest(context.Context, string) (*service.Guest, error) { return a.guest, nil }

func TestOneGuestDoesNotStarveOthers(t *testing.T) {
	w := newWorld(t)
	h := metadata.Handler(anyone{w.source}, []byte("0123456789abcdef"), func() time.Time { return w.now }, "http://slipway.internal")
	ask := func(machine string) int {
		r := httptest.NewRequest("GET", "/latest/meta-data/mac", nil)
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r.WithContext(metadata.WithMachine(r.Context(), machine)))
		return out.Code
	}
	n := 0
	for ask("m-1") == 200 {
		if n++; n > 10_000 {
			t.Fatal("there is no limit")
		}
	}
	for i := range 3000 { // as many as fleets may have
		if c := ask(fmt.Sprint("m-2-", i)); c != 200 {
			t.Fatalf("another guest: %d", c)
		}
	}
	if c := ask("m-1"); c == 200 {
		t.Error("its limit was forgotten for others' sake")
	}
	w.now = w.now.Add(time.Second)
	if c := ask("m-1"); c != 200 {
		t.Errorf("a second later: %d", c)
	}
}

// TestHalfClosed: a client such as nc closes its half when it has asked, which
// net/http takes for its end.
func TestHalfClosed(t *testing.T) {
	w := newWorld(t)
	ctx, gone := context.WithCancel(metadata.WithMachine(t.Context(), "m-1"))
	gone()
	out := httptest.NewRecorder()
	w.h.ServeHTTP(out, httptest.NewRequest("GET", "/latest", nil).WithContext(ctx))
	if out.Code != http.StatusOK {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}
