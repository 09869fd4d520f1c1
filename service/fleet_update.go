package service

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// FleetUpdate changes a fleet; nil leaves as it is.
type FleetUpdate struct {
	ImageName, ImageARN *string
	InstanceType        *string
	Capacity            FleetSize
	Subnets, Groups     []string
	MaxDuration         *int64
	DisconnectTimeout   *int64
	IdleTimeout         *int64
	DisplayName         *string
	Description         *string
	Internet            *bool
	Directory           *domain.DomainJoin // one without a name is none
	RoleARN             *string
	StreamView          *string
	Platform            *string
	MaxSessions         *int64
	UsbFilters          []string
	Script              *domain.S3Location
	PerInstance         *int64
	VolumeGiB           *int64
	NoIMDSv1            *bool
	Drop                []string // words of AttributesToDelete
}

// Words of UpdateFleet's AttributesToDelete.
const (
	fleetDropVPC    = "VPC_CONFIGURATION"
	fleetDropGroups = "VPC_CONFIGURATION_SECURITY_GROUP_IDS"
	fleetDropDomain = "DOMAIN_JOIN_INFO"
	fleetDropRole   = "IAM_ROLE_ARN"
	fleetDropUSB    = "USB_DEVICE_FILTER_STRINGS"
	fleetDropScript = "SESSION_SCRIPT_S3_LOCATION"
	fleetDropMulti  = "MAX_SESSIONS_PER_INSTANCE"
	fleetDropVolume = "VOLUME_CONFIGURATION"
)

// UpdateFleet changes a fleet: a stopped one in all but name and type, one that
// runs in what its users do not notice, and in its image: instances without a
// user are then replaced one by one, the others when their users have gone.
func (s *Service) UpdateFleet(ctx context.Context, c domain.Caller, name string, u FleetUpdate) (seen FleetSeen, err error) {
	if err := u.check(); err != nil {
		return seen, err
	}
	change := func(tx store.Tx) error {
		f, err := ownFleet(tx, c, name)
		if err != nil {
			return err
		}
		if f.State == domain.FleetStarting || f.State == domain.FleetStopping {
			return fault.New(fault.WrongState, "The fleet %s is %s. The fleet must be RUNNING or STOPPED for this action to succeed.", name, f.State)
		}
		was := *f
		if err := u.apply(f); err != nil {
			return err
		}
		t, err := s.checkFleet(f)
		if err != nil {
			return err
		}
		if err := s.changedType(&was, t); err != nil {
			return err
		}
		if err := s.updateImage(tx, c, f, t, u); err != nil {
			return err
		}
		if err := s.mayUpdate(&was, f); err != nil {
			return err
		}
		if err := s.checkFleetUses(tx, c, f); err != nil {
			return err
		}
		if f.State == domain.FleetRunning && f.Wanted() > was.Wanted() {
			if err := s.checkRoom(tx, f, t); err != nil {
				return err
			}
		}
		if madeDifferently(&was, f) {
			f.Generation++
			f.Errors, f.Trouble = nil, domain.FleetTrouble{}
		}
		if err := tx.Put(f); err != nil {
			return err
		}
		if err := referFleet(tx, f); err != nil {
			return err
		}
		// A state that did not change is told too: whoever keeps fleets reads the log.
		if err := tx.Append(domain.LogEntry{Key: f.Key, Event: "updated", From: f.State, To: f.State}); err != nil {
			return err
		}
		seen, err = see(tx, f)
		return err
	}
	if len(u.Subnets) > 0 {
		return seen, s.network(ctx, c, true, change)
	}
	return seen, s.Store.Update(ctx, change)
}

