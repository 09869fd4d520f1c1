package domain

import (
	"regexp"
	"strings"
	"time"
)

// Image is an AppStream image: a sealed disk with a name, an application
// catalogue and the record of how it was proved to work. It refers to its disk;
// making or exporting one moves no bytes.
type Image struct {
	Meta `json:"-"`

	DisplayName string
	Description string
	Type        string // NATIVE, CUSTOM, BYOL
	Platform    string // AWS's platform word; "" when AWS has none for this guest
	Visibility  string // PRIVATE, SHARED, PUBLIC
	Disk        string // digest of the sealed disk
	DiskBytes   int64
	SourceAMI   string
	CopyOf      string `json:",omitempty"` // ARN of the image it was copied from
	Builder     string `json:",omitempty"` // name of the image builder it was made on
	BaseImage   string `json:",omitempty"` // ARN of what that builder was made from
	// Software is the licence-included software that is installed on it.
	Software []string `json:",omitempty"`
	// Updater names the service's own image builder while the image is being made
	// by an update. Check is what the guest last answered about its updates.
	Updater string       `json:",omitempty"`
	Check   *UpdateCheck `json:",omitempty"`
	// DynamicCatalog lets programs of an instance change what users may start.
	DynamicCatalog bool `json:",omitempty"`
	RoleARN        string
	AgentPolicy    string // AgentCurrent or AgentAlways; "" is AgentCurrent
	Families       []string
	Catalog        []Application
	Tags           Tags

	// AgentVersion is that of the guest tool on its disk, as far as it was heard of.
	AgentVersion string `json:",omitempty"`
	// Of public base images: when it was released, and where the row comes from.
	Released *time.Time `json:",omitempty"`
	Origin   string     `json:",omitempty"` // OriginCatalogue or OriginPublished

	// Shares is who else may use the image, by account.
	Shares map[string]ImagePermission `json:",omitempty"`

	// Intended is the instance type of the runtime validation; "" when none
	// was asked for.
	Intended string

	Reason   *StateReason
	Errors   []ImageError
	Findings []Finding // what the rules said about the disk, waivers included
	Evidence Evidence
}

// Which guest tool the machines of an image run: the one that it has, or the
// server's of the day, which is brought into each machine before anybody has it.
const (
	AgentCurrent = "CURRENT_LATEST"
	AgentAlways  = "ALWAYS_LATEST"
)

// Where a public base image comes from.
const (
	OriginCatalogue = "catalogue" // a file of the operator's: goes when it is not in the file any more
	OriginPublished = "published" // an image that was made here
)

// Application is one entry of an image's catalogue.
type Application struct {
	Name             string
	DisplayName      string
	Path             string
	IconPath         string
	ManifestPath     string
	WorkingDirectory string
	Parameters       string
	Icon             string `json:",omitempty"` // digest of its picture, when there is one
}

// StateReason says why a resource is in its state.
type StateReason struct{ Code, Message string }

// ImageError is one thing that was wrong with an image.
type ImageError struct {
	Code    string
	Message string
	At      time.Time
}

// Finding is what one rule said about a disk.
type Finding struct {
	Rule     string
	Severity string // block, warning, waived, info
	Found    string
	Where    string // the file, or the registry key and the value's name
	Value    string // what stands there
	Remedy   string
	Source   string
	Code     string
	AWSCode  string // of the BYOL checker
}

// Evidence is how far a booted guest got up the ladder.
type Evidence struct {
	Rungs      []Rung
	Screenshot string // file name below the data directory; "" when none was taken
	SerialLog  string
	Machine    string // what the guest ran on, for people
	BootMillis int64
}

// Rung is one step of the evidence ladder.
type Rung struct {
	Name    string
	Reached bool
	After   time.Duration // since the machine started
	Detail  string
	Needed  bool // a guest that never reaches it fails the validation
}

func (*Image) Alias() string { return "" }
func (*Image) Schema() int   { return 1 }

