package work

import (
	"context"
	"fmt"
	"strings"

	"slipway/compute"
	"slipway/disk"
	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

type importState struct {
	Machine string // id of the validation machine; "" when none was asked for
	Overlay string
	Handle  *compute.Handle
	Bus     compute.Bus
	NIC     compute.Model
}

// imageImport proves that a sealed disk can be an image: what the rules say of
// its inside and, when asked for, that it boots and shows a picture.
func (w *World) imageImport() Workflow {
	return Define(domain.FlowImageImport, 1, []Step[importState]{
		{Name: "begin", Do: w.importBegin, Undo: w.importFailed},
		{Name: "inspect", Do: w.importInspect},
		{Name: "overlay", Do: w.importOverlay, Undo: w.importDropOverlay},
		{Name: "boot", Do: w.importBoot, Undo: w.importDropMachine},
		{Name: "climb", Do: w.importClimb},
		{Name: "shutdown", Do: w.importShutdown},
		{Name: "publish", Do: w.importPublish, NoReturn: true},
	})
}

// machineOf is the id of a job's machine and of its overlay: derived, so that
// what is left over can be told from what is still wanted.
func machineOf(jobID string) string { return "v-" + strings.TrimPrefix(jobID, "job-") }

func (w *World) importBegin(ctx context.Context, r *Run, s *importState) error {
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	if img.Intended != "" {
		s.Machine = machineOf(r.Job().ID)
	}
	return move[domain.Image](ctx, w.Store, img.Key, domain.ImageImportBegun, "", nil)
}

// importFailed is the undo of the first step, hence the last thing that runs:
// it says on the image why it failed.
func (w *World) importFailed(ctx context.Context, r *Run, _ *importState) error {
	cause := r.Cause()
	reason := &domain.StateReason{Code: "INTERNAL_ERROR", Message: fault.Public(cause)}
	if !fault.Is(cause, fault.Internal) && !fault.Is(cause, fault.Unavailable) {
		reason.Code = "IMAGE_IMPORT_FAILURE"
	}
	return conclude(ctx, w.Store, r.Job(), domain.ImageBroke, reason.Message, func(tx store.Tx, img *domain.Image) error {
		img.Reason = reason
		if len(img.Errors) == 0 && reason.Code == "IMAGE_IMPORT_FAILURE" && !fault.Is(cause, fault.Canceled) {
			img.Errors = []domain.ImageError{{Code: "VALIDATION_ERROR", Message: reason.Message, At: tx.Now()}}
		}
		return nil
	})
}

func (w *World) importInspect(ctx context.Context, r *Run, s *importState) error {
	r.Progress(0, 0, "looking into the disk")
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	f, problem, err := w.facts(ctx, img.Disk)
	if err != nil {
		return err
	}
	if f == nil {
		return GiveUp(fault.New(fault.Incompatible, "The disk could not be inspected: %s", problem))
	}
	findings := rules.Evaluate(w.Rules, *f)
	apps, icons, err := w.importApps(ctx, img, f)
	if err != nil {
		return err
	}
	findings = append(findings, apps...)
	var blocking []domain.ImageError
	img, err = edit(ctx, w.Store, img.Key, func(tx store.Tx, img *domain.Image) error {
		img.Platform, img.Findings, blocking = rules.Platform(*f), nil, nil
		for _, x := range findings {
			img.Findings = append(img.Findings, finding(x))
			if x.Severity == rules.Block {
				blocking = append(blocking, domain.ImageError{Code: "VALIDATION_ERROR", Message: x.Found + " " + x.Remedy, At: tx.Now()})
			}
		}
		img.Errors = blocking
		for i := range icons {
			img.Catalog[i].Icon = icons[i]
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(blocking) > 0 {
		return GiveUp(fault.New(fault.Incompatible, "The disk of %s cannot be an image: %s", img.SourceAMI, sentences(blocking)))
	}
	s.Bus, s.NIC = compute.Bus(rules.Bus(*f)), compute.Model(rules.NIC(*f))
	return nil
}

func finding(x rules.Finding) domain.Finding {
	return domain.Finding{Rule: x.Rule, Severity: string(x.Severity), Found: x.Found, Where: x.Where, Value: x.Value, Remedy: x.Remedy, Source: x.Source, Code: x.Code, AWSCode: x.AWSCode}
}

func sentences(errs []domain.ImageError) string {
	var all []string
	for _, e := range errs {
		all = append(all, e.Message)
	}
	return strings.Join(all, " ")
}

func (w *World) importOverlay(ctx context.Context, r *Run, s *importState) error {
	if s.Machine == "" {
		return nil
	}
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	if err := move[domain.Image](ctx, w.Store, img.Key, domain.ImageBootBegun, "", nil); err != nil {
		return err
	}
	base, err := disk.ParseDigest(img.Disk)
	if err != nil {
		return err
	}
	s.Overlay, err = w.Disks.CreateOverlay(ctx, s.Machine, base, img.DiskBytes)
	return err
}

func (w *World) importDropOverlay(ctx context.Context, _ *Run, s *importState) error {
	if s.Machine == "" {
		return nil
	}
	return w.Disks.RemoveOverlay(ctx, s.Machine)
}

func (w *World) importBoot(ctx context.Context, r *Run, s *importState) error {
	if s.Machine == "" {
		return nil
	}
	img, err := read[domain.Image](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	base, err := disk.ParseDigest(img.Disk)
	if err != nil {
		return err
	}
	r.Progress(0, 0, "waiting for room to run a guest")
	if err := w.Slots.Take(ctx, s.Machine); err != nil {
		return err
	}
	spec := compute.Spec{
		ID: s.Machine, Bus: s.Bus, NIC: s.NIC, TPM: w.Driver.Features().TPM,
		Disk:   compute.Disk{Chain: []compute.File{{Path: s.Overlay, Format: "qcow2"}, {Path: w.Disks.Path(base), Format: "raw"}}},
		Labels: map[string]string{"purpose": "validation", "image": img.Key.Name},
	}
	if f := img.Tags["slipway:fault"]; f != "" {
		spec.Labels["fault"] = f // heeded by the fake driver alone
	}
	spec.CPUs, spec.MemoryMB = w.sized(img.Intended)
	r.Progress(0, 0, "starting the guest")
	h, err := w.Driver.Start(ctx, spec)
	if err != nil {
		return err
	}
	s.Handle = &h
	machine := fmt.Sprintf("%d vCPU, %d MiB, disk on %s, network card %s, %s/%s", spec.CPUs, spec.MemoryMB, s.Bus, s.NIC, w.Driver.Features().Name, w.Driver.Features().Accel)
	_, err = edit(ctx, w.Store, img.Key, func(_ store.Tx, img *domain.Image) error {
		img.Evidence.Machine = machine
		return nil
	})
	return err
}

// sized gives the guest what its instance type has, within what this host can
// spare: a validation wants the kind of machine, not its last gigabyte.
func (w *World) sized(intended string) (cpus int, memoryMB int64) {
	t, _ := w.instances().Find(intended)
	cpus, memoryMB = max(t.VCPUs, 1), max(t.MemoryMiB, 1024)
	f := w.Driver.Features()
	if f.CPUs > 0 {
		cpus = min(cpus, f.CPUs)
	}
	if f.MemoryMB > 0 {
		memoryMB = min(memoryMB, max(f.MemoryMB/2, 512))
	}
	return cpus, memoryMB
}

func (w *World) importDropMachine(ctx context.Context, _ *Run, s *importState) error {
	if s.Machine == "" {
		return nil
	}
	if err := w.Driver.Destroy(ctx, s.Machine); err != nil {
		return err
	}
	w.Slots.Release(s.Machine)
	return nil
}

func (w *World) importClimb(ctx context.Context, r *Run, s *importState) error {
	if s.Machine == "" {
		return nil
	}
	w.Slots.Resume(s.Machine)
	if s.Handle != nil {
		if _, err := w.Driver.Recover(ctx, *s.Handle); err != nil {
			return err
		}
	}
	return w.climb(ctx, r, s.Machine, w.fullLadder(r.Job().Subject))
}

func (w *World) importShutdown(ctx context.Context, r *Run, s *importState) error {
	if s.Machine == "" {
		return nil
	}
	r.Progress(0, 0, "powering the guest off")
	limits := w.Boot.filled(w.Driver.Features().Accel)
	off, cancel := context.WithTimeout(ctx, limits.Off)
	defer cancel()
	if err := w.Driver.Shutdown(off, s.Machine); err != nil && ctx.Err() == nil {
		// The proof is complete; a guest that ignores the button is put down.
		r.Log.Info("guest did not power off", "machine", s.Machine, "error", err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := w.importDropMachine(ctx, r, s); err != nil {
		return err
	}
	return w.importDropOverlay(ctx, r, s)
}

func (w *World) importPublish(ctx context.Context, r *Run, _ *importState) error {
	return conclude(ctx, w.Store, r.Job(), domain.ImageReady, "", func(_ store.Tx, img *domain.Image) error {
		img.Reason, img.Errors = nil, nil
		return nil
	})
}
