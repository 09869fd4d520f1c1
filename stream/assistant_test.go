package stream_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/stream"
)

// helper is an Image Assistant that remembers what it was asked.
type helper struct{ asked []string }

func (h *helper) PageBuilder(_ context.Context, token string) (domain.Caller, string, error) {
	if token != page {
		return domain.Caller{}, "", fault.New(fault.Denied, "This streaming address is not valid.")
	}
	return domain.Caller{Account: "123456789012", ARN: "arn:aws:iam::123456789012:root"}, "b", nil
}

func (h *helper) note(what ...string) { h.asked = append(h.asked, strings.Join(what, " ")) }

func (h *helper) Applications(context.Context, domain.Caller, string) ([]domain.Application, error) {
	return []domain.Application{{Name: "x", Path: "/bin/x"}}, nil
}

func (h *helper) AddApplication(_ context.Context, c domain.Caller, b string, app domain.Application) error {
	h.note("add", c.Account, b, app.Name, app.Path)
	return nil
}

func (h *helper) RemoveApplication(_ context.Context, _ domain.Caller, b, name string) error {
	h.note("remove", b, name)
	return fault.New(fault.NotFound, "App not found")
}

func (h *helper) CreateImageFromBuilder(_ context.Context, _ domain.Caller, in service.NewImage) (*domain.Image, error) {
	h.note("image", in.Builder, in.Name)
	return nil, fault.New(fault.Exists, "The image %s already exists.", in.Name)
}

func (h *helper) ImageProgress(_ context.Context, _ domain.Caller, name string) (*domain.Image, *domain.Job, error) {
	img := &domain.Image{Builder: "b"}
	img.Key.Name = name
	if name == "another's" {
		img.Builder = "c"
	}
	return img, &domain.Job{Status: domain.JobRunning, StepName: "seal", Progress: domain.Progress{Done: 1, Total: 4}}, nil
}

// TestAssistantIsThePagesAlone: what changes something needs the page's cookie
// and our origin; it is done for the page's own builder, whatever is asked.
func TestAssistantIsThePagesAlone(t *testing.T) {
	h := &helper{}
	d := sit(t, func(c *stream.Config) { c.Assistant = h })
	ask := func(method, path, token, origin, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, d.http.URL+"/_slipway/stream/p/bbbb/assistant/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "slipway-page="+token)
		r.Header.Set("Origin", origin)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	own := d.http.URL
	app := `{"name":"n","path":"/bin/n"}`
	for name, c := range map[string]struct {
		method, path, token, origin, body string
		status                            int
		words, asked                      string
	}{
		"list":                   {"GET", "applications", page, "", "", 200, `[{"name":"x","path":"/bin/x"}]`, ""},
		"list without a cookie":  {"GET", "applications", "", "", "", 403, "another browser", ""},
		"list of another page":   {"GET", "applications", "bbbb.other", "", "", 403, "not valid", ""},
		"add":                    {"POST", "applications", page, own, app, 200, "{}", "add 123456789012 b n /bin/n"},
		"add from elsewhere":     {"POST", "applications", page, "https://evil.example.com", app, 403, "alone", ""},
		"add from nowhere":       {"POST", "applications", page, "", app, 403, "alone", ""},
		"add what is no JSON":    {"POST", "applications", page, own, "name=n", 400, "cannot be read", ""},
		"add more than is known": {"POST", "applications", page, own, `{"name":"n","builder":"c"}`, 400, "cannot be read", ""},
		"add too much":           {"POST", "applications", page, own, `{"name":"` + strings.Repeat("n", 1<<17) + `"}`, 400, "cannot be read", ""},
		"remove":                 {"DELETE", "applications/a%2Fb", page, own, "", 404, "App not found", "remove b a/b"},
		"remove from elsewhere":  {"DELETE", "applications/a", page, "null", "", 403, "alone", ""},
		"image":                  {"POST", "image", page, own, `{"name":"i"}`, 409, "already exists", "image b i"},
		"progress":               {"GET", "image/i", page, "", "", 200, `"step":"seal","part":0.25`, ""},
		"another's progress":     {"GET", "image/another's", page, "", "", 404, "no such image", ""},
	} {
		h.asked = nil
		res := ask(c.method, c.path, c.token, c.origin, c.body)
		if text := body(res); res.StatusCode != c.status || !strings.Contains(text, c.words) || strings.Join(h.asked, ",") != c.asked {
			t.Errorf("%s: %s %s, asked %q", name, res.Status, text, h.asked)
		}
	}
}
