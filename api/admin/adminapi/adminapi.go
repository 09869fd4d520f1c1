// Package adminapi is the JSON of Slipway's own admin API under /_slipway/v1:
// what the AWS shapes have no field for.
//
// Pure types and paths live here, shared by the server (api/admin) and the
// command line. No behaviour and no import but the standard library.
package adminapi

import (
	"encoding/json"
	"time"
)

// Prefix is where the admin API lives on the server's one port.
const Prefix = "/_slipway/v1"

// Service is the SigV4 service name that requests are signed for.
const Service = "slipway"

// Machines answers GET /machines.
type Machines struct {
	Machines []Machine `json:"machines"`
}

// Machine is one virtual machine.
type Machine struct {
	ID       string            `json:"id"`
	State    string            `json:"state"`
	PID      int               `json:"pid"`
	Started  time.Time         `json:"started"`
	MemoryMB int64             `json:"memory_mb"`
	CPUs     int               `json:"cpus"`
	Labels   map[string]string `json:"labels,omitempty"`
	Detail   string            `json:"detail,omitempty"`
}

// Jobs answers GET /jobs?limit=N&active=1, newest first.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// Subject is the resource a job works for.
type Subject struct {
	Kind    string `json:"kind"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Name    string `json:"name"`
}

// Progress is how far the present step is; Total 0 means unknown.
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Note  string `json:"note,omitempty"`
}

// StepRun is one run of one step of a job.
type StepRun struct {
	Step    string    `json:"step"`
	Phase   string    `json:"phase"` // "do" or "undo"
	Attempt int       `json:"attempt"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Error   string    `json:"error,omitempty"`
}

// Job is a long operation. It answers GET /jobs/{id} and POST /jobs/{id}/cancel.
type Job struct {
	ID       string    `json:"id"`
	Workflow string    `json:"workflow"`
	Version  int       `json:"version"`
	Subject  Subject   `json:"subject"`
	Status   string    `json:"status"`
	Step     int       `json:"step"`  // index of the step that runs, from 0
	Steps    int       `json:"steps"` // how many there are; 0: unknown
	StepName string    `json:"step_name,omitempty"`
	Attempt  int       `json:"attempt"`
	Progress Progress  `json:"progress"`
	Error    string    `json:"error,omitempty"`
	Cancel   string    `json:"cancel,omitempty"` // why somebody asked for it to stop
	Log      []StepRun `json:"log,omitempty"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
}

// Ended tells whether nothing happens to the job by itself any more.
func (j *Job) Ended() bool {
	switch j.Status {
	case "done", "failed", "canceled", "operator":
		return true
	}
	return false
}

// CancelRequest is the body of POST /jobs/{id}/cancel.
type CancelRequest struct {
	Why string `json:"why"`
}

// Images answers GET /images.
type Images struct {
	Images []Image `json:"images"`
}

// Reason says why an image is in its state.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// ImageError is one thing that was wrong with an image.
type ImageError struct {
	Code    string    `json:"code"`
	Message string    `json:"message"`
	At      time.Time `json:"at,omitzero"`
}

// Finding is what one import rule said about the disk.
type Finding struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"` // block, warning, waived, info
	Found    string `json:"found"`
	Where    string `json:"where,omitempty"` // the file, or the registry key and the value's name
	Value    string `json:"value,omitempty"` // what stands there
	Remedy   string `json:"remedy,omitempty"`
	Source   string `json:"source,omitempty"`
	Code     string `json:"code,omitempty"`
	AWSCode  string `json:"awsCode,omitempty"` // of the BYOL checker
}

// Rung is one step of the evidence ladder.
type Rung struct {
	Name    string `json:"name"`
	Reached bool   `json:"reached"`
	Needed  bool   `json:"needed"`
	AfterMS int64  `json:"after_ms"`
	Detail  string `json:"detail,omitempty"`
}

// Evidence is how far the guest got when it was booted. The files are absolute
// paths on the server's machine.
type Evidence struct {
	Rungs      []Rung `json:"rungs"`
	Screenshot string `json:"screenshot,omitempty"`
	SerialLog  string `json:"serial_log,omitempty"`
	Machine    string `json:"machine,omitempty"`
	BootMS     int64  `json:"boot_ms"`
}

