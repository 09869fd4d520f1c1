package ec2_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"slipway/api/ec2"
	"slipway/domain"
	"slipway/service"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

const (
	owner = "123456789012"
	other = "210987654321"
	here  = "us-east-1"
)

// house is the EC2 rows over a real store with one AMI of owner's.
type house struct {
	t    *testing.T
	rows map[*wire.Op]wire.Handler
}

func newHouse(t *testing.T) *house {
	t.Helper()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{Clock: domain.WallClock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	sc := domain.Scope{Account: owner, Region: here}
	err = st.Update(context.Background(), func(tx store.Tx) error {
		snap := &domain.Snapshot{SizeGiB: 8, Disk: "sd1-a"}
		snap.Key = domain.Key{Scope: sc, Kind: domain.KindSnapshot, Name: "snap-1"}
		ami := &domain.AMI{Label: "first", Mappings: []domain.Mapping{{Device: "/dev/sda1", SnapshotID: "snap-1", SizeGiB: 8}}}
		ami.Key = domain.Key{Scope: sc, Kind: domain.KindAMI, Name: "ami-1"}
		if err := errors.Join(tx.Insert(snap), tx.Insert(ami), tx.Refer(ami.Key, snap.Key), tx.Refer(snap.Key, domain.DiskKey(snap.Disk))); err != nil {
			return err
		}
		for _, e := range []domain.Event{domain.SnapshotAskComplete, domain.SnapshotSealed} {
			if _, err := tx.Move(snap.Key, e, "", nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, rows: map[*wire.Op]wire.Handler{}}
	for _, r := range ec2.Rows(&service.Service{Store: st, IDs: domain.RandomIDs}) {
		h.rows[r.Op] = r.Handle
	}
	return h
}

// call sends an operation and gives the answer, or the code of the exception.
func call[O any](h *house, account string, op *wire.Op, in any) (*O, string) {
	h.t.Helper()
	out, err := h.rows[op](context.Background(), &wire.Call{Op: op, Input: in, Region: here, Identity: wire.Identity{Account: account, Kind: "root"}})
	if err != nil {
		ex := ec2.Errors.Explain(op, err)
		if ex == nil {
			h.t.Fatalf("%s: %v", op.Name, err)
		}
		return nil, ex.Code
	}
	o, _ := out.(*O)
	return o, ""
}

func (h *house) want(code, got, what string) {
	h.t.Helper()
	if got != code {
		h.t.Errorf("%s: %q, want %q", what, got, code)
	}
}

func TestImageAttributes(t *testing.T) {
	h := newHouse(t)
	modify := func(account string, in aws.ModifyImageAttributeRequest) string {
		in.ImageId = new("ami-1")
		_, code := call[aws.ModifyImageAttributeOutput](h, account, aws.OpModifyImageAttribute, &in)
		return code
	}
	permissions := func() string {
		out, code := call[aws.ImageAttribute](h, owner, aws.OpDescribeImageAttribute, &aws.DescribeImageAttributeRequest{ImageId: new("ami-1"), Attribute: new("launchPermission")})
		h.want("", code, "describe")
		s := ""
		for _, p := range out.LaunchPermissions {
			if p.Group != nil {
				s += *p.Group + " "
			} else {
				s += *p.UserId + " "
			}
		}
		return s
	}
	structured := aws.ModifyImageAttributeRequest{LaunchPermission: &aws.LaunchPermissionModifications{Add: []aws.LaunchPermission{{UserId: new(other)}, {Group: new("all")}}}}
	h.want("InvalidAMIID.NotFound", modify(other, structured), "by another account")
	h.want("", modify(owner, structured), "structured")
	h.want("all "+other+" ", permissions(), "permissions")
	h.want("AuthFailure", modify(other, structured), "by an account that sees it")
	flat := aws.ModifyImageAttributeRequest{Attribute: new("launchPermission"), OperationType: new("remove"), UserIds: []string{other}, UserGroups: []string{"all"}}
	h.want("", modify(owner, flat), "flat")
	h.want("", permissions(), "permissions removed")
	flat.OperationType = nil
	h.want("MissingParameter", modify(owner, flat), "no operation type")
	h.want("InvalidAMIAttributeItemValue", modify(owner, aws.ModifyImageAttributeRequest{LaunchPermission: &aws.LaunchPermissionModifications{Add: []aws.LaunchPermission{{Group: new("some")}}}}), "unknown group")
	h.want("InvalidParameterCombination", modify(owner, aws.ModifyImageAttributeRequest{}), "nothing")
	h.want("InvalidParameterValue", modify(owner, aws.ModifyImageAttributeRequest{Attribute: new("kernel"), Value: new("x")}), "an attribute that stays")
	h.want("", modify(owner, aws.ModifyImageAttributeRequest{Description: &aws.AttributeValue{Value: new("words")}}), "description")
	out, _ := call[aws.ImageAttribute](h, owner, aws.OpDescribeImageAttribute, &aws.DescribeImageAttributeRequest{ImageId: new("ami-1"), Attribute: new("description")})
	if out == nil || *out.Description.Value != "words" {
		t.Errorf("description: %+v", out)
	}
}

func TestDeregisterWithSnapshots(t *testing.T) {
	h := newHouse(t)
	_, code := call[aws.DeleteSnapshotOutput](h, owner, aws.OpDeleteSnapshot, &aws.DeleteSnapshotRequest{SnapshotId: new("snap-1")})
	h.want("InvalidSnapshot.InUse", code, "in use")
	copied, code := call[aws.CopyImageResult](h, owner, aws.OpCopyImage, &aws.CopyImageRequest{Name: new("second"), SourceImageId: new("ami-1"), SourceRegion: new(here)})
	h.want("", code, "copy")
	for _, id := range []string{"ami-1", *copied.ImageId} {
		out, code := call[aws.DeregisterImageResult](h, owner, aws.OpDeregisterImage, &aws.DeregisterImageRequest{ImageId: &id, DeleteAssociatedSnapshots: new(true)})
		h.want("", code, "deregister "+id)
		if len(out.DeleteSnapshotResults) != 1 || *out.DeleteSnapshotResults[0].ReturnCode != "success" {
			t.Errorf("snapshots of %s: %+v", id, out.DeleteSnapshotResults)
		}
	}
	left, _ := call[aws.DescribeSnapshotsResult](h, owner, aws.OpDescribeSnapshots, &aws.DescribeSnapshotsRequest{})
	if len(left.Snapshots) != 0 {
		t.Errorf("snapshots left: %+v", left.Snapshots)
	}
}

func TestNetworkOnTheWire(t *testing.T) {
	h := newHouse(t)
	filter := func(name string, values ...string) []aws.Filter {
		return []aws.Filter{{Name: new(name), Values: values}}
	}
	vpcs, code := call[aws.DescribeVpcsResult](h, owner, aws.OpDescribeVpcs, &aws.DescribeVpcsRequest{Filters: filter("is-default", "true")})
	h.want("", code, "default VPC")
	if len(vpcs.Vpcs) != 1 {
		t.Fatalf("VPCs: %+v", vpcs)
	}
	_, code = call[aws.DescribeVpcsResult](h, owner, aws.OpDescribeVpcs, &aws.DescribeVpcsRequest{Filters: filter("colour", "red")})
	h.want("InvalidParameterValue", code, "unknown filter")
	subnets, _ := call[aws.DescribeSubnetsResult](h, owner, aws.OpDescribeSubnets, &aws.DescribeSubnetsRequest{Filters: append(filter("vpc-id", *vpcs.Vpcs[0].VpcId), filter("availability-zone-id", "use1-az3")...)})
	if len(subnets.Subnets) != 1 || *subnets.Subnets[0].AvailableIpAddressCount != 4091 || *subnets.Subnets[0].AvailabilityZone != here+"c" {
		t.Errorf("subnets: %+v", subnets.Subnets)
	}
	all, _ := call[aws.DescribeSubnetsResult](h, owner, aws.OpDescribeSubnets, &aws.DescribeSubnetsRequest{MaxResults: new(int64(2))})
	rest, _ := call[aws.DescribeSubnetsResult](h, owner, aws.OpDescribeSubnets, &aws.DescribeSubnetsRequest{MaxResults: new(int64(2)), NextToken: all.NextToken})
	if len(all.Subnets) != 2 || len(rest.Subnets) != 1 || rest.NextToken != nil {
		t.Errorf("pages of %d and %d subnets", len(all.Subnets), len(rest.Subnets))
	}
	for what, c := range map[string]struct {
		code string
		in   aws.CreateSubnetRequest
	}{
		"no VPC":      {"InvalidVpcID.NotFound", aws.CreateSubnetRequest{VpcId: new("vpc-0"), CidrBlock: new("10.0.0.0/24")}},
		"outside":     {"InvalidSubnet.Range", aws.CreateSubnetRequest{VpcId: vpcs.Vpcs[0].VpcId, CidrBlock: new("10.0.0.0/24")}},
		"overlapping": {"InvalidSubnet.Conflict", aws.CreateSubnetRequest{VpcId: vpcs.Vpcs[0].VpcId, CidrBlock: new("172.31.0.0/24")}},
		"no block":    {"MissingParameter", aws.CreateSubnetRequest{VpcId: vpcs.Vpcs[0].VpcId}},
		"dry run":     {"DryRunOperation", aws.CreateSubnetRequest{VpcId: vpcs.Vpcs[0].VpcId, CidrBlock: new("172.31.64.0/20"), DryRun: new(true)}},
	} {
		_, code := call[aws.CreateSubnetResult](h, owner, aws.OpCreateSubnet, &c.in)
		h.want(c.code, code, what)
	}
	_, code = call[aws.DeleteVpcOutput](h, owner, aws.OpDeleteVpc, &aws.DeleteVpcRequest{VpcId: vpcs.Vpcs[0].VpcId})
	h.want("DependencyViolation", code, "VPC with subnets")
	g, code := call[aws.CreateSecurityGroupResult](h, owner, aws.OpCreateSecurityGroup, &aws.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("d"),
		TagSpecifications: []aws.TagSpecification{{ResourceType: new("security-group"), Tags: []aws.Tag{{Key: new("a"), Value: new("b")}}}}})
	h.want("", code, "group in the default VPC")
	tags, _ := call[aws.DescribeTagsResult](h, owner, aws.OpDescribeTags, &aws.DescribeTagsRequest{Filters: filter("resource-type", "security-group")})
	if len(tags.Tags) != 1 || *tags.Tags[0].ResourceId != *g.GroupId {
		t.Errorf("tags: %+v", tags.Tags)
	}
	for i, code := range []string{"", "InvalidGroup.NotFound"} {
		_, got := call[aws.DeleteSecurityGroupResult](h, owner, aws.OpDeleteSecurityGroup, &aws.DeleteSecurityGroupRequest{GroupName: new("web")})
		h.want(code, got, fmt.Sprint("deletion by name, time ", i+1))
	}
	zones, _ := call[aws.DescribeAvailabilityZonesResult](h, owner, aws.OpDescribeAvailabilityZones, &aws.DescribeAvailabilityZonesRequest{ZoneNames: []string{here + "b"}})
	if len(zones.AvailabilityZones) != 1 || *zones.AvailabilityZones[0].ZoneId != "use1-az2" {
		t.Errorf("zones: %+v", zones)
	}
	regions, _ := call[aws.DescribeRegionsResult](h, owner, aws.OpDescribeRegions, &aws.DescribeRegionsRequest{RegionNames: []string{"eu-central-1"}})
	if len(regions.Regions) != 1 {
		t.Errorf("regions: %+v", regions)
	}
}
