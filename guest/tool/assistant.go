package tool

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"slipway/guest"
)

// Assistant is the Image Assistant's command line: operations, options, answers
// and exit codes as the developer guide has them ("Image Assistant CLI
// operations"). What is silent there is ours.
type Assistant struct {
	Version string
	Out     io.Writer
	// Notes hears what is no answer: files of a profile that are left out. nil: nobody
	// does.
	Notes io.Writer
	// Ask asks the host; Admin tells whether the caller is an administrator;
	// Windows which of the two tools this is. Tests set them.
	Ask     func(ctx context.Context, name string, args any) (guest.Answer, error)
	Admin   func() bool
	Windows bool
	profile func(user string) (*profile, error) // nil: this machine's
}

// flag kinds.
const (
	oneValue = iota
	noValue
	manyValues
)

// operation is one verb.
type operation struct {
	name, about string
	flags       []option
	run         func(a *Assistant, ctx context.Context, in values) guest.Answer
}

type option struct {
	name, about string
	kind        int
	needed      bool
}

// values are the options given, by name.
type values map[string][]string

func (v values) one(name string) string {
	if len(v[name]) == 0 {
		return ""
	}
	return v[name][0]
}

func (v values) has(name string) bool { _, ok := v[name]; return ok }

func operations() []operation {
	name := option{name: "name", about: "a unique name for the application, without white space", needed: true}
	profile := option{name: "profile", about: `the user, as "<domain>\<user>" where "." is no domain; TemplateUser when none is named`}
	return []operation{
		{name: "help", about: "List the operations."},
		{name: guest.CallAddApplication, about: "Add an application to the catalog of the image.", run: (*Assistant).addApplication, flags: []option{
			name, {name: "absolute-app-path", about: "the program, batch file or script", needed: true},
			{name: "display-name", about: "the name that users see"}, {name: "absolute-icon-path", about: "a .png, .jpg or .bmp of at most 256 x 256"},
			{name: "working-directory", about: "where the application starts"}, {name: "launch-parameters", about: "what it is started with"},
			{name: "absolute-manifest-path", about: "a text file that names files to read before the first use, one a line"},
		}},
		{name: guest.CallRemoveApplication, about: "Remove an application from the catalog.", run: (*Assistant).removeApplication, flags: []option{name}},
		{name: guest.CallListApplications, about: "List the applications of the catalog.", run: (*Assistant).listApplications},
		{name: "update-default-profile", about: "Copy a user's profile to the default one, which new users begin with.", run: (*Assistant).updateDefaultProfile, flags: []option{profile}},
		{name: "reset-user-profile", about: "Delete a user's profile; what comes next is the default one.", run: (*Assistant).resetUserProfile, flags: []option{profile}},
		{name: guest.CallCreateImage, about: "Make an image of this image builder, which is shut down for it.", run: (*Assistant).createImage, flags: []option{
			{name: "name", about: "the name of the image", needed: true}, {name: "description", about: "a description"}, {name: "display-name", about: "the name that people see"},
			{name: "enable-dynamic-app-catalog", about: "let programs in the instance change the catalog", kind: noValue},
			{name: "no-enable-dynamic-app-catalog", about: "do not (the default)", kind: noValue},
			{name: "use-latest-agent-version", about: "always use the newest agent", kind: noValue},
			{name: "no-use-latest-agent-version", about: "keep the agent that is installed (the default)", kind: noValue},
			{name: "tags", about: `"key" "value" pairs`, kind: manyValues}, {name: "dry-run", about: "check only", kind: noValue},
		}},
	}
}

// Run does one operation, prints its answer and returns the exit code.
func (a *Assistant) Run(ctx context.Context, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" {
		a.help("")
		return guest.StatusOK
	}
	for _, op := range operations() {
		if op.name != args[0] {
			continue
		}
		if slices.Contains(args[1:], "--help") {
			a.help(op.name)
			return guest.StatusOK
		}
		return a.print(a.do(ctx, op, args[1:]))
	}
	return a.print(guest.Refused("Unknown operation: " + args[0]))
}

func (a *Assistant) do(ctx context.Context, op operation, args []string) guest.Answer {
	if !a.Admin() {
		return guest.Refused("Administrator privileges are required to perform this operation")
	}
	in, problem := op.parse(args)
	if problem != "" {
		return guest.Refused(problem)
	}
	return op.run(a, ctx, in)
}

