package main

import (
	"cmp"
	"flag"
	"fmt"
	"net/url"
	"time"

	"slipway/api/admin/adminapi"
)

func builderCommand() *command {
	return &command{
		name:    "builder",
		summary: "List and show image builders with their machines; make images of them",
		subs:    []*command{builderLs(), builderShow(), builderCreateImage()},
	}
}

func builderLs() *command {
	return &command{name: "ls", summary: "List image builders", setup: asks(get("/image-builders"), listBuilders)}
}

func listBuilders(io streams, l *adminapi.Builders) error {
	if len(l.Builders) == 0 {
		fmt.Fprintln(io.err, "There are no image builders.")
		return nil
	}
	var rows [][]string
	for _, b := range l.Builders {
		rows = append(rows, []string{b.Name, b.State, b.InstanceType, fmt.Sprintf("%d MiB", b.MemoryMB), b.Machine, age(time.Now(), b.Created)})
	}
	return table(io.out, "NAME STATE TYPE MEMORY MACHINE AGE", rows)
}

func builderShow() *command {
	return &command{
		name: "show", args: "NAME",
		summary: "Show an image builder: state, what its machine has, how its guest booted, the work on it",
		setup:   asks(getNamed("/image-builders/", "slipway builder ls"), printBuilder, "NAME"),
	}
}

func builderCreateImage() *command {
	return &command{
		name: "create-image", args: "BUILDER IMAGE",
		summary: "Make an image of a running image builder",
		long: `
What the Image Assistant's create-image does, from outside of the guest: it is
shut down, what was changed in it becomes the image IMAGE, and the image builder
is STOPPED with all that it had. Applications are added inside the guest, with
AppStreamImageAssistant or image-assistant.exe. slipway job watch --image IMAGE
follows the work.`,
		setup: asks(func(fs *flag.FlagSet) func([]string) (request, error) {
			var in adminapi.NewImageRequest
			fs.StringVar(&in.DisplayName, "display-name", "", "the `name` people see")
			fs.StringVar(&in.Description, "description", "", "say in this `text` what it is")
			fs.BoolVar(&in.DynamicCatalog, "dynamic-app-catalog", false, "let programs of an instance change what users may start")
			fs.BoolVar(&in.LatestAgent, "latest-agent", false, "always use the newest guest tool")
			fs.BoolVar(&in.DryRun, "dry-run", false, "check only")
			return func(args []string) (request, error) {
				in.Name = args[1]
				return request{method: "POST", path: "/image-builders/" + url.PathEscape(args[0]) + "/images", body: in, list: "slipway builder ls"}, nil
			}
		}, func(io streams, i *adminapi.Image) error {
			_, err := fmt.Fprintln(io.out, i.ARN)
			return err
		}, "BUILDER", "IMAGE"),
	}
}

func printBuilder(io streams, b *adminapi.Builder) error {
	w := io.out
	fmt.Fprintf(w, "%s  %s\n%s\n", b.Name, b.State, b.ARN)
	if b.Reason != nil {
		fmt.Fprintf(w, "%s: %s\n", b.Reason.Code, b.Reason.Message)
	}
	fmt.Fprintf(w, "From %s; platform %s\n", b.Image, orDash(b.Platform))
	fmt.Fprintf(w, "%s: %d vCPU, %d MiB, root volume of %d GiB; machine %s at %s\n", b.InstanceType, b.CPUs, b.MemoryMB, b.VolumeGiB, b.Machine, cmp.Or(b.Address, "no address"))
	fmt.Fprintf(w, "Guest tool: %s\n", cmp.Or(b.Tool, "never heard of"))
	printEvidence(io, &b.Evidence)
	if b.Job != nil {
		fmt.Fprintln(w, "\nWork:")
		printJob(io, b.Job)
	}
	return nil
}
