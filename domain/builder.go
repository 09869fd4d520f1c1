package domain

// KindBuilder is the kind of image builders.
const KindBuilder Kind = "image-builder"

// Builder is an image builder: a machine of an administrator's that started
// from an image. What they change stays in a layer of its own over the image's
// disk, through stops and starts, until the builder is deleted.
type Builder struct {
	Meta `json:"-"`

	DisplayName  string
	Description  string
	Image        Key    // what it was made from
	ImageARN     string // as its owner writes it
	Platform     string
	InstanceType string
	VolumeGiB    int64
	Disk         string `json:",omitempty"` // digest of the sealed disk below; "": an empty disk
	DiskBytes    int64
	Subnets      []string         `json:",omitempty"`
	Groups       []string         `json:",omitempty"`
	Endpoints    []AccessEndpoint `json:",omitempty"`
	RoleARN      string           `json:",omitempty"`
	Internet     bool
	AgentVersion string `json:",omitempty"` // that was asked for; "" for the image's
	NoIMDSv1     *bool  `json:",omitempty"`
	Tags         Tags

	// Address is its machine's, with the length of its subnet, ENI the interface
	// that has it. Both stay as long as the builder does.
	Address string `json:",omitempty"`
	ENI     string `json:",omitempty"`
	// Run grows with every start: credentials are given to one run.
	Run int64 `json:",omitempty"`

	// Catalog is what an image made of it will offer; Tool the version of the
	// guest tool that greeted last.
	Catalog []Application `json:",omitempty"`
	Tool    string        `json:",omitempty"`
	// FreshTool: this start brings the guest tool to the server's version.
	FreshTool bool `json:",omitempty"`

	// Updates is the image that the service makes with it; "" for a builder of
	// somebody's.
	Updates string `json:",omitempty"`

	// Machine names its machine, overlay and state directory; no other builder
	// ever has the same, also not one of the same name.
	Machine string
	// Layered: its layer was made. One that is missing then is told, never
	// replaced by an empty one.
	Layered bool `json:",omitempty"`
	// CPUs and MemoryMiB are what its machine was promised at the last start.
	CPUs      int
	MemoryMiB int64

	Reason   *StateReason
	Errors   []ImageError
	Evidence Evidence // of the last start
}

// AccessEndpoint is an interface endpoint through which alone a builder may be
// reached.
type AccessEndpoint struct {
	Type string
	VPCE string
}

// Alias finds the builder of a machine.
func (b *Builder) Alias() string { return b.Machine }

func (*Builder) Schema() int { return 1 }

func (b *Builder) TagSet() *Tags { return &b.Tags }

// BuilderARN is the ARN of an image builder.
func BuilderARN(k Key) string {
	return ARN("appstream", k.Region, k.Account, "image-builder/"+k.Name)
}

// Sizes of a builder's root volume in GiB (developer guide; the default was
// seen on the real service).
const (
	VolumeDefaultGiB = 200
	VolumeMaxGiB     = 500
)

// GroupsPerBuilder is how many security groups a builder may have.
const GroupsPerBuilder = 5

const (
	BuilderPending              State = "PENDING"
	BuilderUpdatingAgent        State = "UPDATING_AGENT"
	BuilderRunning              State = "RUNNING"
	BuilderStopping             State = "STOPPING"
	BuilderStopped              State = "STOPPED"
	BuilderRebooting            State = "REBOOTING"
	BuilderSnapshotting         State = "SNAPSHOTTING"
	BuilderDeleting             State = "DELETING"
	BuilderFailed               State = "FAILED"
	BuilderUpdating             State = "UPDATING"
	BuilderPendingQualification State = "PENDING_QUALIFICATION"
	BuilderPendingSyncingApps   State = "PENDING_SYNCING_APPS"
	BuilderSyncingApps          State = "SYNCING_APPS"
	BuilderPendingImageImport   State = "PENDING_IMAGE_IMPORT"
)

const (
	BuilderAskStart     Event = "ask-start"
	BuilderAskStop      Event = "ask-stop"
	BuilderAskDelete    Event = "ask-delete"
	BuilderReady        Event = "guest-ready"
	BuilderEnded        Event = "machine-ended" // by itself
	BuilderOff          Event = "machine-off"   // and put away
	BuilderBroke        Event = "failed"
	BuilderAgentBegun   Event = "agent-update-begun"
	BuilderRebootBegun  Event = "reboot-begun"
	BuilderSnapBegun    Event = "snapshot-begun"
	BuilderUpdateBegun  Event = "update-begun"
	BuilderQualify      Event = "qualification-begun"
	BuilderAskSync      Event = "ask-sync"
	BuilderSyncBegun    Event = "sync-begun"
	BuilderAwaitsImport Event = "import-awaited"
	BuilderImported     Event = "import-done"
)

