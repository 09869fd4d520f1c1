package service

import (
	"context"
	"slices"
	"sort"

	"slipway/domain"
	"slipway/fault"
	"slipway/iam"
	"slipway/store"
)

// Holder names a user, a role or a group: what policies are attached to.
type Holder struct {
	Kind domain.Kind // KindUser, KindRole or KindGroup
	Name string
}

// entity is a user, a role or a group.
type entity interface {
	domain.Tagged
	Granted() *domain.Grants
	ARN() string
}

func newEntity(k domain.Kind) entity {
	switch k {
	case domain.KindUser:
		return new(domain.User)
	case domain.KindGroup:
		return new(domain.Group)
	}
	return new(domain.Role)
}

// limits are IAM's quotas by holder, and its words for them.
var limits = map[domain.Kind]struct {
	inlineChars int
	attached    string
}{
	domain.KindUser:  {domain.UserInlineChars, "PoliciesPerUser"},
	domain.KindRole:  {domain.RoleInlineChars, "PoliciesPerRole"},
	domain.KindGroup: {domain.GroupInlineChars, "PoliciesPerGroup"},
}

// iamKey is the key of something in the IAM of an account.
func iamKey(account string, k domain.Kind, name string) domain.Key {
	return domain.Key{Scope: domain.Scope{Account: account}, Kind: k, Name: name}
}

func getEntity(tx store.Tx, account string, h Holder) (entity, error) {
	e := newEntity(h.Kind)
	err := tx.Get(iamKey(account, h.Kind, h.Name), e)
	if fault.Is(err, fault.NotFound) {
		return nil, noEntity(h.Kind, h.Name)
	}
	return e, err
}

func noEntity(k domain.Kind, name string) error {
	return fault.New(fault.NotFound, "The %s with name %s cannot be found.", k, name)
}

// changeEntity reads a user or role, changes it and writes it back.
func (s *Service) changeEntity(ctx context.Context, c domain.Caller, h Holder, change func(tx store.Tx, e entity) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, c.Account, h)
		if err != nil {
			return err
		}
		if err := change(tx, e); err != nil {
			return err
		}
		return tx.Put(e)
	})
}

// readEntity reads a user or role.
func (s *Service) readEntity(ctx context.Context, c domain.Caller, h Holder) (entity, error) {
	var e entity
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		e, err = getEntity(tx, c.Account, h)
		return err
	})
	return e, err
}

// insertEntity makes something in IAM under a name that no other of its kind
// has, whatever its case, within the account's quota.
func insertEntity(tx store.Tx, n domain.Noun, quota int, word string, exists error) error {
	k := n.Head().Key
	same, err := tx.Count(store.Query{Kind: k.Kind, Account: k.Account, Alias: n.Alias()})
	if err != nil {
		return err
	}
	if same > 0 {
		return exists
	}
	all, err := tx.Count(store.Query{Kind: k.Kind, Account: k.Account})
	if err != nil {
		return err
	}
	if all >= quota {
		return overQuota(word, quota).WithHint("Delete one that is not needed.")
	}
	err = tx.Insert(n)
	if fault.Is(err, fault.Exists) {
		return exists
	}
	return err
}

func overQuota(word string, quota int) *fault.Error {
	return fault.New(fault.Quota, "Cannot exceed quota for %s: %d.", word, quota)
}

func conflict(format string, args ...any) error {
	return fault.New(fault.InUse, "Cannot delete entity, "+format, args...)
}

// checkUnused refuses to delete a user or role that still has policies.
func checkUnused(e entity) error {
	switch g := e.Granted(); {
	case len(g.Attached) > 0:
		return conflict("must detach all policies first.")
	case len(g.Inline) > 0:
		return conflict("must delete policies first.")
	}
	return nil
}

