package service

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// softwareStates are those of a builder in which its software may be staged.
var softwareStates = []domain.State{domain.BuilderRunning, domain.BuilderStopped}

// AssociateSoftware stages software for installation in a builder; deployment
// installs it. What is installed already stays so, also when it was staged for
// removal. Errors: NotFound, BadValue, BadCombination, Incompatible, WrongState, Busy.
func (s *Service) AssociateSoftware(ctx context.Context, c domain.Caller, builder string, names []string) error {
	return s.stageSoftware(ctx, c, builder, names, func(tx store.Tx, b *domain.Builder, name string) error {
		if err := s.checkSoftwarePlatform(b.Platform, name); err != nil {
			return err
		}
		n := &domain.Software{Machine: b.Machine, Name: name}
		n.Key = domain.SoftwareKey(b, name)
		if err := tx.Insert(n); err == nil || !fault.Is(err, fault.Exists) {
			return err
		}
		return askSoftware(tx, n.Key, domain.SoftwareAskInstall)
	})
}

// DisassociateSoftware stages software for removal from a builder, and forgets what
// was never installed. Errors: NotFound, BadValue, BadCombination, WrongState, Busy.
func (s *Service) DisassociateSoftware(ctx context.Context, c domain.Caller, builder string, names []string) error {
	return s.stageSoftware(ctx, c, builder, names, func(tx store.Tx, b *domain.Builder, name string) error {
		err := askSoftware(tx, domain.SoftwareKey(b, name), domain.SoftwareAskRemove)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "The software %s is not associated with the image builder %s.", name, builder)
		}
		return err
	})
}

// checkSoftwarePlatform refuses what can never be installed in a guest of a
// platform: the software is Microsoft's, and for other systems only there where the
// operator has an installer. A platform that is not known is asked when the time
// comes.
func (s *Service) checkSoftwarePlatform(platform, name string) error {
	if platform == "" || strings.HasPrefix(platform, "WINDOWS") {
		return nil
	}
	if _, ok := s.Config.Installers.Find(name, domain.SystemLinux); ok {
		return nil
	}
	return fault.New(fault.Incompatible, "The software %s cannot be installed on %s.", name, platform)
}

