package service

import (
	"context"
	"slices"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// FleetSpec is what CreateFleet asks for: a fleet as it will be, and what it
// takes to find its image.
type FleetSpec struct {
	domain.Fleet
	Name      string
	ImageName string // one of ImageName and ImageARN, or both of one image
	ImageARN  string
	Platform  string
	Capacity  FleetSize
	Times     FleetTimes
}

// FleetTimes are in seconds; nil takes AWS's default.
type FleetTimes struct{ MaxDuration, Disconnect *int64 }

// FleetSize is a ComputeCapacity: one of the two.
type FleetSize struct{ Instances, Sessions *int64 }

// CreateFleet checks all that can be known and makes a fleet, STOPPED.
func (s *Service) CreateFleet(ctx context.Context, c domain.Caller, in FleetSpec) (FleetSeen, error) {
	f := in.Fleet
	f.Key, f.Generation = c.Key(domain.KindFleet, in.Name), 1
	f.FleetSource.Platform = in.Platform
	fleetDefaults(&f, in.Times)
	if err := checkPerInstance(f.PerInstance); err != nil {
		return FleetSeen{}, err
	}
	if err := sizeFleet(&f, in.Capacity); err != nil {
		return FleetSeen{}, err
	}
	if in.Capacity == (FleetSize{}) && f.Type != domain.FleetElastic {
		return FleetSeen{}, errNoSize()
	}
	elastic := f.Type == domain.FleetElastic
	switch named := in.ImageName != "" || in.ImageARN != ""; {
	case elastic && named:
		return FleetSeen{}, fault.New(fault.BadCombination, "An Elastic fleet has no image: leave ImageName and ImageArn out.")
	case !elastic && !named:
		return FleetSeen{}, fault.New(fault.BadCombination, "Specify either ImageName or ImageArn: neither the image name nor image arn had been set.")
	}
	t, err := s.checkFleet(&f)
	if err != nil {
		return FleetSeen{}, err
	}
	if t.Legacy {
		return FleetSeen{}, fault.New(fault.BadValue, "The instance type %s is at its end of life: new fleets cannot have it.", t.Name).WithHint("Choose a type of another family.")
	}
	create := func(tx store.Tx) error {
		if _, err := ownFleet(tx, c, in.Name); err == nil {
			return fault.New(fault.Exists, "The fleet %s already exists.", in.Name).WithHint("Choose another name, or delete that fleet first.")
		} else if !fault.Is(err, fault.NotFound) {
			return err
		}
		if err := roomFor(tx, f.Key.Scope, domain.KindFleet, domain.QuotaFleets, ""); err != nil {
			return err
		}
		if !elastic {
			if err := s.fleetImage(tx, c, &f, t, in.ImageName, in.ImageARN); err != nil {
				return err
			}
		}
		if err := s.checkFleetUses(tx, c, &f); err != nil {
			return err
		}
		if err := tx.Insert(&f); err != nil {
			return err
		}
		return referFleet(tx, &f)
	}
	if len(f.Subnets) > 0 {
		err = s.network(ctx, c, true, create)
	} else {
		err = s.Store.Update(ctx, create)
	}
	seen := FleetSeen{Fleet: &f}
	seen.Capacity.Want(&f)
	return seen, err
}

// fleetDefaults fills in what AWS does.
func fleetDefaults(f *domain.Fleet, times FleetTimes) {
	if f.Type == "" {
		f.Type = domain.FleetAlwaysOn
	}
	if f.StreamView == "" {
		f.StreamView = domain.ViewApp
	}
	f.MaxDuration, f.DisconnectTimeout = domain.FleetMaxDurationDefault, domain.FleetDisconnectDefault
	if times.MaxDuration != nil {
		f.MaxDuration = *times.MaxDuration
	}
	if times.Disconnect != nil {
		f.DisconnectTimeout = *times.Disconnect
	}
}

func errNoSize() error {
	return fault.New(fault.BadCombination, "Specify ComputeCapacity with exactly one of DesiredInstances and DesiredSessions.")
}

// sizeFleet sets how large a fleet is to be; nothing given changes nothing.
func sizeFleet(f *domain.Fleet, size FleetSize) error {
	switch {
	case size == (FleetSize{}):
		return nil
	case f.Type == domain.FleetElastic:
		return fault.New(fault.BadCombination, "ComputeCapacity is not for Elastic fleets: use MaxConcurrentSessions.")
	case size.Instances != nil && size.Sessions != nil:
		return errNoSize()
	case size.Sessions != nil && !f.Multi():
		return fault.New(fault.BadCombination, "DesiredSessions needs MaxSessionsPerInstance. Fleets with one session per instance have DesiredInstances.")
	case size.Instances != nil && f.Multi():
		return fault.New(fault.BadCombination, "DesiredInstances is for fleets with one session per instance. Fleets with MaxSessionsPerInstance have DesiredSessions.")
	}
	f.Desired, f.DesiredSessions = 0, 0
	if size.Instances != nil {
		f.Desired = *size.Instances
	} else {
		f.DesiredSessions = *size.Sessions
	}
	if f.Desired < 0 || f.DesiredSessions < 0 {
		return fault.New(fault.BadValue, "ComputeCapacity cannot be negative.")
	}
	return nil
}

// fleetImage finds an image and makes the fleet one of it.
func (s *Service) fleetImage(tx store.Tx, c domain.Caller, f *domain.Fleet, t domain.InstanceType, name, arn string) error {
	if name != "" && arn != "" {
		if err := sameImage(tx, c, name, arn); err != nil {
			return err
		}
		name = "" // that of an image which others share means nothing by itself
	}
	img, err := imageFor(tx, c, name, arn, "fleets", func(p domain.ImagePermission) bool { return p.Fleet })
	if err != nil {
		return err
	}
	if f.Platform != "" && f.Platform != img.Platform {
		return fault.New(fault.BadCombination, "The platform of the image %s is %s, not %s.", img.Key.Name, img.Platform, f.Platform).WithHint("Leave Platform out.")
	}
	f.FleetSource = domain.FleetSource{Image: imageKey(img), ImageARN: domain.ImageARN(img.Key), Platform: img.Platform, Disk: img.Disk, DiskBytes: img.DiskBytes}
	return s.fitsImage(f, img, t)
}

// sameImage wants a name and an ARN to mean one image.
func sameImage(tx store.Tx, c domain.Caller, name, arn string) error {
	img, err := imageByName(tx, c, name)
	if fault.Is(err, fault.NotFound) {
		img, err = imageByARN(tx, c, arn) // one that others share
	}
	switch {
	case err != nil:
		return err
	case domain.ImageARN(img.Key) != arn || img.Key.Name != name:
		return fault.New(fault.BadCombination, "ImageName %s and ImageArn %s are different images.", name, arn).WithHint("Give one of them.")
	}
	return nil
}

// severalAtOnce are the platforms on which several users can have a session at
// once; AWS publishes no list, these are the Windows servers that it has.
var severalAtOnce = []string{"WINDOWS_SERVER_2019", "WINDOWS_SERVER_2022", "WINDOWS_SERVER_2025"}

// fitsImage holds a fleet against an image.
func (s *Service) fitsImage(f *domain.Fleet, img *domain.Image, t domain.InstanceType) error {
	switch {
	case !s.instances().Runs(img.Type, img.Families, t):
		return s.wrongFamily(img, t)
	case f.Multi() && (img.Type == "BYOL" || !slices.Contains(severalAtOnce, img.Platform)):
		return fault.New(fault.Incompatible, "The image %s (%s, %s) cannot have several sessions at once.", img.Key.Name, img.Type, orNone(img.Platform)).
			WithHint("Leave MaxSessionsPerInstance out, or use an image of a Windows server.")
	case f.Volume()*gib < img.DiskBytes:
		return smallVolume(f.Volume(), img)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "no platform of AWS's"
	}
	return s
}

// checkFleetUses wants what a fleet names to be there. A subnet that is not is
// told by the fleet when it starts, as the service does; an Elastic fleet's
// subnets are looked at, since they must be in different zones.
func (s *Service) checkFleetUses(tx store.Tx, c domain.Caller, f *domain.Fleet) error {
	if f.RoleARN != "" {
		if err := s.checkRole(tx, c, f.RoleARN, nil); err != nil {
			return err
		}
	}
	limit, err := quota(tx, f.Key.Scope, domain.QuotaInstances)
	if err != nil {
		return err
	}
	if f.Wanted() > limit {
		return overCapacity(f, f.Wanted(), limit)
	}
	if limit, err = quota(tx, f.Key.Scope, domain.QuotaInternet); err != nil {
		return err
	}
	if f.Internet && f.Wanted() > limit {
		return fault.New(fault.Quota, "The fleet %s has default internet access: it may have %d instances, not %d.", f.Key.Name, limit, f.Wanted()).
			WithHint("Give its subnets a way to the internet and leave EnableDefaultInternetAccess out, or raise it: slipway quota set %s.", domain.QuotaInternet)
	}
	if f.Type != domain.FleetElastic {
		return nil
	}
	zones := map[string]bool{}
	for _, id := range f.Subnets {
		n := new(domain.Subnet)
		if err := tx.Get(c.Key(domain.KindSubnet, id), n); fault.Is(err, fault.NotFound) {
			return noID(domain.KindSubnet, id)
		} else if err != nil {
			return err
		}
		zones[n.Zone] = true
	}
	if len(zones) < domain.ElasticSubnetsLeast {
		return fault.New(fault.BadCombination, "The subnets of an Elastic fleet must be in at least %d different availability zones.", domain.ElasticSubnetsLeast)
	}
	return nil
}

// referFleet makes what a fleet uses stay as long as it does. What it used
// before goes, but for disks: instances may still run on those, and the keeper of
// fleets lets go of them.
func referFleet(tx store.Tx, f *domain.Fleet) error {
	var uses []domain.Key
	if f.Image.Name != "" {
		uses = append(uses, f.Image)
	}
	if f.Disk != "" {
		uses = append(uses, domain.DiskKey(f.Disk))
	}
	for _, id := range f.Subnets {
		uses = append(uses, domain.Key{Scope: f.Key.Scope, Kind: domain.KindSubnet, Name: id})
	}
	for _, id := range f.Groups {
		uses = append(uses, domain.Key{Scope: f.Key.Scope, Kind: domain.KindSecurityGroup, Name: id})
	}
	have, err := tx.References(f.Key)
	if err != nil {
		return err
	}
	for _, k := range have {
		if k.Kind != domain.KindDisk && !slices.Contains(uses, k) {
			if err := tx.Unrefer(f.Key, k); err != nil {
				return err
			}
		}
	}
	for _, k := range uses {
		if slices.Contains(have, k) {
			continue
		}
		if err := tx.Refer(f.Key, k); err != nil {
			return err
		}
	}
	return nil
}
