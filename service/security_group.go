package service

import (
	"context"
	"regexp"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// groupText is what a group's name and description may hold (EC2 API reference,
// CreateSecurityGroup, groups for a VPC).
var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

// CreateSecurityGroup makes a group; without a VPC it belongs to the default
// one.
func (s *Service) CreateSecurityGroup(ctx context.Context, c domain.Caller, g domain.SecurityGroup, dryRun bool) (*domain.SecurityGroup, error) {
	switch {
	case g.Label == domain.DefaultGroup:
		return nil, fault.New(fault.BadValue, "Cannot use reserved security group name: %s", g.Label).WithCode("InvalidGroup.Reserved")
	case strings.HasPrefix(g.Label, "sg-"):
		return nil, fault.New(fault.BadValue, "Invalid value '%s' for groupName. Group names may not be in the format sg-*.", g.Label)
	case !groupText.MatchString(g.Label):
		return nil, fault.New(fault.BadValue, "Value (%s) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.", g.Label).WithHint("1 to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*")
	case !groupText.MatchString(g.Description):
		return nil, fault.New(fault.BadValue, "Value (%s) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.", g.Description).WithHint("1 to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*")
	}
	err := s.network(ctx, c, true, func(tx store.Tx) error {
		var err error
		if g.VPC, err = groupVPC(tx, c, g.VPC); err != nil {
			return err
		}
		same, err := groupNamed(tx, c, g.VPC, g.Label)
		if err != nil {
			return err
		}
		if same != nil {
			return fault.New(fault.Exists, "The security group '%s' already exists for VPC '%s'", g.Label, g.VPC).WithCode("InvalidGroup.Duplicate")
		}
		if err := roomFor(tx, c.Scope(), domain.KindSecurityGroup, domain.QuotaSecurityGroup, "SecurityGroupLimitExceeded"); err != nil {
			return err
		}
		if dryRun {
			return errDryRun()
		}
		return s.insertGroup(tx, c, &g)
	})
	if err != nil {
		return nil, err
	}
	return &g, nil
}

// groupVPC finds the VPC a group belongs to; "" is the default one.
func groupVPC(tx store.Tx, c domain.Caller, id string) (string, error) {
	if id != "" {
		err := tx.Get(c.Key(domain.KindVPC, id), new(domain.VPC))
		if fault.Is(err, fault.NotFound) {
			return "", noID(domain.KindVPC, id)
		}
		return id, err
	}
	all, err := store.List[domain.VPC](tx, store.Query{Kind: domain.KindVPC, Account: c.Account, Region: c.Region})
	for _, v := range all {
		if v.Default {
			return v.Key.Name, nil
		}
	}
	if err != nil {
		return "", err
	}
	return "", fault.New(fault.BadCombination, "No default VPC for this user.").WithHint("Give VpcId.").WithCode("VPCIdNotSpecified")
}

func groupNamed(tx store.Tx, c domain.Caller, vpc, label string) (*domain.SecurityGroup, error) {
	all, err := store.List[domain.SecurityGroup](tx, store.Query{Kind: domain.KindSecurityGroup, Account: c.Account, Region: c.Region, Alias: vpc})
	for _, g := range all {
		if g.Label == label {
			return g, nil
		}
	}
	return nil, err
}

// DeleteSecurityGroup removes a group that nothing uses, by id, or by name in
// the default VPC; it says which it was.
func (s *Service) DeleteSecurityGroup(ctx context.Context, c domain.Caller, id, label string, dryRun bool) (string, error) {
	if id == "" && label == "" {
		return "", fault.New(fault.BadCombination, "The request must contain the parameter groupName or groupId").WithCode("MissingParameter")
	}
	err := s.network(ctx, c, true, func(tx store.Tx) error {
		if id == "" {
			vpc, err := groupVPC(tx, c, "")
			if err != nil {
				return err
			}
			g, err := groupNamed(tx, c, vpc, label)
			if err != nil {
				return err
			}
			if g == nil {
				return fault.New(fault.NotFound, "The security group '%s' does not exist in default VPC '%s'", label, vpc).WithCode("InvalidGroup.NotFound")
			}
			id = g.Key.Name
		}
		g := new(domain.SecurityGroup)
		return dropUnused(tx, c.Key(domain.KindSecurityGroup, id), g, "resource %s has a dependent object.", dryRun, func() error {
			if g.Label == domain.DefaultGroup {
				return fault.New(fault.WrongState, "the specified group: \"%s\" name: \"%s\" cannot be deleted by a user.", id, g.Label).
					WithHint("It goes with its VPC.").WithCode("CannotDelete")
			}
			return nil
		})
	})
	return id, err
}