const (
	ImagePending    State = "PENDING"
	ImageAvailable  State = "AVAILABLE"
	ImageFailed     State = "FAILED"
	ImageCopying    State = "COPYING"
	ImageDeleting   State = "DELETING"
	ImageCreating   State = "CREATING"
	ImageImporting  State = "IMPORTING"
	ImageValidating State = "VALIDATING"
)

const (
	ImageImportBegun Event = "import-begun"
	ImageBootBegun   Event = "validation-begun"
	ImageReady       Event = "ready"
	ImageBroke       Event = "failed"
	ImageAskDelete   Event = "ask-delete"
	ImageCopyBegun   Event = "copy-begun"
	ImageUpdateBegun Event = "update-begun"
	ImageDiskLost    Event = "disk-lost"
)

// ImageMachine is the life of an image. One made on an image builder is PENDING
// until it is AVAILABLE (developer guide, image builders), one made by an update
// CREATING from when its builder works. The order of IMPORTING and
// VALIDATING is ours (AWS documents the words, not the order); deletion is
// refused until the work on an image has ended. An image whose sealed disk was
// found damaged or missing fails.
var ImageMachine = &Machine{
	Kind:    KindImage,
	Initial: ImagePending,
	States:  []State{ImagePending, ImageCopying, ImageCreating, ImageImporting, ImageValidating, ImageAvailable, ImageFailed, ImageDeleting},
	Final:   []State{ImageDeleting},
	Events:  []Event{ImageImportBegun, ImageBootBegun, ImageCopyBegun, ImageUpdateBegun, ImageReady, ImageBroke, ImageAskDelete, ImageDiskLost},
	Rules: []Rule{
		{ImagePending, ImageReady, Accept, ImageAvailable},
		{ImagePending, ImageImportBegun, Accept, ImageImporting},
		{ImageImporting, ImageImportBegun, Ignore, ""},
		{ImageImporting, ImageBootBegun, Accept, ImageValidating},
		{ImageValidating, ImageBootBegun, Ignore, ""},
		{ImagePending, ImageCopyBegun, Accept, ImageCopying},
		{ImageCopying, ImageCopyBegun, Ignore, ""},
		{ImagePending, ImageUpdateBegun, Accept, ImageCreating},
		{ImageCreating, ImageUpdateBegun, Ignore, ""},
		{ImageCreating, ImageReady, Accept, ImageAvailable},
		{ImageCreating, ImageBroke, Accept, ImageFailed},
		{ImageCopying, ImageReady, Accept, ImageAvailable},
		{ImageImporting, ImageReady, Accept, ImageAvailable},
		{ImageValidating, ImageReady, Accept, ImageAvailable},
		{ImageAvailable, ImageReady, Ignore, ""},
		{ImagePending, ImageBroke, Accept, ImageFailed},
		{ImageCopying, ImageBroke, Accept, ImageFailed},
		{ImageImporting, ImageBroke, Accept, ImageFailed},
		{ImageValidating, ImageBroke, Accept, ImageFailed},
		{ImageFailed, ImageBroke, Ignore, ""},
		{ImageAvailable, ImageDiskLost, Accept, ImageFailed},
		{ImageFailed, ImageDiskLost, Ignore, ""},
		{ImageDeleting, ImageDiskLost, Ignore, ""},
		{ImageAvailable, ImageAskDelete, Accept, ImageDeleting},
		{ImageFailed, ImageAskDelete, Accept, ImageDeleting},
		{ImageDeleting, ImageAskDelete, Ignore, ""},
	},
}

var reservedName = regexp.MustCompile(`(?i)^(aws|appstream|amazon)`)

// ReservedImageName tells whether a name begins with a prefix that belongs to
// the service (AppStream developer guide, administer images).
func ReservedImageName(name string) bool { return reservedName.MatchString(name) }

// RepeatedApplication names the first application that appears twice in a
// catalogue, "" when all are distinct.
func RepeatedApplication(apps []Application) string {
	seen := map[string]bool{}
	for _, a := range apps {
		n := strings.ToLower(a.Name)
		if seen[n] {
			return a.Name
		}
		seen[n] = true
	}
	return ""
}
