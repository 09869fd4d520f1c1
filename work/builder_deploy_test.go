package work_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/domain"
	"slipway/store"
	"slipway/work"
	"slipway/work/bucket/buckettest"
	"slipway/work/worktest"
)

// project and visio are software of the catalogue.
const (
	project = "Microsoft_Project_2021_Standard_64Bit"
	visio   = "Microsoft_Visio_2021_LTSC_Standard_64Bit"
)

// installers provides project with a file; the guest's commands are those of
// machines that are not real.
func (r *rig) installers(t testing.TB, change func(in map[string]string)) {
	t.Helper()
	dir := filepath.Join(r.dir, "software")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("an installer", 10000)
	if err := os.WriteFile(filepath.Join(dir, "setup.exe"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	in := map[string]string{"name": project, "platform": "fake", "file": "setup.exe", "sha256": hex.EncodeToString(sum[:]),
		"install": "touch project", "detect": "test -e project", "uninstall": "rm project"}
	if change != nil {
		change(in)
	}
	var parts []string
	for k, v := range in {
		parts = append(parts, fmt.Sprintf("%q: %q", k, v))
	}
	var err error
	r.world.Installers, err = domain.Instances().ReadInstallers(strings.NewReader(`{"software": [{`+strings.Join(parts, ",")+`}]}`), dir)
	if err != nil {
		t.Fatal(err)
	}
}

// inBucket moves what installers provides to a bucket.
func (r *rig) inBucket(t testing.TB) {
	t.Helper()
	s3 := buckettest.Start(t)
	content, err := os.ReadFile(filepath.Join(r.world.Installers.Dir, "setup.exe"))
	if err != nil {
		t.Fatal(err)
	}
	s3.Set("tools/office/setup.exe", content)
	r.world.Objects = s3.Client()
	r.world.Installers.Dir, r.world.Installers.Bucket, r.world.Installers.Prefix = "", "tools", "office/"
}

// deploys moves a builder that runs to where its software is about to change.
func (r *rig) deploys(key domain.Key, events map[string][]domain.Event) {
	r.t.Helper()
	r.update(func(tx store.Tx) error {
		b := new(domain.Builder)
		if err := tx.Get(key, b); err != nil {
			return err
		}
		for name, list := range events {
			n := &domain.Software{Machine: b.Machine, Name: name}
			n.Key = domain.SoftwareKey(b, name)
			if err := tx.Insert(n); err != nil {
				return err
			}
			for _, e := range list {
				if _, err := tx.Move(n.Key, e, "", nil); err != nil {
					return err
				}
			}
		}
		if _, err := tx.Move(key, domain.BuilderAskSync, "", b); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowBuilderDeploy, key)
	})
}

var (
	toInstall = []domain.Event{domain.SoftwareAskDeploy}
	toRemove  = []domain.Event{domain.SoftwareFound, domain.SoftwareAskRemove, domain.SoftwareAskDeploy}
)

// software lists states and the first error of each software.
func (r *rig) software(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := r.store.View(context.Background(), func(tx store.Tx) error {
		all, err := store.List[domain.Software](tx, store.Query{Kind: domain.KindSoftware, Alias: builderMachine})
		for _, n := range all {
			out[n.Name] = string(n.State)
			for _, e := range n.Errors {
				out[n.Name] += " " + e.Code + " " + e.Message
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBuilderDeploySurvives(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		r := newRig(t)
		key := r.up("b")
		r.installers(t, nil)
		in := r.world.Installers
		r.deploys(key, map[string][]domain.Event{project: toInstall, visio: toInstall})
		w := r.harness(r.jobOf(key), func(t testing.TB) {
			if s := r.software(t); s[project] != "INSTALLED" || !strings.HasPrefix(s[visio], "FAILED_TO_INSTALL INSTALLER_NOT_PROVIDED ") {
				t.Errorf("%q", s)
			}
			if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderRunning {
				t.Errorf("the builder is %s", b.State)
			}
		}, func(t testing.TB) {
			s := r.software(t)
			if s[project] != "INSTALLED" && !strings.HasPrefix(s[project], "FAILED_TO_INSTALL DEPLOYMENT_FAILED ") || !strings.HasPrefix(s[visio], "FAILED_TO_INSTALL ") {
				t.Errorf("%q", s)
			}
			if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderRunning {
				t.Errorf("the builder is %s", b.State)
			}
		})
		flows := w.Workflows
		w.Workflows = func() []work.Workflow { r.world.Installers = in; return flows() }
		return w
	})
}

// TestDeployments has one row per way a deployment ends.
func TestDeployments(t *testing.T) {
	for name, c := range map[string]struct {
		change func(in map[string]string)
		begin  []domain.Event
		want   string
		words  string
	}{
		"installed":              {nil, toInstall, "INSTALLED", ""},
		"installed already":      {func(in map[string]string) { in["detect"], in["install"] = "true", "exit 1" }, toInstall, "INSTALLED", ""},
		"without a file":         {func(in map[string]string) { in["file"], in["sha256"] = "", "" }, toInstall, "INSTALLED", ""},
		"removed already":        {nil, toRemove, "", ""},
		"the command fails":      {func(in map[string]string) { in["install"] = "echo no licence && exit 9" }, toInstall, "FAILED_TO_INSTALL COMMAND_FAILED", "exit code 9, output: no licence."},
		"not there afterwards":   {func(in map[string]string) { in["install"] = "true" }, toInstall, "FAILED_TO_INSTALL NOT_DETECTED", "says otherwise"},
		"still there afterwards": {func(in map[string]string) { in["detect"] = "true" }, toRemove, "FAILED_TO_UNINSTALL NOT_DETECTED", "says otherwise"},
		"cannot be removed":      {func(in map[string]string) { in["detect"], in["uninstall"] = "true", "" }, toRemove, "FAILED_TO_UNINSTALL NOT_REMOVABLE", "no command to uninstall"},
		"for another system":     {func(in map[string]string) { in["platform"] = "windows" }, toInstall, "FAILED_TO_INSTALL INSTALLER_NOT_PROVIDED", "for fake. Its operator adds one to manifest.json"},
		"no file":                {func(in map[string]string) { in["file"] = "missing.exe" }, toInstall, "FAILED_TO_INSTALL INSTALLER_NOT_PROVIDED", "missing.exe is not where --software says"},
		"another file":           {func(in map[string]string) { in["sha256"] = strings.Repeat("00", 32) }, toInstall, "FAILED_TO_INSTALL INSTALLER_CHANGED", "is not the one"},
	} {
		for _, bucket := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/bucket %v", name, bucket), func(t *testing.T) {
				r := newRig(t)
				key := r.up("b")
				r.installers(t, c.change)
				if bucket {
					r.inBucket(t)
				}
				r.deploys(key, map[string][]domain.Event{project: c.begin})
				if j := r.ran(key); j.Status != domain.JobDone {
					t.Fatalf("%s %s", j.Status, j.Private)
				}
				if got := r.software(t)[project]; !strings.HasPrefix(got, c.want) || !strings.Contains(got, c.words) || c.want == "" && got != "" {
					t.Errorf("%q", got)
				}
			})
		}
	}
}

// TestDeploymentWithoutATool: a guest that does not answer fails what needs it, and
// the builder runs on.
func TestDeploymentWithoutATool(t *testing.T) {
	r := newRig(t)
	r.world.Boot.Tool = time.Millisecond
	key := r.running("b", func(b *domain.Builder) { empty(b); b.Tags = domain.Tags{"slipway:fault": "agent"} })
	r.installers(t, nil)
	r.deploys(key, map[string][]domain.Event{project: toInstall})
	if j := r.ran(key); j.Status != domain.JobFailed {
		t.Fatalf("%s %s", j.Status, j.Private)
	}
	if got := r.software(t)[project]; !strings.Contains(got, "The guest tool does not answer.") {
		t.Errorf("%q", got)
	}
	if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderRunning {
		t.Errorf("the builder is %s", b.State)
	}
}

// TestStartDeploys: what was asked for at the create is there when the builder runs,
// and goes with the builder.
func TestStartDeploys(t *testing.T) {
	r := newRig(t)
	r.installers(t, nil)
	key := r.newBuilder("b", empty)
	r.update(func(tx store.Tx) error {
		b := new(domain.Builder)
		if err := tx.Get(key, b); err != nil {
			return err
		}
		n := &domain.Software{Machine: b.Machine, Name: project}
		n.Key = domain.SoftwareKey(b, project)
		if err := tx.Insert(n); err != nil {
			return err
		}
		_, err := tx.Move(n.Key, domain.SoftwareAskDeploy, "", nil)
		return err
	})
	if j := r.ran(key); j.Workflow != domain.FlowBuilderStart || j.Status != domain.JobDone {
		t.Fatalf("%s %s %s", j.Workflow, j.Status, j.Private)
	}
	if j := r.ran(key); j.Workflow != domain.FlowBuilderDeploy || j.Status != domain.JobDone {
		t.Fatalf("%s %s %s", j.Workflow, j.Status, j.Private)
	}
	if b := get[domain.Builder](t, r.store, key); b.State != domain.BuilderRunning || r.software(t)[project] != "INSTALLED" {
		t.Errorf("%s %q", b.State, r.software(t))
	}
	again := func(events ...domain.Event) {
		r.update(func(tx store.Tx) error {
			b := new(domain.Builder)
			if err := tx.Get(key, b); err != nil {
				return err
			}
			for _, e := range events {
				if _, err := tx.Move(domain.SoftwareKey(b, project), e, "", nil); err != nil {
					return err
				}
			}
			return nil
		})
		r.ask(key, domain.BuilderAskSync, domain.FlowBuilderDeploy)
		if j := r.ran(key); j.Status != domain.JobDone {
			t.Fatalf("%s %s", j.Status, j.Private)
		}
	}
	again(domain.SoftwareAskRemove, domain.SoftwareAskDeploy)
	if left := r.software(t); len(left) > 0 {
		t.Errorf("not removed: %q", left)
	}
	r.update(func(tx store.Tx) error {
		n := &domain.Software{Machine: builderMachine, Name: project}
		n.Key = domain.SoftwareKey(get[domain.Builder](t, r.store, key), project)
		return tx.Insert(n)
	})
	r.ask(key, domain.BuilderAskDelete, domain.FlowBuilderDelete)
	r.ran(key)
	if left := r.software(t); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
