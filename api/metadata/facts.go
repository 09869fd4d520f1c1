package metadata

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// leaf is the text of one path, made when it is asked for.
type leaf func() (string, error)

func text(s string) leaf { return func() (string, error) { return s, nil } }

// document is JSON as EC2 prints it.
func document(v any) leaf {
	return func() (string, error) {
		b, err := json.MarshalIndent(v, "", "  ")
		return string(b), err
	}
}

// look finds a path among leaves: its text, or what lies below it.
func look(all map[string]leaf, path string) (string, error) {
	if f, ok := all[path]; ok {
		return f()
	}
	if path != "" {
		path += "/"
	}
	below := map[string]bool{}
	for p := range all {
		if rest, ok := strings.CutPrefix(p, path); ok {
			name, _, dir := strings.Cut(rest, "/")
			if dir {
				name += "/"
			}
			below[name] = true
		}
	}
	if len(below) == 0 {
		return "", fault.New(fault.NotFound, "There is no metadata %s.", path)
	}
	var names []string
	for n := range below {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, "\n"), nil
}

// facts is the tree of a guest. What its machine has not is not in it, and
// neither is its role, which role adds.
func facts(g *service.Guest) map[string]leaf {
	address := g.Address.Addr()
	host := domain.Hostname(address) + ".ec2.internal"
	image := domain.ImageInstanceID(g.ImageARN)
	all := map[string]leaf{}
	for path, value := range map[string]string{
		"ami-id": image, "ami-launch-index": "0", "hostname": host, "instance-action": "none", "instance-id": g.ID,
		"instance-life-cycle": "on-demand", "instance-type": g.InstanceType, "local-hostname": host, "local-ipv4": address.String(),
		"mac": g.MAC(), "profile": "default-hvm", "placement/availability-zone": g.Zone.Name, "placement/availability-zone-id": g.Zone.ID,
		"placement/region": g.Of.Region, "services/domain": "amazonaws.com", "services/partition": "aws",
	} {
		all["meta-data/"+path] = text(value)
	}
	// What EC2 calls user data is the service's own here: scripts take from it what
	// they run on.
	all["user-data"] = document(map[string]string{"resourceArn": g.ResourceARN()})
	network(all, g, address, host)
	all["dynamic/instance-identity/document"] = document(map[string]any{
		"accountId": g.Of.Account, "architecture": "x86_64", "availabilityZone": g.Zone.Name, "imageId": image, "instanceId": g.ID,
		"instanceType": g.InstanceType, "pendingTime": g.Created.UTC().Format(time.RFC3339), "privateIp": address.String(),
		"region": g.Of.Region, "version": "2017-09-30", "kernelId": nil, "ramdiskId": nil, "billingProducts": nil,
		"devpayProductCodes": nil, "marketplaceProductCodes": nil,
	})
	return all
}

// network is the one interface that a machine has.
func network(all map[string]leaf, g *service.Guest, address netip.Addr, host string) {
	facts := map[string]string{
		"device-number": "0", "interface-id": g.ENI, "local-hostname": host, "local-ipv4s": address.String(), "mac": g.MAC(), "owner-id": g.Of.Account,
	}
	if g.In != nil {
		facts["subnet-id"], facts["subnet-ipv4-cidr-block"], facts["vpc-id"] = g.In.Key.Name, g.In.CIDR, g.In.VPC
		if len(g.Groups) > 0 {
			facts["security-group-ids"] = strings.Join(g.Groups, "\n")
		}
	}
	for path, value := range facts {
		all["meta-data/network/interfaces/macs/"+g.MAC()+"/"+path] = text(value)
	}
}

// asksRole tells whether the answer for a path depends on the guest's role.
func asksRole(path string) bool {
	return path == "meta-data" || path == "meta-data/iam" || strings.HasPrefix(path, "meta-data/iam/")
}

// role is what the SDKs look for when nobody gave them credentials.
func role(all map[string]leaf, k *domain.SessionKey, now time.Time) {
	issued := now.UTC().Format(time.RFC3339)
	all["meta-data/iam/info"] = document(struct{ Code, LastUpdated, InstanceProfileArn, InstanceProfileId string }{
		"Success", issued, domain.ARN("iam", "", k.Account, "instance-profile/"+k.Role), domain.ProfileID(k.RoleID),
	})
	all["meta-data/iam/security-credentials/"+k.Role] = document(struct {
		Code, LastUpdated, Type, AccessKeyId, SecretAccessKey, Token, Expiration string
	}{
		"Success", k.Created.UTC().Format(time.RFC3339), "AWS-HMAC", k.Key.Name, k.Secret, k.Token, k.Expires.UTC().Format(time.RFC3339),
	})
}
