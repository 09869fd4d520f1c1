package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"slipway/api/admin/adminapi"
	"slipway/disk/facts"
	"slipway/disk/gate"
	"slipway/disk/inspect"
	"slipway/disk/rules"
	"slipway/fault"
)

// errNotChecked ends the process with status 2: the disk was refused or could
// not be read, so that no rule was asked.
var errNotChecked = errors.New("not checked")

// notChecked says so with a reason and a remedy.
type notChecked struct{ err error }

func (e notChecked) Error() string {
	var f *fault.Error
	if errors.As(e.err, &f) {
		s := f.Public
		if f.Code != "" {
			s = f.Code + ": " + s
		}
		if f.Hint != "" {
			s += " " + f.Hint
		}
		return s
	}
	return e.err.Error()
}
func (e notChecked) Is(target error) bool { return target == errNotChecked }
func (e notChecked) Unwrap() error        { return e.err }

// checked is everything that check found out, as --json prints it.
type checked struct {
	Disk    string                        `json:"disk"`
	Format  string                        `json:"format,omitempty"`
	Rules   rules.Set                     `json:"rules"`
	Verdict string                        `json:"verdict"` // importable, blocked
	Reports map[rules.Set][]rules.Finding `json:"reports"`
	Facts   facts.Facts                   `json:"facts"`
}

func checkCommand() *command {
	return &command{
		name: "check", args: "DISK|AMI",
		summary: "Say whether a disk can be imported, and if not, why and what helps",
		long: `
DISK is a file: raw, qcow2, VMDK, VHD, VHDX or OVA, also compressed by gzip, zstd or xz. Nothing is changed, no server
is needed, and the file systems are read by a confined process. An AMI, ami-…, is looked up at the server, which
looked into its disk when it arrived.

--rules chooses whose verdict decides: aws for AppStream images, byol for WorkSpaces with Windows 10 or 11, open for
this server. All three are in --json. docs/RULES.md lists the rules.

The exit status is 0 when the disk can be imported, 1 when a finding blocks it, 2 when it was refused or cannot be read.`,
		setup: func(fs *flag.FlagSet) action {
			set := fs.String("rules", string(rules.AWS), "`set` of rules: aws, byol or open")
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "DISK"); err != nil {
					return err
				}
				if !slices.Contains(rules.Sets(), rules.Set(*set)) {
					return &usageError{msg: fmt.Sprintf("--rules is %q: it must be aws, byol or open", *set)}
				}
				c := checked{Disk: args[0], Rules: rules.Set(*set)}
				var err error
				if amiID.MatchString(args[0]) {
					c.Facts, err = factsOfAMI(ctx, *dir, args[0])
				} else {
					c.Facts, c.Format, err = factsOfFile(ctx, args[0], io.err)
				}
				if err != nil {
					if ctx.Err() != nil {
						return context.Canceled
					}
					return notChecked{err}
				}
				return c.report(io, *asJSON)
			}
		},
	}
}

var amiID = regexp.MustCompile(`^ami-[0-9a-f]{8,17}$`)

// report prints and gives errQuiet when a finding blocks.
func (c *checked) report(io streams, asJSON bool) error {
	c.Reports = map[rules.Set][]rules.Finding{}
	for _, s := range rules.Sets() {
		c.Reports[s] = append([]rules.Finding{}, rules.Evaluate(s, c.Facts)...)
	}
	c.Verdict = "importable"
	if rules.Blocked(c.Reports[c.Rules]) {
		c.Verdict = "blocked"
	}
	if asJSON {
		if err := printJSON(io.out, c); err != nil {
			return err
		}
	} else {
		printChecked(io.out, c)
	}
	if c.Verdict == "blocked" {
		return errQuiet
	}
	return nil
}

func factsOfAMI(ctx context.Context, dir, id string) (facts.Facts, error) {
	var f facts.Facts
	a, err := newAdminClient(ctx, dir)
	if err != nil {
		return f, err
	}
	var in adminapi.Inspection
	if err := a.call(ctx, "GET", "/amis/"+url.PathEscape(id)+"/inspection", nil, &in); err != nil {
		return f, err
	}
	if in.Problem != "" {
		return f, errors.New(in.Problem)
	}
	if len(in.Facts) == 0 {
		return f, fmt.Errorf("the disk of %s was not inspected yet: wait until its snapshot is completed", id)
	}
	if err := json.Unmarshal(in.Facts, &f); err != nil {
		return f, fmt.Errorf("what the server says of %s: %w", id, err)
	}
	if f.Version != facts.Version {
		f.Problems = append(f.Problems, fmt.Sprintf("The disk was inspected by inspector %d of the server, this is %d: import the AMI, or check its file, for the newest findings.", f.Version, facts.Version))
	}
	return f, nil
}

