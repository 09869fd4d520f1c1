package work

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/store"
)

// builderDeploy installs and removes the software that is pending in a builder,
// through the guest tool. One that cannot be installed says why and keeps no other
// from being; what happened in the guest is not taken back.
func (w *World) builderDeploy() Workflow {
	return Define(domain.FlowBuilderDeploy, 1, []Step[builderState]{
		{Name: "begin", Do: w.deployBegin, Undo: w.deployFailed},
		{Name: "software", Do: w.deploySoftware},
		{Name: "running", Do: w.deployRunning, NoReturn: true},
	})
}

// softwareOf lists the software of a builder, removals first: what is installed may
// need their place.
func softwareOf(tx store.Tx, b *domain.Builder) ([]*domain.Software, error) {
	all, err := store.List[domain.Software](tx, store.Query{Kind: domain.KindSoftware, Account: b.Key.Account, Region: b.Key.Region, Alias: b.Machine})
	slices.SortStableFunc(all, func(a, b *domain.Software) int {
		if removes := func(n *domain.Software) bool { return n.State == domain.SoftwareRemoving }; removes(a) != removes(b) {
			if removes(a) {
				return -1
			}
			return 1
		}
		return 0
	})
	return all, err
}

// pendingSoftware lists what is to be installed and removed.
func pendingSoftware(tx store.Tx, b *domain.Builder) ([]*domain.Software, error) {
	all, err := softwareOf(tx, b)
	return slices.DeleteFunc(all, func(n *domain.Software) bool {
		return n.State != domain.SoftwareInstalling && n.State != domain.SoftwareRemoving
	}), err
}

// startDeploys ends a start with the deployment of what was asked for at the
// create, if anything was.
func (w *World) startDeploys(ctx context.Context, key domain.Key, s *builderState) (asked bool, err error) {
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		b := new(domain.Builder)
		err := tx.Get(key, b)
		starting := b.State == domain.BuilderPending || b.State == domain.BuilderUpdatingAgent
		if fault.Is(err, fault.NotFound) || err == nil && (b.Machine != s.Machine || !starting) {
			asked = true // this step is being repeated
			return nil
		} else if err != nil {
			return err
		}
		pending, err := pendingSoftware(tx, b)
		if asked = len(pending) > 0; err != nil || !asked {
			return err
		}
		s.started(tx, b)
		if _, err := tx.Move(key, domain.BuilderAskSync, "", b); err != nil {
			return err
		}
		j, err := domain.NewJob(w.IDs, tx.Now(), domain.FlowBuilderDeploy, 1, key, struct{}{})
		if err != nil {
			return err
		}
		return tx.PutJob(j)
	})
	return asked, err
}

