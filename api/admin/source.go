package admin

import (
	"context"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/api/audit"
	"slipway/domain"
	"slipway/service"
)

// Operator is the Source of a running server.
type Operator struct {
	Service *service.Service
	// List names the machines that run; Steps counts a workflow's steps.
	List  func(ctx context.Context) ([]adminapi.Machine, error)
	Steps func(workflow string) int
	Trail *audit.Log
	// Keeper knows the files behind disks.
	Keeper Keeper
}

func (o Operator) Machines(ctx context.Context) ([]adminapi.Machine, error) { return o.List(ctx) }

func (o Operator) Jobs(ctx context.Context, limit int, active bool) ([]adminapi.Job, error) {
	jobs, err := o.Service.Jobs(ctx, limit, active)
	out := []adminapi.Job{}
	for _, j := range jobs {
		out = append(out, o.job(j))
	}
	return out, err
}

func (o Operator) Job(ctx context.Context, id string) (adminapi.Job, error) {
	j, err := o.Service.Job(ctx, id)
	if err != nil {
		return adminapi.Job{}, err
	}
	return o.job(j), nil
}

func (o Operator) CancelJob(ctx context.Context, id, why string) (adminapi.Job, error) {
	j, err := o.Service.CancelJob(ctx, id, why)
	if err != nil {
		return adminapi.Job{}, err
	}
	return o.job(j), nil
}

func (o Operator) Images(ctx context.Context) ([]adminapi.Image, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	imgs, _, err := o.Service.Images(ctx, c, service.ImageQuery{Type: domain.VisibilityPrivate})
	out := []adminapi.Image{}
	for _, i := range imgs {
		out = append(out, image(i))
	}
	return out, err
}

func (o Operator) Image(ctx context.Context, name string) (adminapi.Image, error) {
	c, err := caller(ctx)
	if err != nil {
		return adminapi.Image{}, err
	}
	i, err := o.Service.Image(ctx, c, name)
	if err != nil {
		return adminapi.Image{}, err
	}
	out := image(i)
	j, err := o.Service.LastJob(ctx, i.Key)
	if err == nil && j != nil {
		out.Job = new(o.job(j))
	}
	return out, err
}

func (o Operator) job(j *domain.Job) adminapi.Job {
	out := adminapi.Job{
		ID: j.ID, Workflow: j.Workflow, Version: j.Version, Status: string(j.Status), Step: j.Step, StepName: j.StepName,
		Subject: adminapi.Subject{Kind: string(j.Subject.Kind), Account: j.Subject.Account, Region: j.Subject.Region, Name: j.Subject.Name},
		Attempt: j.Attempt, Error: j.Error, Cancel: j.Cancel, Created: j.Created, Updated: j.Updated,
		Progress: adminapi.Progress{Done: j.Progress.Done, Total: j.Progress.Total, Note: j.Progress.Note},
	}
	if o.Steps != nil {
		out.Steps = o.Steps(j.Workflow)
	}
	for _, l := range j.Log {
		out.Log = append(out.Log, adminapi.StepRun{Step: l.Step, Phase: l.Phase, Attempt: l.Attempt, Started: l.Started, Ended: l.Ended, Error: l.Error})
	}
	return out
}

func image(i *domain.Image) adminapi.Image {
	out := adminapi.Image{
		Name: i.Key.Name, ARN: domain.ImageARN(i.Key), State: string(i.State), Platform: i.Platform, Disk: i.Disk,
		DiskBytes: i.DiskBytes, SourceAMI: i.SourceAMI, Created: i.Created,
		Evidence: evidence(i.Evidence), Base: i.BaseImage, Builder: i.Builder, Tool: i.AgentVersion, NewestTool: i.AgentPolicy == domain.AgentAlways,
	}
	for _, a := range i.Catalog {
		out.Applications = append(out.Applications, a.Name)
	}
	if i.Reason != nil {
		out.Reason = &adminapi.Reason{Code: i.Reason.Code, Message: i.Reason.Message}
	}
	for _, e := range i.Errors {
		out.Errors = append(out.Errors, adminapi.ImageError{Code: e.Code, Message: e.Message, At: e.At})
	}
	for _, f := range i.Findings {
		out.Findings = append(out.Findings, adminapi.Finding{Rule: f.Rule, Severity: f.Severity, Found: f.Found, Where: f.Where, Value: f.Value, Remedy: f.Remedy, Source: f.Source, Code: f.Code, AWSCode: f.AWSCode})
	}
	return out
}

func evidence(e domain.Evidence) adminapi.Evidence {
	out := adminapi.Evidence{
		Rungs: []adminapi.Rung{}, Screenshot: e.Screenshot, SerialLog: e.SerialLog, Machine: e.Machine, BootMS: e.BootMillis,
	}
	for _, r := range e.Rungs {
		out.Rungs = append(out.Rungs, adminapi.Rung{Name: r.Name, Reached: r.Reached, Needed: r.Needed, AfterMS: int64(r.After / time.Millisecond), Detail: r.Detail})
	}
	return out
}
