package domain

import "time"

// Export is a task that makes an AMI from an image.
type Export struct {
	Meta `json:"-"` // Key.Name is the task id, a UUID

	ImageName      string
	ImageARN       string
	Disk           string
	AMIName        string
	AMIDescription string
	AMIID          string // set when COMPLETED
	RoleARN        string
	Tags           Tags
	Deadline       time.Time
	Problems       []StateReason
}

func (e *Export) Alias() string { return e.ImageName }
func (*Export) Schema() int     { return 1 }

const (
	ExportRunning   State = "EXPORTING"
	ExportCompleted State = "COMPLETED"
	ExportFailed    State = "FAILED"
	ExportTimedOut  State = "TIMED_OUT"
)

const (
	ExportDone    Event = "done"
	ExportBroke   Event = "failed"
	ExportExpired Event = "deadline"
)

// ExportMachine is the life of an export task.
var ExportMachine = &Machine{
	Kind: KindExport, Initial: ExportRunning,
	States: []State{ExportRunning, ExportCompleted, ExportFailed, ExportTimedOut},
	Final:  []State{ExportCompleted, ExportFailed, ExportTimedOut},
	Events: []Event{ExportDone, ExportBroke, ExportExpired},
	Rules: []Rule{
		{ExportRunning, ExportDone, Accept, ExportCompleted},
		{ExportCompleted, ExportDone, Ignore, ""},
		{ExportRunning, ExportBroke, Accept, ExportFailed},
		{ExportFailed, ExportBroke, Ignore, ""},
		{ExportRunning, ExportExpired, Accept, ExportTimedOut},
		{ExportTimedOut, ExportExpired, Ignore, ""},
	},
}
