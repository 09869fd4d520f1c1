package domain

import "testing"

func TestZones(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "use1-az1", "eu-central-1": "euc1-az1", "ap-southeast-2": "apse2-az1", "ap-northeast-1": "apne1-az1",
		"us-gov-west-1": "usgw1-az1", "sa-east-1": "sae1-az1", "me-south-1": "mes1-az1", "il-central-1": "ilc1-az1",
	} {
		z := Zones(region)
		if len(z) != 3 || z[0].ID != want || z[0].Name != region+"a" || z[2].Name != region+"c" {
			t.Errorf("%s: %v, want %s", region, z, want)
		}
	}
}

func TestParseCIDR(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.7.7/16": "10.0.0.0/16", "172.31.0.0/20": "172.31.0.0/20", "fd00::/56": "", "10.0.0.0": "", "10.0.0.0/33": "", "": "",
	} {
		p, ok := ParseCIDR(in)
		if ok != (want != "") || ok && p.String() != want {
			t.Errorf("%q: %v %v, want %q", in, p, ok, want)
		}
	}
}

func TestTagTargets(t *testing.T) {
	const me = "123456789012"
	for arn, want := range map[string]string{
		"arn:aws:appstream:us-east-1:123456789012:image/a":       "image:123456789012/us-east-1/a",
		"arn:aws:ec2:us-east-1::image/ami-1":                     "ami:123456789012/us-east-1/ami-1",
		"arn:aws:ec2:us-east-1:123456789012:snapshot/snap-1":     "snapshot:123456789012/us-east-1/snap-1",
		"arn:aws:ec2:us-east-1:123456789012:security-group/sg-1": "security-group:123456789012/us-east-1/sg-1",
		"arn:aws:ec2:us-east-1::vpc/vpc-1":                       "", // only AMIs and snapshots leave the account out
		"arn:aws:appstream:us-east-1::image/public":              "",
		"arn:aws:ec2:us-east-1:210987654321:image/ami-1":         "",
		"arn:aws:ec2::123456789012:image/ami-1":                  "",
		"arn:aws:ec2:us-east-1:123456789012:image/":              "",
		"arn:aws:rds:us-east-1:123456789012:db/x":                "",
		"ami-1": "",
	} {
		k, key, ok := TagTarget(me, arn)
		if ok != (want != "") || ok && (key.String() != want || k.Kind != key.Kind) {
			t.Errorf("%s: %v %v, want %q", arn, key, ok, want)
		}
	}
	for _, k := range TagKinds {
		n := k.New()
		*n.TagSet() = Tags{"a": "b"}
		if (*n.TagSet())["a"] != "b" {
			t.Errorf("%s keeps no tags", k.Kind)
		}
		key := Key{Scope: Scope{Account: me, Region: "r"}, Kind: k.Kind, Name: "n"}
		if _, got, ok := TagTarget(me, k.ARN(key)); !ok || got != key {
			t.Errorf("%s: the ARN %s leads to %v", k.Kind, k.ARN(key), got)
		}
	}
}

func TestQuotaCatalogue(t *testing.T) {
	seen := map[string]bool{"": true}
	for _, q := range Quotas {
		if seen[q.Code] || q.Name == "" || q.Default < 1 || q.AWSCode != "" && seen[q.AWSCode] {
			t.Errorf("quota %+v", q)
		}
		seen[q.Code] = true
		if q.AWSCode != "" {
			seen[q.AWSCode] = true
		}
		if got, ok := FindQuota(q.Code); !ok || got != q {
			t.Errorf("%s is not found", q.Code)
		}
	}
	if _, ok := FindQuota(""); ok {
		t.Error("a quota without a code")
	}
}
