package assistant

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"slipway/domain"
	"slipway/guest"
	"slipway/service"
	"slipway/store"
	"slipway/store/sqlite"
)

// newAPI is a server with a builder that runs on the machine "m".
func newAPI(t *testing.T) (*API, domain.Key) {
	t.Helper()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{Clock: domain.WallClock, Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	scope := domain.Scope{Account: "123456789012", Region: "us-east-1"}
	img := &domain.Image{Type: "CUSTOM", Visibility: domain.VisibilityPrivate}
	img.Key = domain.Key{Scope: scope, Kind: domain.KindImage, Name: "base"}
	b := &domain.Builder{Image: img.Key, ImageARN: domain.ImageARN(img.Key), Machine: "m"}
	b.Key = domain.Key{Scope: scope, Kind: domain.KindBuilder, Name: "b"}
	err = st.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.Insert(img); err != nil {
			return err
		}
		if err := tx.Insert(b); err != nil {
			return err
		}
		_, err := tx.Move(b.Key, domain.BuilderReady, "", nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return &API{Service: &service.Service{Store: st, IDs: domain.RandomIDs}, Log: slog.New(slog.DiscardHandler)}, b.Key
}

func (a *API) ask(t *testing.T, machine, name string, args any) guest.Answer {
	t.Helper()
	b, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return a.Answer(t.Context(), machine, name, b)
}

func TestAnswers(t *testing.T) {
	a, key := newAPI(t)
	for i, c := range []struct {
		name   string
		args   any
		status int
		text   string
	}{
		{guest.CallAddApplication, guest.Application{Name: "a", Path: "/a"}, 0, "Success"},
		{guest.CallAddApplication, guest.Application{Name: "A", Path: "/a"}, 1, "Name is not unique"},
		{guest.CallAddApplication, guest.Application{Name: "b"}, 1, "Invalid value (absolute-app-path)"},
		{guest.CallRemoveApplication, guest.Named{Name: "z"}, 1, "App not found"},
		{guest.CallCreateImage, guest.NewImage{Name: "base"}, 1, "An image with the given name already exists"},
		{guest.CallCreateImage, guest.NewImage{Name: "i", Tags: map[string]string{"": "x"}}, 1, "Invalid value (tags)"},
		{guest.CallCreateImage, guest.NewImage{Name: "i", DryRun: true}, 0, "Success"},
		{guest.CallCreateImage, "no object", 1, "The request cannot be read."},
		{"fly", nil, 1, "Unknown operation: fly"},
		{guest.CallRemoveApplication, guest.Named{Name: "a"}, 0, "Success"},
		{guest.CallCreateImage, guest.NewImage{Name: "i", Description: "d"}, 0, "Success"},
		{guest.CallCreateImage, guest.NewImage{Name: "i2"}, 1, "is SNAPSHOTTING"},
	} {
		if got := a.ask(t, "m", c.name, c.args); got.Status != c.status || !strings.Contains(got.Message, c.text) {
			t.Errorf("%d: %s %+v: %+v", i, c.name, c.args, got)
		}
	}
	if got := a.ask(t, "another", guest.CallListApplications, guest.Named{}); got.Status != 1 {
		t.Errorf("a machine that is no builder's: %+v", got)
	}
	caller := domain.Caller{Account: key.Account, Region: key.Region}
	img, err := a.Service.Image(t.Context(), caller, "i")
	if err != nil || img.State != domain.ImagePending || img.Builder != "b" || img.Description != "d" {
		t.Errorf("%+v, %v", img, err)
	}
}

func TestListsFitIntoFrames(t *testing.T) {
	a, _ := newAPI(t)
	long := strings.Repeat("p", 1000)
	for i := range domain.ApplicationsMax {
		app := guest.Application{Name: fmt.Sprintf("app%02d", i), DisplayName: strings.Repeat("n", 256), Path: long, IconPath: long, ManifestPath: long, WorkingDirectory: long, Parameters: long}
		if got := a.ask(t, "m", guest.CallAddApplication, app); got.Status != 0 {
			t.Fatal(got)
		}
	}
	var names []string
	for after := ""; ; {
		got := a.ask(t, "m", guest.CallListApplications, guest.Named{Name: after})
		if b, err := json.Marshal(got); err != nil || got.Status != 0 || len(b) > guest.MaxFrame/2 {
			t.Fatalf("%d bytes, %v, %+v", len(b), err, got.Message)
		}
		for _, x := range got.Applications {
			names = append(names, x.Name)
		}
		if after = got.Next; after == "" {
			break
		}
	}
	if len(names) != domain.ApplicationsMax || names[0] != "app00" || names[49] != "app49" {
		t.Errorf("%q", names)
	}
}
