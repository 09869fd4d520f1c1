package domain

import (
	"encoding/json"
	"time"
)

// JobStatus says what happens to a job next, and who makes it happen.
type JobStatus string

const (
	JobQueued   JobStatus = "queued"   // waits for its time; the engine claims it
	JobRunning  JobStatus = "running"  // a step's Do runs, or will after a restart
	JobUndoing  JobStatus = "undoing"  // steps are being undone, last first
	JobDone     JobStatus = "done"     // every step is done
	JobFailed   JobStatus = "failed"   // undone; Error says why
	JobCanceled JobStatus = "canceled" // undone because somebody asked
	JobOperator JobStatus = "operator" // needs a person: unknown workflow, or an undo that keeps failing
)

// Ended tells whether nothing will happen to the job by itself any more.
func (s JobStatus) Ended() bool {
	return s == JobDone || s == JobFailed || s == JobCanceled || s == JobOperator
}

// Job is a long operation: which workflow, how far it is, and the state its
// steps share. It is written in the transaction that writes its subject.
type Job struct {
	ID       string
	Workflow string
	Version  int
	Subject  Key
	Status   JobStatus
	Step     int             // index of the step that runs or is undone
	StepName string          // for people
	Began    bool            // the step's Do was recorded as started
	State    json.RawMessage // shared by the steps
	Attempt  int             // tries of the present step, from 1
	NextRun  time.Time       // not before
	Epoch    int64           // boot epoch of the process that claimed it; 0 when unclaimed
	Cancel   string          // why somebody asked for it to stop; "" when nobody did
	Progress Progress
	Error    string    // public: why it is or was undone, or waits for an operator
	Fault    string    // the fault kind's name that goes with Error; "" when Error is ""
	Code     string    // the stable word that goes with Error; may be empty
	Private  string    // for the log
	Held     JobStatus // in status operator: the status in which it goes on
	Log      []StepRun
	Created  time.Time
	Updated  time.Time
}

// Progress is how far the present step is.
type Progress struct {
	Done, Total int64 // bytes or units; Total 0: unknown
	Note        string
}

// StepRun is one run of one step.
type StepRun struct {
	Step    string
	Phase   string // "do" or "undo"
	Attempt int
	Started time.Time
	Ended   time.Time
	Error   string
}

// LogEntry is a thing that happened to a resource, in the order it happened.
type LogEntry struct {
	Seq    int64
	At     time.Time
	Key    Key
	Alias  string // of the resource then, where whoever wrote the entry knew it
	Event  Event
	From   State
	To     State
	Detail string
}

// The workflows that use cases start; work/ defines their steps.
const (
	FlowSnapshotSeal = "snapshot-seal"
	FlowImageImport  = "image-import"
	FlowImageDelete  = "image-delete"
	FlowImageExport  = "image-export"
	FlowImageCopy    = "image-copy"
	FlowBuilderImage = "builder-image"

	FlowBuilderStart  = "builder-start"
	FlowBuilderStop   = "builder-stop"
	FlowBuilderDelete = "builder-delete"
	FlowBuilderDeploy = "builder-deploy"

	FlowImageUpdate = "image-update"
	FlowImageCheck  = "image-check"
)
