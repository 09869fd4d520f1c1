package main

import (
	"context"
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
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			limit := fs.Int("limit", 50, "list this `number` at most")
			active := fs.Bool("active", false, "leave out those that have ended")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				path := fmt.Sprintf("/jobs?limit=%d", *limit)
				if *active {
					path += "&active=1"
				}
				var j adminapi.Jobs
				if err := c.call(ctx, "GET", path, nil, &j); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, j)
				}
				if len(j.Jobs) == 0 {
					fmt.Fprintln(io.err, "There are no jobs.")
					return nil
				}
				var rows [][]string
				for _, j := range j.Jobs {
					rows = append(rows, []string{j.ID, j.Workflow, j.Subject.Name, j.Status, stepOf(&j), age(time.Now(), j.Created), orDash(j.Error)})
				}
				return table(io.out, "ID WORKFLOW SUBJECT STATUS STEP AGE ERROR", rows)
			}
		},
	}
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

// oneJob is a leaf that reaches a server and takes a job id.
func oneJob(name, summary, long string, act func(ctx context.Context, c *adminClient, id string, asJSON bool, io streams) error) *command {
	return &command{
		name: name, args: "JOB", summary: summary, long: long,
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "JOB"); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				return act(ctx, c, args[0], *asJSON, io)
			}
		},
	}
}

func jobShow() *command {
	return oneJob("show", "Show a job and every step it ran", "",
		func(ctx context.Context, c *adminClient, id string, asJSON bool, io streams) error {
			var j adminapi.Job
			if err := c.call(ctx, "GET", "/jobs/"+url.PathEscape(id), nil, &j); err != nil {
				return err
			}
			if asJSON {
				return printJSON(io.out, j)
			}
			printJob(io, &j)
			return nil
		})
}

func printJob(io streams, j *adminapi.Job) {
	fmt.Fprintf(io.out, "%s  %s v%d for %s %s\n", j.ID, j.Workflow, j.Version, j.Subject.Kind, j.Subject.Name)
	fmt.Fprintf(io.out, "%s, step %s, begun %s\n", j.Status, stepOf(j), j.Created.Local().Format(time.DateTime))
	if j.Error != "" {
		fmt.Fprintln(io.out, "Error:", j.Error)
	}
	if j.Cancel != "" {
		fmt.Fprintln(io.out, "Cancelled:", j.Cancel)
	}
	if len(j.Log) == 0 {
		return
	}
	fmt.Fprintln(io.out)
	table(io.out, "STEP PHASE TRY TOOK ERROR", stepRows(j))
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
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			why := fs.String("why", "cancelled with slipway job cancel", "keep this `reason` with the job")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "JOB"); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var j adminapi.Job
				err = c.call(ctx, "POST", "/jobs/"+url.PathEscape(args[0])+"/cancel", adminapi.CancelRequest{Why: *why}, &j)
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, j)
				}
				fmt.Fprintf(io.out, "%s is asked to stop; it is %s. Follow it with: slipway job watch %s\n", j.ID, j.Status, j.ID)
				return nil
			}
		},
	}
}
