package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"time"

	"slipway/api/admin/adminapi"
)

const (
	watchEvery = 300 * time.Millisecond
	// watchPatience is how long a server may be away before a watch gives up;
	// a restart takes seconds.
	watchPatience = 3 * time.Minute
)

func jobWatch() *command {
	return &command{
		name: "watch", args: "JOB | --image NAME | --subject NAME",
		summary: "Follow a job until it ends",
		long: `
Shows every step and its progress until the job has ended, across restarts of
the server. Exits with 0 only when the job is done. With --json, prints one line
of JSON whenever something changed.`,
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			image := fs.String("image", "", "follow the import of the image with this `name` instead")
			subject := fs.String("subject", "", "follow the newest job for the resource with this `name` instead, such as an export task's id")
			return func(ctx context.Context, args []string, io streams) error {
				var err error
				if *image == "" && *subject == "" {
					err = exactly(args, "JOB")
				} else {
					err = exactly(args)
				}
				if err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var id string
				switch {
				case *image != "":
					id, err = c.importOf(ctx, *image)
				case *subject != "":
					id, err = c.jobFor(ctx, *subject)
				default:
					id = args[0]
				}
				if err != nil {
					return err
				}
				w := &watcher{client: c, io: io, json: *asJSON}
				return w.follow(ctx, id)
			}
		},
	}
}

// importOf finds the job that imports an image.
func (c *adminClient) importOf(ctx context.Context, image string) (string, error) {
	var i adminapi.Image
	if err := c.call(ctx, "GET", "/images/"+url.PathEscape(image), nil, &i); err != nil {
		return "", err
	}
	if i.Job == nil {
		return "", fmt.Errorf("there is no record of work on the image %s; it is %s", image, i.State)
	}
	return i.Job.ID, nil
}

// jobFor finds the newest job for a resource.
func (c *adminClient) jobFor(ctx context.Context, subject string) (string, error) {
	var l adminapi.Jobs
	if err := c.call(ctx, "GET", "/jobs?limit=1000", nil, &l); err != nil {
		return "", err
	}
	for _, j := range l.Jobs {
		if j.Subject.Name == subject {
			return j.ID, nil
		}
	}
	return "", fmt.Errorf("there is no job for %s among the newest %d: list them with `slipway job ls`", subject, len(l.Jobs))
}

type watcher struct {
	client *adminClient
	io     streams
	json   bool

	bar   *bar
	told  int // entries of the log that were printed
	last  string
	since time.Time // when the server was first found away; zero while it answers
}

func (w *watcher) follow(ctx context.Context, id string) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		var j adminapi.Job
		err := w.client.call(ctx, "GET", "/jobs/"+url.PathEscape(id), nil, &j)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if err := w.away(err); err != nil {
				return err
			}
		default:
			w.since = time.Time{}
			w.show(&j)
			if j.Ended() {
				return w.ended(&j)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// away decides whether an error means that the server is being restarted.
func (w *watcher) away(err error) error {
	if a := (*adminError)(nil); errors.As(err, &a) && a.Status < 500 {
		return err
	}
	now := time.Now()
	if w.since.IsZero() {
		w.since = now
		fmt.Fprintf(w.io.err, "The server does not answer (%s); waiting up to %s for it.\n", explain(err), watchPatience)
	}
	if now.Sub(w.since) > watchPatience {
		return fmt.Errorf("the server stayed away for %s: %w", watchPatience, err)
	}
	return nil
}

func (w *watcher) show(j *adminapi.Job) {
	if w.json {
		b, err := json.Marshal(j)
		if err == nil && string(b) != w.last {
			w.last = string(b)
			fmt.Fprintln(w.io.out, w.last)
		}
		return
	}
	for ; w.told < len(j.Log) && !j.Log[w.told].Ended.IsZero(); w.told++ {
		s := j.Log[w.told]
		if w.bar == nil {
			w.bar = newBar(w.io.err, "", "", 0, 0)
		}
		name := s.Step
		if s.Phase != "do" {
			name += " (" + s.Phase + ")"
		}
		result := "done"
		if s.Error != "" {
			result = "failed: " + s.Error
		}
		w.bar.say("  %-34s %7.2f s  %s", name, s.Ended.Sub(s.Started).Seconds(), result)
		w.bar = nil
	}
	if j.Ended() {
		if w.bar != nil {
			w.bar.end()
			w.bar = nil
		}
		return
	}
	label := "  " + stepOf(j)
	if w.bar == nil || w.bar.label != label {
		w.bar = newBar(w.io.err, label, progressUnit(j.Progress), j.Progress.Done, j.Progress.Total)
	}
	w.bar.set(j.Progress.Done, j.Progress.Total, j.Progress.Note)
}

// progressUnit guesses whether progress counts bytes: other totals are small.
func progressUnit(p adminapi.Progress) string {
	if p.Total >= 1<<20 {
		return "MB"
	}
	return ""
}

func (w *watcher) ended(j *adminapi.Job) error {
	took := j.Updated.Sub(j.Created).Round(10 * time.Millisecond)
	if j.Status == "done" {
		if !w.json {
			fmt.Fprintf(w.io.err, "%s is done after %s.\n", j.ID, took)
		}
		return nil
	}
	why := j.Error
	if why == "" {
		why = j.Cancel
	}
	return fmt.Errorf("%s ended as %s after %s: %s", j.ID, j.Status, took, orDash(why))
}