// checkDocument refuses a policy that the evaluator does not understand: it
// would have to be guessed at.
func checkDocument(document string, parse func([]byte) (*iam.Policy, error)) error {
	if _, err := parse([]byte(document)); err != nil {
		return fault.Wrap(fault.BadValue, err, "%s", fault.Public(err)).WithCode("MalformedPolicyDocument")
	}
	return nil
}

// PutInline sets an inline policy.
func (s *Service) PutInline(ctx context.Context, c domain.Caller, h Holder, policy, document string) error {
	if err := checkDocument(document, iam.ParseIdentity); err != nil {
		return err
	}
	return s.changeEntity(ctx, c, h, func(_ store.Tx, e entity) error {
		g := e.Granted()
		if g.Inline == nil {
			g.Inline = map[string]string{}
		}
		g.Inline[policy] = document
		chars, most := 0, limits[h.Kind].inlineChars
		for _, d := range g.Inline {
			chars += domain.PolicyChars(d)
		}
		if chars > most {
			return fault.New(fault.Quota, "Maximum policy size of %d bytes exceeded for %s %s.", most, h.Kind, h.Name).
				WithHint("Put statements that grow into a managed policy.")
		}
		return nil
	})
}

// Inline reads an inline policy.
func (s *Service) Inline(ctx context.Context, c domain.Caller, h Holder, policy string) (string, error) {
	e, err := s.readEntity(ctx, c, h)
	if err != nil {
		return "", err
	}
	doc, ok := e.Granted().Inline[policy]
	if !ok {
		return "", noInline(h, policy)
	}
	return doc, nil
}

func noInline(h Holder, policy string) error {
	return fault.New(fault.NotFound, "The %s policy with name %s cannot be found.", h.Kind, policy)
}

// InlineNames lists the inline policies, in order.
func (s *Service) InlineNames(ctx context.Context, c domain.Caller, h Holder) ([]string, error) {
	e, err := s.readEntity(ctx, c, h)
	if err != nil {
		return nil, err
	}
	return sortedKeys(e.Granted().Inline), nil
}

// DeleteInline removes an inline policy.
func (s *Service) DeleteInline(ctx context.Context, c domain.Caller, h Holder, policy string) error {
	return s.changeEntity(ctx, c, h, func(_ store.Tx, e entity) error {
		g := e.Granted()
		if _, ok := g.Inline[policy]; !ok {
			return noInline(h, policy)
		}
		delete(g.Inline, policy)
		return nil
	})
}

// Attach attaches a managed policy; repeatable.
func (s *Service) Attach(ctx context.Context, c domain.Caller, h Holder, arn string) error {
	return s.changeEntity(ctx, c, h, func(tx store.Tx, e entity) error {
		key, err := attachable(tx, c, arn)
		if err != nil {
			return err
		}
		g := e.Granted()
		if slices.Contains(g.Attached, arn) {
			return nil
		}
		if len(g.Attached) >= domain.AttachedPerEntity {
			return overQuota(limits[h.Kind].attached, domain.AttachedPerEntity)
		}
		g.Attached = append(g.Attached, arn)
		sort.Strings(g.Attached)
		if key == nil {
			return nil
		}
		return tx.Refer(e.Head().Key, *key)
	})
}

// Detach takes a managed policy away.
func (s *Service) Detach(ctx context.Context, c domain.Caller, h Holder, arn string) error {
	return s.changeEntity(ctx, c, h, func(tx store.Tx, e entity) error {
		g := e.Granted()
		i := slices.Index(g.Attached, arn)
		if i < 0 {
			return fault.New(fault.NotFound, "Policy %s was not found.", arn)
		}
		g.Attached = slices.Delete(g.Attached, i, i+1)
		return letGo(tx, e, arn)
	})
}

// Attached lists the ARNs of attached managed policies.
func (s *Service) Attached(ctx context.Context, c domain.Caller, h Holder) ([]string, error) {
	e, err := s.readEntity(ctx, c, h)
	if err != nil {
		return nil, err
	}
	return e.Granted().Attached, nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
