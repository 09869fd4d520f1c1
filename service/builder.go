package service

import (
	"context"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// noBuilder is what is told of builders that are not there.
func noBuilder(name string, c domain.Caller) error {
	return fault.New(fault.NotFound, "The image builder %s for account %s does not exist.", name, c.Account)
}

func ownBuilder(tx store.Tx, c domain.Caller, name string) (*domain.Builder, error) {
	b := new(domain.Builder)
	err := tx.Get(c.Key(domain.KindBuilder, name), b)
	if fault.Is(err, fault.NotFound) {
		return nil, noBuilder(name, c)
	}
	return b, err
}

// BuilderQuery selects image builders of the caller's: all or those named.
type BuilderQuery struct {
	Names []string
	After string
	Limit int
}

// Builders lists image builders in order of name and says where to go on. A
// name that is not there is fault.NotFound.
func (s *Service) Builders(ctx context.Context, c domain.Caller, q BuilderQuery) (out []*domain.Builder, next string, err error) {
	sq := store.Query{Kind: domain.KindBuilder, Account: c.Account, Region: c.Region, Names: q.Names, After: q.After}
	if q.Limit > 0 {
		sq.Limit = q.Limit + 1
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		for _, n := range q.Names {
			if _, err := ownBuilder(tx, c, n); err != nil {
				return err
			}
		}
		out, err = store.List[domain.Builder](tx, sq)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
		next = out[q.Limit-1].Key.Name
	}
	return out, next, nil
}

// Builder finds one image builder of the caller's.
func (s *Service) Builder(ctx context.Context, c domain.Caller, name string) (b *domain.Builder, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		b, err = ownBuilder(tx, c, name)
		return err
	})
	return b, err
}

// StartBuilder starts a stopped builder, or one that has failed, and returns it
// PENDING. agent is a version of AppStream's agent or "".
func (s *Service) StartBuilder(ctx context.Context, c domain.Caller, name, agent string) (*domain.Builder, error) {
	return s.askBuilder(ctx, c, name, domain.BuilderAskStart, domain.FlowBuilderStart, func(tx store.Tx, b *domain.Builder) error {
		if err := s.agent(b, agent, b.Tool); err != nil {
			return err
		}
		t, ok := s.instances().Find(b.InstanceType)
		if !ok {
			return fault.New(fault.NotAvailable, "The instance type %s of the image builder %s is not in the catalogue any more.", b.InstanceType, name)
		}
		b.Reason, b.Errors = nil, nil
		b.Run++
		if err := s.place(tx, b); err != nil { // one of an older version has no address
			return err
		}
		return s.promise(tx, b, t)
	})
}

// StopBuilder begins to power a running builder off and returns it STOPPING.
// What its guest wrote is kept.
func (s *Service) StopBuilder(ctx context.Context, c domain.Caller, name string) (*domain.Builder, error) {
	return s.askBuilder(ctx, c, name, domain.BuilderAskStop, domain.FlowBuilderStop, func(_ store.Tx, b *domain.Builder) error {
		b.Reason, b.Errors = nil, nil
		return nil
	})
}

// DeleteBuilder begins to remove a builder with all that its guest wrote and
// returns it DELETING.
func (s *Service) DeleteBuilder(ctx context.Context, c domain.Caller, name string) (*domain.Builder, error) {
	return s.askBuilder(ctx, c, name, domain.BuilderAskDelete, domain.FlowBuilderDelete, nil)
}

// builderMust says in which states a request is taken.
var builderMust = map[domain.Event]string{
	domain.BuilderAskStart: "STOPPED", domain.BuilderAskStop: "RUNNING", domain.BuilderAskDelete: "RUNNING, STOPPED or FAILED",
}

// askBuilder sends a request to a builder's state table and starts the workflow
// that goes with it. A request that is under way already changes nothing.
func (s *Service) askBuilder(ctx context.Context, c domain.Caller, name string, on domain.Event, flow string, change func(store.Tx, *domain.Builder) error) (b *domain.Builder, err error) {
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if b, err = ownBuilder(tx, c, name); err != nil {
			return err
		}
		_, v := domain.BuilderMachine.Next(b.State, on)
		switch {
		case v == domain.Ignore:
			return nil
		case v == domain.Refuse:
			return fault.New(fault.WrongState, "The image builder %s is %s. The image builder must be %s for this action to succeed.", name, b.State, builderMust[on])
		case change != nil:
			if err := change(tx, b); err != nil {
				return err
			}
		}
		if _, err := tx.Move(b.Key, on, "", b); err != nil {
			return err
		}
		return s.enqueue(tx, flow, b.Key)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// promise gives a builder's machine what its type has on this host, if the host
// has it. It is promised from now on.
func (s *Service) promise(tx store.Tx, b *domain.Builder, t domain.InstanceType) error {
	b.CPUs, b.MemoryMiB = t.Fit(s.room())
	return s.fits(tx, t, 1, b.Key)
}

// agent writes down which version of AppStream's agent, the guest tool, a builder
// is to have from this start on, and refuses versions that nobody could install.
// AWS's word for the newest one is [LATEST], here the server's; an image's own
// version is the one that is there.
func (s *Service) agent(b *domain.Builder, version, own string) error {
	latest := strings.EqualFold(strings.Trim(version, "[]"), "LATEST") || version != "" && version == s.Config.Tool
	if version != "" && !latest && version != own && !s.room().Pretend {
		return fault.New(fault.BadValue, "The AppStream agent version %s is not available on this server.", version).WithHint("Leave AppstreamAgentVersion out, or use [LATEST].")
	}
	b.FreshTool = latest
	if version != "" {
		b.AgentVersion = version
	}
	return nil
}

// checkSoftware refuses names that are not licence-included software, and such as
// are to come and to go at once.
func (s *Service) checkSoftware(install, uninstall []string) error {
	for _, n := range slices.Concat(install, uninstall) {
		if !s.instances().Software(n) {
			return fault.New(fault.BadValue, "There is no licence-included software %s.", n)
		}
	}
	for _, n := range install {
		if slices.Contains(uninstall, n) {
			return fault.New(fault.BadCombination, "The software %s cannot be installed and uninstalled at once.", n)
		}
	}
	return nil
}
