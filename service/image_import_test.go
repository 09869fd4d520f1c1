package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"slipway/disk/facts"
	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
	"slipway/store/sqlite"
)

var me = domain.Caller{Account: "123456789012", Region: "us-east-1"}

const (
	goodTrust  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	wrongTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	goodPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:ModifyImageAttribute","ec2:DescribeImages","ec2:CopyImage","ec2:CreateTags"],"Resource":"*"}]}`
	weakPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:DescribeImages","Resource":"*"}]}`
	roleARN    = "arn:aws:iam::123456789012:role/import"
)

// house is a service on a real store with one good AMI and one good role.
type house struct {
	*service.Service
	t   *testing.T
	ami string
}

func newHouse(t *testing.T, set rules.Set) *house {
	t.Helper()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{Clock: domain.WallClock, Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	h := &house{t: t, Service: &service.Service{Store: st, IDs: domain.RandomIDs, Config: service.Config{Rules: set}}}
	h.role("import", goodTrust, goodPolicy)
	h.sealed("snap-0000000000000000a", 1, facts.Windows)
	h.ami = h.register(domain.AMI{Label: "good"})
	return h
}

func (h *house) role(name, trust, policy string) {
	h.t.Helper()
	r := domain.Role{Trust: trust}
	r.Key.Name = name
	if _, err := h.CreateRole(context.Background(), me, r); err != nil {
		h.t.Fatal(err)
	}
	if policy != "" {
		if err := h.PutRolePolicy(context.Background(), me, name, "p", policy); err != nil {
			h.t.Fatal(err)
		}
	}
}

// sealed writes a completed snapshot and its disk, as the seal job would.
func (h *house) sealed(id string, gib int64, os string) {
	h.t.Helper()
	f, err := json.Marshal(facts.Facts{Version: facts.Version, OS: os})
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.Store.Update(context.Background(), func(tx store.Tx) error {
		d := &domain.Disk{SizeBytes: gib << 30, Inspector: facts.Version, Facts: f}
		d.Key = domain.DiskKey("sd1-" + id)
		s := &domain.Snapshot{SizeGiB: gib, Disk: d.Key.Name}
		s.Key = me.Key(domain.KindSnapshot, id)
		for _, n := range []domain.Noun{d, s} {
			if err := tx.Insert(n); err != nil {
				return err
			}
		}
		for _, e := range []domain.Event{domain.SnapshotAskComplete, domain.SnapshotSealed} {
			if _, err := tx.Move(s.Key, e, "", nil); err != nil {
				return err
			}
		}
		return tx.Refer(s.Key, d.Key)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// register fills in what an importable AMI has and the test left out.
func (h *house) register(a domain.AMI) string {
	h.t.Helper()
	a.Architecture, a.VirtType, a.RootDevice = "x86_64", "hvm", "/dev/sda1"
	if a.BootMode == "" {
		a.BootMode = "uefi"
	}
	a.TPM, a.ENA = "v2.0", true
	if a.Mappings == nil {
		a.Mappings = []domain.Mapping{{Device: "/dev/sda1", SnapshotID: "snap-0000000000000000a", VolumeType: "gp3"}}
	}
	out, err := h.RegisterAMI(context.Background(), me, a, false)
	if err != nil {
		h.t.Fatal(err)
	}
	return out.Key.Name
}

func (h *house) importing(change func(*service.Import)) (*domain.Image, error) {
	in := service.Import{Name: "img", SourceAMI: h.ami, RoleARN: roleARN}
	if change != nil {
		change(&in)
	}
	return h.ImportImage(context.Background(), me, in)
}

// TestImportRefusals has one row per bad input: the kind the caller gets, and
// words that must be in the sentence.
func TestImportRefusals(t *testing.T) {
	h := newHouse(t, rules.AWS)
	root := func(m domain.Mapping) []domain.Mapping {
		m.Device, m.SnapshotID, m.VolumeType = "/dev/sda1", "snap-0000000000000000a", "gp3"
		return []domain.Mapping{m}
	}
	bios := h.register(domain.AMI{Label: "bios", BootMode: "legacy-bios"})
	two := h.register(domain.AMI{Label: "two", Mappings: append(root(domain.Mapping{}), domain.Mapping{Device: "/dev/sdb", SizeGiB: 5})})
	secret := h.register(domain.AMI{Label: "secret", Mappings: root(domain.Mapping{Encrypted: true})})
	large := h.register(domain.AMI{Label: "large", Mappings: root(domain.Mapping{SizeGiB: 501})})
	h.sealed("snap-0000000000000000b", 1, facts.Linux)
	linux := h.register(domain.AMI{Label: "linux", Platform: "windows", Mappings: []domain.Mapping{{Device: "/dev/sda1", SnapshotID: "snap-0000000000000000b"}}})
	foreignPublic, foreignPrivate := h.foreign("ami-0000000000000000a", true), h.foreign("ami-0000000000000000b", false)
	h.role("untrusting", wrongTrust, goodPolicy)
	h.role("powerless", goodTrust, weakPolicy)
	if _, err := h.importing(func(in *service.Import) { in.Name = "taken" }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*service.Import)
		kind   fault.Kind
		words  string
	}{
		{"unknown AMI", func(in *service.Import) { in.SourceAMI = "ami-0123456789abcdef0" }, fault.NotFound, "does not exist"},
		{"foreign public AMI", func(in *service.Import) { in.SourceAMI = foreignPublic }, fault.Unsupported, "another account"},
		{"foreign private AMI", func(in *service.Import) { in.SourceAMI = foreignPrivate }, fault.NotFound, "does not exist"},
		{"BIOS", func(in *service.Import) { in.SourceAMI = bios }, fault.Incompatible, "must be uefi"},
		{"two volumes", func(in *service.Import) { in.SourceAMI = two }, fault.Incompatible, "exactly one"},
		{"encrypted", func(in *service.Import) { in.SourceAMI = secret }, fault.Incompatible, "encrypted"},
		{"501 GiB", func(in *service.Import) { in.SourceAMI = large }, fault.Incompatible, "at most 500 GiB"},
		{"Linux that says it is Windows", func(in *service.Import) { in.SourceAMI = linux }, fault.Incompatible, "must be Windows"},
		{"missing role", func(in *service.Import) { in.RoleARN = "arn:aws:iam::123456789012:role/none" }, fault.BadRole, "does not exist"},
		{"foreign role", func(in *service.Import) { in.RoleARN = "arn:aws:iam::210987654321:role/import" }, fault.BadRole, "another account"},
		{"no role ARN at all", func(in *service.Import) { in.RoleARN = "" }, fault.BadCombination, "IamRoleArn"},
		{"untrusting role", func(in *service.Import) { in.RoleARN = "arn:aws:iam::123456789012:role/untrusting" }, fault.BadRole, "does not trust"},
		{"powerless role", func(in *service.Import) { in.RoleARN = "arn:aws:iam::123456789012:role/powerless" }, fault.BadRole, "ec2:ModifyImageAttribute"},
		{"taken name", func(in *service.Import) { in.Name = "taken" }, fault.Exists, "already exists"},
		{"reserved prefix", func(in *service.Import) { in.Name = "AppStream-mine" }, fault.BadValue, "reserved"},
		{"both sources", func(in *service.Import) { in.WorkspaceImage = "wsi-abcdefghi" }, fault.BadCombination, "only one"},
		{"neither source", func(in *service.Import) { in.SourceAMI = "" }, fault.BadCombination, "either"},
		{"repeated application", func(in *service.Import) { in.Catalog = []domain.Application{{Name: "a"}, {Name: "A"}} }, fault.BadCombination, "more than once"},
		{"instance type of another kind", func(in *service.Import) { in.Intended = "stream.standard.medium" }, fault.BadValue, "GeneralPurpose"},
		{"dry run", func(in *service.Import) { in.DryRun = true }, fault.DryRun, "would have succeeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := h.importing(c.change)
			if fault.KindOf(err) != c.kind || !strings.Contains(fault.Public(err), c.words) {
				t.Errorf("got %v: %s", fault.KindOf(err), fault.Public(err))
			}
		})
	}
	imgs, _, err := h.Images(context.Background(), me, service.ImageQuery{})
	if err != nil || len(imgs) != 1 {
		t.Errorf("refusals left images behind: %v %v", imgs, err)
	}
	jobs, err := h.Jobs(context.Background(), 100, false)
	if err != nil || len(jobs) != 1 {
		t.Errorf("refusals left jobs behind: %v %v", jobs, err)
	}
}

func (h *house) foreign(id string, public bool) string {
	h.t.Helper()
	a := &domain.AMI{Label: id, Public: public}
	a.Key = domain.Key{Scope: domain.Scope{Account: "210987654321", Region: me.Region}, Kind: domain.KindAMI, Name: id}
	if err := h.Store.Update(context.Background(), func(tx store.Tx) error { return tx.Insert(a) }); err != nil {
		h.t.Fatal(err)
	}
	return id
}

func TestImageQuota(t *testing.T) {
	h := newHouse(t, rules.AWS)
	for i := range 10 {
		if _, err := h.importing(func(in *service.Import) { in.Name = fmt.Sprintf("i%d", i) }); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.importing(nil)
	if !fault.Is(err, fault.Quota) {
		t.Fatalf("the eleventh image: %v", err)
	}
}

func TestOpenRulesTakeLinux(t *testing.T) {
	h := newHouse(t, rules.Open)
	h.sealed("snap-0000000000000000b", 1, facts.Linux)
	id := h.register(domain.AMI{Label: "linux", Mappings: []domain.Mapping{{Device: "/dev/sda1", SnapshotID: "snap-0000000000000000b"}}})
	if _, err := h.importing(func(in *service.Import) { in.SourceAMI = id }); err != nil {
		t.Fatal(err)
	}
}

func TestImportHoldsItsDisk(t *testing.T) {
	h := newHouse(t, rules.AWS)
	img, err := h.importing(nil)
	if err != nil {
		t.Fatal(err)
	}
	if img.State != domain.ImagePending || img.Type != "CUSTOM" || img.AgentPolicy != "CURRENT_LATEST" {
		t.Errorf("new image: %+v", img)
	}
	if err := h.DeregisterAMI(context.Background(), me, h.ami, false); err != nil {
		t.Fatal(err)
	}
	err = h.Store.View(context.Background(), func(tx store.Tx) error {
		users, err := tx.Referrers(domain.DiskKey(img.Disk), domain.KindImage)
		if err == nil && len(users) != 1 {
			t.Errorf("users of the disk: %v", users)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.DeleteImage(context.Background(), me, "img"); !fault.Is(err, fault.WrongState) {
		t.Errorf("deleting an image that is being imported: %v", err)
	}
}
