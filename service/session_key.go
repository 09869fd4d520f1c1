package service

import (
	"context"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/iam"
	"slipway/store"
)

// Assume is what AssumeRole asks for.
type Assume struct {
	RoleARN    string
	Session    string
	ExternalID string
	Source     string // source identity
	Seconds    int64  // 0: an hour
	// Policy and PolicyARNs narrow the session to what they allow too.
	Policy     string
	PolicyARNs []string
}

// AssumeRole starts a session of a role for a caller whom the role's trust
// policy lets in and, unless it names the caller, whose own policies allow it
// too. keys are condition keys of the request.
func (s *Service) AssumeRole(ctx context.Context, c domain.Caller, keys map[string][]string, in Assume) (*domain.SessionKey, error) {
	if c.Kind == domain.CallerRoot {
		return nil, fault.New(fault.Denied, "Roles may not be assumed by root accounts.").
			WithHint("Sign with an access key of a user: iam create-user, iam create-access-key.")
	}
	k := &domain.SessionKey{
		Secret: s.IDs.Secret(), Token: s.IDs.SessionToken(), Session: in.Session, Source: in.Source,
		Scoped: in.Policy != "" || len(in.PolicyARNs) > 0,
	}
	k.Key = domain.Key{Kind: domain.KindSessionKey, Name: s.IDs.SessionKey()}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		r, err := roleByARN(tx, in.RoleARN)
		if err != nil {
			return err
		}
		if err := s.mayAssume(tx, c, keys, in, r); err != nil {
			return err
		}
		life, err := sessionLife(c, r, in.Seconds)
		if err != nil {
			return err
		}
		if k.Policies, err = sessionPolicies(tx, r.Key.Account, in); err != nil {
			return err
		}
		k.Account, k.Role, k.RoleID, k.Expires = r.Key.Account, r.Key.Name, r.ID, tx.Now().Add(life).Truncate(time.Second)
		return s.insertSession(tx, k)
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

func (s *Service) insertSession(tx store.Tx, k *domain.SessionKey) error {
	if err := tx.Insert(k); err != nil {
		return err
	}
	return sweep[domain.SessionKey](tx, domain.KindSessionKey, s.IDs.SessionKey())
}

// mayAssume asks the trust policy and the caller's own policies. A role that is
// not there is refused in the same words as one that may not be assumed.
func (s *Service) mayAssume(tx store.Tx, c domain.Caller, keys map[string][]string, in Assume, r *domain.Role) error {
	denied := fault.New(fault.Denied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.ARN, in.RoleARN)
	if r == nil {
		return denied
	}
	p, err := s.powers(tx, c)
	if err != nil {
		return err
	}
	check := Check{Action: "sts:AssumeRole", Keys: map[string][]string{"sts:RoleSessionName": {in.Session}}}
	if in.ExternalID != "" {
		check.Keys["sts:ExternalId"] = []string{in.ExternalID}
	}
	if in.Source != "" {
		check.Keys["sts:SourceIdentity"] = []string{in.Source}
	}
	own, err := p.decide(tx, check, r.ARN(), keys)
	if err != nil {
		return err
	}
	who := iam.Principal{AWS: c.ARN}
	if c.Kind == domain.CallerSession {
		if arn := p.facts["aws:PrincipalArn"]; len(arn) == 1 {
			who.Role = arn[0]
		}
	}
	have := map[string][]string{}
	for _, m := range []map[string][]string{p.facts, keys, check.Keys} {
		for k, v := range m {
			have[k] = v
		}
	}
	req := iam.Request{Principal: who, Action: check.Action, Resource: r.ARN(), Context: have}
	trust, err := iam.Trusts([]byte(r.Trust), req)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "A stored trust policy is not understood.")
	}
	req.Principal.ByName = true
	byName, err := iam.Trusts([]byte(r.Trust), req)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "A stored trust policy is not understood.")
	}
	// Trust in this very caller is enough within an account; trust in the
	// account as a whole, or in another one, leaves the choice to that account.
	enough := byName.Allowed() && r.Key.Account == c.Account && !c.Scoped
	if !trust.Allowed() || own.denied || !own.allowed && !enough {
		return denied
	}
	return nil
}

func sessionLife(c domain.Caller, r *domain.Role, seconds int64) (time.Duration, error) {
	life := time.Duration(seconds) * time.Second
	switch most := time.Duration(r.MaxSession) * time.Second; {
	case seconds == 0:
		return domain.SessionDefault, nil
	case c.Kind == domain.CallerSession && life > domain.SessionChained:
		return 0, fault.New(fault.BadValue, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case life > most:
		return 0, fault.New(fault.BadValue, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.").
			WithHint("The role allows %d seconds.", r.MaxSession)
	}
	return life, nil
}

// sessionPolicies reads the documents that narrow a session, as they are now.
func sessionPolicies(tx store.Tx, account string, in Assume) ([]string, error) {
	var docs []string
	if in.Policy != "" {
		if err := checkDocument(in.Policy, iam.ParseIdentity); err != nil {
			return nil, err
		}
		if n := len(in.Policy); n > domain.SessionPolicyChars {
			return nil, fault.New(fault.Quota, "The session policy has %d characters; at most %d are allowed.", n, domain.SessionPolicyChars)
		}
		docs = append(docs, in.Policy)
	}
	if n := len(in.PolicyARNs); n > domain.SessionPoliciesNumber {
		return nil, fault.New(fault.Quota, "The session has %d managed policies; at most %d are allowed.", n, domain.SessionPoliciesNumber)
	}
	for _, arn := range in.PolicyARNs {
		p, err := policyByARN(tx, account, arn)
		if fault.Is(err, fault.NotFound) {
			return nil, fault.New(fault.BadValue, "The policy %s of the session does not exist.", arn)
		} else if err != nil {
			return nil, err
		}
		docs = append(docs, p.Document())
	}
	return docs, nil
}
