package domain

// Quota is one limit of an account in a Region.
type Quota struct {
	Code       string // ours: service/what
	Name       string
	AWSCode    string // the code in AWS's Service Quotas; "" where we do not know it
	Default    int    // AWS's default
	Adjustable bool   // whether AWS raises it on request; an operator here always may
}

// Codes of the quotas.
const (
	QuotaImages        = "appstream/images"
	QuotaImageCopies   = "appstream/image-copies"
	QuotaImageUpdates  = "appstream/image-updates"
	QuotaImageShares   = "appstream/image-shares"
	QuotaBuilders      = "appstream/image-builders"
	QuotaFleets        = "appstream/fleets"
	QuotaStacks        = "appstream/stacks"
	QuotaInstances     = "appstream/fleet-instances-per-type"
	QuotaInternet      = "appstream/internet-fleet-instances"
	QuotaAMIs          = "ec2/amis"
	QuotaPublicAMIs    = "ec2/public-amis"
	QuotaAMIShares     = "ec2/ami-shares"
	QuotaSnapshots     = "ebs/snapshots"
	QuotaImportImages  = "ec2/import-image-tasks"
	QuotaImportSnaps   = "ec2/import-snapshot-tasks"
	QuotaExportImages  = "ec2/export-image-tasks"
	QuotaVPCs          = "vpc/vpcs"
	QuotaSubnets       = "vpc/subnets-per-vpc"
	QuotaSecurityGroup = "vpc/security-groups"
)

// Quotas is the catalogue (AppStream developer guide "Service quotas"; EC2, EBS
// and VPC user guides and their lists in Service Quotas).
var Quotas = []Quota{
	{QuotaImages, "Images per Region", "", 10, true},
	{QuotaBuilders, "Image builders per Region", "", 10, true},
	{QuotaFleets, "Fleets per Region", "L-3FEADC0C", 10, true},
	{QuotaStacks, "Stacks per Region", "L-A8B8B901", 10, true},
	// AWS has one for each type, from 0 to 50; here one number holds for all.
	{QuotaInstances, "Fleet instances of one type per Region", "", 50, true},
	{QuotaInternet, "Instances of a fleet with default internet access", "", 100, false},
	{QuotaImageCopies, "Concurrent image copies per destination Region", "", 2, false},
	{QuotaImageUpdates, "Concurrent image updates per Region", "", 5, false},
	{QuotaImageShares, "Accounts an image is shared with", "", 100, false},
	{QuotaSnapshots, "Snapshots per Region", "L-309BACF6", 100000, true},
	{QuotaImportImages, "Concurrent ImportImage tasks", "", 20, true},
	{QuotaImportSnaps, "Concurrent ImportSnapshot tasks", "", 20, true},
	{QuotaExportImages, "Concurrent ExportImage tasks", "", 20, true},
	{QuotaAMIShares, "Accounts an AMI is shared with", "", 1000, true},
	{QuotaAMIs, "AMIs per Region", "L-B665C33B", 50000, true},
	{QuotaPublicAMIs, "Public AMIs per Region", "L-0E3CBAB9", 5, true},
	{QuotaSecurityGroup, "VPC security groups per Region", "L-E79EC296", 2500, true},
	{QuotaSubnets, "Subnets per VPC", "L-407747CB", 200, true},
	{QuotaVPCs, "VPCs per Region", "L-F678F1CE", 5, true},
}

// FindQuota finds a quota by our code or by AWS's.
func FindQuota(code string) (Quota, bool) {
	for _, q := range Quotas {
		if code != "" && (q.Code == code || q.AWSCode == code) {
			return q, true
		}
	}
	return Quota{}, false
}

// KindQuota is the kind of changed quotas.
const KindQuota Kind = "quota"

// QuotaValue is a quota of one account and Region that was changed. Key.Name
// is its code.
type QuotaValue struct {
	Meta  `json:"-"`
	Value int
}

func (*QuotaValue) Alias() string { return "" }
func (*QuotaValue) Schema() int   { return 1 }
