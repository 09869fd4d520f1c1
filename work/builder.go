package work

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// What a builder has beside its row: a machine, an overlay in the disk store and
// a directory, all named by Builder.Machine, which no second builder ever has.
// A job remembers that name in its first step: when the row is another
// builder's by now, of the same name, the job has nothing to do with it.

// builderState is shared by the steps of all workflows of a builder.
type builderState struct {
	Machine string
	Overlay string
	Agent   string // why the guest tool is not as new as was asked for
}

// builderDir holds what a builder's board remembers and its last screenshot and
// serial log.
func (w *World) builderDir(machine string) string {
	return filepath.Join(w.DataDir, builderDirs, machine)
}

// builderDirs is below the data directory; each is named by its machine.
const builderDirs = "builders"

// kept lists what is in one of the directories that hold what machines leave.
func (w *World) kept(dir string) ([]string, error) {
	es, err := os.ReadDir(filepath.Join(w.DataDir, dir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(fault.Unavailable, err, "The directory %s cannot be listed.", dir)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Name())
	}
	return out, nil
}

// boardDir is the part of it that the machine writes.
func (w *World) boardDir(machine string) string { return filepath.Join(w.builderDir(machine), "board") }

// builder reads a job's builder.
func (w *World) builder(ctx context.Context, r *Run, s *builderState) (*domain.Builder, error) {
	b, err := read[domain.Builder](ctx, w.Store, r.Job().Subject)
	if err == nil && b.Machine != s.Machine {
		return nil, errOther
	}
	return b, err
}

// editBuilder changes a job's builder.
func (w *World) editBuilder(ctx context.Context, key domain.Key, machine string, change func(tx store.Tx, b *domain.Builder)) error {
	_, err := edit(ctx, w.Store, key, func(tx store.Tx, b *domain.Builder) error {
		if b.Machine != machine {
			return errOther
		}
		change(tx, b)
		return nil
	})
	return err
}

// moveBuilder sends an event to a job's builder; when the builder is gone or has
// gone on without the job, which is then being repeated after its end, nothing
// happens.
func (w *World) moveBuilder(ctx context.Context, key domain.Key, machine string, on domain.Event, detail string, change func(tx store.Tx, b *domain.Builder)) error {
	return unlessPassed(move(ctx, w.Store, key, on, detail, func(tx store.Tx, b *domain.Builder) error {
		if b.Machine != machine {
			return errOther
		}
		if change != nil {
			change(tx, b)
		}
		return nil
	}))
}

// blameBuilder writes down why a builder failed, in AWS's words for builders.
func blameBuilder(tx store.Tx, b *domain.Builder, cause error) {
	code, message := "INTERNAL_SERVICE_ERROR", fault.Public(cause)
	b.Reason = &domain.StateReason{Code: "INTERNAL_ERROR", Message: message}
	switch fault.KindOf(cause) {
	case fault.NotFound, fault.NotAvailable:
		code, b.Reason.Code = "IMAGE_NOT_FOUND", "IMAGE_UNAVAILABLE"
	case fault.Incompatible:
		code = "FLEET_INSTANCE_PROVISIONING_FAILURE"
	}
	b.Errors = []domain.ImageError{{Code: code, Message: message, At: tx.Now()}}
}