// parse reads "--name value", "--name=value", switches, and lists that go on to
// the next option.
func (o operation) parse(args []string) (values, string) {
	in := values{}
	for len(args) > 0 {
		word, joined, hasJoined := strings.Cut(args[0], "=")
		args = args[1:]
		i := slices.IndexFunc(o.flags, func(f option) bool { return "--"+f.name == word })
		if i < 0 {
			return nil, "Unknown parameter: " + word
		}
		f := o.flags[i]
		if in.has(f.name) {
			return nil, fmt.Sprintf("The parameter --%s is given twice", f.name)
		}
		vals := []string{}
		switch {
		case hasJoined && f.kind == noValue:
			return nil, fmt.Sprintf("The parameter --%s takes no value", f.name)
		case hasJoined:
			vals = append(vals, joined)
		case f.kind == oneValue:
			if len(args) == 0 {
				return nil, fmt.Sprintf("The parameter --%s needs a value", f.name)
			}
			vals, args = append(vals, args[0]), args[1:]
		}
		for f.kind == manyValues && len(args) > 0 && !strings.HasPrefix(args[0], "--") {
			vals, args = append(vals, args[0]), args[1:]
		}
		in[f.name] = vals
	}
	for _, f := range o.flags {
		if f.needed && in.one(f.name) == "" {
			return nil, fmt.Sprintf("The parameter --%s is required", f.name)
		}
	}
	for n := range in {
		if in.has("no-" + n) {
			return nil, fmt.Sprintf("The parameters --%s and --no-%s exclude each other", n, n)
		}
	}
	return in, ""
}

func (a *Assistant) print(x guest.Answer) int {
	b, err := json.Marshal(x)
	if err != nil {
		b = []byte(`{"status":255,"message":"the answer cannot be printed"}`)
	}
	fmt.Fprintf(a.Out, "%s\n", b)
	return x.Status
}

// call asks the host.
func (a *Assistant) call(ctx context.Context, name string, args any) guest.Answer {
	x, err := a.Ask(ctx, name, args)
	if err != nil {
		return guest.Unexpected("The request could not be sent to the server: " + err.Error())
	}
	return x
}

func (a *Assistant) addApplication(ctx context.Context, in values) guest.Answer {
	app := guest.Application{
		Name: in.one("name"), Path: in.one("absolute-app-path"), DisplayName: in.one("display-name"), IconPath: in.one("absolute-icon-path"),
		WorkingDirectory: in.one("working-directory"), Parameters: in.one("launch-parameters"), ManifestPath: in.one("absolute-manifest-path"),
	}
	if strings.ContainsFunc(app.Name, unicode.IsSpace) {
		return guest.Refused("Invalid value (name)")
	}
	if problem := checkApplication(app, a.Windows); problem != "" {
		return guest.Refused(problem)
	}
	if app.DisplayName == "" {
		app.DisplayName = displayName(app.Path)
	}
	return a.call(ctx, guest.CallAddApplication, app)
}

func (a *Assistant) removeApplication(ctx context.Context, in values) guest.Answer {
	return a.call(ctx, guest.CallRemoveApplication, guest.Named{Name: in.one("name")})
}

func (a *Assistant) listApplications(ctx context.Context, _ values) guest.Answer {
	all := []guest.Application{}
	for after := ""; ; {
		x := a.call(ctx, guest.CallListApplications, guest.Named{Name: after})
		if x.Status != guest.StatusOK {
			return x
		}
		all = append(all, x.Applications...)
		if after = x.Next; after == "" {
			x.Applications = all
			return x
		}
	}
}

func (a *Assistant) createImage(ctx context.Context, in values) guest.Answer {
	img := guest.NewImage{
		Name: in.one("name"), Description: in.one("description"), DisplayName: in.one("display-name"), DryRun: in.has("dry-run"),
		DynamicCatalog: in.has("enable-dynamic-app-catalog"), LatestAgent: in.has("use-latest-agent-version"),
	}
	tags := in["tags"]
	if len(tags)%2 != 0 || in.has("tags") && len(tags) == 0 {
		return guest.Refused("Invalid value (tags)")
	}
	for i := 0; i < len(tags); i += 2 {
		if img.Tags == nil {
			img.Tags = map[string]string{}
		}
		if _, twice := img.Tags[tags[i]]; twice {
			return guest.Refused("Invalid value (tags)")
		}
		img.Tags[tags[i]] = tags[i+1]
	}
	return a.call(ctx, guest.CallCreateImage, img)
}

// help describes one operation, or all.
func (a *Assistant) help(only string) {
	if only == "" {
		fmt.Fprintf(a.Out, "Image Assistant %s\n\nOperations:\n", a.Version)
	}
	for _, op := range operations() {
		if only != "" && op.name != only {
			continue
		}
		fmt.Fprintf(a.Out, "  %s\n      %s\n", op.name, op.about)
		for _, f := range op.flags {
			value := map[int]string{oneValue: " <value>", manyValues: " <value> …"}[f.kind]
			needed := map[bool]string{true: "required: "}[f.needed]
			fmt.Fprintf(a.Out, "      --%s%s  %s%s\n", f.name, value, needed, f.about)
		}
	}
}
