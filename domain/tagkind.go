package domain

import "strings"

// TagsPerResource is how many tags a resource may have.
const TagsPerResource = 50

// TagKind is what the tag operations of every service know of one kind of
// taggable resource. A new kind is one line in TagKinds.
type TagKind struct {
	Kind    Kind
	Service string // in ARNs
	Type    string // in ARNs, and EC2's word for the type
	Prefix  string // of EC2 ids; "" when EC2's tag operations do not know the kind
	New     func() Tagged
}

// TagKinds lists every kind of taggable resource that lives in a Region.
var TagKinds = []TagKind{
	{KindImage, "appstream", "image", "", func() Tagged { return new(Image) }},
	{KindBuilder, "appstream", "image-builder", "", func() Tagged { return new(Builder) }},
	{KindFleet, "appstream", "fleet", "", func() Tagged { return new(Fleet) }},
	{KindStack, "appstream", "stack", "", func() Tagged { return new(Stack) }},
	{KindAMI, "ec2", "image", "ami-", func() Tagged { return new(AMI) }},
	{KindSecurityGroup, "ec2", "security-group", "sg-", func() Tagged { return new(SecurityGroup) }},
	{KindSnapshot, "ec2", "snapshot", "snap-", func() Tagged { return new(Snapshot) }},
	{KindSubnet, "ec2", "subnet", "subnet-", func() Tagged { return new(Subnet) }},
	{KindImportImage, "ec2", "import-image-task", "import-ami-", func() Tagged { return new(ImportTask) }},
	{KindImportSnapshot, "ec2", "import-snapshot-task", "import-snap-", func() Tagged { return new(ImportTask) }},
	{KindExportImage, "ec2", "export-image-task", "export-ami-", func() Tagged { return new(ExportImageTask) }},
	{KindVPC, "ec2", "vpc", "vpc-", func() Tagged { return new(VPC) }},
}

// ARN names a resource of this kind.
func (k TagKind) ARN(key Key) string {
	return ARN(k.Service, key.Region, key.Account, k.Type+"/"+key.Name)
}

// TagKindOf finds the kind of an EC2 id by its prefix.
func TagKindOf(id string) (TagKind, bool) {
	for _, k := range TagKinds {
		if k.Prefix != "" && strings.HasPrefix(id, k.Prefix) {
			return k, true
		}
	}
	return TagKind{}, false
}

// TagTarget reads the ARN of a taggable resource of an account. ARNs of AMIs
// and snapshots may leave the account out (service authorization reference,
// EC2).
func TagTarget(account, arn string) (TagKind, Key, bool) {
	p := strings.SplitN(arn, ":", 6)
	// Another partition's ARN is no name of ours: policies would not know it.
	if len(p) != 6 || p[0] != "arn" || p[1] != "aws" || p[3] == "" {
		return TagKind{}, Key{}, false
	}
	typ, name, _ := strings.Cut(p[5], "/")
	for _, k := range TagKinds {
		bare := k.Kind == KindAMI || k.Kind == KindSnapshot
		if k.Service != p[2] || k.Type != typ || name == "" || p[4] != account && (p[4] != "" || !bare) {
			continue
		}
		return k, Key{Scope: Scope{Account: account, Region: p[3]}, Kind: k.Kind, Name: name}, true
	}
	return TagKind{}, Key{}, false
}

func (v *VPC) TagSet() *Tags           { return &v.Tags }
func (s *Subnet) TagSet() *Tags        { return &s.Tags }
func (g *SecurityGroup) TagSet() *Tags { return &g.Tags }
