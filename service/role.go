package service

import (
	"context"
	"sort"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/iam"
	"slipway/store"
)

// servicePrincipal is who assumes the role of an import or export.
const servicePrincipal = "appstream.amazonaws.com"

// CreateRole makes a role; its documents must be policies the evaluator
// understands, since a policy that is not understood would be guessed at.
func (s *Service) CreateRole(ctx context.Context, c domain.Caller, r domain.Role) (*domain.Role, error) {
	if _, err := iam.ParseTrust([]byte(r.Trust)); err != nil {
		return nil, fault.Wrap(fault.BadValue, err, "%s", fault.Public(err)).WithCode("MalformedPolicyDocument")
	}
	if r.Path == "" {
		r.Path = "/"
	}
	if r.MaxSession == 0 {
		r.MaxSession = 3600
	}
	r.ID = s.IDs.RoleID()
	r.Key = domain.Key{Scope: domain.Scope{Account: c.Account}, Kind: domain.KindRole, Name: r.Key.Name}
	err := s.Store.Update(ctx, func(tx store.Tx) error { return tx.Insert(&r) })
	if fault.Is(err, fault.Exists) {
		return nil, fault.New(fault.Exists, "Role with name %s already exists.", r.Key.Name)
	}
	return &r, err
}

// Role finds a role of the caller's account.
func (s *Service) Role(ctx context.Context, c domain.Caller, name string) (*domain.Role, error) {
	r := new(domain.Role)
	err := s.Store.View(ctx, func(tx store.Tx) error { return tx.Get(roleKey(c, name), r) })
	if fault.Is(err, fault.NotFound) {
		return nil, noRole(name)
	}
	return r, err
}

func roleKey(c domain.Caller, name string) domain.Key {
	return domain.Key{Scope: domain.Scope{Account: c.Account}, Kind: domain.KindRole, Name: name}
}

func noRole(name string) error {
	return fault.New(fault.NotFound, "The role with name %s cannot be found.", name)
}

// PutRolePolicy sets an inline policy of a role.
func (s *Service) PutRolePolicy(ctx context.Context, c domain.Caller, role, policy, document string) error {
	if _, err := iam.ParseIdentity([]byte(document)); err != nil {
		return fault.Wrap(fault.BadValue, err, "%s", fault.Public(err)).WithCode("MalformedPolicyDocument")
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		r := new(domain.Role)
		err := tx.Get(roleKey(c, role), r)
		if fault.Is(err, fault.NotFound) {
			return noRole(role)
		} else if err != nil {
			return err
		}
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[policy] = document
		return tx.Put(r)
	})
}

// checkRole refuses a role that is not there, does not trust the service, or
// may not do one of the actions. The sentence's beginning is what clients look
// for when they retry.
func (s *Service) checkRole(tx store.Tx, c domain.Caller, arn string, actions []string) error {
	bad := func(why, hint string) error {
		return fault.New(fault.BadRole, "AppStream 2.0 encountered an error because your IAM role '%s' is invalid: %s.", arn, why).WithHint("%s", hint)
	}
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return bad("it is not the ARN of a role", "A role's ARN has the form arn:aws:iam::ACCOUNT:role/NAME.")
	}
	if m[1] != c.Account {
		return bad("it belongs to another account", "Use a role of account "+c.Account+".")
	}
	r := new(domain.Role)
	err := tx.Get(roleKey(c, m[3]), r)
	if fault.Is(err, fault.NotFound) || err == nil && r.ARN() != arn {
		return bad("it does not exist", "Create it with iam create-role.")
	} else if err != nil {
		return err
	}
	trusted, err := iam.Trusts([]byte(r.Trust), iam.Request{
		Principal: iam.Principal{Service: servicePrincipal}, Action: "sts:AssumeRole", Resource: arn,
		Context: map[string][]string{"aws:SourceAccount": {c.Account}},
	})
	if err != nil || !trusted.Allowed() {
		return bad("it does not trust "+servicePrincipal, "Allow sts:AssumeRole to the service "+servicePrincipal+" in its trust policy.")
	}
	var missing []string
	for _, a := range actions {
		if !roleMay(r, a) {
			missing = append(missing, a)
		}
	}
	if len(missing) > 0 {
		list := strings.Join(missing, ", ")
		return bad("it does not allow "+list, "Allow "+list+" on all resources in one of its policies.")
	}
	return nil
}

// roleMay asks whether the role may do the action to anything at all: which
// resource it will be is not known yet.
func roleMay(r *domain.Role, action string) bool {
	names := make([]string, 0, len(r.Inline))
	for n := range r.Inline {
		names = append(names, n)
	}
	sort.Strings(names)
	var docs []*iam.Policy
	for _, n := range names {
		p, err := iam.ParseIdentity([]byte(r.Inline[n]))
		if err != nil {
			return false
		}
		docs = append(docs, p)
	}
	return iam.EvaluateAnywhere(docs, iam.Request{Principal: iam.Principal{AWS: r.ARN()}, Action: action}).Allowed()
}
