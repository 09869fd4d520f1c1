package ec2

import (
	"context"
	"slices"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

func (a api) describeRegions(_ context.Context, c *wire.Call, in *aws.DescribeRegionsRequest) (*aws.DescribeRegionsResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return regionField(&aws.Region{}, n) }); err != nil {
		return nil, err
	}
	known := slices.Clone(domain.Regions)
	if !domain.KnownRegion(c.Region) {
		known = append(known, domain.Region{Name: c.Region}) // any Region is served
	}
	for _, n := range in.RegionNames {
		if !slices.ContainsFunc(known, func(r domain.Region) bool { return r.Name == n }) {
			return nil, fault.New(fault.BadValue, "Invalid region provided: %s", n).WithCode("InvalidParameterValue")
		}
	}
	out := &aws.DescribeRegionsResult{Regions: []aws.Region{}}
	for _, r := range known {
		if len(in.RegionNames) > 0 && !slices.Contains(in.RegionNames, r.Name) {
			continue
		}
		d := aws.Region{RegionName: new(r.Name), Endpoint: new("ec2." + r.Name + ".amazonaws.com"), OptInStatus: new(optIn(r))}
		if passes(in.Filters, func(n string) ([]string, bool) { return regionField(&d, n) }) {
			out.Regions = append(out.Regions, d)
		}
	}
	return out, nil
}

func optIn(r domain.Region) string {
	if r.OptIn {
		return "opted-in"
	}
	return "opt-in-not-required"
}

func regionField(r *aws.Region, name string) ([]string, bool) {
	switch name {
	case "endpoint":
		return []string{convert.Val(r.Endpoint)}, true
	case "opt-in-status":
		return []string{convert.Val(r.OptInStatus)}, true
	case "region-name":
		return []string{convert.Val(r.RegionName)}, true
	}
	return nil, false
}

func (a api) describeAvailabilityZones(_ context.Context, c *wire.Call, in *aws.DescribeAvailabilityZonesRequest) (*aws.DescribeAvailabilityZonesResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return zoneField(&aws.AvailabilityZone{}, n) }); err != nil {
		return nil, err
	}
	zones := domain.Zones(c.Region)
	for _, n := range slices.Concat(in.ZoneNames, in.ZoneIds) {
		if !slices.ContainsFunc(zones, func(z domain.Zone) bool { return z.Name == n || z.ID == n }) {
			return nil, fault.New(fault.BadValue, "Invalid availability zone: [%s]", n)
		}
	}
	out := &aws.DescribeAvailabilityZonesResult{AvailabilityZones: []aws.AvailabilityZone{}}
	for _, z := range zones {
		if len(in.ZoneNames) > 0 && !slices.Contains(in.ZoneNames, z.Name) || len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, z.ID) {
			continue
		}
		d := aws.AvailabilityZone{
			ZoneName: new(z.Name), ZoneId: new(z.ID), RegionName: new(c.Region), GroupName: new(c.Region + "-zg-1"), NetworkBorderGroup: new(c.Region),
			State: new("available"), OptInStatus: new("opt-in-not-required"), ZoneType: new("availability-zone"), Messages: []aws.AvailabilityZoneMessage{},
		}
		if passes(in.Filters, func(n string) ([]string, bool) { return zoneField(&d, n) }) {
			out.AvailabilityZones = append(out.AvailabilityZones, d)
		}
	}
	return out, nil
}

func zoneField(z *aws.AvailabilityZone, name string) ([]string, bool) {
	switch name {
	case "zone-name":
		return []string{convert.Val(z.ZoneName)}, true
	case "zone-id":
		return []string{convert.Val(z.ZoneId)}, true
	case "zone-type":
		return []string{convert.Val(z.ZoneType)}, true
	case "region-name":
		return []string{convert.Val(z.RegionName)}, true
	case "group-name":
		return []string{convert.Val(z.GroupName)}, true
	case "network-border-group":
		return []string{convert.Val(z.NetworkBorderGroup)}, true
	case "state":
		return []string{convert.Val(z.State)}, true
	case "opt-in-status":
		return []string{convert.Val(z.OptInStatus)}, true
	}
	return nil, false
}
