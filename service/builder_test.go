package service_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

// small is a host whose room for machines is told.
type small struct{ domain.HostRoom }

func (h small) Room() domain.HostRoom { return h.HostRoom }

func (h *house) building(change func(*service.BuilderSpec)) (*domain.Builder, error) {
	in := service.BuilderSpec{Name: "b", ImageName: "img", InstanceType: "GeneralPurpose.m7i.large"}
	if change != nil {
		change(&in)
	}
	return h.CreateBuilder(context.Background(), me, in)
}

// built makes a builder and moves it through events, as work would.
func (h *house) built(name string, events ...domain.Event) *domain.Builder {
	h.t.Helper()
	b, err := h.building(func(in *service.BuilderSpec) { in.Name = name })
	if err != nil {
		h.t.Fatal(err)
	}
	h.event(b.Key, events...)
	return b
}

func (h *house) event(key domain.Key, events ...domain.Event) {
	h.t.Helper()
	for _, e := range events {
		err := h.Store.Update(context.Background(), func(tx store.Tx) error { _, err := tx.Move(key, e, "", nil); return err })
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// TestBuilderRefusals has one row per bad request: the kind the caller gets, and
// words that must be in the sentence.
func TestBuilderRefusals(t *testing.T) {
	h := newHouse(t, rules.AWS)
	img := h.available("img")
	h.public("known-by-name")
	h.role("untrusting", wrongTrust, goodPolicy)
	h.built("taken")
	if _, err := h.importing(func(in *service.Import) { in.Name = "unready" }); err != nil {
		t.Fatal(err)
	}
	vpcs, err := h.VPCs(t.Context(), me, nil)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := h.SecurityGroups(t.Context(), me, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := h.CreateVPC(t.Context(), me, domain.VPC{CIDR: "10.0.0.0/16"}, false)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := h.CreateSubnet(t.Context(), me, domain.Subnet{VPC: other.Key.Name, CIDR: "10.0.0.0/24"}, false)
	if err != nil || len(vpcs) != 1 {
		t.Fatal(err, vpcs)
	}
	type spec = service.BuilderSpec
	for _, c := range []struct {
		name   string
		change func(*spec)
		kind   fault.Kind
		words  string
	}{
		{"no image", func(in *spec) { in.ImageName = "" }, fault.BadCombination, "either ImageName or ImageArn"},
		{"two images", func(in *spec) { in.ImageARN = domain.ImageARN(img.Key) }, fault.BadCombination, "only one"},
		{"unknown image", func(in *spec) { in.ImageName = "none" }, fault.NotFound, "The image none for account 123456789012 does not exist."},
		{"unknown ARN", func(in *spec) { in.ImageName, in.ImageARN = "", domain.ImageARN(me.Key(domain.KindImage, "none")) }, fault.NotFound, "The image "},
		{"image that is not ready", func(in *spec) { in.ImageName = "unready" }, fault.NotAvailable, "The image must be in an AVAILABLE state for this action to succeed."},
		{"image without a disk", func(in *spec) { in.ImageName, in.InstanceType = "known-by-name", "stream.standard.small" }, fault.NotAvailable, "slipway image publish known-by-name"},
		{"unknown type", func(in *spec) { in.InstanceType = "stream.standard.tiny" }, fault.BadValue, "GeneralPurpose.m7i.large"},
		{"fleets only", func(in *spec) { in.InstanceType = "stream.standard.2xlarge" }, fault.BadValue, "not supported for image builders"},
		{"end of life", func(in *spec) { in.InstanceType = "stream.graphics-design.large" }, fault.BadValue, "at its end of life"},
		{"GPU", func(in *spec) { in.InstanceType = "Accelerated.g5.xlarge" }, fault.NotAvailable, "this host has none for machines. Use one such as stream.standard.small"},
		{"other family", func(in *spec) { in.InstanceType = "stream.standard.small" }, fault.BadCombination,
			"The combination of instance type stream.standard.small and image instance family GENERAL_PURPOSE"},
		{"small volume", func(in *spec) { in.VolumeGiB = 100 }, fault.BadValue, "from 200 to 500"},
		{"large volume", func(in *spec) { in.VolumeGiB = 501 }, fault.BadValue, "from 200 to 500"},
		{"two subnets", func(in *spec) { in.Subnets = []string{"subnet-1", "subnet-2"} }, fault.BadCombination, "one subnet only"},
		{"unknown subnet", func(in *spec) { in.Subnets = []string{"subnet-1"} }, fault.NotFound, "subnet-1"},
		{"six groups", func(in *spec) { in.Groups = make([]string, 6) }, fault.BadValue, "at most 5"},
		{"groups alone", func(in *spec) { in.Groups = []string{"sg-1"} }, fault.BadCombination, "SubnetIds"},
		{"unknown group", func(in *spec) { in.Subnets, in.Groups = []string{elsewhere.Key.Name}, []string{"sg-1"} }, fault.NotFound, "sg-1"},
		{"group of another VPC", func(in *spec) { in.Subnets, in.Groups = []string{elsewhere.Key.Name}, []string{groups[0].Key.Name} }, fault.BadCombination, "different VPCs"},
		{"directory", func(in *spec) { in.Directory = "corp.example.com" }, fault.NotFound, "directory config corp.example.com does not exist"},
		{"no such software", func(in *spec) { in.Install = []string{"Microsoft_Paint"} }, fault.BadValue, "Microsoft_Paint"},
		{"software in and out", func(in *spec) {
			in.Install, in.Uninstall = []string{"Microsoft_Project_2021_Standard_64Bit"}, []string{"Microsoft_Project_2021_Standard_64Bit"}
		}, fault.BadCombination, "at once"},
		{"software to remove that is not there", func(in *spec) { in.Uninstall = []string{"Microsoft_Project_2021_Standard_64Bit"} }, fault.BadCombination, "does not have it"},
		{"agent version", func(in *spec) { in.AgentVersion = "01-01-2020" }, fault.BadValue, "[LATEST]"},
		{"missing role", func(in *spec) { in.RoleARN = "arn:aws:iam::123456789012:role/none" }, fault.BadRole, "encountered an error because your IAM role"},
		{"untrusting role", func(in *spec) { in.RoleARN = "arn:aws:iam::123456789012:role/untrusting" }, fault.BadRole, "does not trust"},
		{"taken name", func(in *spec) { in.Name = "taken" }, fault.Exists, "already exists"},
	} {
		_, err := h.building(c.change)
		if !fault.Is(err, c.kind) || !strings.Contains(fault.Public(err), c.words) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	h.Host = small{domain.HostRoom{Pretend: true}}
	if _, err := h.building(func(in *spec) {
		in.Name, in.ImageName, in.InstanceType, in.AgentVersion = "pretended", "known-by-name", "stream.standard.small", "01-01-2020"
	}); err != nil {
		t.Errorf("an image without a disk where machines are not real: %v", err)
	}
	if _, err := h.SetQuota(t.Context(), me.Scope(), domain.QuotaBuilders, new(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.building(nil); !fault.Is(err, fault.Quota) {
		t.Errorf("beyond the quota: %v", err)
	}
	if all, _, err := h.Builders(t.Context(), me, service.BuilderQuery{}); err != nil || len(all) != 2 {
		t.Errorf("refused requests left %d builders, %v", len(all), err)
	}
}

// TestBuilderAgent: the newest agent is the guest tool that this server carries, and
// what was asked for holds from that start on; what the image has is told until the
// guest has said what it has.
func TestBuilderAgent(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.Config.Tool = "v2"
	h.available("img")
	h.image(func(n *domain.Image) { n.AgentVersion = "v1" })
	for i, c := range []struct {
		asked string
		fresh bool
	}{{"", false}, {"v1", false}, {"v2", true}, {"LATEST", true}, {"[LATEST]", true}, {"[latest]", true}} {
		b, err := h.building(func(in *service.BuilderSpec) { in.Name, in.AgentVersion = fmt.Sprint("b", i), c.asked })
		if err != nil || b.FreshTool != c.fresh || b.AgentVersion != c.asked || b.Tool != "v1" {
			t.Errorf("%q: %+v, %v", c.asked, b, err)
		}
	}
	off := []domain.Event{domain.BuilderReady, domain.BuilderAskStop, domain.BuilderOff}
	b := h.built("b", off...)
	for _, c := range []struct {
		asked string
		fresh bool
		told  string
	}{{"[LATEST]", true, "[LATEST]"}, {"", false, "[LATEST]"}, {"v1", false, "v1"}} {
		got, err := h.StartBuilder(t.Context(), me, "b", c.asked)
		if err != nil || got.FreshTool != c.fresh || got.AgentVersion != c.told {
			t.Errorf("started with %q: %+v, %v", c.asked, got, err)
		}
		h.event(b.Key, off...)
	}
	_, err := h.StartBuilder(t.Context(), me, "b", "v3")
	h.wants("a version that nobody has", err, fault.BadValue, "[LATEST]")
	h.event(b.Key, domain.BuilderAskStart, domain.BuilderReady)
	img, err := h.makeImage(nil)
	if err != nil || img.AgentVersion != "v1" {
		t.Errorf("an image of a guest that said nothing: %+v, %v", img, err)
	}
	h.must(h.Store.Update(t.Context(), func(tx store.Tx) error {
		n := new(domain.Builder)
		if err := tx.Get(me.Key(domain.KindBuilder, "b0"), n); err != nil {
			return err
		}
		n.Tool = "v2"
		return tx.Put(n)
	}))
	h.event(me.Key(domain.KindBuilder, "b0"), domain.BuilderReady)
	img, err = h.makeImage(func(in *service.NewImage) { in.Builder, in.Name = "b0", "newer" })
	if err != nil || img.AgentVersion != "v2" || img.AgentPolicy != domain.AgentCurrent {
		t.Errorf("an image of a guest with another tool: %+v, %v", img, err)
	}
}

func TestBuilderRequests(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	type ask func(ctx context.Context, c domain.Caller, name string) (*domain.Builder, error)
	start := ask(func(ctx context.Context, c domain.Caller, name string) (*domain.Builder, error) {
		return h.StartBuilder(ctx, c, name, "[LATEST]")
	})
	ready, broke, stop, off := domain.BuilderReady, domain.BuilderBroke, domain.BuilderAskStop, domain.BuilderOff
	for i, c := range []struct {
		to   []domain.Event // the state to begin in
		ask  ask
		want domain.State // "": refused
	}{
		{nil, start, domain.BuilderPending}, {nil, h.StopBuilder, ""}, {nil, h.DeleteBuilder, ""},
		{[]domain.Event{ready}, start, ""}, {[]domain.Event{ready}, h.StopBuilder, domain.BuilderStopping}, {[]domain.Event{ready}, h.DeleteBuilder, domain.BuilderDeleting},
		{[]domain.Event{ready, stop}, start, ""}, {[]domain.Event{ready, stop}, h.StopBuilder, domain.BuilderStopping}, {[]domain.Event{ready, stop}, h.DeleteBuilder, ""},
		{[]domain.Event{ready, stop, off}, start, domain.BuilderPending}, {[]domain.Event{ready, stop, off}, h.StopBuilder, ""},
		{[]domain.Event{ready, stop, off}, h.DeleteBuilder, domain.BuilderDeleting},
		{[]domain.Event{broke}, start, domain.BuilderPending}, {[]domain.Event{broke}, h.StopBuilder, ""}, {[]domain.Event{broke}, h.DeleteBuilder, domain.BuilderDeleting},
	} {
		b := h.built("b", c.to...)
		got, err := c.ask(t.Context(), me, "b")
		if c.want == "" && !fault.Is(err, fault.WrongState) || c.want != "" && (err != nil || got.State != c.want) {
			t.Errorf("%d, after %v: %+v, %v", i, c.to, got, err)
		}
		if err := h.Store.Update(t.Context(), func(tx store.Tx) error { return tx.Delete(b.Key) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []ask{start, h.StopBuilder, h.DeleteBuilder} {
		if _, err := f(t.Context(), me, "b"); !fault.Is(err, fault.NotFound) {
			t.Errorf("no builder: %v", err)
		}
	}
}

// TestBuilderHoldsWhatItUses: image, subnet and group cannot go while a builder
// uses them, and what is not sent has its default.
func TestBuilderHoldsWhatItUses(t *testing.T) {
	h := newHouse(t, rules.AWS)
	img := h.available("img")
	subnets, err := h.Subnets(t.Context(), me, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.building(func(in *service.BuilderSpec) { in.Subnets = []string{subnets[0].Key.Name} })
	if err != nil || b.State != domain.BuilderPending || b.VolumeGiB != 200 || b.ImageARN != domain.ImageARN(img.Key) {
		t.Fatalf("%+v, %v", b, err)
	}
	if _, err := h.DeleteImage(t.Context(), me, "img"); !fault.Is(err, fault.InUse) || !strings.Contains(fault.Public(err), "image-builder b") {
		t.Errorf("the image: %v", err)
	}
	if err := h.DeleteSubnet(t.Context(), me, subnets[0].Key.Name, false); !fault.Is(err, fault.InUse) {
		t.Errorf("the subnet: %v", err)
	}
	h.event(b.Key, domain.BuilderReady)
	if _, err := h.DeleteBuilder(t.Context(), me, "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.building(nil); !fault.Is(err, fault.Busy) {
		t.Errorf("the name of a builder that is being deleted: %v", err)
	}
}

// TestBuilderOfSharedImage: a name means nothing to others, an ARN does, and only for
// what was allowed.
func TestBuilderOfSharedImage(t *testing.T) {
	h := newHouse(t, rules.AWS)
	img := h.available("img")
	you := domain.Caller{Account: "210987654321", Region: me.Region}
	build := func(change func(*service.BuilderSpec)) error {
		in := service.BuilderSpec{Name: "b", ImageARN: domain.ImageARN(img.Key), InstanceType: "GeneralPurpose.m7i.large"}
		if change != nil {
			change(&in)
		}
		_, err := h.CreateBuilder(t.Context(), you, in)
		return err
	}
	if err := build(nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("a private image: %v", err)
	}
	for _, p := range []domain.ImagePermission{{Fleet: true}, {Builder: true}} {
		if err := h.ShareImage(t.Context(), me, "img", service.ImageShare{Account: you.Account, ImagePermission: p}); err != nil {
			t.Fatal(err)
		}
		if err := build(func(in *service.BuilderSpec) { in.ImageName, in.ImageARN = "img", "" }); !fault.Is(err, fault.NotFound) {
			t.Errorf("a shared image by name: %v", err)
		}
		if err := build(nil); p.Builder != (err == nil) || err != nil && !fault.Is(err, fault.WrongState) {
			t.Errorf("shared as %+v: %v", p, err)
		}
	}
}

// TestHostCapacity: memory is promised to builders that hold a machine, and no
// more than the host has.
func TestHostCapacity(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	host := small{domain.HostRoom{MemoryMiB: 6144, FreeMiB: 6000, CPUs: 2}}
	h.Host = host
	a := h.built("a")
	if a.MemoryMiB != 3072 || a.CPUs != 2 { // the type has 8 GiB: half of what there is
		t.Errorf("%d MiB, %d CPUs", a.MemoryMiB, a.CPUs)
	}
	b := h.built("b")
	if _, err := h.building(func(in *service.BuilderSpec) { in.Name = "c" }); !fault.Is(err, fault.NotAvailable) || !strings.Contains(fault.Public(err), "0 MiB left") {
		t.Errorf("more than there is: %v", err)
	}
	h.event(b.Key, domain.BuilderReady, domain.BuilderAskStop, domain.BuilderOff)
	h.built("c")
	if _, err := h.StartBuilder(t.Context(), me, "b", ""); !fault.Is(err, fault.NotAvailable) {
		t.Errorf("started beyond what there is: %v", err)
	}
	host.FreeMiB = 100
	h.Host = host
	h.event(a.Key, domain.BuilderReady, domain.BuilderAskStop, domain.BuilderOff)
	if _, err := h.StartBuilder(t.Context(), me, "b", ""); !fault.Is(err, fault.NotAvailable) || !strings.Contains(fault.Public(err), "100 MiB left") {
		t.Errorf("others use the memory: %v", err)
	}
}
