package domain

import "time"

// KindFleet is the kind of fleets.
const KindFleet Kind = "fleet"

// Fleet is a number of machines that are alike, made from one image, of which
// users get one each. What it should be stands here; which machines there are,
// in its instances. It refers to its image, to the disks its instances run on,
// to its subnets and its security groups.
type Fleet struct {
	Meta `json:"-"`

	DisplayName string
	Description string
	Type        string // ALWAYS_ON, ON_DEMAND or ELASTIC
	FleetSource
	InstanceType string
	// Desired is how many instances there should be, or, when an instance has
	// several sessions, DesiredSessions how many sessions.
	Desired         int64
	DesiredSessions int64 `json:",omitempty"`
	PerInstance     int64 `json:",omitempty"` // sessions an instance may have; 0: one, a machine per user
	MaxSessions     int64 `json:",omitempty"` // of an Elastic fleet

	MaxDuration       int64 // seconds
	DisconnectTimeout int64
	IdleTimeout       int64

	Subnets    []string     `json:",omitempty"`
	Groups     []string     `json:",omitempty"`
	Directory  *DomainJoin  `json:",omitempty"`
	RoleARN    string       `json:",omitempty"`
	Internet   bool         `json:",omitempty"`
	StreamView string       // APP or DESKTOP
	UsbFilters []string     `json:",omitempty"`
	Script     *S3Location  `json:",omitempty"`
	VolumeGiB  int64        `json:",omitempty"` // 0: nobody said; the default holds
	NoIMDSv1   *bool        `json:",omitempty"`
	Errors     []ImageError `json:",omitempty"`
	Tags       Tags
	// Generation grows with each change that takes new machines; instances of an
	// older one are replaced.
	Generation int64
	// Settled is the newest generation at which nothing of an older one was left.
	Settled int64
	// Trouble is what keeps instances from coming up.
	Trouble FleetTrouble
}

// FleetSource is what the machines of a fleet are made from. All empty for an
// Elastic fleet but Platform.
type FleetSource struct {
	Image     Key
	ImageARN  string `json:",omitempty"` // as its owner writes it
	Platform  string `json:",omitempty"`
	Disk      string `json:",omitempty"` // digest of the sealed disk; "": known by name only
	DiskBytes int64  `json:",omitempty"`
}

// FleetTrouble counts instances that never came up, one after the other: with
// each the wait until the next is tried grows, so that an image that does not
// boot leaves the host in peace.
type FleetTrouble struct {
	Failures int       `json:",omitempty"`
	RetryAt  time.Time `json:",omitzero"`
}

// DomainJoin is the directory that machines join.
type DomainJoin struct{ Directory, Unit string }

// S3Location names an object.
type S3Location struct{ Bucket, Key string }

func (*Fleet) Alias() string   { return "" }
func (*Fleet) Schema() int     { return 1 }
func (f *Fleet) TagSet() *Tags { return &f.Tags }

// FleetARN is the ARN of a fleet.
func FleetARN(k Key) string { return ARN("appstream", k.Region, k.Account, "fleet/"+k.Name) }

// Types of fleets.
const (
	FleetAlwaysOn = "ALWAYS_ON"
	FleetOnDemand = "ON_DEMAND"
	FleetElastic  = "ELASTIC"
)

// Views of a session: windows of applications alone, or all of the desktop.
const (
	ViewApp     = "APP"
	ViewDesktop = "DESKTOP"
)

// Limits and defaults of fleets (API reference, CreateFleet; the defaults were
// seen on the real service). Times in seconds.
const (
	FleetMaxDurationDefault = 57600
	FleetMaxDurationLeast   = 600
	FleetMaxDurationMost    = 432000
	FleetDisconnectDefault  = 900
	FleetTimeoutLeast       = 60
	FleetTimeoutMost        = 36000
	GroupsPerFleet          = 5
	ElasticSubnetsLeast     = 2
)

// Multi tells whether an instance has several sessions.
func (f *Fleet) Multi() bool { return f.PerInstance > 0 }

// Slots is how many sessions an instance may have.
func (f *Fleet) Slots() int { return max(int(f.PerInstance), 1) }

// Wanted is how many instances there should be while the fleet is up.
func (f *Fleet) Wanted() int {
	if f.Multi() {
		return int((f.DesiredSessions + f.PerInstance - 1) / f.PerInstance)
	}
	return int(f.Desired)
}

// Up tells whether the fleet should have instances.
func (f *Fleet) Up() bool { return f.State == FleetStarting || f.State == FleetRunning }

// Volume is the size of an instance's root volume in GiB.
func (f *Fleet) Volume() int64 {
	if f.VolumeGiB == 0 {
		return VolumeDefaultGiB
	}
	return f.VolumeGiB
}

// Disconnect is how long a session stays after its user has gone.
func (f *Fleet) Disconnect() time.Duration { return time.Duration(f.DisconnectTimeout) * time.Second }

// Idle is how long a user may do nothing, 0 for ever. The number is kept as it
// was given and rounded to minutes only here, where it is used (API reference).
func (f *Fleet) Idle() time.Duration {
	if f.IdleTimeout == 0 {
		return 0
	}
	return max(time.Duration(f.IdleTimeout)*time.Second, time.Minute).Round(time.Minute)
}

const (
	FleetStarting State = "STARTING"
	FleetRunning  State = "RUNNING"
	FleetStopping State = "STOPPING"
	FleetStopped  State = "STOPPED"
)

const (
	FleetAskStart Event = "ask-start"
	FleetAskStop  Event = "ask-stop"
	FleetReady    Event = "instances-ready"
	FleetEmpty    Event = "instances-gone"
)

// FleetMachine is the life of a fleet. After a start nobody may see STOPPED
// again, and after a stop nobody RUNNING: the waiters of the SDKs take that for
// failure. A stop of what is stopped succeeds, as clients expect that stop
// before they delete; what is on its way down must arrive before it starts
// again.
var FleetMachine = &Machine{
	Kind:    KindFleet,
	Initial: FleetStopped,
	States:  []State{FleetStarting, FleetRunning, FleetStopping, FleetStopped},
	Events:  []Event{FleetAskStart, FleetAskStop, FleetReady, FleetEmpty},
	Rules: []Rule{
		{FleetStopped, FleetAskStart, Accept, FleetStarting},
		{FleetStopped, FleetAskStop, Ignore, ""},
		{FleetStopped, FleetEmpty, Ignore, ""},

		{FleetStarting, FleetAskStart, Ignore, ""},
		{FleetStarting, FleetAskStop, Accept, FleetStopping},
		{FleetStarting, FleetReady, Accept, FleetRunning},

		{FleetRunning, FleetAskStart, Ignore, ""},
		{FleetRunning, FleetAskStop, Accept, FleetStopping},
		{FleetRunning, FleetReady, Ignore, ""},

		{FleetStopping, FleetAskStop, Ignore, ""},
		{FleetStopping, FleetEmpty, Accept, FleetStopped},
	},
}
