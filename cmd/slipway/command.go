package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// streams is where a command prints: results to out, everything said on the
// way there to err.
type streams struct{ out, err io.Writer }

// command is a node of the command tree: a group has subs, a leaf has setup.
//
// The standard flag package carries this on purpose: a parser that finds its
// handlers by reflection makes the linker keep every method of every reachable
// type, which here means all of the EC2 client.
type command struct {
	name    string
	args    string // the positional arguments as the usage line shows them
	summary string
	long    string
	subs    []*command
	// setup declares the flags and returns what runs once they are parsed.
	setup func(fs *flag.FlagSet) action
}

// action does the work of a leaf; args are the positional arguments.
type action func(ctx context.Context, args []string, io streams) error

// usageError is a mistake on the command line; it ends the process with 2.
type usageError struct {
	path string
	msg  string
}

func (e *usageError) Error() string { return e.msg }

// errQuiet ends the process with status 1 without another line: what is wrong
// has been printed already.
var errQuiet = errors.New("already reported")

func root() *command {
	return &command{
		name:    "slipway",
		summary: "Import machine images, boot them, export them: the AppStream 2.0 API on your own machine.",
		subs: []*command{
			serveCommand(), envCommand(), doctorCommand(), psCommand(), jobCommand(),
			imageCommand(), builderCommand(), fleetCommand(), sessionCommand(), amiCommand(), checkCommand(), accountCommand(), keyCommand(), roleCommand(), auditCommand(), quotaCommand(),
			diskCommand(), fsckCommand(), backupCommand(), restoreCommand(), operationsCommand(), versionCommand(),
		},
	}
}

// run executes one command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return root().run(ctx, "", args, streams{stdout, stderr})
}

// report prints an error with its remedy and gives the exit status.
func report(err error, stderr io.Writer) int {
	var u *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errQuiet):
		return 1
	case errors.Is(err, errNotChecked):
		fmt.Fprintf(stderr, "slipway: %s\n", explain(err))
		return 2
	case errors.As(err, &u):
		fmt.Fprintf(stderr, "slipway: %s\nRun `%s --help` for the usage.\n", u.msg, u.path)
		return 2
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "slipway: interrupted")
		return 130
	}
	fmt.Fprintf(stderr, "slipway: %s\n", explain(err))
	return 1
}

func (c *command) run(ctx context.Context, parent string, args []string, io streams) error {
	path := strings.TrimSpace(parent + " " + c.name)
	if c.setup == nil {
		return c.descend(ctx, path, args, io)
	}
	fs := flag.NewFlagSet(path, flag.ContinueOnError)
	fs.SetOutput(discard{})
	act := c.setup(fs)
	rest, err := parseMixed(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		c.help(io.out, path, fs)
		return nil
	}
	if err != nil {
		return &usageError{path, flagProblem(fs, err)}
	}
	if err := act(ctx, rest, io); err != nil {
		var u *usageError
		if errors.As(err, &u) && u.path == "" {
			u.path = path
		}
		return err
	}
	return nil
}

// descend finds the subcommand a group was asked for.
func (c *command) descend(ctx context.Context, path string, args []string, io streams) error {
	if len(args) == 0 {
		c.help(io.err, path, nil)
		return &usageError{path, "a command is missing"}
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		if i := c.find(args[1:]); i != nil {
			return i.run(ctx, path, append(slices.Clone(args[2:]), "--help"), io)
		}
		c.help(io.out, path, nil)
		return nil
	case "--version":
		return versionCommand().run(ctx, path, nil, io)
	}
	if sub := c.find(args); sub != nil {
		return sub.run(ctx, path, args[1:], io)
	}
	if strings.HasPrefix(args[0], "-") {
		return &usageError{path, fmt.Sprintf("a command must come before %s", args[0])}
	}
	return &usageError{path, fmt.Sprintf("there is no command %q", args[0])}
}

func (c *command) find(args []string) *command {
	if len(args) == 0 {
		return nil
	}
	if i := slices.IndexFunc(c.subs, func(s *command) bool { return s.name == args[0] }); i >= 0 {
		return c.subs[i]
	}
	return nil
}

// parseMixed lets flags stand before, between and after positional arguments;
// the flag package alone stops at the first positional one.
func parseMixed(fs *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		if n := len(args) - fs.NArg(); n > 0 && args[n-1] == "--" {
			return append(rest, fs.Args()...), nil
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

// What the flag package says of a flag that is not there, or has no value, and of
// one with a value that it cannot take.
var (
	flagAlone = regexp.MustCompile(`^(flag provided but not defined|flag needs an argument): -(.+)$`)
	flagValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([^:]+): (.*)$`)
)

// flagProblem says a mistake with a flag in our words: flags have two hyphens
// here, and what a value must be belongs to the message.
func flagProblem(fs *flag.FlagSet, err error) string {
	if m := flagAlone.FindStringSubmatch(err.Error()); m != nil {
		if m[1] == "flag needs an argument" {
			return "--" + m[2] + " needs a value"
		}
		return "there is no flag --" + m[2]
	}
	m := flagValue.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error()
	}
	value, name, why := m[1], m[2], m[3]
	if g, ok := fs.Lookup(name).Value.(flag.Getter); ok {
		switch g.Get().(type) {
		case int, int64, uint, uint64:
			why = "it must be a whole number"
		case time.Duration:
			why = "it must be a duration, such as 90s or 2h"
		case bool:
			why = "it must be true or false"
		}
	}
	return fmt.Sprintf("--%s is %s: %s", name, value, why)
}

// help prints the usage of a command; fs is nil for a group.
func (c *command) help(w io.Writer, path string, fs *flag.FlagSet) {
	fmt.Fprintf(w, "%s\n\n", c.summary)
	if fs == nil {
		fmt.Fprintf(w, "Usage: %s COMMAND [ARGUMENTS]\n\nCommands:\n", path)
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		for _, s := range c.subs {
			fmt.Fprintf(t, "  %s\t%s\n", s.name, s.summary)
		}
		t.Flush()
		fmt.Fprintf(w, "\nRun `%s COMMAND --help` for more about one of them.\n", path)
		return
	}
	usage := path
	if c.args != "" {
		usage += " " + c.args
	}
	flags := flagLines(fs)
	if len(flags) > 0 {
		usage += " [FLAGS]"
	}
	fmt.Fprintf(w, "Usage: %s\n", usage)
	if c.long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.long))
	}
	if len(flags) > 0 {
		fmt.Fprintf(w, "\nFlags:\n")
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		for _, l := range flags {
			fmt.Fprintln(t, l)
		}
		t.Flush()
	}
}

func flagLines(fs *flag.FlagSet) []string {
	var lines []string
	fs.VisitAll(func(f *flag.Flag) {
		word, usage := flag.UnquoteUsage(f)
		left := "  --" + f.Name
		if word != "" {
			left += " " + strings.ToUpper(word)
		}
		// A default that is worked out later is told by the usage itself.
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0s" && !strings.Contains(usage, "(default") {
			usage += " (default " + f.DefValue + ")"
		}
		lines = append(lines, left+"\t"+usage)
	})
	return lines
}

// discard swallows the flag package's own messages: errors are returned and
// help is printed by us.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// exactly refuses a wrong number of positional arguments.
func exactly(args []string, names ...string) error {
	switch {
	case len(args) < len(names):
		return &usageError{msg: names[len(args)] + " is missing"}
	case len(args) > len(names):
		return &usageError{msg: fmt.Sprintf("%q is one argument too many", args[len(names)])}
	}
	return nil
}
