package domain

// Kinds of EC2's tasks that bring disks in and take them out.
const (
	KindImportImage    Kind = "import-image-task"
	KindImportSnapshot Kind = "import-snapshot-task"
	KindExportImage    Kind = "export-image-task"
)

// ImportTask is an EC2 task that makes a snapshot of a disk image, and of that
// an AMI when it is of KindImportImage. It goes on by itself.
type ImportTask struct {
	Meta `json:"-"` // Key.Name is the id, import-ami-… or import-snap-…

	Source      DiskSource
	Description string
	ClientToken string
	Request     string // digest of what was asked, for a repeated ClientToken
	RoleName    string `json:",omitempty"`
	Tags        Tags

	// Of images: what the client said, and what was found.
	Architecture string `json:",omitempty"`
	BootMode     string `json:",omitempty"`
	LicenseType  string `json:",omitempty"`
	Platform     string `json:",omitempty"` // EC2's word here: Windows or Linux
	ImageID      string `json:",omitempty"` // set when completed

	Format     string   `json:",omitempty"` // of the file, as it was recognised
	FileBytes  int64    `json:",omitempty"`
	DiskBytes  int64    `json:",omitempty"`
	Warnings   []string `json:",omitempty"`
	SnapshotID string   `json:",omitempty"`
	Message    string   // what is being done, or why it ended
}

// DiskSource is where a disk image lies: in a bucket, or in the directory that
// the operator allows.
type DiskSource struct {
	Bucket string `json:",omitempty"`
	Key    string `json:",omitempty"`
	Path   string `json:",omitempty"` // below the operator's directory
	URL    string `json:",omitempty"` // as the client wrote it
	Device string `json:",omitempty"` // as the client wrote it
	Format string `json:",omitempty"` // what the client said it is; it is not believed
}

func (t *ImportTask) Alias() string { return t.ClientToken }
func (*ImportTask) Schema() int     { return 1 }
func (t *ImportTask) TagSet() *Tags { return &t.Tags }

// ExportImageTask is an EC2 task that writes an AMI's disk into a file.
type ExportImageTask struct {
	Meta `json:"-"` // Key.Name is the id, export-ami-…

	ImageID     string
	Disk        string
	Format      string // disk/gate's word
	Bucket      string `json:",omitempty"`
	Prefix      string `json:",omitempty"`
	Dir         bool   `json:",omitempty"` // into the operator's directory instead of the bucket
	Object      string // the key of the object, or the path below the directory
	RoleName    string `json:",omitempty"`
	Description string
	ClientToken string
	Request     string
	Tags        Tags
	FileBytes   int64 `json:",omitempty"`
	Message     string
}

func (t *ExportImageTask) Alias() string { return t.ClientToken }
func (*ExportImageTask) Schema() int     { return 1 }
func (t *ExportImageTask) TagSet() *Tags { return &t.Tags }

// The states of EC2's tasks, in its words. A task that failed is deleted and
// says why.
const (
	TaskActive    State = "active"
	TaskCompleted State = "completed"
	TaskDeleting  State = "deleting"
	TaskDeleted   State = "deleted"
)

const (
	TaskDone      Event = "done"
	TaskAskCancel Event = "ask-cancel"
	TaskBroke     Event = "failed"
)

// taskMachine is the life of such a task. One that was canceled too late
// completes all the same.
func taskMachine(k Kind) *Machine {
	return &Machine{
		Kind: k, Initial: TaskActive,
		States: []State{TaskActive, TaskCompleted, TaskDeleting, TaskDeleted},
		Final:  []State{TaskCompleted, TaskDeleted},
		Events: []Event{TaskDone, TaskAskCancel, TaskBroke},
		Rules: []Rule{
			{TaskActive, TaskDone, Accept, TaskCompleted},
			{TaskDeleting, TaskDone, Accept, TaskCompleted},
			{TaskCompleted, TaskDone, Ignore, ""},
			{TaskActive, TaskAskCancel, Accept, TaskDeleting},
			{TaskDeleting, TaskAskCancel, Ignore, ""},
			{TaskDeleted, TaskAskCancel, Ignore, ""},
			{TaskActive, TaskBroke, Accept, TaskDeleted},
			{TaskDeleting, TaskBroke, Accept, TaskDeleted},
			{TaskDeleted, TaskBroke, Ignore, ""},
		},
	}
}

// The workflows of these tasks.
const (
	FlowImportDisk  = "disk-import"
	FlowExportImage = "disk-export"
)

// ImportImageTask mints an import-ami-… id.
func (g IDs) ImportImageTask() string { return g.hex17("import-ami-") }

// ImportSnapshotTask mints an import-snap-… id.
func (g IDs) ImportSnapshotTask() string { return g.hex17("import-snap-") }

// ExportImageTask mints an export-ami-… id.
func (g IDs) ExportImageTask() string { return g.hex17("export-ami-") }