// stageSoftware does one thing to each of the named softwares of a builder, or to
// none.
func (s *Service) stageSoftware(ctx context.Context, c domain.Caller, builder string, names []string, do func(tx store.Tx, b *domain.Builder, name string) error) error {
	if len(names) == 0 {
		return fault.New(fault.BadCombination, "SoftwareNames names no software.")
	}
	if err := s.checkSoftware(names, nil); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		b, err := ownBuilder(tx, c, builder)
		if err != nil {
			return err
		}
		if !slices.Contains(softwareStates, b.State) {
			return fault.New(fault.WrongState, "The image builder %s is %s. The image builder must be RUNNING or STOPPED for this action to succeed.", builder, b.State)
		}
		for _, n := range names {
			if err := do(tx, b, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// askSoftware sends a request to a software's state table; one that is gone then
// leaves no row.
func askSoftware(tx store.Tx, key domain.Key, on domain.Event) error {
	n := new(domain.Software)
	if err := tx.Get(key, n); err != nil {
		return err
	}
	to, v := domain.SoftwareMachine.Next(n.State, on)
	switch {
	case v == domain.Ignore:
		return nil
	case v == domain.Refuse:
		return fault.New(fault.Busy, "The software %s is %s.", n.Name, n.State).WithHint("Wait until the deployment has ended.")
	}
	n.Errors = nil
	if _, err := tx.Move(key, on, "", n); err != nil || to != domain.SoftwareGone {
		return err
	}
	return tx.Delete(key)
}

// DeploySoftware begins to install and remove what is staged in a running builder,
// and with retry also what failed before. The builder is PENDING_SYNCING_APPS when
// it returns. Errors: NotFound, WrongState.
func (s *Service) DeploySoftware(ctx context.Context, c domain.Caller, builder string, retry bool) error {
	on := domain.SoftwareAskDeploy
	if retry {
		on = domain.SoftwareAskRetry
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		b, err := ownBuilder(tx, c, builder)
		if err != nil {
			return err
		}
		to, v := domain.BuilderMachine.Next(b.State, domain.BuilderAskSync)
		if v != domain.Accept || to != domain.BuilderPendingSyncingApps || b.State != domain.BuilderRunning {
			return fault.New(fault.WrongState, "The image builder %s is %s. The image builder must be RUNNING for this action to succeed.", builder, b.State)
		}
		all, err := softwareOf(tx, b)
		if err != nil {
			return err
		}
		begun := 0
		for _, n := range all {
			if _, v := domain.SoftwareMachine.Next(n.State, on); v == domain.Accept {
				begun++
				if err := askSoftware(tx, n.Key, on); err != nil {
					return err
				}
			}
		}
		if begun == 0 {
			return fault.New(fault.WrongState, "No software of the image builder %s is staged for installation or uninstallation.", builder).
				WithHint("Stage some with AssociateSoftwareToImageBuilder; RetryFailedDeployments tries again what failed.")
		}
		if _, err := tx.Move(b.Key, domain.BuilderAskSync, "", b); err != nil {
			return err
		}
		return s.enqueue(tx, domain.FlowBuilderDeploy, b.Key)
	})
}

// softwareOf lists the software of a builder in order of name.
func softwareOf(tx store.Tx, b *domain.Builder) ([]*domain.Software, error) {
	return store.List[domain.Software](tx, store.Query{Kind: domain.KindSoftware, Account: b.Key.Account, Region: b.Key.Region, Alias: b.Machine})
}

// SoftwareQuery selects the software of an image builder of the caller's, or of an
// image that they see.
type SoftwareQuery struct {
	ARN   string
	After string
	Limit int
}

// SoftwareAssociations lists what an image or image builder has or is to have, in
// order of name, and says where to go on. Of images that is what is installed.
func (s *Service) SoftwareAssociations(ctx context.Context, c domain.Caller, q SoftwareQuery) (out []*domain.Software, next string, err error) {
	p := strings.SplitN(q.ARN, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "appstream" {
		return nil, "", fault.New(fault.NotFound, "There is no image and no image builder %s.", q.ARN)
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		name, ok := strings.CutPrefix(p[5], "image-builder/")
		if !ok {
			img, err := imageByARN(tx, c, q.ARN)
			if err != nil {
				return err
			}
			for _, n := range img.Software {
				out = append(out, &domain.Software{Name: n, Meta: domain.Meta{State: domain.SoftwareInstalled}})
			}
			return nil
		}
		if p[3] != c.Region || p[4] != c.Account {
			return fault.New(fault.NotFound, "There is no image and no image builder %s.", q.ARN)
		}
		b, err := ownBuilder(tx, c, name)
		if err == nil {
			out, err = softwareOf(tx, b)
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	out = slices.DeleteFunc(slices.Clone(out), func(n *domain.Software) bool { return n.Name <= q.After && q.After != "" })
	slices.SortFunc(out, func(a, b *domain.Software) int { return cmp.Compare(a.Name, b.Name) })
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
		next = out[q.Limit-1].Name
	}
	return out, next, nil
}

// firstSoftware writes down what a new builder's image has and what is to be
// installed and removed at its first start.
func (s *Service) firstSoftware(tx store.Tx, b *domain.Builder, has, install, uninstall []string) error {
	for _, name := range uninstall {
		if !slices.Contains(has, name) {
			return fault.New(fault.BadCombination, "The software %s cannot be uninstalled: the image %s does not have it.", name, b.Image.Name)
		}
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(has, install)))) {
		n := &domain.Software{Machine: b.Machine, Name: name}
		n.Key = domain.SoftwareKey(b, name)
		if err := tx.Insert(n); err != nil {
			return err
		}
		var events []domain.Event
		switch {
		case slices.Contains(uninstall, name):
			events = []domain.Event{domain.SoftwareFound, domain.SoftwareAskRemove, domain.SoftwareAskDeploy}
		case slices.Contains(has, name):
			events = []domain.Event{domain.SoftwareFound}
		default:
			if err := s.checkSoftwarePlatform(b.Platform, name); err != nil {
				return err
			}
			events = []domain.Event{domain.SoftwareAskDeploy}
		}
		for _, e := range events {
			if _, err := tx.Move(n.Key, e, "", nil); err != nil {
				return err
			}
		}
	}
	return nil
}
