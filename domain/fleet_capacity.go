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

// Count adds an instance in a state with so many sessions.
func (c *FleetCapacity) Count(s State, slots, sessions int) {
	if MachineUp(s) {
		c.Running++
	}
	switch s {
	case InstanceReady, InstanceStandby:
		c.Available++
		c.ActualSessions += slots
	case InstanceInUse, InstanceStarting:
		c.InUse++
		c.ActualSessions += slots
		c.ActiveSessions += sessions
	case InstanceDraining:
		c.InUse++
		c.Draining++
		c.DrainingActive += sessions
		c.DrainingUnused += max(slots-sessions, 0)
	case InstanceProvisioning:
		c.PendingInstances++
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
