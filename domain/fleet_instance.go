package domain

// KindFleetInstance is the kind of fleets' instances.
const KindFleetInstance Kind = "fleet-instance"

// FleetInstance is one machine of a fleet. Key.Name is its id and the name of
// its machine and layer; no other ever has the same. What its users write goes
// with it.
type FleetInstance struct {
	Meta `json:"-"`

	Fleet        string // the name of its fleet
	Generation   int64  // of the fleet, when it was made
	InstanceType string
	FleetSource
	VolumeGiB int64
	Subnet    string `json:",omitempty"`
	Zone      string `json:",omitempty"`
	// Address is its machine's, with the length of its subnet, ENI the interface
	// that has it; the rest is the fleet's, as it was when the instance was made.
	Address  string   `json:",omitempty"`
	ENI      string   `json:",omitempty"`
	Groups   []string `json:",omitempty"`
	RoleARN  string   `json:",omitempty"`
	Internet bool     `json:",omitempty"`
	NoIMDSv1 *bool    `json:",omitempty"`

	Slots     int // sessions it may have
	CPUs      int
	MemoryMiB int64
	// Prepared: its machine is not started before a user connects.
	Prepared bool   `json:",omitempty"`
	Why      string `json:",omitempty"` // it is being taken away
}

// Alias finds the instances of a fleet.
func (i *FleetInstance) Alias() string { return i.Fleet }
func (*FleetInstance) Schema() int     { return 1 }

// FleetKey is the key of its fleet.
func (i *FleetInstance) FleetKey() Key {
	return Key{Scope: i.Key.Scope, Kind: KindFleet, Name: i.Fleet}
}

// MachineName and HeldMiB make it Housed.
func (i *FleetInstance) MachineName() string { return i.Key.Name }
func (i *FleetInstance) HeldMiB() int64      { return i.MemoryMiB }

// Instance mints the id of a fleet's instance, which is EC2's form.
func (g IDs) Instance() string { return g.hex17("i-") }

const (
	InstanceProvisioning State = "PROVISIONING" // its layer and machine are being made
	InstanceStandby      State = "STANDBY"      // made, its machine waits for a user to start it
	InstanceStarting     State = "STARTING"     // a user waits for its machine
	InstanceReady        State = "READY"        // its machine runs, nobody has it
	InstanceInUse        State = "IN_USE"       // it has sessions
	InstanceDraining     State = "DRAINING"     // it has sessions and gets no more
	InstanceTerminating  State = "TERMINATING"  // its machine and layer are being removed
)

const (
	InstanceMade    Event = "made"          // ready for a user to start it
	InstanceUp      Event = "guest-ready"   // its guest can be streamed
	InstanceTaken   Event = "taken"         // by a user's session
	InstanceVacated Event = "vacated"       // its last session has ended, others may come
	InstanceDrain   Event = "drain"         // no new sessions
	InstanceDiscard Event = "discard"       // nobody needs it (any more)
	InstanceEnded   Event = "machine-ended" // by itself
	InstanceBroke   Event = "failed"        // it never came up
)

// InstanceMachine is the life of a fleet's instance; AWS shows nothing of it but
// numbers. One that had a user of its own is never given to another: from IN_USE
// the way back to READY is for instances with several sessions.
var InstanceMachine = &Machine{
	Kind:    KindFleetInstance,
	Initial: InstanceProvisioning,
	States:  []State{InstanceProvisioning, InstanceStandby, InstanceStarting, InstanceReady, InstanceInUse, InstanceDraining, InstanceTerminating},
	Final:   []State{InstanceTerminating},
	Events:  []Event{InstanceMade, InstanceUp, InstanceTaken, InstanceVacated, InstanceDrain, InstanceDiscard, InstanceEnded, InstanceBroke},
	Rules: []Rule{
		{InstanceProvisioning, InstanceMade, Accept, InstanceStandby},
		{InstanceProvisioning, InstanceUp, Accept, InstanceReady},
		{InstanceProvisioning, InstanceDiscard, Accept, InstanceTerminating},
		{InstanceProvisioning, InstanceEnded, Accept, InstanceTerminating},
		{InstanceProvisioning, InstanceBroke, Accept, InstanceTerminating},

		{InstanceStandby, InstanceMade, Ignore, ""},
		{InstanceStandby, InstanceTaken, Accept, InstanceStarting},
		{InstanceStandby, InstanceDiscard, Accept, InstanceTerminating},

		{InstanceStarting, InstanceUp, Accept, InstanceInUse},
		{InstanceStarting, InstanceTaken, Ignore, ""}, // by one more session
		{InstanceStarting, InstanceDiscard, Accept, InstanceTerminating},
		{InstanceStarting, InstanceEnded, Accept, InstanceTerminating},
		{InstanceStarting, InstanceBroke, Accept, InstanceTerminating},

		{InstanceReady, InstanceUp, Ignore, ""},
		{InstanceReady, InstanceVacated, Ignore, ""},
		{InstanceReady, InstanceTaken, Accept, InstanceInUse},
		{InstanceReady, InstanceDiscard, Accept, InstanceTerminating},
		{InstanceReady, InstanceEnded, Accept, InstanceTerminating},

		{InstanceInUse, InstanceUp, Ignore, ""},
		{InstanceInUse, InstanceTaken, Ignore, ""},
		{InstanceInUse, InstanceVacated, Accept, InstanceReady},
		{InstanceInUse, InstanceDrain, Accept, InstanceDraining},
		{InstanceInUse, InstanceDiscard, Accept, InstanceTerminating},
		{InstanceInUse, InstanceEnded, Accept, InstanceTerminating},

		{InstanceDraining, InstanceDrain, Ignore, ""},
		{InstanceDraining, InstanceUp, Ignore, ""},
		{InstanceDraining, InstanceDiscard, Accept, InstanceTerminating},
		{InstanceDraining, InstanceEnded, Accept, InstanceTerminating},

		{InstanceTerminating, InstanceDiscard, Ignore, ""},
		{InstanceTerminating, InstanceEnded, Ignore, ""},
		{InstanceTerminating, InstanceBroke, Ignore, ""},
	},
}

// WhyVacated is why an instance is taken away after its user.
const WhyVacated = "its session has ended"

// MachineUp tells whether an instance in a state has a guest that can be
// streamed.
func MachineUp(s State) bool {
	return s == InstanceReady || s == InstanceInUse || s == InstanceDraining
}