// Image is an AppStream image with all that is known about it. It answers
// GET /images/{name}; Job is its import, absent when it has none.
type Image struct {
	Name      string       `json:"name"`
	ARN       string       `json:"arn"`
	State     string       `json:"state"`
	Reason    *Reason      `json:"reason,omitempty"`
	Errors    []ImageError `json:"errors,omitempty"`
	Platform  string       `json:"platform,omitempty"`
	Disk      string       `json:"disk,omitempty"`
	DiskBytes int64        `json:"disk_bytes"`
	SourceAMI string       `json:"source_ami,omitempty"`
	// Base is the image that it was made of, on the image builder Builder or by an
	// update; "" for imports.
	Base         string    `json:"base,omitempty"`
	Builder      string    `json:"builder,omitempty"`
	Tool         string    `json:"tool,omitempty"`         // version of the guest tool on its disk, as far as it was heard of
	NewestTool   bool      `json:"newest_tool,omitempty"`  // fleets bring the server's into each instance
	Applications []string  `json:"applications,omitempty"` // names of the catalogue
	Findings     []Finding `json:"findings,omitempty"`
	Evidence     Evidence  `json:"evidence"`
	Job          *Job      `json:"job,omitempty"`
	Created      time.Time `json:"created,omitzero"`
}

// Inspection answers GET /amis/{id}/inspection: what was seen on an AMI's disk.
type Inspection struct {
	AMI       string          `json:"ami"`
	Disk      string          `json:"disk"`
	Inspector int             `json:"inspector"`         // version of the inspector that wrote facts
	Facts     json.RawMessage `json:"facts,omitempty"`   // those of disk/facts
	Problem   string          `json:"problem,omitempty"` // why it could not be inspected
}

// Builders answers GET /image-builders.
type Builders struct {
	Builders []Builder `json:"image_builders"`
}

// Builder is an image builder with its machine. It answers
// GET /image-builders/{name}; Job is the newest work on it.
type Builder struct {
	Name         string    `json:"name"`
	ARN          string    `json:"arn"`
	State        string    `json:"state"`
	Reason       *Reason   `json:"reason,omitempty"`
	Image        string    `json:"image"`
	Platform     string    `json:"platform,omitempty"`
	InstanceType string    `json:"instance_type"`
	CPUs         int       `json:"cpus"` // what its machine was promised
	MemoryMB     int64     `json:"memory_mb"`
	VolumeGiB    int64     `json:"volume_gib"`
	Machine      string    `json:"machine"`           // its id, as in GET /machines
	Address      string    `json:"address,omitempty"` // its guest's, with the length of its subnet
	Tool         string    `json:"tool,omitempty"`    // version of the guest tool that greeted last
	Evidence     Evidence  `json:"evidence"`
	Job          *Job      `json:"job,omitempty"`
	Created      time.Time `json:"created,omitzero"`
}

// NewImageRequest is the body of POST /image-builders/{name}/images, which is the
// Image Assistant's create-image from outside; the answer is the Image.
type NewImageRequest struct {
	Name           string            `json:"name"`
	DisplayName    string            `json:"display_name,omitempty"`
	Description    string            `json:"description,omitempty"`
	DynamicCatalog bool              `json:"dynamic_catalog,omitempty"`
	LatestAgent    bool              `json:"latest_agent,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	DryRun         bool              `json:"dry_run,omitempty"`
}

// Audit answers GET /audit?limit=&event=&user=&errors=1&since=, newest first.
// A record has CloudTrail's form.
type Audit struct {
	Records []json.RawMessage `json:"Records"`
}

// PublishRequest is the body of POST /public-images; the answer is the Image.
// Exactly one of Image and AMI is set. DELETE /public-images/{name} takes it
// back.
type PublishRequest struct {
	Name        string `json:"name"`
	Image       string `json:"image,omitempty"`
	AMI         string `json:"ami,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	Description string `json:"description,omitempty"`
}

// Failure is the body of every answer that is not a success.
type Failure struct {
	Error ErrorBody `json:"error"`
}

// ErrorBody names the kind of a failure (fault.Kind's word) and says it.
type ErrorBody struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}
