package service_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

func update(source, name string) service.ImageUpdate {
	return service.ImageUpdate{Source: source, Name: name}
}

func TestUpdateImage(t *testing.T) {
	h := newHouse(t, rules.AWS)
	from := h.available("img")
	h.public("known-by-name")
	ctx := t.Context()
	if _, err := h.importing(func(in *service.Import) { in.Name = "unready" }); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in    service.ImageUpdate
		kind  fault.Kind
		words string
	}{
		"unknown":   {update("none", "new"), fault.NotFound, "The image none"},
		"not ready": {update("unready", "new"), fault.NotAvailable, "must be in an AVAILABLE state"},
		"public":    {update("known-by-name", "new"), fault.NotFound, "The image known-by-name"},
		"taken":     {update("img", "unready"), fault.Exists, "already exists"},
		"reserved":  {update("img", "AppStream-x"), fault.BadValue, "reserved prefix"},
	} {
		_, err := h.UpdateImage(ctx, me, c.in)
		_, dry := h.CanUpdateImage(ctx, me, c.in)
		for _, err := range []error{err, dry} {
			if !fault.Is(err, c.kind) || !strings.Contains(fault.Public(err), c.words) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	img, err := h.UpdateImage(ctx, me, service.ImageUpdate{Source: "img", Name: "new", Description: "d", DisplayName: "n", Tags: domain.Tags{"a": "b"}})
	if err != nil || img.State != domain.ImagePending || img.BaseImage != domain.ImageARN(from.Key) || img.Builder != "" || img.Type != from.Type || img.Tags["a"] != "b" {
		t.Fatalf("%+v, %v", img, err)
	}
	b, err := h.Builder(ctx, me, img.Updater)
	if err != nil || b.State != domain.BuilderUpdating || !regexp.MustCompile(`^new-\d{10}$`).MatchString(b.Key.Name) || !b.Internet || b.InstanceType != "GeneralPurpose.m7i.large" {
		t.Fatalf("%+v, %v", b, err)
	}
	// It is the service's.
	for name, ask := range map[string]func(context.Context, domain.Caller, string) (*domain.Builder, error){
		"stop": h.StopBuilder, "delete": h.DeleteBuilder,
		"start": func(ctx context.Context, c domain.Caller, n string) (*domain.Builder, error) {
			return h.StartBuilder(ctx, c, n, "")
		},
	} {
		for _, e := range []domain.Event{"", domain.BuilderQualify} {
			if e != "" && b.State == domain.BuilderUpdating {
				h.event(b.Key, e)
			}
			if _, err := ask(ctx, me, b.Key.Name); !fault.Is(err, fault.WrongState) {
				t.Errorf("%s: %v", name, err)
			}
		}
		b.State = domain.BuilderPendingQualification
	}
	if _, err := h.DeleteImage(ctx, me, "img"); !fault.Is(err, fault.InUse) {
		t.Errorf("the old image may go meanwhile: %v", err)
	}
	if _, err := h.SetQuota(ctx, me.Scope(), domain.QuotaImageUpdates, new(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.UpdateImage(ctx, me, update("img", "second")); !fault.Is(err, fault.Quota) {
		t.Errorf("beyond the quota: %v", err)
	}
}

// answers ends the asking of an image's guest as work would.
func (h *house) answers(key domain.Key, status domain.JobStatus, pending ...string) {
	err := h.Store.Update(context.Background(), func(tx store.Tx) error {
		jobs, err := tx.Jobs(store.JobQuery{Subject: &key, Limit: 1})
		if err != nil {
			return err
		}
		jobs[0].Status, jobs[0].Error = status, "It does not boot."
		if err := tx.PutJob(jobs[0]); err != nil || status != domain.JobDone {
			return err
		}
		img := new(domain.Image)
		if err := tx.Get(key, img); err != nil {
			return err
		}
		img.Check = &domain.UpdateCheck{At: tx.Now(), Pending: pending, Count: len(pending)}
		return tx.Put(img)
	})
	if err != nil {
		h.t.Error(err)
	}
}

// TestCanUpdateImage: the question waits for the guest, not for ever; the answer is
// kept, and one that nothing is pending is an answer to the update too.
func TestCanUpdateImage(t *testing.T) {
	h := newHouse(t, rules.AWS)
	key := h.available("img").Key
	ctx := t.Context()
	h.Config.AskPatience = time.Millisecond
	for range 2 { // the second waits for the same asking
		if _, err := h.CanUpdateImage(ctx, me, update("img", "new")); !fault.Is(err, fault.Busy) {
			t.Fatal(err)
		}
	}
	asked := 0
	err := h.Store.View(ctx, func(tx store.Tx) error {
		jobs, err := tx.Jobs(store.JobQuery{Subject: &key})
		for _, j := range jobs {
			if j.Workflow == domain.FlowImageCheck {
				asked++
			}
		}
		return err
	})
	if err != nil || asked != 1 {
		t.Fatalf("asked %d times, %v", asked, err)
	}
	h.Config.AskPatience = time.Minute
	type answer struct {
		can bool
		err error
	}
	done := make(chan answer, 1)
	go func() {
		can, err := h.CanUpdateImage(ctx, me, update("img", "new"))
		done <- answer{can, err}
	}()
	h.answers(key, domain.JobDone, "a", "b")
	if a := <-done; !a.can || a.err != nil {
		t.Errorf("%+v", a)
	}
	if can, err := h.CanUpdateImage(ctx, me, update("img", "new")); !can || err != nil {
		t.Errorf("asked again: %v, %v", can, err)
	}
	h.answers(key, domain.JobDone)
	if can, err := h.CanUpdateImage(ctx, me, update("img", "new")); can || err != nil {
		t.Errorf("nothing is pending: %v, %v", can, err)
	}
	if img, err := h.UpdateImage(ctx, me, update("img", "new")); img != nil || err != nil {
		t.Errorf("an update of nothing: %+v, %v", img, err)
	}
	other := h.available("other").Key
	go func() {
		can, err := h.CanUpdateImage(ctx, me, update("other", "new"))
		done <- answer{can, err}
	}()
	for {
		changed := h.Store.Changed()
		j, err := h.LastJob(ctx, other)
		if err != nil {
			t.Fatal(err)
		}
		if j != nil && j.Workflow == domain.FlowImageCheck {
			break
		}
		<-changed
	}
	h.answers(other, domain.JobFailed)
	if a := <-done; !fault.Is(a.err, fault.Incompatible) || !strings.Contains(fault.Public(a.err), "It does not boot.") {
		t.Errorf("%+v", a)
	}
}
