package service

import (
	"context"
	"slices"

	"slipway/domain"
	"slipway/fault"
	"slipway/iam"
	"slipway/store"
)

// granted is what a user or role may do: what its policies and those of its
// groups allow, as far as its permissions boundary does too.
type granted struct {
	policies []*iam.Policy
	boundary []*iam.Policy // one, where there is a boundary
}

// decide asks both; limited says that the boundary has the word.
func (g granted) decide(evaluate func([]*iam.Policy, iam.Request) iam.Decision, r iam.Request) (d iam.Decision, limited bool) {
	d = evaluate(g.policies, r)
	if len(g.boundary) == 0 {
		return d, false
	}
	b := evaluate(g.boundary, r)
	if b.Effect == iam.ExplicitDeny || d.Allowed() && !b.Allowed() {
		return b, true
	}
	return d, false
}

// all are the policies, to ask what they look at.
func (g granted) all() []*iam.Policy { return slices.Concat(g.policies, g.boundary) }

// grantedTo reads everything that is granted to a user or role.
func (s *Service) grantedTo(tx store.Tx, e entity) (granted, error) {
	docs, err := documentsOf(tx, e)
	if err != nil {
		return granted{}, err
	}
	if u, ok := e.(*domain.User); ok {
		for _, n := range u.Groups {
			g, err := getEntity(tx, u.Key.Account, Holder{domain.KindGroup, n})
			if err != nil {
				return granted{}, err
			}
			more, err := documentsOf(tx, g)
			if err != nil {
				return granted{}, err
			}
			docs = append(docs, more...)
		}
	}
	var out granted
	if out.policies, err = s.parse(docs); err != nil {
		return granted{}, err
	}
	if b, ok := e.(domain.Bounded); ok && *b.Limit() != "" {
		p, err := policyByARN(tx, e.Head().Key.Account, *b.Limit())
		if err != nil {
			return granted{}, err
		}
		if out.boundary, err = s.parse([]string{p.Document()}); err != nil {
			return granted{}, err
		}
	}
	return out, nil
}

func documentsOf(tx store.Tx, e entity) ([]string, error) {
	g := e.Granted()
	var docs []string
	for _, n := range sortedKeys(g.Inline) {
		docs = append(docs, g.Inline[n])
	}
	for _, arn := range g.Attached {
		p, err := policyByARN(tx, e.Head().Key.Account, arn)
		if err != nil {
			return nil, err
		}
		docs = append(docs, p.Document())
	}
	return docs, nil
}

// SetBoundary sets the permissions boundary of a user or role; "" removes it.
func (s *Service) SetBoundary(ctx context.Context, c domain.Caller, h Holder, arn string) error {
	return s.changeEntity(ctx, c, h, func(tx store.Tx, e entity) error {
		limit := e.(domain.Bounded).Limit()
		if *limit == "" && arn == "" {
			return fault.New(fault.NotFound, "The %s with name %s does not have a permissions boundary.", h.Kind, h.Name)
		}
		old := *limit
		if *limit = arn; arn != "" {
			if err := checkBoundary(tx, c, e); err != nil {
				return err
			}
		}
		return letGo(tx, e, old)
	})
}

// checkBoundary refuses a boundary that is no policy, and holds on to it else.
func checkBoundary(tx store.Tx, c domain.Caller, e entity) error {
	arn := *e.(domain.Bounded).Limit()
	if arn == "" {
		return nil
	}
	key, err := attachable(tx, c, arn)
	if err != nil || key == nil {
		return err
	}
	return tx.Refer(e.Head().Key, *key)
}

// letGo gives up the reference to a policy that was detached, or was the
// boundary, unless it is still the other of the two.
func letGo(tx store.Tx, e entity, arn string) error {
	key, ok := policyKey(arn)
	if !ok || slices.Contains(e.Granted().Attached, arn) {
		return nil
	}
	if b, ok := e.(domain.Bounded); ok && *b.Limit() == arn {
		return nil
	}
	return tx.Unrefer(e.Head().Key, key)
}
