package work

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"slipway/compute"
	"slipway/disk"
	"slipway/disk/convert"
	"slipway/disk/facts"
	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// World is what the workflows act on: the only things they may change.
type World struct {
	Store   store.Store
	Disks   *disk.Store
	Driver  compute.Driver
	Inspect func(ctx context.Context, path string) (facts.Facts, error)
	// Apps looks for applications on a disk, in the order asked; nil: catalogues
	// are taken as they come.
	Apps    func(ctx context.Context, path string, apps []facts.App) ([]facts.AppSeen, error)
	Rules   rules.Set
	IDs     domain.IDs
	Clock   domain.Clock
	DataDir string             // evidence is kept below it
	Convert *convert.Converter // nil: one that says nothing
	Objects Objects            // where disks come from and go to; nil: nowhere
	// ImportDir is the directory whose files may be read and written so; "" for
	// none.
	ImportDir string
	// ToolsCD is the image in the CD drive of image builders, with the guest tool
	// and its installers; "" for no drive.
	ToolsCD string
	// Tool is the guest tool that this server carries for a system, and its version;
	// nil: none.
	Tool  func(system string) (program []byte, version string)
	Boot  BootLimits
	Slots *Slots // how many guests may boot at once
	// Instances is the catalogue of instance types; nil means the published one.
	Instances *domain.Catalogue
	// Installers is the software that the operator provides; nil: none.
	Installers *domain.Installers
	// Updaters are the ways to update guests, first fit first; nil means those that
	// are known.
	Updaters []domain.Updater
	// sealing is held shared while a disk is sealed and recorded, and alone
	// while unused disks are removed: between the two a disk has no user.
	sealing sync.RWMutex

	crash func(point string) error // tests only: fails where a crash is simulated
}

func (w *World) point(name string) error {
	if w.crash == nil {
		return nil
	}
	return w.crash(name)
}

func (w *World) instances() *domain.Catalogue {
	if w.Instances != nil {
		return w.Instances
	}
	return domain.Instances()
}

// BootLimits is how long a guest may take. Zero values take defaults that
// depend on whether the processor or software runs the guest.
type BootLimits struct {
	Total  time.Duration // from the start to the last needed rung
	Stall  time.Duration // without anything new on the screen before an operating system runs
	Settle time.Duration // without anything new on the screen before it counts as stable
	Agent  time.Duration // extra patience for the guest agent once all else is there
	Off    time.Duration // for the guest to power off by itself
	Tool   time.Duration // for the guest tool to answer, once the guest is up
	Tick   time.Duration // between two looks
	Shot   time.Duration // between two screenshots: they cost the guest time
}

func (l BootLimits) filled(accel string) BootLimits {
	d := BootLimits{Total: 5 * time.Minute, Stall: 45 * time.Second, Settle: 3 * time.Second, Agent: 5 * time.Second, Off: 45 * time.Second, Tool: 2 * time.Minute, Tick: 250 * time.Millisecond, Shot: 500 * time.Millisecond}
	switch accel {
	case "tcg": // software emulation: an order of magnitude slower
		d.Total, d.Stall, d.Agent, d.Off, d.Tool, d.Shot = 20*time.Minute, 3*time.Minute, 15*time.Second, 2*time.Minute, 5*time.Minute, 1500*time.Millisecond
	case "none":
		d.Settle, d.Agent, d.Tool, d.Tick, d.Shot = 50*time.Millisecond, 100*time.Millisecond, 5*time.Second, 20*time.Millisecond, 20*time.Millisecond
	}
	for _, p := range []struct{ have, otherwise *time.Duration }{
		{&l.Total, &d.Total}, {&l.Stall, &d.Stall}, {&l.Settle, &d.Settle}, {&l.Agent, &d.Agent}, {&l.Off, &d.Off}, {&l.Tool, &d.Tool}, {&l.Tick, &d.Tick}, {&l.Shot, &d.Shot},
	} {
		if *p.have == 0 {
			*p.have = *p.otherwise
		}
	}
	return l
}

// Flows is every workflow.
func (w *World) Flows() []Workflow {
	return []Workflow{w.snapshotSeal(), w.imageImport(), w.imageDelete(), w.imageExport(), w.imageCopy(), w.importDisk(), w.exportDisk(),
		w.builderStart(), w.builderStop(), w.builderDelete(), w.builderImage(), w.builderDeploy(), w.imageUpdate(), w.imageCheck()}
}

// evidenceDir is where an image's screenshots and logs are kept.
func (w *World) evidenceDir(img domain.Key) string {
	return filepath.Join(w.DataDir, "evidence", img.Account, img.Region, img.Name)
}

// edit reads a resource, changes it and writes it back, in one transaction.
// Work goes on for minutes while users tag and describe: a document read
// earlier is never written back.
func edit[T any, P interface {
	*T
	domain.Noun
}](ctx context.Context, s store.Store, key domain.Key, change func(tx store.Tx, n P) error) (P, error) {
	n := P(new(T))
	err := s.Update(ctx, func(tx store.Tx) error {
		if err := tx.Get(key, n); err != nil {
			return err
		}
		if err := change(tx, n); err != nil {
			return err
		}
		return tx.Put(n)
	})
	return n, err
}

// move sends an event to a resource after changing its document.
func move[T any, P interface {
	*T
	domain.Noun
}](ctx context.Context, s store.Store, key domain.Key, on domain.Event, detail string, change func(tx store.Tx, n P) error) error {
	return s.Update(ctx, func(tx store.Tx) error {
		n := P(new(T))
		if err := tx.Get(key, n); err != nil {
			return err
		}
		if change != nil {
			if err := change(tx, n); err != nil {
				return err
			}
		}
		v, err := tx.Move(key, on, detail, n)
		if err == nil && v == domain.Ignore && change != nil {
			return tx.Put(n)
		}
		return err
	})
}

// conclude is the last word of a job on its subject. A job whose end could not be
// recorded says it again, and by then somebody may have deleted the subject, or
// made another of its name: then nothing happens.
func conclude[T any, P interface {
	*T
	domain.Noun
}](ctx context.Context, s store.Store, j domain.Job, on domain.Event, detail string, change func(tx store.Tx, n P) error) error {
	return unlessPassed(move(ctx, s, j.Subject, on, detail, func(tx store.Tx, n P) error {
		if n.Head().Created.After(j.Created) {
			return errOther
		}
		if change == nil {
			return nil
		}
		return change(tx, n)
	}))
}

// errOther means that a row belongs to a later resource of the same name.
var errOther = fault.New(fault.NotFound, "What this is about is gone; another has its name.")

// unlessPassed lets be that a resource is gone or has gone on without the job,
// which is then being repeated after its end.
func unlessPassed(err error) error {
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.WrongState) {
		return nil
	}
	return err
}

func read[T any, P interface {
	*T
	domain.Noun
}](ctx context.Context, s store.Store, key domain.Key) (P, error) {
	n := P(new(T))
	err := s.View(ctx, func(tx store.Tx) error { return tx.Get(key, n) })
	return n, err
}
