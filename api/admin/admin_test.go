package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/api/admin"
	"slipway/api/admin/adminapi"
	"slipway/fault"
)

type source struct {
	admin.Identities
	denied error
	limit  int
	active bool
	why    string
	err    error
}

func (s *source) May(context.Context, string) error                    { return s.denied }
func (s *source) Machines(context.Context) ([]adminapi.Machine, error) { return nil, s.err }
func (s *source) Jobs(_ context.Context, limit int, active bool) ([]adminapi.Job, error) {
	s.limit, s.active = limit, active
	return []adminapi.Job{{ID: "job-1"}}, s.err
}
func (s *source) Job(_ context.Context, id string) (adminapi.Job, error) {
	if id != "job-1" {
		return adminapi.Job{}, fault.New(fault.NotFound, "There is no job %s.", id).WithHint("List them.")
	}
	return adminapi.Job{ID: id, Log: []adminapi.StepRun{{Step: "boot", Phase: "do", Started: time.Unix(1, 0).UTC()}}}, nil
}
func (s *source) CancelJob(_ context.Context, id, why string) (adminapi.Job, error) {
	s.why = why
	return adminapi.Job{ID: id, Cancel: why}, s.err
}
func (s *source) Fleets(context.Context) ([]adminapi.Fleet, error) { return nil, s.err }
func (s *source) Fleet(context.Context, string) (adminapi.Fleet, error) {
	return adminapi.Fleet{}, s.err
}
func (s *source) Sessions(context.Context, string) ([]adminapi.Session, error) { return nil, s.err }
func (s *source) Builders(context.Context) ([]adminapi.Builder, error)         { return nil, s.err }

func (*source) NewImage(context.Context, string, adminapi.NewImageRequest) (adminapi.Image, error) {
	return adminapi.Image{}, nil
}

func (s *source) Builder(_ context.Context, name string) (adminapi.Builder, error) {
	return adminapi.Builder{Name: name}, s.err
}

func (s *source) Images(context.Context) ([]adminapi.Image, error) { return nil, s.err }
func (s *source) Image(_ context.Context, name string) (adminapi.Image, error) {
	return adminapi.Image{Name: name}, s.err
}

func ask(t *testing.T, src admin.Source, method, path, body string) (int, string) {
	t.Helper()
	h := admin.Handler(src, slog.New(slog.NewTextHandler(io.Discard, nil)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, adminapi.Prefix+path, strings.NewReader(body)))
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: Content-Type %q", method, path, got)
	}
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/machines", "", `{"machines":[]}`},
		{"GET", "/images", "", `{"images":[]}`},
		{"GET", "/image-builders", "", `{"image_builders":[]}`},
		{"GET", "/images/win%2011", "", `{"name":"win 11","arn":"","state":"","disk_bytes":0,"evidence":{"rungs":null,"boot_ms":0}}`},
		{"GET", "/jobs/job-1", "", `{"id":"job-1","workflow":"","version":0,"subject":{"kind":"","name":""},"status":"","step":0,"steps":0,"attempt":0,` +
			`"progress":{"done":0,"total":0},"log":[{"step":"boot","phase":"do","attempt":0,"started":"1970-01-01T00:00:01Z"}],` +
			`"created":"0001-01-01T00:00:00Z","updated":"0001-01-01T00:00:00Z"}`},
	} {
		if code, got := ask(t, &source{}, c.method, c.path, c.body); code != 200 || got != c.want {
			t.Errorf("%s %s: %d %s\nwant 200 %s", c.method, c.path, code, got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/jobs/job-2", "", 404, `{"error":{"kind":"not-found","message":"There is no job job-2. List them."}}`},
		{"GET", "/nothing", "", 404, `"kind":"not-found"`},
		{"DELETE", "/jobs", "", 404, `"kind":"not-found"`},
		{"GET", "/jobs?limit=0", "", 400, `must be a number from 1 to 1000`},
		{"GET", "/jobs?limit=x", "", 400, `"kind":"bad-value"`},
		{"GET", "/jobs?active=yes", "", 400, `must be 0 or 1`},
		{"POST", "/jobs/job-1/cancel", "{", 400, `not the JSON`},
		{"POST", "/jobs/job-1/cancel", strings.Repeat(" ", 70<<10), 400, `longer than`},
	} {
		code, got := ask(t, &source{}, c.method, c.path, c.body)
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %d %s\nwant %d with %s", c.method, c.path, code, got, c.code, c.want)
		}
	}
}

// Every kind of fault has an answer; none but bugs is told as one, and the
// private side of an error never leaves.
func TestKinds(t *testing.T) {
	for _, k := range fault.Kinds() {
		err := fault.Wrap(k, errors.New("s3cret"), "Said of %s.", k)
		code, got := ask(t, &source{err: err}, "GET", "/machines", "")
		var f adminapi.Failure
		if e := json.Unmarshal([]byte(got), &f); e != nil || f.Error.Kind != k.String() || f.Error.Message != fmt.Sprintf("Said of %s.", k) {
			t.Errorf("%s: %d %s", k, code, got)
		}
		if (code == http.StatusInternalServerError) != (k == fault.Internal) || strings.Contains(got, "s3cret") {
			t.Errorf("%s: %d %s", k, code, got)
		}
	}
}

func TestArguments(t *testing.T) {
	s := &source{}
	ask(t, s, "GET", "/jobs", "")
	if s.limit != 50 || s.active {
		t.Errorf("without arguments: limit %d active %v", s.limit, s.active)
	}
	ask(t, s, "GET", "/jobs?limit=7&active=1", "")
	if s.limit != 7 || !s.active {
		t.Errorf("limit %d active %v", s.limit, s.active)
	}
	for body, want := range map[string]string{`{"why":"lunch"}`: "lunch", "": "asked for through the admin API"} {
		if ask(t, s, "POST", "/jobs/job-1/cancel", body); s.why != want {
			t.Errorf("%q: why %q", body, s.why)
		}
	}
}

// TestDenied: who may not call learns nothing, whatever the path.
func TestDenied(t *testing.T) {
	s := &source{denied: fault.New(fault.Denied, "No.")}
	for _, path := range []string{"GET /machines", "GET /jobs?limit=7", "GET /jobs/job-1", "POST /jobs/job-1/cancel", "GET /images", "GET /images/x", "GET /audit",
		"GET /accounts", "POST /accounts", "GET /keys", "POST /keys", "POST /keys/x/rotate", "POST /keys/x/disable"} {
		method, path, _ := strings.Cut(path, " ")
		if code, body := ask(t, s, method, path, ""); code != http.StatusForbidden || !strings.Contains(body, `"denied"`) {
			t.Errorf("%s %s: %d %s", method, path, code, body)
		}
	}
	if s.limit != 0 || s.why != "" {
		t.Error("the source was asked all the same")
	}
}