// check wants nothing to be set and deleted at once.
func (u *FleetUpdate) check() error {
	set := map[string]bool{
		fleetDropVPC: u.Subnets != nil || u.Groups != nil, fleetDropGroups: u.Groups != nil, fleetDropDomain: u.Directory != nil && u.Directory.Directory != "",
		fleetDropRole: u.RoleARN != nil, fleetDropUSB: u.UsbFilters != nil, fleetDropScript: u.Script != nil, fleetDropMulti: u.PerInstance != nil, fleetDropVolume: u.VolumeGiB != nil,
	}
	for _, d := range u.Drop {
		if set[d] {
			return fault.New(fault.BadCombination, "%s cannot be set and deleted at once.", d)
		}
	}
	if n := u.PerInstance; n != nil && *n == 0 {
		return checkPerInstance(-1)
	} else if n != nil {
		return checkPerInstance(*n)
	}
	return nil
}

func (u *FleetUpdate) apply(f *domain.Fleet) error {
	for _, d := range u.Drop {
		dropFleetAttribute(f, d)
	}
	for _, p := range []struct{ from, to *string }{
		{u.InstanceType, &f.InstanceType}, {u.DisplayName, &f.DisplayName}, {u.Description, &f.Description}, {u.RoleARN, &f.RoleARN}, {u.StreamView, &f.StreamView},
	} {
		if p.from != nil {
			*p.to = *p.from
		}
	}
	for _, p := range []struct{ from, to *int64 }{
		{u.MaxDuration, &f.MaxDuration}, {u.DisconnectTimeout, &f.DisconnectTimeout}, {u.IdleTimeout, &f.IdleTimeout}, {u.MaxSessions, &f.MaxSessions},
		{u.PerInstance, &f.PerInstance}, {u.VolumeGiB, &f.VolumeGiB},
	} {
		if p.from != nil {
			*p.to = *p.from
		}
	}
	if u.Internet != nil {
		f.Internet = *u.Internet
	}
	if u.NoIMDSv1 != nil {
		f.NoIMDSv1 = u.NoIMDSv1
	}
	if u.Subnets != nil {
		f.Subnets = u.Subnets
	}
	if u.Groups != nil {
		f.Groups = u.Groups
	}
	if u.UsbFilters != nil {
		f.UsbFilters = u.UsbFilters
	}
	if u.Script != nil {
		f.Script = u.Script
	}
	if d := u.Directory; d != nil && d.Directory != "" {
		f.Directory = d
	}
	if p := u.Platform; p != nil && f.Type == domain.FleetElastic {
		f.Platform = *p
	}
	return sizeFleet(f, u.Capacity)
}

func dropFleetAttribute(f *domain.Fleet, word string) {
	switch word {
	case fleetDropVPC:
		f.Subnets, f.Groups = nil, nil
	case fleetDropGroups:
		f.Groups = nil
	case fleetDropDomain:
		f.Directory = nil
	case fleetDropRole:
		f.RoleARN = ""
	case fleetDropUSB:
		f.UsbFilters = nil
	case fleetDropScript:
		f.Script = nil
	case fleetDropMulti:
		f.Desired = int64(f.Wanted()) // unless the request says another number
		f.PerInstance, f.DesiredSessions = 0, 0
	case fleetDropVolume:
		f.VolumeGiB = domain.VolumeDefaultGiB
	}
}

// changedType keeps a fleet in the family of types that it was made with
// (developer guide, "Update a fleet").
func (s *Service) changedType(was *domain.Fleet, t domain.InstanceType) error {
	old, ok := s.instances().Find(was.InstanceType)
	switch {
	case !ok || old.Name == t.Name:
		return nil
	case t.Legacy:
		return fault.New(fault.BadValue, "The instance type %s is at its end of life: no fleet can be changed to it.", t.Name)
	case old.Family != t.Family && !(old.GPU && t.GPU):
		return fault.New(fault.BadCombination, "The instance type %s is of the family %s, and the fleet %s is of the family %s.", t.Name, t.Family, was.Key.Name, old.Family).
			WithHint("Choose a type of that family, or make another fleet.")
	}
	return nil
}

