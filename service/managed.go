package service

import (
	"path"
	"time"

	"slipway/domain"
)

// managedAccount stands where an account id would in the ARNs of AWS's own
// policies.
const managedAccount = "aws"

// managed are the policies of AWS that make sense here, by path and name. Their
// documents allow what the names promise of the services that are served;
// AWS's own texts list more services. Scripts for AppStream make its service role
// with the last one; nothing is done with that role here.
var managed = map[string][]string{
	"AdministratorAccess":           {`"*"`},
	"IAMFullAccess":                 {`"iam:*"`},
	"IAMReadOnlyAccess":             {`"iam:Get*"`, `"iam:List*"`, `"iam:Simulate*"`},
	"AmazonEC2FullAccess":           {`"ec2:*"`},
	"AmazonEC2ReadOnlyAccess":       {`"ec2:Describe*"`, `"ec2:Get*"`},
	"AmazonAppStreamFullAccess":     {`"appstream:*"`, `"iam:ListRoles"`, `"ec2:DescribeVpcs"`, `"ec2:DescribeSubnets"`, `"ec2:DescribeSecurityGroups"`, `"ec2:DescribeAvailabilityZones"`},
	"AmazonAppStreamReadOnlyAccess": {`"appstream:Get*"`, `"appstream:List*"`, `"appstream:Describe*"`},
	"AmazonWorkSpacesAdmin":         {`"workspaces:*"`},
	"service-role/AmazonAppStreamServiceAccess": {`"ec2:DescribeVpcs"`, `"ec2:DescribeSubnets"`, `"ec2:DescribeAvailabilityZones"`, `"ec2:DescribeSecurityGroups"`,
		`"ec2:CreateNetworkInterface"`, `"ec2:DescribeNetworkInterfaces"`, `"ec2:DeleteNetworkInterface"`},
}

const managedPrefix = "arn:aws:iam::" + managedAccount + ":policy/"

// managedSince is told as the date of AWS's policies; it is no fact.
var managedSince = time.Date(2015, 2, 6, 18, 40, 0, 0, time.UTC)

// awsManaged finds one of AWS's policies; nil when there is none.
func awsManaged(arn string) *domain.Policy {
	if len(arn) <= len(managedPrefix) || arn[:len(managedPrefix)] != managedPrefix {
		return nil
	}
	name := arn[len(managedPrefix):]
	actions := managed[name]
	if actions == nil {
		return nil
	}
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[`
	for i, a := range actions {
		if i > 0 {
			doc += ","
		}
		doc += a
	}
	doc += `],"Resource":"*"}]}`
	dir, name := path.Split("/" + name)
	p := &domain.Policy{
		ID: domain.ManagedPolicyID(name), Path: dir, Default: "v1", Last: 1,
		Versions: []domain.PolicyVersion{{ID: "v1", Document: doc, Created: managedSince}},
	}
	p.Key = iamKey(managedAccount, domain.KindPolicy, name)
	p.Created, p.Updated = managedSince, managedSince
	return p
}

func allManaged() []*domain.Policy {
	var out []*domain.Policy
	for _, n := range sortedKeys(managed) {
		out = append(out, awsManaged(managedPrefix+n))
	}
	return out
}
