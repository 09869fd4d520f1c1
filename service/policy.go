package service

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/iam"
	"slipway/store"
)

var policyARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}|aws):policy(/.*/|/)([^/]+)$`)

// policyKey is the key of the managed policy an ARN names; ok is false for
// AWS's own and for what is not the ARN of a policy.
func policyKey(arn string) (domain.Key, bool) {
	m := policyARN.FindStringSubmatch(arn)
	if m == nil || m[1] == "aws" {
		return domain.Key{}, false
	}
	return iamKey(m[1], domain.KindPolicy, m[3]), true
}

// policyByARN finds a policy of the account or one of AWS's.
func policyByARN(tx store.Tx, account, arn string) (*domain.Policy, error) {
	if p := awsManaged(arn); p != nil {
		return p, nil
	}
	missing := fault.New(fault.NotFound, "Policy %s was not found.", arn)
	k, ok := policyKey(arn)
	if !ok || k.Account != account {
		return nil, missing
	}
	p := new(domain.Policy)
	err := tx.Get(k, p)
	if fault.Is(err, fault.NotFound) || err == nil && p.ARN() != arn {
		return nil, missing
	}
	return p, err
}

// attachable is the key to refer to when a policy is attached; nil for AWS's.
func attachable(tx store.Tx, c domain.Caller, arn string) (*domain.Key, error) {
	p, err := policyByARN(tx, c.Account, arn)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "Policy %s does not exist or is not attachable.", arn)
	}
	if err != nil || p.Key.Account == managedAccount {
		return nil, err
	}
	return &p.Key, nil
}

func checkManaged(document string) error {
	if err := checkDocument(document, iam.ParseIdentity); err != nil {
		return err
	}
	if domain.PolicyChars(document) > domain.ManagedPolicyChars {
		return overQuota("PolicySize", domain.ManagedPolicyChars)
	}
	return nil
}

// CreatePolicy makes a managed policy with its first version.
func (s *Service) CreatePolicy(ctx context.Context, c domain.Caller, p domain.Policy, document string) (*domain.Policy, error) {
	if err := checkManaged(document); err != nil {
		return nil, err
	}
	if p.Path == "" {
		p.Path = "/"
	}
	p.ID = s.IDs.PolicyID()
	p.Key = iamKey(c.Account, domain.KindPolicy, p.Key.Name)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		p.Default, p.Last = "v1", 1
		p.Versions = []domain.PolicyVersion{{ID: "v1", Document: document, Created: tx.Now()}}
		return insertEntity(tx, &p, domain.PoliciesPerAccount, "PoliciesPerAccount",
			fault.New(fault.Exists, "A policy called %s already exists. Duplicate names are not allowed.", p.Key.Name))
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// PolicyUse is a managed policy, how many users, roles and groups have it, and
// whose boundary it is.
type PolicyUse struct {
	*domain.Policy
	Attachments, Boundaries int
}

// Policy finds a managed policy of the caller's account, or AWS's.
func (s *Service) Policy(ctx context.Context, c domain.Caller, arn string) (*PolicyUse, error) {
	var out *PolicyUse
	err := s.Store.View(ctx, func(tx store.Tx) error {
		p, err := policyByARN(tx, c.Account, arn)
		if err != nil {
			return err
		}
		out, err = use(tx, p)
		return err
	})
	return out, err
}

func use(tx store.Tx, p *domain.Policy) (*PolicyUse, error) {
	holders, err := holdersOf(tx, p)
	u := &PolicyUse{Policy: p}
	for _, h := range holders {
		if h.Attached {
			u.Attachments++
		}
		if h.Boundary {
			u.Boundaries++
		}
	}
	return u, err
}

// PolicyHolder is who has a managed policy, and as what.
type PolicyHolder struct {
	Kind               domain.Kind
	Name, ID           string
	Attached, Boundary bool
}

func holdersOf(tx store.Tx, p *domain.Policy) ([]PolicyHolder, error) {
	who, err := tx.Referrers(p.Key, domain.KindUser, domain.KindRole, domain.KindGroup)
	if err != nil {
		return nil, err
	}
	var out []PolicyHolder
	for _, k := range who {
		e, err := getEntity(tx, k.Account, Holder{k.Kind, k.Name})
		if err != nil {
			return nil, err
		}
		h := PolicyHolder{Kind: k.Kind, Name: k.Name, Attached: slices.Contains(e.Granted().Attached, p.ARN())}
		if b, ok := e.(domain.Bounded); ok {
			h.Boundary = *b.Limit() == p.ARN()
		}
		switch e := e.(type) {
		case *domain.User:
			h.ID = e.ID
		case *domain.Role:
			h.ID = e.ID
		case *domain.Group:
			h.ID = e.ID
		}
		out = append(out, h)
	}
	return out, nil
}

// PolicyFilter selects managed policies.
type PolicyFilter struct {
	Prefix   string // of the path
	Local    bool   // the account's own
	AWS      bool   // AWS's
	Attached bool   // only those that somebody has
	Boundary bool   // only those that are somebody's boundary
}

// Policies lists managed policies in order of name.
func (s *Service) Policies(ctx context.Context, c domain.Caller, f PolicyFilter) ([]*PolicyUse, error) {
	var out []*PolicyUse
	err := s.Store.View(ctx, func(tx store.Tx) error {
		var all []*domain.Policy
		if f.Local {
			own, err := store.List[domain.Policy](tx, store.Query{Kind: domain.KindPolicy, Account: c.Account})
			if err != nil {
				return err
			}
			all = own
		}
		if f.AWS {
			all = append(all, allManaged()...)
		}
		for _, p := range all {
			u, err := use(tx, p)
			if err != nil {
				return err
			}
			if strings.HasPrefix(p.Path, f.Prefix) && (!f.Attached || u.Attachments+u.Boundaries > 0) && (!f.Boundary || u.Boundaries > 0) {
				out = append(out, u)
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b *PolicyUse) int { return strings.Compare(a.Key.Name, b.Key.Name) })
	return out, err
}

// PolicyHolders lists who has a managed policy, as an attached one or as a
// boundary.
func (s *Service) PolicyHolders(ctx context.Context, c domain.Caller, arn string) (out []PolicyHolder, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		p, err := policyByARN(tx, c.Account, arn)
		if err != nil {
			return err
		}
		out, err = holdersOf(tx, p)
		return err
	})
	return out, err
}

// changePolicy reads one of the account's own managed policies, changes it and
// writes it back.
func (s *Service) changePolicy(ctx context.Context, c domain.Caller, arn string, change func(tx store.Tx, p *domain.Policy) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := policyByARN(tx, c.Account, arn)
		if err != nil {
			return err
		}
		if p.Key.Account == managedAccount {
			return fault.New(fault.Denied, "The policy %s belongs to AWS and cannot be changed.", arn)
		}
		if err := change(tx, p); err != nil {
			return err
		}
		return tx.Put(p)
	})
}

// CreatePolicyVersion adds a version and may make it the one that counts.
func (s *Service) CreatePolicyVersion(ctx context.Context, c domain.Caller, arn, document string, asDefault bool) (v domain.PolicyVersion, err error) {
	if err := checkManaged(document); err != nil {
		return v, err
	}
	err = s.changePolicy(ctx, c, arn, func(tx store.Tx, p *domain.Policy) error {
		if len(p.Versions) >= domain.VersionsPerPolicy {
			return fault.New(fault.Quota, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", domain.VersionsPerPolicy)
		}
		p.Last++
		v = domain.PolicyVersion{ID: fmt.Sprintf("v%d", p.Last), Document: document, Created: tx.Now()}
		p.Versions = append(p.Versions, v)
		if asDefault {
			p.Default = v.ID
		}
		return nil
	})
	return v, err
}

func noVersion(arn, id string) error {
	return fault.New(fault.NotFound, "Policy %s version %s does not exist or is not attachable.", arn, id)
}

// SetDefaultVersion makes a version the one that counts.
func (s *Service) SetDefaultVersion(ctx context.Context, c domain.Caller, arn, id string) error {
	return s.changePolicy(ctx, c, arn, func(_ store.Tx, p *domain.Policy) error {
		if p.Version(id) == nil {
			return noVersion(arn, id)
		}
		p.Default = id
		return nil
	})
}

// DeletePolicyVersion removes a version that does not count.
func (s *Service) DeletePolicyVersion(ctx context.Context, c domain.Caller, arn, id string) error {
	return s.changePolicy(ctx, c, arn, func(_ store.Tx, p *domain.Policy) error {
		switch {
		case p.Version(id) == nil:
			return noVersion(arn, id)
		case p.Default == id:
			return fault.New(fault.InUse, "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(p.Versions, func(v domain.PolicyVersion) bool { return v.ID == id })
		return nil
	})
}

// PolicyVersion finds one version.
func (s *Service) PolicyVersion(ctx context.Context, c domain.Caller, arn, id string) (v domain.PolicyVersion, isDefault bool, err error) {
	p, err := s.Policy(ctx, c, arn)
	if err != nil {
		return v, false, err
	}
	found := p.Version(id)
	if found == nil {
		return v, false, noVersion(arn, id)
	}
	return *found, p.Default == id, nil
}

// DeletePolicy removes a managed policy that nobody has and that has one
// version left.
func (s *Service) DeletePolicy(ctx context.Context, c domain.Caller, arn string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := policyByARN(tx, c.Account, arn)
		if err != nil {
			return err
		}
		if p.Key.Account == managedAccount {
			return fault.New(fault.Denied, "The policy %s belongs to AWS and cannot be deleted.", arn)
		}
		u, err := use(tx, p)
		switch {
		case err != nil:
			return err
		case u.Attachments+u.Boundaries > 0:
			return fault.New(fault.InUse, "Cannot delete a policy attached to entities.")
		case len(p.Versions) > 1:
			return fault.New(fault.InUse, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return tx.Delete(p.Key)
	})
}
