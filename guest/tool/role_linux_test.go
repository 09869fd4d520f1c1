package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"slipway/api/metadata"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// asProcess has this program be the credential_process of the test that runs it.
const asProcess = "SLIPWAY_TEST_METADATA"

func TestMain(m *testing.M) {
	if address := os.Getenv(asProcess); address != "" && slices.Contains(os.Args, "role-credentials") {
		if err := (metadataAt(address)).credentials(context.Background(), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func metadataAt(address string) metadataClient { return metadataClient{address} }

// told is what the server knows of the machine.
type told struct {
	key   *domain.SessionKey
	guest bool
}

func (s *told) Guest(context.Context, string) (*service.Guest, error) {
	if !s.guest {
		return nil, fault.New(fault.NotFound, "no")
	}
	b := &domain.Builder{Machine: "m-1", Address: "10.0.0.5/24"}
	b.Key = domain.Key{Scope: domain.Scope{Account: "111122223333", Region: "eu-west-1"}, Name: "b"}
	return &service.Guest{Guest: b.Guest(), Zone: domain.Zones("eu-west-1")[0]}, nil
}

func (s *told) GuestCredentials(context.Context, string) (*domain.SessionKey, error) {
	if s.key == nil {
		return nil, fault.New(fault.NotFound, "no")
	}
	return s.key, nil
}

func roleKey(id string) *domain.SessionKey {
	k := &domain.SessionKey{Secret: "s3cret", Token: "t0ken", Account: "111122223333", Role: "maker", RoleID: "AROA1", Expires: time.Now().Add(time.Hour)}
	k.Key.Name = id
	return k
}

// machine is a machine's metadata service, the server's own, and where its profile
// is.
func machine(t *testing.T) (*told, metadataClient, roleFiles) {
	t.Helper()
	s := &told{guest: true, key: roleKey("ASIA1")}
	h := metadata.Handler(s, []byte("0123456789abcdef"), time.Now, "http://slipway.internal")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(metadata.WithMachine(r.Context(), "m-1")))
	}))
	t.Cleanup(server.Close)
	self, err := os.Executable()
	ok(t, err)
	dir := t.TempDir()
	return s, metadataAt(server.Listener.Addr().String()), roleFiles{config: filepath.Join(dir, "run", "aws-config"), pointer: filepath.Join(dir, "profile.d", "role.sh"), program: self}
}

// TestRoleProfile lets AWS's own SDK be the judge: it finds the profile by its
// name through what a login shell exports, gets fresh credentials when others are
// given out, and is refused when the role is gone.
func TestRoleProfile(t *testing.T) {
	s, m, p := machine(t)
	if has, err := p.announce(t.Context(), m); !has || err != nil {
		t.Fatalf("%v, %v", has, err)
	}
	variable := strings.TrimSpace(login(t, p, nil))
	if variable != p.config {
		t.Fatalf("a login shell has %q", variable)
	}
	t.Setenv(configVariable, variable)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_PROFILE", RoleProfile)
	t.Setenv(asProcess, m.address)
	for _, id := range []string{"ASIA1", "ASIA2"} {
		s.key = roleKey(id)
		c, err := config.LoadDefaultConfig(t.Context())
		ok(t, err)
		keys, err := c.Credentials.Retrieve(t.Context())
		if err != nil || keys.AccessKeyID != id || keys.SecretAccessKey != "s3cret" || keys.SessionToken != "t0ken" || !keys.CanExpire || !keys.Expires.Equal(s.key.Expires.Truncate(time.Second)) {
			t.Errorf("credentials: %+v, %v", keys, err)
		}
		if c.Region != "eu-west-1" || c.BaseEndpoint == nil || *c.BaseEndpoint != "http://slipway.internal" {
			t.Errorf("region %q, endpoint %v", c.Region, c.BaseEndpoint)
		}
	}
	s.key = nil
	c, err := config.LoadDefaultConfig(t.Context())
	ok(t, err)
	if keys, err := c.Credentials.Retrieve(t.Context()); err == nil {
		t.Errorf("without a role: %+v", keys)
	}
	if has, err := p.announce(t.Context(), m); has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
	if _, err := config.LoadDefaultConfig(t.Context()); err == nil || !strings.Contains(err.Error(), RoleProfile) {
		t.Errorf("the profile is still there: %v", err)
	}
	for _, f := range []string{p.config, p.pointer} {
		if _, err := os.Lstat(f); err == nil {
			t.Errorf("%s is still there", f)
		}
	}
	if has, err := p.announce(t.Context(), m); has || err != nil { // as on a machine that never had one
		t.Errorf("%v, %v", has, err)
	}
}

// login is what a login shell of a user exports.
func login(t *testing.T, p roleFiles, env []string) string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", ". "+p.pointer+"; echo $"+configVariable)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestRoleProfileGivesWay: who has a configuration keeps it, in shells and in
// programs that the page starts.
func TestRoleProfileGivesWay(t *testing.T) {
	_, m, p := machine(t)
	home, own := t.TempDir(), t.TempDir()
	if got := p.environ([]string{"A=b"}, home); !slices.Equal(got, []string{"A=b"}) {
		t.Errorf("before there is one: %q", got)
	}
	_, err := p.announce(t.Context(), m)
	ok(t, err)
	put(t, filepath.Join(own, ".aws", "config"), 0o600)
	for _, c := range []struct {
		env  []string
		home string
		want string
	}{
		{nil, home, p.config}, {nil, own, ""}, {[]string{"AWS_CONFIG_FILE=/mine"}, home, "/mine"},
	} {
		if got := strings.TrimSpace(login(t, p, append([]string{"HOME=" + c.home}, c.env...))); got != c.want {
			t.Errorf("%q at %s: a shell has %q", c.env, c.home, got)
		}
		got := ""
		for _, kv := range p.environ(c.env, c.home) {
			if v, found := strings.CutPrefix(kv, configVariable+"="); found {
				got = v
			}
		}
		if got != c.want {
			t.Errorf("%q at %s: a program has %q", c.env, c.home, got)
		}
	}
}

// TestRoleIsAskedForAgain: a server that is away, or does not know the machine
// yet, has not said that there is no role.
func TestRoleIsAskedForAgain(t *testing.T) {
	s, m, p := machine(t)
	_, err := p.announce(t.Context(), m)
	ok(t, err)
	s.guest, s.key = false, nil
	if _, err := p.announce(t.Context(), m); !errors.Is(err, errAway) {
		t.Errorf("a machine that nobody knows: %v", err)
	}
	if _, err := p.announce(t.Context(), metadataAt("127.0.0.1:1")); !errors.Is(err, errAway) {
		t.Errorf("nobody there: %v", err)
	}
	for _, answer := range []string{"", "HTTP/1.0", "what?\r\n\r\n", "HTTP/1.0 abc x\r\n\r\n", "HTTP/1.0 503 x\r\n\r\n"} {
		odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = c.Write([]byte(answer))
				_ = c.Close()
			}
		}))
		if _, err := metadataAt(odd.Listener.Addr().String()).role(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("%q: %v", answer, err)
		}
		odd.Close()
	}
	if _, err := os.Stat(p.config); err != nil {
		t.Errorf("the profile is gone: %v", err)
	}
	s.guest = true
	var out bytes.Buffer
	if err := m.credentials(t.Context(), &out); !errors.Is(err, errNoRole) || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
	s.key = roleKey("ASIA1")
	ok(t, m.credentials(t.Context(), &out))
	var doc map[string]any
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || doc["Version"] != 1.0 || doc["AccessKeyId"] != "ASIA1" {
		t.Errorf("%s: %v", out.String(), err)
	}
}