// updateImage gives a fleet another image, or looks at the one it has when what
// must fit it has changed.
func (s *Service) updateImage(tx store.Tx, c domain.Caller, f *domain.Fleet, t domain.InstanceType, u FleetUpdate) error {
	str := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	name, arn := str(u.ImageName), str(u.ImageARN)
	switch {
	case f.Type == domain.FleetElastic && name+arn != "":
		return fault.New(fault.BadCombination, "An Elastic fleet has no image: leave ImageName and ImageArn out.")
	case f.Type == domain.FleetElastic:
		return nil
	case name+arn != "":
		f.FleetSource.Platform = str(u.Platform)
		return s.fleetImage(tx, c, f, t, name, arn)
	case u.Platform != nil && *u.Platform != f.Platform:
		return fault.New(fault.BadCombination, "The platform of the fleet's image is %s, not %s.", f.Platform, *u.Platform).WithHint("Leave Platform out.")
	}
	img := new(domain.Image)
	if err := tx.Get(f.Image, img); fault.Is(err, fault.NotFound) {
		return nil // it will be told when the fleet starts
	} else if err != nil {
		return err
	}
	return s.fitsImage(f, img, t)
}

// mayUpdate refuses changes that a fleet takes only when it is stopped.
func (s *Service) mayUpdate(was, now *domain.Fleet) error {
	if was.State != domain.FleetRunning {
		return nil
	}
	if was.Image != now.Image && was.Platform != now.Platform {
		return fault.New(fault.Incompatible, "The fleet %s runs %s: an image of another operating system takes a stopped fleet.", was.Key.Name, orNone(was.Platform)).
			WithHint("Stop the fleet first.")
	}
	if now.Disk == "" && was.Disk != "" && !s.room().Pretend {
		return noDisk(&domain.Image{Meta: domain.Meta{Key: now.Image}}) // as at the start
	}
	// What may change is made equal; the rest must be.
	a, b := *was, *now
	for _, f := range []*domain.Fleet{&a, &b} {
		f.DisplayName, f.DisconnectTimeout, f.IdleTimeout = "", 0, 0
		if f.Type == domain.FleetElastic {
			f.MaxSessions, f.Script, f.UsbFilters = 0, nil, nil
		} else {
			f.FleetSource, f.Desired, f.DesiredSessions = domain.FleetSource{}, 0, 0
		}
	}
	if a.Multi() && b.Multi() && was.DesiredSessions != now.DesiredSessions {
		a.PerInstance, b.PerInstance = 0, 0 // together with the capacity it is taken
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	return fault.New(fault.InUse, "Cannot update the attribute for fleet %s when it is ACTIVE. The fleet must be stopped to complete this action.", was.Key.Name).
		WithHint("(It would change %s.)", strings.Join(differences(a, b), ", "))
}

// fleetMembers are the members of UpdateFleet that fields of a fleet come from,
// where the names differ.
var fleetMembers = map[string]string{
	"Internet": "EnableDefaultInternetAccess", "RoleARN": "IamRoleArn", "NoIMDSv1": "DisableIMDSV1", "Subnets": "VpcConfig", "Groups": "VpcConfig",
	"MaxDuration": "MaxUserDurationInSeconds", "PerInstance": "MaxSessionsPerInstance", "MaxSessions": "MaxConcurrentSessions", "VolumeGiB": "RootVolumeConfig",
	"Directory": "DomainJoinInfo", "UsbFilters": "UsbDeviceFilterStrings", "Script": "SessionScriptS3Location", "FleetSource": "Platform",
}

// differences names the members of UpdateFleet in which two fleets differ.
func differences(a, b domain.Fleet) (out []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			continue
		}
		name := x.Type().Field(i).Name
		if m := fleetMembers[name]; m != "" {
			name = m
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// madeDifferently tells whether instances made before a change are not what the
// fleet wants any more.
func madeDifferently(was, now *domain.Fleet) bool {
	return was.FleetSource != now.FleetSource || was.InstanceType != now.InstanceType || was.Volume() != now.Volume() || was.PerInstance != now.PerInstance ||
		was.Internet != now.Internet || was.RoleARN != now.RoleARN || !slices.Equal(was.Subnets, now.Subnets) || !slices.Equal(was.Groups, now.Groups)
}
