package domain

// AMI is an EC2 machine image: attributes somebody registered, and snapshots.
type AMI struct {
	Meta `json:"-"` // Key.Name is the id, ami-…

	Label        string // the image's name, unique in account and Region
	Description  string
	Architecture string
	VirtType     string
	BootMode     string
	TPM          string // "v2.0" or ""
	ENA          bool
	RootDevice   string
	Platform     string // "windows" or "": read from the disk, never believed
	Details      string // PlatformDetails: "Windows", "Linux/UNIX"
	Public       bool
	Mappings     []Mapping
	Tags         Tags

	Shared       []string `json:",omitempty"` // accounts that may launch it, sorted
	ClientToken  string   `json:",omitempty"` // of the copy that made it
	SourceAMI    string   `json:",omitempty"` // what it is a copy of
	SourceRegion string   `json:",omitempty"`
	Problem      string   `json:",omitempty"` // why it is in state error
}

// SetPlatform says for which system the image is. EC2 calls all that is no
// Windows Linux/UNIX, also what nobody knows.
func (a *AMI) SetPlatform(windows bool) {
	a.Platform, a.Details = "", "Linux/UNIX"
	if windows {
		a.Platform, a.Details = "windows", "Windows"
	}
}

// Mapping is one block device of an AMI.
type Mapping struct {
	Device     string
	SnapshotID string
	SizeGiB    int64
	VolumeType string
	Encrypted  bool
	Keep       bool // DeleteOnTermination=false
	IOPS       int64
	Throughput int64
}

func (a *AMI) Alias() string { return a.Label }
func (*AMI) Schema() int     { return 1 }

const (
	AMIAvailable    State = "available"
	AMIError        State = "error"
	AMIDeregistered State = "deregistered"
)

const (
	AMIAskDeregister Event = "ask-deregister" // removes an AMI
	AMIDiskLost      Event = "disk-lost"      // a sealed disk behind it is damaged or missing
)

// AMIMachine: a registered AMI is available at once, since its snapshots must
// be complete.
var AMIMachine = &Machine{
	Kind: KindAMI, Initial: AMIAvailable,
	States: []State{AMIAvailable, AMIError, AMIDeregistered}, Final: []State{AMIDeregistered},
	Events: []Event{AMIAskDeregister, AMIDiskLost},
	Rules: []Rule{
		{AMIAvailable, AMIAskDeregister, Accept, AMIDeregistered},
		{AMIError, AMIAskDeregister, Accept, AMIDeregistered},
		{AMIDeregistered, AMIAskDeregister, Ignore, ""},
		{AMIAvailable, AMIDiskLost, Accept, AMIError},
		{AMIError, AMIDiskLost, Ignore, ""},
	},
}
