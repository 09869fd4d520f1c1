package service

import (
	"context"
	"slices"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

func noStack(name string, c domain.Caller) error {
	return fault.New(fault.NotFound, "The stack %s for account %s does not exist.", name, c.Account)
}

func ownStack(tx store.Tx, c domain.Caller, name string) (*domain.Stack, error) {
	n := new(domain.Stack)
	err := tx.Get(c.Key(domain.KindStack, name), n)
	if fault.Is(err, fault.NotFound) {
		return nil, noStack(name, c)
	}
	return n, err
}

// CreateStack makes a stack.
func (s *Service) CreateStack(ctx context.Context, c domain.Caller, name string, n domain.Stack) (*domain.Stack, error) {
	if n.Protocol == "" {
		n.Protocol = "TCP"
	}
	if err := checkStack(&n); err != nil {
		return nil, err
	}
	n.Key = c.Key(domain.KindStack, name)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := ownStack(tx, c, name); err == nil {
			return fault.New(fault.Exists, "The stack %s already exists.", name).WithHint("Choose another name, or delete that stack first.")
		} else if !fault.Is(err, fault.NotFound) {
			return err
		}
		if err := roomFor(tx, n.Key.Scope, domain.KindStack, domain.QuotaStacks, ""); err != nil {
			return err
		}
		return tx.Insert(&n)
	})
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// Stacks lists stacks of the caller's in order of name, all or those named, and
// says where to go on. A name that is not there is fault.NotFound.
func (s *Service) Stacks(ctx context.Context, c domain.Caller, names []string, after string, limit int) (out []*domain.Stack, next string, err error) {
	sq := store.Query{Kind: domain.KindStack, Account: c.Account, Region: c.Region, Names: names, After: after}
	if limit > 0 {
		sq.Limit = limit + 1
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		for _, n := range names {
			if _, err := ownStack(tx, c, n); err != nil {
				return err
			}
		}
		out, err = store.List[domain.Stack](tx, sq)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if limit > 0 && len(out) > limit {
		out = out[:limit]
		next = out[limit-1].Key.Name
	}
	return out, next, nil
}

// Words of UpdateStack's AttributesToDelete. STORAGE_CONNECTORS and the three
// with a connector's name take connectors away; IAM_ROLE_ARN and THEME_NAME are
// of settings that a stack does not have any more and change nothing.
const (
	dropConnectors  = "STORAGE_CONNECTORS"
	dropConnector   = "STORAGE_CONNECTOR_"
	dropRedirect    = "REDIRECT_URL"
	dropFeedback    = "FEEDBACK_URL"
	dropSettings    = "USER_SETTINGS"
	dropEmbedders   = "EMBED_HOST_DOMAINS"
	dropEndpoints   = "ACCESS_ENDPOINTS"
	dropProtocol    = "STREAMING_EXPERIENCE_SETTINGS"
	dropRedirection = "CONTENT_REDIRECTION"
	dropAgents      = "AGENT_ACCESS_CONFIG"
)

// StackUpdate changes a stack; nil leaves as it is.
type StackUpdate struct {
	DisplayName *string
	Description *string
	Connectors  []domain.StorageConnector
	RedirectURL *string
	FeedbackURL *string
	Permissions []domain.UserPermission
	Settings    *domain.AppSettings
	Endpoints   []domain.AccessEndpoint
	Embedders   []string
	Protocol    *string
	Redirection *domain.Redirection
	AgentAccess *domain.AgentAccess // empty members are left as they are
	Drop        []string            // words of AttributesToDelete
}

// sets tells which attributes an update gives a value.
func (u *StackUpdate) sets() map[string]bool {
	return map[string]bool{
		dropConnectors: u.Connectors != nil, dropRedirect: u.RedirectURL != nil, dropFeedback: u.FeedbackURL != nil, dropSettings: u.Permissions != nil,
		dropEmbedders: u.Embedders != nil, dropEndpoints: u.Endpoints != nil, dropProtocol: u.Protocol != nil, dropRedirection: u.Redirection != nil,
		dropAgents: u.AgentAccess != nil,
	}
}

// UpdateStack changes a stack at any time. What its users may do holds at once,
// also for those who have a session.
func (s *Service) UpdateStack(ctx context.Context, c domain.Caller, name string, u StackUpdate) (n *domain.Stack, err error) {
	set := u.sets()
	for _, d := range u.Drop {
		if set[d] {
			return nil, fault.New(fault.BadCombination, "%s cannot be set and deleted at once.", d)
		}
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if n, err = ownStack(tx, c, name); err != nil {
			return err
		}
		for _, d := range u.Drop {
			dropStackAttribute(n, d)
		}
		u.apply(n)
		if err := checkStack(n); err != nil {
			return err
		}
		return tx.Put(n)
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

func dropStackAttribute(n *domain.Stack, word string) {
	switch word {
	case dropConnectors:
		n.Connectors = nil
	case dropConnector + "HOMEFOLDERS", dropConnector + "GOOGLE_DRIVE", dropConnector + "ONE_DRIVE":
		n.Connectors = slices.DeleteFunc(n.Connectors, func(x domain.StorageConnector) bool { return dropConnector+x.Type == word })
	case dropRedirect:
		n.RedirectURL = ""
	case dropFeedback:
		n.FeedbackURL = ""
	case dropSettings:
		n.Permissions = nil
	case dropEmbedders:
		n.Embedders = nil
	case dropEndpoints:
		n.Endpoints = nil
	case dropProtocol:
		n.Protocol = "TCP"
	case dropRedirection:
		n.Redirection = nil
	case dropAgents:
		n.AgentAccess = nil
	}
}

func (u *StackUpdate) apply(n *domain.Stack) {
	for _, p := range []struct{ from, to *string }{
		{u.DisplayName, &n.DisplayName}, {u.Description, &n.Description}, {u.RedirectURL, &n.RedirectURL}, {u.FeedbackURL, &n.FeedbackURL}, {u.Protocol, &n.Protocol},
	} {
		if p.from != nil {
			*p.to = *p.from
		}
	}
	if u.Connectors != nil {
		n.Connectors = u.Connectors
	}
	if u.Permissions != nil {
		n.Permissions = u.Permissions
	}
	if u.Settings != nil {
		n.Settings = *u.Settings
	}
	if u.Endpoints != nil {
		n.Endpoints = u.Endpoints
	}
	if u.Embedders != nil {
		n.Embedders = u.Embedders
	}
	if u.Redirection != nil {
		n.Redirection = u.Redirection
	}
	if a := u.AgentAccess; a != nil {
		n.AgentAccess = mergeAgents(n.AgentAccess, *a)
	}
}

func mergeAgents(old *domain.AgentAccess, a domain.AgentAccess) *domain.AgentAccess {
	if old == nil {
		return &a
	}
	if len(a.Actions) == 0 {
		a.Actions = old.Actions
	}
	if a.Upload == nil {
		a.Upload = old.Upload
	}
	for _, p := range []struct{ to, old *string }{{&a.Bucket, &old.Bucket}, {&a.Resolution, &old.Resolution}, {&a.Format, &old.Format}, {&a.UserControl, &old.UserControl}} {
		if *p.to == "" {
			*p.to = *p.old
		}
	}
	return &a
}

// DeleteStack removes a stack that has no fleet.
func (s *Service) DeleteStack(ctx context.Context, c domain.Caller, name string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		n, err := ownStack(tx, c, name)
		if err != nil {
			return err
		}
		f, err := fleetOf(tx, n.Key)
		if err != nil {
			return err
		}
		if f != "" { // the sentence is the real service's
			return fault.New(fault.InUse, "Cannot delete stack %s. This stack has fleets associated with it. Only stacks with no fleets associated with it can be deleted.", name).
				WithHint("Take the fleet %s away first, with DisassociateFleet.", f)
		}
		return tx.Delete(n.Key)
	})
}
