package domain

// FleetCapacity is what DescribeFleets tells about a fleet's machines, counted
// from the instances that there are.
type FleetCapacity struct {
	Desired   int
	Running   int // guests that can be streamed
	InUse     int // of those, with sessions
	Available int // could take a session; prepared ones too
	Draining  int

	// Of fleets whose instances have several sessions; all but Desired count
	// instances that are not draining.
	Multi            bool
	DesiredSessions  int
	ActualSessions   int // sessions there is room for
	ActiveSessions   int // of those, taken
	DrainingActive   int // sessions on draining instances
	DrainingUnused   int // room on draining instances that nobody gets
	PendingInstances int
}

// AvailableSessions is how many sessions more there is room for.
func (c FleetCapacity) AvailableSessions() int { return c.ActualSessions - c.ActiveSessions }

// Count adds n instances in a state, each with room for slots sessions, of which
// there are so many.
func (c *FleetCapacity) Count(s State, n, slots, sessions int) {
	if MachineUp(s) {
		c.Running += n
	}
	switch s {
	case InstanceReady, InstanceStandby:
		c.Available += n
		c.ActualSessions += n * slots
	case InstanceInUse, InstanceStarting:
		c.InUse += n
		c.ActualSessions += n * slots
		c.ActiveSessions += n * sessions
	case InstanceDraining:
		c.InUse += n
		c.Draining += n
		c.DrainingActive += n * sessions
		c.DrainingUnused += n * max(slots-sessions, 0)
	case InstanceProvisioning:
		c.PendingInstances += n
	}
}

// Want sets what the fleet should have. Sessions that instances on their way
// will have room for are wanted too (API reference, ComputeCapacityStatus).
func (c *FleetCapacity) Want(f *Fleet) {
	c.Desired, c.Multi = f.Wanted(), f.Multi()
	if c.Multi {
		c.DesiredSessions = c.ActualSessions + c.PendingInstances*f.Slots()
	}
}