// BuilderMachine is the life of an image builder. Clients know it well: after a
// create they tolerate PENDING alone until RUNNING; one deletes a builder that
// runs, another stops it first; starting in a wrong state has no
// OperationNotPermittedException. A failed builder may be started again, which
// is ours: its disk may hold somebody's work. What an unbuilt operation would
// move stands here too, so that the answers of the others are right already.
var BuilderMachine = &Machine{
	Kind:    KindBuilder,
	Initial: BuilderPending,
	States: []State{BuilderPending, BuilderUpdatingAgent, BuilderRunning, BuilderStopping, BuilderStopped, BuilderRebooting, BuilderSnapshotting,
		BuilderDeleting, BuilderFailed, BuilderUpdating, BuilderPendingQualification, BuilderPendingSyncingApps, BuilderSyncingApps, BuilderPendingImageImport},
	Final: []State{BuilderDeleting},
	Events: []Event{BuilderAskStart, BuilderAskStop, BuilderAskDelete, BuilderReady, BuilderEnded, BuilderOff, BuilderBroke, BuilderAgentBegun,
		BuilderRebootBegun, BuilderSnapBegun, BuilderUpdateBegun, BuilderQualify, BuilderAskSync, BuilderSyncBegun, BuilderAwaitsImport, BuilderImported},
	Rules: []Rule{
		{BuilderPending, BuilderReady, Accept, BuilderRunning},
		{BuilderPending, BuilderBroke, Accept, BuilderFailed},
		{BuilderPending, BuilderAskStart, Ignore, ""},
		{BuilderPending, BuilderAskSync, Accept, BuilderPendingSyncingApps}, // software was asked for at the create
		{BuilderPending, BuilderAgentBegun, Accept, BuilderUpdatingAgent},
		{BuilderPending, BuilderUpdateBegun, Accept, BuilderUpdating},
		{BuilderPending, BuilderAwaitsImport, Accept, BuilderPendingImageImport},
		{BuilderPending, BuilderImported, Ignore, ""},

		{BuilderRunning, BuilderReady, Ignore, ""},
		{BuilderRunning, BuilderAskStop, Accept, BuilderStopping},
		{BuilderRunning, BuilderAskDelete, Accept, BuilderDeleting},
		{BuilderRunning, BuilderEnded, Accept, BuilderStopping},
		{BuilderRunning, BuilderBroke, Accept, BuilderFailed},
		{BuilderRunning, BuilderRebootBegun, Accept, BuilderRebooting},
		{BuilderRunning, BuilderSnapBegun, Accept, BuilderSnapshotting},
		{BuilderRunning, BuilderAskSync, Accept, BuilderPendingSyncingApps},

		{BuilderStopping, BuilderAskStop, Ignore, ""},
		{BuilderStopping, BuilderEnded, Ignore, ""},
		{BuilderStopping, BuilderOff, Accept, BuilderStopped},
		{BuilderStopping, BuilderBroke, Accept, BuilderFailed},

		{BuilderStopped, BuilderOff, Ignore, ""},
		{BuilderStopped, BuilderAskStart, Accept, BuilderPending},
		{BuilderStopped, BuilderAskDelete, Accept, BuilderDeleting},

		{BuilderFailed, BuilderBroke, Ignore, ""},
		{BuilderFailed, BuilderAskStart, Accept, BuilderPending},
		{BuilderFailed, BuilderAskDelete, Accept, BuilderDeleting},

		{BuilderDeleting, BuilderAskDelete, Ignore, ""},

		{BuilderUpdatingAgent, BuilderAgentBegun, Ignore, ""},
		{BuilderUpdatingAgent, BuilderReady, Accept, BuilderRunning},
		{BuilderUpdatingAgent, BuilderAskSync, Accept, BuilderPendingSyncingApps}, // software was asked for at the create
		{BuilderUpdatingAgent, BuilderBroke, Accept, BuilderFailed},

		{BuilderRebooting, BuilderRebootBegun, Ignore, ""},
		{BuilderRebooting, BuilderReady, Accept, BuilderRunning},
		{BuilderRebooting, BuilderBroke, Accept, BuilderFailed},

		{BuilderSnapshotting, BuilderSnapBegun, Ignore, ""},
		{BuilderSnapshotting, BuilderReady, Accept, BuilderRunning}, // the guest was never shut down
		{BuilderSnapshotting, BuilderOff, Accept, BuilderStopped},
		{BuilderSnapshotting, BuilderBroke, Accept, BuilderFailed},

		{BuilderUpdating, BuilderUpdateBegun, Ignore, ""},
		{BuilderUpdating, BuilderQualify, Accept, BuilderPendingQualification},
		{BuilderUpdating, BuilderBroke, Accept, BuilderFailed},

		{BuilderPendingQualification, BuilderQualify, Ignore, ""},
		{BuilderPendingQualification, BuilderOff, Accept, BuilderStopped},
		{BuilderPendingQualification, BuilderBroke, Accept, BuilderFailed},

		{BuilderPendingSyncingApps, BuilderAskSync, Ignore, ""},
		{BuilderPendingSyncingApps, BuilderSyncBegun, Accept, BuilderSyncingApps},
		{BuilderPendingSyncingApps, BuilderReady, Accept, BuilderRunning}, // nothing was begun
		{BuilderPendingSyncingApps, BuilderBroke, Accept, BuilderFailed},

		{BuilderSyncingApps, BuilderSyncBegun, Ignore, ""},
		{BuilderSyncingApps, BuilderReady, Accept, BuilderRunning},
		{BuilderSyncingApps, BuilderBroke, Accept, BuilderFailed},

		{BuilderPendingImageImport, BuilderAwaitsImport, Ignore, ""},
		{BuilderPendingImageImport, BuilderImported, Accept, BuilderPending},
		{BuilderPendingImageImport, BuilderBroke, Accept, BuilderFailed},
	},
}

// HoldsMachine lists the states in which a builder's machine runs or may: the
// memory it was promised is taken.
func HoldsMachine(s State) bool {
	switch s {
	case BuilderStopped, BuilderFailed:
		return false
	}
	return true
}

// HasGuest lists the states in which a builder's guest is at work, or on its way
// there: it may ask who it is and act as its role. A guest that is told to end
// may not.
func HasGuest(s State) bool {
	switch s {
	case BuilderStopping, BuilderStopped, BuilderDeleting, BuilderFailed, BuilderPendingImageImport:
		return false
	}
	return true
}