// factsOfFile asks the gate, unpacks what is compressed into a file without a
// name, and lets a worker look.
func factsOfFile(ctx context.Context, path string, say io.Writer) (f facts.Facts, format string, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return f, "", err
	}
	if !st.Mode().IsRegular() {
		return f, "", fmt.Errorf("%s is not a file: give a disk image", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return f, "", err
	}
	defer file.Close()
	d, err := gate.Open(file, st.Size(), gate.Options{})
	if err != nil {
		return f, "", err
	}
	format = d.String()
	for _, w := range d.Warnings {
		fmt.Fprintln(say, w)
	}
	if d.Packed() {
		out, err := os.CreateTemp("", "slipway-check-*")
		if err != nil {
			return f, format, err
		}
		defer os.Remove(out.Name())
		defer out.Close()
		fmt.Fprintf(say, "Unpacking %s to look inside.\n", filepath.Base(path))
		n, err := d.Unpack(ctx, out)
		if err == nil {
			err = out.Truncate(n)
		}
		if err == nil { // what came out has to pass, too
			_, err = gate.Open(out, n, gate.Options{})
		}
		if err != nil {
			return f, format, err
		}
		path = out.Name()
	}
	exe, err := os.Executable()
	if err != nil {
		return f, format, fmt.Errorf("find this program's file: %w", err)
	}
	f, err = inspect.InspectAny(ctx, exe, path)
	return f, format, err
}

// printChecked is the report for people, grouped by severity.
func printChecked(w io.Writer, c *checked) {
	f := &c.Facts
	fmt.Fprintf(w, "%s: %s", c.Disk, gib(f.SizeBytes))
	if c.Format != "" {
		fmt.Fprintf(w, ", %s", c.Format)
	}
	fmt.Fprintf(w, ", %s, %s\n", systemOf(f), firmwareOf(f))
	for _, p := range f.Problems {
		fmt.Fprintf(w, "  note: %s\n", p)
	}
	for _, g := range []struct {
		sev   rules.Severity
		title string
	}{{rules.Block, "Blocks the import"}, {rules.Warn, "Warnings"}, {rules.Waived, "Waived here; AWS would refuse it or is not known to accept it"}, {rules.Info, "Worth knowing"}} {
		first := true
		for _, x := range c.Reports[c.Rules] {
			if x.Severity != g.sev {
				continue
			}
			if first {
				fmt.Fprintf(w, "\n%s:\n", g.title)
			}
			first = false
			printFinding(w, &x)
		}
	}
	var others []string
	for _, s := range rules.Sets() {
		if s != c.Rules {
			others = append(others, fmt.Sprintf("%s: %s", s, verdict(c.Reports[s])))
		}
	}
	fmt.Fprintf(w, "\nVerdict by the rules %s: %s. (%s)\n", c.Rules, verdict(c.Reports[c.Rules]), strings.Join(others, "; "))
}

func printFinding(w io.Writer, x *rules.Finding) {
	code := x.Code
	if x.AWSCode != "" {
		code += ", AWS " + x.AWSCode
	}
	fmt.Fprintf(w, "  %s  [%s]\n", x.Found, code)
	fmt.Fprintf(w, "      asked:  %s\n", x.Rule)
	if x.Where != "" {
		seen := x.Where
		if x.Value != "" {
			seen += " = " + x.Value
		}
		fmt.Fprintf(w, "      seen:   %s\n", seen)
	}
	if x.Remedy != "" {
		fmt.Fprintf(w, "      remedy: %s\n", x.Remedy)
	}
}

func verdict(fs []rules.Finding) string {
	blocks, warnings := 0, 0
	for _, f := range fs {
		switch f.Severity {
		case rules.Block:
			blocks++
		case rules.Warn:
			warnings++
		}
	}
	switch {
	case blocks > 0:
		return fmt.Sprintf("not importable, %d blocking", blocks)
	case warnings > 0:
		return fmt.Sprintf("importable, %d warnings", warnings)
	}
	return "importable"
}

func systemOf(f *facts.Facts) string {
	switch {
	case f.Windows != nil:
		w := f.Windows
		s := w.Name
		if s == "" {
			s = "Windows"
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s build %d.%d", s, w.EditionID, w.Build, w.UBR))
	case f.Linux != nil && f.Linux.PrettyName != "":
		return f.Linux.PrettyName
	case f.Linux != nil:
		return "Linux"
	}
	return "unknown operating system"
}

func firmwareOf(f *facts.Facts) string {
	switch {
	case f.ESP.SecureBoot() != "":
		return "UEFI with a signed boot loader"
	case f.ESP != nil && (f.ESP.Fallback || f.ESP.BootMgr):
		return "UEFI"
	case f.Table.BootCode:
		return "BIOS"
	}
	return "no boot loader known"
}
