package main

import (
	"flag"
	"fmt"
	"net/url"
	"time"

	"slipway/api/admin/adminapi"
)

func jobCommand() *command {
	return &command{
		name:    "job",
		summary: "List, show, watch and cancel long operations",
		subs:    []*command{jobLs(), jobShow(), jobWatch(), jobCancel()},
	}
}

func jobLs() *command {
	return &command{
		name: "ls", summary: "List jobs, newest first",
		setup: asks(func(fs *flag.FlagSet) func([]string) (request, error) {
			limit := fs.Int("limit", 50, "list this `number` at most")
			active := fs.Bool("active", false, "leave out those that have ended")
			return func([]string) (request, error) {
				path := fmt.Sprintf("/jobs?limit=%d", *limit)
				if *active {
					path += "&active=1"
				}
				return request{method: "GET", path: path}, nil
			}
		}, listJobs),
	}
}

func listJobs(io streams, l *adminapi.Jobs) error {
	if len(l.Jobs) == 0 {
		fmt.Fprintln(io.err, "There are no jobs.")
		return nil
	}
	var rows [][]string
	for _, j := range l.Jobs {
		rows = append(rows, []string{j.ID, j.Workflow, j.Subject.Name, j.Status, stepOf(&j), age(time.Now(), j.Created), orDash(j.Error)})
	}
	return table(io.out, "ID WORKFLOW SUBJECT STATUS STEP AGE ERROR", rows)
}

// stepOf says which step a job is at, such as "3/7 boot".
func stepOf(j *adminapi.Job) string {
	switch {
	case j.StepName == "":
		return "-"
	case j.Steps > 0:
		return fmt.Sprintf("%d/%d %s", min(j.Step+1, j.Steps), j.Steps, j.StepName)
	}
	return j.StepName
}

func jobShow() *command {
	return &command{
		name: "show", args: "JOB", summary: "Show a job and every step it ran",
		setup: asks(getNamed("/jobs/", ""), printJob, "JOB"),
	}
}

func printJob(io streams, j *adminapi.Job) error {
	fmt.Fprintf(io.out, "%s  %s v%d for %s %s\n", j.ID, j.Workflow, j.Version, j.Subject.Kind, j.Subject.Name)
	fmt.Fprintf(io.out, "%s, step %s, begun %s\n", j.Status, stepOf(j), j.Created.Local().Format(time.DateTime))
	if j.Error != "" {
		fmt.Fprintln(io.out, "Error:", j.Error)
	}
	if j.Cancel != "" {
		fmt.Fprintln(io.out, "Cancelled:", j.Cancel)
	}
	if len(j.Log) == 0 {
		return nil
	}
	fmt.Fprintln(io.out)
	return table(io.out, "STEP PHASE TRY TOOK ERROR", stepRows(j))
}

func stepRows(j *adminapi.Job) [][]string {
	var rows [][]string
	for _, s := range j.Log {
		took := "running"
		if !s.Ended.IsZero() {
			took = s.Ended.Sub(s.Started).Round(time.Millisecond).String()
		}
		rows = append(rows, []string{s.Step, s.Phase, fmt.Sprint(s.Attempt), took, orDash(s.Error)})
	}
	return rows
}

func jobCancel() *command {
	return &command{
		name: "cancel", args: "JOB", summary: "Ask a job to stop and undo what it did",
		setup: asks(func(fs *flag.FlagSet) func([]string) (request, error) {
			why := fs.String("why", "cancelled with slipway job cancel", "keep this `reason` with the job")
			return func(args []string) (request, error) {
				return request{method: "POST", path: "/jobs/" + url.PathEscape(args[0]) + "/cancel", body: adminapi.CancelRequest{Why: *why}}, nil
			}
		}, func(io streams, j *adminapi.Job) error {
			_, err := fmt.Fprintf(io.out, "%s is asked to stop; it is %s. Follow it with: slipway job watch %s\n", j.ID, j.Status, j.ID)
			return err
		}, "JOB"),
	}
}
