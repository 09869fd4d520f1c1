package service

import (
	"slipway/domain"
	"slipway/fault"
)

// checkFleet holds a fleet against every rule that needs no look-up. Ranges are
// prose of the API's pages: a bad value is BadValue, values that exclude each
// other BadCombination.
func (s *Service) checkFleet(f *domain.Fleet) (domain.InstanceType, error) {
	t, ok := s.instances().Find(f.InstanceType)
	if !ok {
		return t, fault.New(fault.BadValue, "The instance type %s is not supported for fleets.", f.InstanceType).
			WithHint("%s", s.someTypes())
	}
	for _, check := range []func(*domain.Fleet) error{checkFleetTimes, checkFleetPlace, checkSeveral} {
		if err := check(f); err != nil {
			return t, err
		}
	}
	if f.VolumeGiB != 0 && (f.VolumeGiB < domain.VolumeDefaultGiB || f.VolumeGiB > domain.VolumeMaxGiB) {
		return t, fault.New(fault.BadValue, "VolumeSizeInGb is %d: it must be from %d to %d.", f.VolumeGiB, domain.VolumeDefaultGiB, domain.VolumeMaxGiB)
	}
	if f.Directory != nil && f.Type != domain.FleetElastic {
		return t, fault.New(fault.NotFound, "The directory config %s does not exist.", f.Directory.Directory).
			WithHint("Directory configs are not built on this server: leave DomainJoinInfo out.")
	}
	if f.Type == domain.FleetElastic {
		return t, checkElastic(f, t)
	}
	switch {
	case f.MaxSessions != 0:
		return t, fault.New(fault.BadCombination, "MaxConcurrentSessions is for Elastic fleets.")
	case f.Script != nil:
		return t, fault.New(fault.BadCombination, "SessionScriptS3Location is for Elastic fleets: other fleets have their session scripts in the image.")
	}
	return t, nil
}

func checkFleetTimes(f *domain.Fleet) error {
	for _, x := range []struct {
		member             string
		value, least, most int64
		zero               bool // is allowed
	}{
		{"MaxUserDurationInSeconds", f.MaxDuration, domain.FleetMaxDurationLeast, domain.FleetMaxDurationMost, false},
		{"DisconnectTimeoutInSeconds", f.DisconnectTimeout, domain.FleetTimeoutLeast, domain.FleetTimeoutMost, false},
		{"IdleDisconnectTimeoutInSeconds", f.IdleTimeout, domain.FleetTimeoutLeast, domain.FleetTimeoutMost, true},
	} {
		if x.zero && x.value == 0 {
			continue
		}
		if x.value < x.least || x.value > x.most {
			return fault.New(fault.BadValue, "%s is %d: it must be from %d to %d.", x.member, x.value, x.least, x.most)
		}
	}
	return nil
}

func checkFleetPlace(f *domain.Fleet) error {
	switch {
	case len(f.Groups) > domain.GroupsPerFleet:
		return fault.New(fault.BadValue, "A fleet has at most %d security groups, not %d.", domain.GroupsPerFleet, len(f.Groups))
	case len(f.Groups) > 0 && len(f.Subnets) == 0:
		return fault.New(fault.BadCombination, "SecurityGroupIds needs subnets in SubnetIds.")
	}
	return nil
}

// sessionsPerInstanceMost is the most sessions an instance may have (developer
// guide, multi-session fleets).
const sessionsPerInstanceMost = 50

// checkPerInstance takes 0 for what was not given.
func checkPerInstance(n int64) error {
	if n < 0 || n > sessionsPerInstanceMost {
		return fault.New(fault.BadValue, "MaxSessionsPerInstance is %d: it must be from 1 to %d.", n, sessionsPerInstanceMost)
	}
	return nil
}

func checkSeveral(f *domain.Fleet) error {
	switch {
	case f.Multi() && f.Desired > 0:
		return fault.New(fault.BadCombination, "A fleet with MaxSessionsPerInstance has DesiredSessions, not DesiredInstances.")
	case !f.Multi() && f.DesiredSessions > 0:
		return fault.New(fault.BadCombination, "A fleet without MaxSessionsPerInstance has DesiredInstances, not DesiredSessions.")
	}
	return nil
}

func checkElastic(f *domain.Fleet, t domain.InstanceType) error {
	switch {
	case !t.Elastic:
		return fault.New(fault.BadValue, "The instance type %s is not supported for Elastic fleets.", t.Name).WithHint("Use one such as stream.standard.small.")
	case f.Multi():
		return fault.New(fault.BadCombination, "MaxSessionsPerInstance is not for Elastic fleets.")
	case f.Directory != nil:
		return fault.New(fault.BadCombination, "DomainJoinInfo is not for Elastic fleets.")
	case f.Platform == "":
		return fault.New(fault.BadCombination, "An Elastic fleet needs a Platform.")
	case f.MaxSessions == 0:
		return fault.New(fault.BadCombination, "An Elastic fleet needs MaxConcurrentSessions.")
	case f.MaxSessions < 0:
		return fault.New(fault.BadValue, "MaxConcurrentSessions is %d: it must be at least 1.", f.MaxSessions)
	case len(f.Subnets) < domain.ElasticSubnetsLeast:
		return fault.New(fault.BadCombination, "An Elastic fleet needs a VpcConfig with at least %d subnets in different availability zones.", domain.ElasticSubnetsLeast)
	case f.Script != nil && f.Script.Key == "":
		return fault.New(fault.BadCombination, "SessionScriptS3Location needs an S3Key.")
	}
	return nil
}
