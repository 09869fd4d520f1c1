package service

import (
	"context"

	"slipway/domain"
	"slipway/fault"
	"slipway/iam"
	"slipway/store"
)

// Simulation asks what the policies of a user or role would say.
type Simulation struct {
	Source    string   // the ARN of the user or role
	More      []string // documents to add to theirs
	Boundary  []string // documents in the place of their boundary's, where there are any
	Actions   []string
	Resources []string // none: "*"
	Keys      map[string][]string
}

// Simulated is one answer; Decision is AWS's word.
type Simulated struct{ Action, Resource, Decision string }

var decisions = map[iam.Effect]string{iam.Allow: "allowed", iam.ExplicitDeny: "explicitDeny", iam.ImplicitDeny: "implicitDeny"}

// Simulate evaluates without doing anything. Tags of resources are not looked
// up: the caller gives them as keys.
func (s *Service) Simulate(ctx context.Context, c domain.Caller, in Simulation) ([]Simulated, error) {
	var out []Simulated
	err := s.Store.View(ctx, func(tx store.Tx) error {
		missing := fault.New(fault.NotFound, "The user or role %s cannot be found.", in.Source)
		n, ok := resourceOf(c, in.Source).(entity)
		if !ok {
			return missing
		}
		e, err := getEntity(tx, c.Account, Holder{n.Head().Key.Kind, n.Head().Key.Name})
		if fault.Is(err, fault.NotFound) || err == nil && e.ARN() != in.Source {
			return missing
		} else if err != nil {
			return err
		}
		has, err := s.grantedTo(tx, e)
		if err != nil {
			return err
		}
		more, err := given(in.More)
		if err != nil {
			return err
		}
		has.policies = append(has.policies, more...)
		if limit, err := given(in.Boundary); err != nil {
			return err
		} else if len(limit) > 0 {
			has.boundary = limit
		}
		if len(in.Resources) == 0 {
			in.Resources = []string{"*"}
		}
		for _, a := range in.Actions {
			for _, r := range in.Resources {
				d, _ := has.decide(iam.Evaluate, iam.Request{Principal: iam.Principal{AWS: e.ARN()}, Action: a, Resource: r, Context: in.Keys})
				out = append(out, Simulated{a, r, decisions[d.Effect]})
			}
		}
		return nil
	})
	return out, err
}

// given reads policies that came with the request.
func given(documents []string) ([]*iam.Policy, error) {
	var out []*iam.Policy
	for _, d := range documents {
		p, err := iam.ParseIdentity([]byte(d))
		if err != nil {
			return nil, fault.Wrap(fault.BadValue, err, "%s", fault.Public(err))
		}
		out = append(out, p)
	}
	return out, nil
}
