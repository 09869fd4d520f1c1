package service

import (
	"slipway/domain"
	"slipway/fault"
	"slipway/iam"
	"slipway/store"
)

// DefaultImportRole and importPrincipal are VM Import/Export's (its user guide,
// "Required service role").
const (
	DefaultImportRole = "vmimport"
	importPrincipal   = "vmie.amazonaws.com"
)

// checkImportRole refuses a role that is not there, does not trust VM
// Import/Export, or may not do the action. The sentence is what clients look
// for; why is said in the hint.
func (s *Service) checkImportRole(tx store.Tx, c domain.Caller, name, action, resource string) error {
	if name == "" {
		name = DefaultImportRole
	}
	bad := func(why string, args ...any) error {
		return fault.New(fault.BadValue, "The service role %s provided does not exist or does not have sufficient permissions", name).
			WithHint("("+why+")", args...).WithCode("InvalidParameter")
	}
	r := new(domain.Role)
	err := tx.Get(iamKey(c.Account, domain.KindRole, name), r)
	if fault.Is(err, fault.NotFound) {
		return bad("There is no such role: create it with iam create-role; it must trust %s.", importPrincipal)
	} else if err != nil {
		return err
	}
	trusted, err := iam.Trusts([]byte(r.Trust), iam.Request{
		Principal: iam.Principal{Service: importPrincipal}, Action: "sts:AssumeRole", Resource: r.ARN(),
		// What its documentation asks the trust policy to require.
		Context: map[string][]string{"sts:ExternalId": {"vmimport"}, "aws:SourceAccount": {c.Account}},
	})
	if err != nil || !trusted.Allowed() {
		return bad("Its trust policy must allow sts:AssumeRole to the service %s.", importPrincipal)
	}
	has, err := s.grantedTo(tx, r)
	if err != nil {
		return err
	}
	if resource == "arn:aws:s3:::/" { // a file of the machine, and a role that was named all the same
		return nil
	}
	d, _ := has.decide(iam.Evaluate, iam.Request{Principal: iam.Principal{AWS: r.ARN()}, Action: action, Resource: resource})
	if !d.Allowed() {
		return bad("Its policies must allow %s on %s.", action, resource)
	}
	return nil
}