func (w *World) deployBegin(ctx context.Context, r *Run, s *builderState) error {
	b, err := read[domain.Builder](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	s.Machine = b.Machine
	return w.moveBuilder(ctx, b.Key, s.Machine, domain.BuilderSyncBegun, "", nil)
}

// deployFailed is the undo of the first step, hence the last thing that runs: what
// is still pending has failed, and the builder is RUNNING, until the watcher looks
// at its machine.
func (w *World) deployFailed(ctx context.Context, r *Run, s *builderState) error {
	b, err := read[domain.Builder](ctx, w.Store, r.Job().Subject)
	if fault.Is(err, fault.NotFound) || err == nil && s.Machine != "" && b.Machine != s.Machine {
		return nil
	} else if err != nil {
		return err
	}
	var left []*domain.Software
	err = w.Store.View(ctx, func(tx store.Tx) (err error) { left, err = pendingSoftware(tx, b); return err })
	for _, n := range left {
		if err == nil {
			err = w.deployed(ctx, n, &undeployed{"DEPLOYMENT_FAILED", fault.Public(r.Cause())})
		}
	}
	if err != nil {
		return err
	}
	return w.moveBuilder(ctx, b.Key, b.Machine, domain.BuilderReady, "", nil)
}

func (w *World) deployRunning(ctx context.Context, r *Run, s *builderState) error {
	return w.moveBuilder(ctx, r.Job().Subject, s.Machine, domain.BuilderReady, "", nil)
}

// undeployed is why one software could not be installed or removed.
type undeployed struct{ code, message string }

// deployed writes down how the deployment of one software ended.
func (w *World) deployed(ctx context.Context, n *domain.Software, why *undeployed) error {
	on, detail := domain.SoftwareDone, ""
	if why != nil {
		on, detail = domain.SoftwareBroke, why.message
	}
	return w.Store.Update(ctx, func(tx store.Tx) error {
		now := new(domain.Software)
		if err := tx.Get(n.Key, now); fault.Is(err, fault.NotFound) || err == nil && now.State != n.State {
			return nil // this step is being repeated
		} else if err != nil {
			return err
		}
		now.Errors = nil
		if why != nil {
			now.Errors = []domain.ImageError{{Code: why.code, Message: why.message, At: tx.Now()}}
		}
		to, _ := domain.SoftwareMachine.Next(now.State, on)
		if _, err := tx.Move(n.Key, on, detail, now); err != nil || to != domain.SoftwareGone {
			return err
		}
		return tx.Delete(n.Key)
	})
}

func (w *World) deploySoftware(ctx context.Context, r *Run, s *builderState) error {
	b, err := w.builder(ctx, r, s)
	if err != nil {
		return err
	}
	var pending, possible []*domain.Software
	if err := w.Store.View(ctx, func(tx store.Tx) (err error) { pending, err = pendingSoftware(tx, b); return err }); err != nil {
		return err
	}
	for _, n := range pending {
		if w.Installers.Has(n.Name) {
			possible = append(possible, n)
		} else if err := w.deployed(ctx, n, notProvided(n.Name, "")); err != nil {
			return err
		}
	}
	if len(possible) == 0 {
		return nil
	}
	r.Progress(0, 0, "waiting for the guest tool")
	return w.talk(ctx, s.Machine, func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error {
		for _, n := range possible {
			why, err := w.deployOne(ctx, r, o, tool, n)
			if err == nil {
				err = w.deployed(ctx, n, why)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func notProvided(name, system string) *undeployed {
	on := ""
	if system != "" {
		on = " for " + system
	}
	return &undeployed{"INSTALLER_NOT_PROVIDED", fmt.Sprintf("This server has no installer of %s%s. Its operator adds one to manifest.json in the directory of `slipway serve --software DIR`; "+
		"then start the deployment again with RetryFailedDeployments.", name, on)}
}

// deployOne installs or removes one software: it asks first whether there is
// anything to do, so that it may be repeated, and afterwards whether it was done.
func (w *World) deployOne(ctx context.Context, r *Run, o *guest.Orders, tool guest.Greeting, n *domain.Software) (*undeployed, error) {
	in, ok := w.Installers.Find(n.Name, tool.System)
	if !ok {
		return notProvided(n.Name, tool.System), nil
	}
	remove := n.State == domain.SoftwareRemoving
	doing, line := "installing ", in.Install
	if remove {
		doing, line = "removing ", in.Uninstall
	}
	there, why, err := detected(ctx, o, in)
	if err != nil || why != nil || there != remove {
		return why, err
	}
	if strings.TrimSpace(line) == "" {
		return &undeployed{"NOT_REMOVABLE", "The installer of " + n.Name + " has no command to uninstall it."}, nil
	}
	file := ""
	if in.File != "" {
		file = "software-" + in.SHA256[:16] + filepath.Ext(in.File)
		if why, err := w.sendInstaller(ctx, r, o, in, file); why != nil || err != nil {
			return why, err
		}
	}
	r.Progress(0, 0, doing+n.Name)
	rep, err := o.Run(ctx, guest.Command{ID: "software-" + doing[:3] + "-" + n.Name, Line: line, Seconds: seconds(in), File: file})
	if err != nil {
		return nil, err
	}
	if file != "" {
		if _, err := o.Give(ctx, guest.OrderDrop, guest.Asked{ID: file}); err != nil {
			return nil, err
		}
	}
	if rep.Late || !in.Succeeded(rep.Exit) {
		return &undeployed{"COMMAND_FAILED", "The command ended badly while " + doing + n.Name + ": " + ending(rep)}, nil
	}
	there, why, err = detected(ctx, o, in)
	if err == nil && why == nil && there == remove {
		why = &undeployed{"NOT_DETECTED", "The command succeeded while " + doing + n.Name + ", and the command that detects it says otherwise: " + ending(rep)}
	}
	return why, err
}

func seconds(in domain.Installer) int {
	if in.Minutes > 0 {
		return in.Minutes * 60
	}
	return int(time.Hour / time.Second)
}

// detected asks the guest whether a software is installed.
func detected(ctx context.Context, o *guest.Orders, in domain.Installer) (bool, *undeployed, error) {
	rep, err := o.Run(ctx, guest.Command{ID: "software-detect-" + in.Name, Line: in.Detect, Seconds: 300})
	if err != nil {
		return false, nil, err
	}
	if rep.Late {
		return false, &undeployed{"COMMAND_FAILED", "The command that detects " + in.Name + " did not end: " + ending(rep)}, nil
	}
	return rep.Exit == 0, nil, nil
}

// ending is the last thing a command said, for people.
func ending(rep guest.Report) string {
	how := fmt.Sprintf("exit code %d", rep.Exit)
	if rep.Late {
		how = "its time was over"
	}
	if out := lastWords(rep.Output); out != "" {
		how += ", output: " + out
	}
	return how + "."
}

// lastWords shortens an output to its end, in one line.
func lastWords(out string) string {
	out = strings.Join(strings.Fields(fault.Plain(out)), " ")
	if r := []rune(out); len(r) > 300 {
		out = "…" + string(r[len(r)-300:])
	}
	return out
}
