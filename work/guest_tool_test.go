package work_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/compute"
	"slipway/domain"
	"slipway/guest"
	"slipway/store"
	"slipway/work/worktest"
)

// greets is what a machine's tool says that it is.
func (r *rig) greets(t testing.TB, machine string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := r.world.Driver.Channel(ctx, machine)
	if err != nil {
		t.Fatal(err)
	}
	orders := &guest.Orders{}
	go func() { _ = guest.Host{Session: "greets", Orders: orders}.Serve(ctx, c) }()
	tool, err := orders.Tool(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return tool.Tool
}

// passed lists the states that a builder was in after PENDING.
func (r *rig) passed(t testing.TB, key domain.Key) (out []domain.State) {
	t.Helper()
	err := r.store.View(context.Background(), func(tx store.Tx) error {
		all, err := tx.Events(&key, 0, 100)
		for _, e := range all {
			if e.From != e.To && e.From != "" {
				out = append(out, e.To)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func fresh(b *domain.Builder) {
	empty(b)
	b.FreshTool, b.Tool = true, "t"
}

func TestBuilderStartWithANewAgentSurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		r.carries("newer")
		key := r.newBuilder("b", fresh)
		return r.harness(r.jobOf(key), func(t testing.TB) {
			if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderRunning || b.Reason != nil || len(b.Errors) > 0 {
				t.Errorf("builder: %+v", b)
			}
			if v := r.greets(t, builderMachine); v != "newer" {
				t.Errorf("the guest has the tool %q", v)
			}
		}, func(t testing.TB) {
			if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderFailed {
				t.Errorf("builder: %+v", b)
			}
			r.machine(t, compute.Gone)
		})
	})
}

// TestBuilderAgents has one row for each way in which a builder that starts has the
// guest tool or not, and what clients see of that.
func TestBuilderAgents(t *testing.T) {
	updating := []domain.State{domain.BuilderUpdatingAgent, domain.BuilderRunning}
	for name, c := range map[string]struct {
		change func(*domain.Builder)
		carry  string // what the server has; "" nothing
		shell  func(machine, line string) (int, string)
		states []domain.State
		tool   string // afterwards; "" none answers
		words  string // of the builder's errors
	}{
		"newest was asked for":  {change: fresh, carry: "newer", states: updating, tool: "newer"},
		"nothing was asked for": {change: empty, carry: "newer", states: updating[1:], tool: "t"},
		"it is there":           {change: fresh, carry: "t", states: updating[1:], tool: "t"},
		"the server has none":   {change: fresh, states: updating[1:], tool: "t"},
		"the guest has none": {change: func(b *domain.Builder) { fresh(b); b.Tool, b.Tags = "", domain.Tags{"slipway:fault": "agent"} }, carry: "newer",
			states: updating[1:], words: "The agent was not updated. The guest tool does not answer."},
		"it cannot be put in place": {change: fresh, carry: "newer", shell: func(string, string) (int, string) { return 9, "read-only" },
			states: updating, tool: "t", words: "The guest tool could not be updated: exit code 9, output: read-only."},
		"it is not where it is installed": {change: fresh, carry: "newer", shell: func(string, string) (int, string) { return 44, "" },
			states: updating, tool: "t", words: "The guest tool t is not installed where"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if c.carry != "" {
				r.carries(c.carry)
			}
			r.tools.Shell = c.shell
			key := r.newBuilder("b", c.change)
			if j := r.ran(key); j.Status != domain.JobDone {
				t.Fatalf("%s %s", j.Status, j.Private)
			}
			b := get[domain.Builder](t, r.store, key)
			if got := r.passed(t, key); !slices.Equal(got, c.states) {
				t.Errorf("it was %q, not %q", got, c.states)
			}
			if (c.words == "") != (len(b.Errors) == 0) || c.words != "" && !strings.Contains(b.Errors[0].Message, c.words) {
				t.Errorf("errors: %+v", b.Errors)
			}
			if c.tool != "" && r.greets(t, builderMachine) != c.tool {
				t.Errorf("the guest's tool is not %q", c.tool)
			}
		})
	}
}

// TestAgentComesBeforeSoftware: who asked for both has both.
func TestAgentComesBeforeSoftware(t *testing.T) {
	r := newRig(t)
	r.installers(t, nil)
	r.carries("newer")
	key := r.newBuilder("b", fresh)
	r.update(func(tx store.Tx) error {
		n := &domain.Software{Machine: builderMachine, Name: project}
		n.Key = domain.SoftwareKey(&domain.Builder{Meta: domain.Meta{Key: key}, Machine: builderMachine}, project)
		if err := tx.Insert(n); err != nil {
			return err
		}
		_, err := tx.Move(n.Key, domain.SoftwareAskDeploy, "", nil)
		return err
	})
	for range 2 {
		if j := r.ran(key); j.Status != domain.JobDone {
			t.Fatalf("%s %s %s", j.Workflow, j.Status, j.Private)
		}
	}
	want := []domain.State{domain.BuilderUpdatingAgent, domain.BuilderPendingSyncingApps, domain.BuilderSyncingApps, domain.BuilderRunning}
	if got := r.passed(t, key); !slices.Equal(got, want) || r.software(t)[project] != "INSTALLED" {
		t.Errorf("it was %q, %q", got, r.software(t))
	}
}

// TestOldGuestToolIsSomethingToUpdate: of what CreateUpdatedImage would do, bringing
// a newer guest tool is a part.
func TestOldGuestToolIsSomethingToUpdate(t *testing.T) {
	for name, c := range map[string]struct {
		carry string
		there int // exit code
		want  []string
	}{
		"an older one": {"newer", 0, []string{"the guest tool newer"}}, "this server's": {"t", 0, nil},
		"an older one that nobody installed": {"newer", 1, nil}, "the server has none": {"", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if c.carry != "" {
				r.carries(c.carry)
			}
			r.world.Updaters = []domain.Updater{{Name: "test", System: domain.SystemFake, Applies: "applies", Pending: "pending", Update: "update"}}
			r.tools.Shell = (&script{pending: []string{""}, exit: map[string]int{"true": c.there}}).shell
			n := &domain.Image{Visibility: domain.VisibilityPrivate}
			n.Key = imageKey
			r.update(func(tx store.Tx) error {
				if err := tx.Insert(n); err != nil {
					return err
				}
				return r.enqueue(tx, domain.FlowImageCheck, n.Key)
			})
			r.ran(n.Key)
			if check := get[domain.Image](t, r.store, n.Key).Check; check == nil || check.Count != len(c.want) || !slices.Equal(check.Pending, c.want) {
				t.Errorf("%+v", check)
			}
		})
	}
}

// TestInstancesOfImagesThatAlwaysHaveTheNewestAgent: it is there before a user is.
// Where it cannot be brought, users have the image's.
func TestInstancesOfImagesThatAlwaysHaveTheNewestAgent(t *testing.T) {
	for policy, want := range map[string]string{domain.AgentAlways: "newer", domain.AgentCurrent: "t"} {
		t.Run(policy, func(t *testing.T) {
			r := newFleetRig(t)
			r.carries("newer")
			r.image(policy, "t")
			r.fleet(func(f *domain.Fleet) { f.Image, f.Desired = imageKey, 1 })
			r.as(domain.InstanceReady, 1)
			if v := r.greets(t, r.instances()[0].Key.Name); v != want {
				t.Errorf("the guest has the tool %q", v)
			}
		})
	}
	t.Run("without a tool", func(t *testing.T) {
		r := newFleetRig(t)
		r.carries("newer")
		r.image(domain.AgentAlways, "")
		r.fleet(func(f *domain.Fleet) {
			f.Image, f.Desired, f.Tags = imageKey, 1, domain.Tags{"slipway:fault": "agent"}
		})
		r.as(domain.InstanceReady, 1)
	})
}

var imageKey = domain.Key{Scope: scope, Kind: domain.KindImage, Name: "img"}

// image makes an image whose disk has a version of the guest tool.
func (r *fleetRig) image(policy, tool string) {
	r.t.Helper()
	img := &domain.Image{AgentPolicy: policy, AgentVersion: tool}
	img.Key = imageKey
	r.update(func(tx store.Tx) error { return tx.Insert(img) })
}
