// Command slipway-guest runs inside a guest: the daemon that talks to the server
// the guest runs on, and, under the name of AppStream's Image Assistant, that
// tool's command line. The logic is in guest/tool; here are names and flags only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"slipway/guest"
	"slipway/guest/tool"
)

// version is set by the linker (see Makefile).
var version = "development"

const usage = `slipway-guest COMMAND
  serve [--root DIR] [--no-grow]  talk to the server, until stopped
  install                         put this program in place and start it at boot
  grow [--root DIR]               let the file system at DIR (/) fill its disk
  role-credentials                what programs of AWS ask for credentials (credential_process)
  assistant OPERATION …           the Image Assistant; also by its own name
  version
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args))
}

func run(ctx context.Context, args []string) int {
	name := strings.ToLower(strings.TrimSuffix(filepath.Base(args[0]), ".exe"))
	switch {
	case name == "appstreamimageassistant" || name == "image-assistant":
		return assistant(ctx, args[1:])
	case len(args) < 2:
		fmt.Fprint(os.Stderr, usage)
		return guest.StatusRefused
	}
	var err error
	switch rest := args[2:]; args[1] {
	case "assistant":
		return assistant(ctx, rest)
	case "serve":
		err = serve(ctx, rest)
	case "install":
		err = tool.Install(os.Stdout)
	case "grow":
		err = grow(rest)
	case "role-credentials":
		err = tool.RoleCredentials(ctx, os.Stdout)
	case "version":
		fmt.Println("slipway-guest", version)
	default:
		fmt.Fprint(os.Stderr, usage)
		return guest.StatusRefused
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "slipway-guest:", err)
		return guest.StatusRefused
	}
	return guest.StatusOK
}

func assistant(ctx context.Context, args []string) int {
	a := &tool.Assistant{Version: version, Out: os.Stdout, Notes: os.Stderr, Admin: tool.Administrator, Windows: tool.System == "windows",
		Ask: func(ctx context.Context, name string, args any) (guest.Answer, error) {
			return tool.Ask(ctx, version, name, args)
		}}
	return a.Run(ctx, args)
}

func serve(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	root := fs.String("root", "/", "grow the file system mounted here")
	noGrow := fs.Bool("no-grow", false, "leave file systems as they are")
	if err := fs.Parse(args); err != nil {
		return err
	}
	work := func(ctx context.Context) error {
		if !*noGrow {
			go func() {
				if err := growAt(*root); err != nil {
					log("%v", err)
				}
			}()
		}
		d := &tool.Daemon{Version: version, Log: log, Orders: tool.NewOrderly(time.Now)}
		go d.Attend(ctx)
		go tool.AnnounceRole(ctx, log)
		err := d.Listen(ctx)
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if ran, err := tool.RunService(ctx, work); ran || err != nil {
		return err
	}
	return work(ctx)
}

func grow(args []string) error {
	fs := flag.NewFlagSet("grow", flag.ContinueOnError)
	root := fs.String("root", "/", "the file system mounted here")
	if err := fs.Parse(args); err != nil {
		return err
	}
	return growAt(*root)
}

func growAt(root string) error {
	did, err := tool.Grow(root)
	if err == nil {
		log("%s", did)
	}
	return err
}

func log(format string, args ...any) { fmt.Fprintf(os.Stderr, "slipway-guest: "+format+"\n", args...) }
