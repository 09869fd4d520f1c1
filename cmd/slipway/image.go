package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"slipway/api/admin/adminapi"
)

func imageCommand() *command {
	return &command{
		name:    "image",
		summary: "List and show images with all that is known about them",
		subs:    []*command{imageLs(), imageShow(), imagePublish(), imageWithdraw()},
	}
}

func imageLs() *command {
	return &command{name: "ls", summary: "List images", setup: asks(get("/images"), listImages)}
}

func listImages(io streams, l *adminapi.Images) error {
	if len(l.Images) == 0 {
		fmt.Fprintln(io.err, "There are no images.")
		return nil
	}
	var rows [][]string
	for _, i := range l.Images {
		rows = append(rows, []string{i.Name, i.State, orDash(i.Platform), gib(i.DiskBytes), orDash(i.SourceAMI), age(time.Now(), i.Created)})
	}
	return table(io.out, "NAME STATE PLATFORM DISK SOURCE AGE", rows)
}

func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

func imageShow() *command {
	return &command{
		name: "show", args: "NAME",
		summary: "Show an image: state, findings, how its guest booted, the work on it",
		setup:   asks(getNamed("/images/", "slipway image ls"), printImage, "NAME"),
	}
}

func printImage(io streams, i *adminapi.Image) error {
	w := io.out
	fmt.Fprintf(w, "%s  %s\n%s\n", i.Name, i.State, i.ARN)
	if i.Reason != nil {
		fmt.Fprintf(w, "%s: %s\n", i.Reason.Code, i.Reason.Message)
	}
	for _, e := range i.Errors {
		fmt.Fprintf(w, "Error %s: %s\n", e.Code, e.Message)
	}
	from := cmp.Or(i.Base, i.SourceAMI)
	if i.Builder != "" {
		from += " on the image builder " + i.Builder
	}
	fmt.Fprintf(w, "Disk %s, %s, from %s; platform %s\n", gib(i.DiskBytes), orDash(i.Disk), orDash(from), orDash(i.Platform))
	newest := ""
	if i.NewestTool {
		newest = "; fleets bring the server's into each instance"
	}
	fmt.Fprintf(w, "Guest tool: %s%s\n", cmp.Or(i.Tool, "never heard of"), newest)
	if len(i.Applications) > 0 {
		fmt.Fprintf(w, "Applications: %s\n", strings.Join(i.Applications, ", "))
	}
	if len(i.Findings) > 0 {
		fmt.Fprintln(w, "\nWhat the import rules said:")
		for _, f := range i.Findings {
			fmt.Fprintf(w, "  [%s] %s: %s\n", f.Severity, f.Rule, f.Found)
			if f.Remedy != "" {
				fmt.Fprintf(w, "      %s\n", f.Remedy)
			}
		}
	}
	printEvidence(io, &i.Evidence)
	if i.Job != nil {
		fmt.Fprintln(w, "\nWork:")
		printJob(io, i.Job)
	}
	return nil
}

func printEvidence(io streams, e *adminapi.Evidence) {
	if len(e.Rungs) == 0 {
		return
	}
	w := io.out
	fmt.Fprintf(w, "\nHow the guest booted (%s, %.1f s):\n", orDash(e.Machine), float64(e.BootMS)/1000)
	for _, r := range e.Rungs {
		mark, when := "no ", ""
		if r.Reached {
			mark, when = "yes", fmt.Sprintf(" after %.1f s", float64(r.AfterMS)/1000)
		} else if r.Needed {
			when = " (needed)"
		}
		fmt.Fprintf(w, "  %s  %s%s", mark, r.Name, when)
		if r.Detail != "" {
			fmt.Fprintf(w, ": %s", r.Detail)
		}
		fmt.Fprintln(w)
	}
	if e.Screenshot != "" {
		fmt.Fprintln(w, "Screenshot:", e.Screenshot)
	}
	if e.SerialLog != "" {
		fmt.Fprintln(w, "Serial log:", e.SerialLog)
	}
}
