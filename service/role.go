package service

import (
	"context"
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
	if err := checkTrust(r.Key.Name, r.Trust); err != nil {
		return nil, err
	}
	if r.Path == "" {
		r.Path = "/"
	}
	if r.MaxSession == 0 {
		r.MaxSession = int64(domain.SessionDefault.Seconds())
	}
	r.ID = s.IDs.RoleID()
	r.Key = iamKey(c.Account, domain.KindRole, r.Key.Name)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		err := insertEntity(tx, &r, domain.RolesPerAccount, "RolesPerAccount",
			fault.New(fault.Exists, "Role with name %s already exists.", r.Key.Name))
		if err != nil {
			return err
		}
		return checkBoundary(tx, c, &r)
	})
	if err != nil {
		return nil, err
	}
	return &r, nil
}

func checkTrust(role, document string) error {
	if err := checkDocument(document, iam.ParseTrust); err != nil {
		return err
	}
	if domain.PolicyChars(document) > domain.TrustPolicyChars {
		return overQuota("ACLSizePerRole", domain.TrustPolicyChars)
	}
	return nil
}

// Role finds a role of the caller's account.
func (s *Service) Role(ctx context.Context, c domain.Caller, name string) (*domain.Role, error) {
	e, err := s.readEntity(ctx, c, Holder{domain.KindRole, name})
	if err != nil {
		return nil, err
	}
	return e.(*domain.Role), nil
}

// Roles lists the roles whose path begins with prefix, in order of name.
func (s *Service) Roles(ctx context.Context, c domain.Caller, prefix string) ([]*domain.Role, error) {
	var out []*domain.Role
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		out, err = store.List[domain.Role](tx, store.Query{Kind: domain.KindRole, Account: c.Account})
		return err
	})
	return keep(out, func(r *domain.Role) bool { return strings.HasPrefix(r.Path, prefix) }), err
}

// PutRolePolicy sets an inline policy of a role.
func (s *Service) PutRolePolicy(ctx context.Context, c domain.Caller, role, policy, document string) error {
	return s.PutInline(ctx, c, Holder{domain.KindRole, role}, policy, document)
}

// SetTrust replaces a role's trust policy.
func (s *Service) SetTrust(ctx context.Context, c domain.Caller, name, document string) error {
	if err := checkTrust(name, document); err != nil {
		return err
	}
	return s.changeEntity(ctx, c, Holder{domain.KindRole, name}, func(_ store.Tx, e entity) error {
		e.(*domain.Role).Trust = document
		return nil
	})
}

// UpdateRole changes a role's description and longest session; nil leaves as
// it is.
func (s *Service) UpdateRole(ctx context.Context, c domain.Caller, name string, description *string, maxSession *int64) error {
	return s.changeEntity(ctx, c, Holder{domain.KindRole, name}, func(_ store.Tx, e entity) error {
		r := e.(*domain.Role)
		if description != nil {
			r.Description = *description
		}
		if maxSession != nil {
			r.MaxSession = *maxSession
		}
		return nil
	})
}

// DeleteRole removes a role that has no policies left. Its sessions end with
// it.
func (s *Service) DeleteRole(ctx context.Context, c domain.Caller, name string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, c.Account, Holder{domain.KindRole, name})
		if err != nil {
			return err
		}
		if err := checkUnused(e); err != nil {
			return err
		}
		return tx.Delete(e.Head().Key)
	})
}

// roleByARN finds a role by its ARN, whatever its account; nil when there is
// none of exactly this ARN.
func roleByARN(tx store.Tx, arn string) (*domain.Role, error) {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return nil, nil
	}
	r := new(domain.Role)
	err := tx.Get(iamKey(m[1], domain.KindRole, m[3]), r)
	if fault.Is(err, fault.NotFound) || err == nil && r.ARN() != arn {
		return nil, nil
	}
	return r, err
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
	r, err := roleByARN(tx, arn)
	if err != nil {
		return err
	}
	if r == nil {
		return bad("it does not exist", "Create it with iam create-role, or `slipway role create-import`.")
	}
	trusted, err := iam.Trusts([]byte(r.Trust), iam.Request{
		Principal: iam.Principal{Service: servicePrincipal}, Action: "sts:AssumeRole", Resource: arn,
		Context: map[string][]string{"aws:SourceAccount": {c.Account}},
	})
	if err != nil || !trusted.Allowed() {
		return bad("it does not trust "+servicePrincipal, "Allow sts:AssumeRole to the service "+servicePrincipal+" in its trust policy.")
	}
	has, err := s.grantedTo(tx, r)
	if err != nil {
		return err
	}
	var missing []string
	for _, a := range actions {
		// Which resource it will be is not known yet: any will do.
		if d, _ := has.decide(iam.EvaluateAnywhere, iam.Request{Principal: iam.Principal{AWS: r.ARN()}, Action: a}); !d.Allowed() {
			missing = append(missing, a)
		}
	}
	if len(missing) > 0 {
		list := strings.Join(missing, ", ")
		return bad("it does not allow "+list, "Allow "+list+" on all resources in one of its policies.")
	}
	return nil
}
