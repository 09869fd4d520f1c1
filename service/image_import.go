package service

import (
	"context"
	"fmt"
	"strings"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Import is what CreateImportedImage asks for.
type Import struct {
	Name           string
	SourceAMI      string
	WorkspaceImage string
	RoleARN        string
	DisplayName    string
	Description    string
	Intended       string // instance type of the runtime validation; "" for none
	AgentPolicy    string
	Catalog        []domain.Application
	Tags           domain.Tags
	DryRun         bool
}

// importActions are what AWS's import uses the role for (developer guide,
// "Import Image").
var importActions = []string{"ec2:ModifyImageAttribute", "ec2:DescribeImages"}

// MaxImportGiB is the largest disk an import takes (developer guide).
const MaxImportGiB = 500

// ImportImage checks everything that can be known without touching the disk
// and starts the import. The image is there, PENDING, when it returns.
func (s *Service) ImportImage(ctx context.Context, c domain.Caller, in Import) (*domain.Image, error) {
	if err := s.checkImportRequest(in); err != nil {
		return nil, err
	}
	img := &domain.Image{
		DisplayName: in.DisplayName, Description: in.Description, Type: "CUSTOM", Visibility: "PRIVATE",
		SourceAMI: in.SourceAMI, RoleARN: in.RoleARN, AgentPolicy: in.AgentPolicy, Catalog: in.Catalog,
		Tags: in.Tags, Intended: in.Intended, Families: s.instances().Families("CUSTOM"),
	}
	if img.AgentPolicy == "" {
		img.AgentPolicy = domain.AgentCurrent
	}
	img.Key = c.Key(domain.KindImage, in.Name)
	run := s.Store.Update
	if in.DryRun { // ends before anything is written
		run = s.Store.View
	}
	err := run(ctx, func(tx store.Tx) error {
		if err := s.checkImageName(tx, c, in.Name); err != nil {
			return err
		}
		if err := s.checkRole(tx, c, in.RoleARN, importActions); err != nil {
			return err
		}
		ami, snap, err := s.importSource(tx, c, in.SourceAMI)
		if err != nil {
			return err
		}
		d := new(domain.Disk)
		if err := tx.Get(domain.DiskKey(snap.Disk), d); err != nil {
			return fmt.Errorf("disk of %s: %w", ami.Key.Name, err)
		}
		if in.DryRun {
			return fault.New(fault.DryRun, "Request would have succeeded, but DryRun flag is set.")
		}
		img.Disk, img.DiskBytes = snap.Disk, d.SizeBytes
		if err := tx.Insert(img); err != nil {
			return err
		}
		// The image holds its disk from now on: the AMI may go.
		if err := tx.Refer(img.Key, d.Key); err != nil {
			return err
		}
		return s.enqueue(tx, domain.FlowImageImport, img.Key)
	})
	if err != nil {
		return nil, err
	}
	return img, nil
}

func (s *Service) checkImportRequest(in Import) error {
	switch {
	case in.SourceAMI == "" && in.WorkspaceImage == "":
		return fault.New(fault.BadCombination, "Specify either SourceAmiId or WorkspaceImageId.")
	case in.SourceAMI != "" && in.WorkspaceImage != "":
		return fault.New(fault.BadCombination, "Specify only one of SourceAmiId and WorkspaceImageId.")
	case in.WorkspaceImage != "" && in.RoleARN != "":
		return fault.New(fault.BadCombination, "IamRoleArn does not apply to an import from a WorkSpaces image.")
	case in.WorkspaceImage != "":
		return fault.New(fault.Unsupported, "Importing from a WorkSpaces image is not available yet.").WithHint("Import from an AMI with SourceAmiId.")
	case in.RoleARN == "":
		return fault.New(fault.BadCombination, "IamRoleArn is required with SourceAmiId.")
	case domain.ReservedImageName(in.Name):
		return fault.New(fault.BadValue, "The image name %s begins with a reserved prefix (aws, appstream, amazon).", in.Name)
	}
	if n := domain.RepeatedApplication(in.Catalog); n != "" {
		return fault.New(fault.BadCombination, "The application name %s appears more than once in AppCatalogConfig.", n)
	}
	if in.Intended != "" {
		t, ok := s.instances().Find(in.Intended)
		if !ok || !s.instances().Runs("CUSTOM", nil, t) {
			return fault.New(fault.BadValue, "The instance type %s is not supported for imported images.", in.Intended).
				WithHint("Supported: %s.", strings.Join(s.instances().Usable("CUSTOM", nil), ", "))
		}
		if t.GPU {
			return fault.New(fault.Quota, "This host has no GPU to validate on %s.", in.Intended).WithHint("Use a GeneralPurpose type.")
		}
	}
	return nil
}

func (s *Service) checkImageName(tx store.Tx, c domain.Caller, name string) error {
	n, err := tx.Count(store.Query{Kind: domain.KindImage, Account: c.Account, Region: c.Region, Names: []string{name}})
	if err != nil {
		return err
	}
	if n > 0 {
		return fault.New(fault.Exists, "The image %s already exists in account %s.", name, c.Account).WithHint("Choose another name, or delete that image first.")
	}
	return roomFor(tx, c.Scope(), domain.KindImage, domain.QuotaImages, "")
}

// importSource resolves the AMI and checks what its attributes tell.
func (s *Service) importSource(tx store.Tx, c domain.Caller, id string) (*domain.AMI, *domain.Snapshot, error) {
	ami := new(domain.AMI)
	err := tx.Get(c.Key(domain.KindAMI, id), ami)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, foreignAMI(tx, c, id)
	} else if err != nil {
		return nil, nil, err
	}
	if ami.State != domain.AMIAvailable {
		return nil, nil, fault.New(fault.NotAvailable, "The AMI %s is in state %s. %s", id, ami.State, ami.Problem)
	}
	if wrong := s.amiProblems(ami); len(wrong) > 0 {
		return nil, nil, fault.New(fault.Incompatible, "The AMI %s cannot be imported: %s.", id, strings.Join(wrong, "; ")).
			WithHint("Register an AMI that meets these requirements from the same snapshot.")
	}
	snap := new(domain.Snapshot)
	err = tx.Get(domain.Key{Scope: ami.Key.Scope, Kind: domain.KindSnapshot, Name: ami.Mappings[0].SnapshotID}, snap)
	if err != nil {
		return nil, nil, fmt.Errorf("snapshot of %s: %w", id, err)
	}
	if snap.State != domain.SnapshotCompleted {
		return nil, nil, fault.New(fault.NotAvailable, "The snapshot %s of the AMI is in state %s. %s", snap.Key.Name, PublicSnapshotState(snap.State), snap.Problem)
	}
	return ami, snap, nil
}

// foreignAMI tells an AMI of somebody else that the caller may see from one
// that is not there; a private one is not given away.
func foreignAMI(tx store.Tx, c domain.Caller, id string) error {
	others, err := store.List[domain.AMI](tx, store.Query{Kind: domain.KindAMI, Region: c.Region, Names: []string{id}})
	if err != nil {
		return err
	}
	for _, o := range others {
		if launchable(o, c) {
			return fault.New(fault.Unsupported, "The AMI %s belongs to another account; only AMIs that you own can be imported.", id).
				WithHint("Copy it into your account first.")
		}
	}
	return fault.New(fault.NotFound, "The AMI %s does not exist.", id)
}

// amiProblems lists what is wrong with an AMI's attributes for an import
// (developer guide, "Import Image": requirements). Rules.Open waives those a
// guest can live without on this host.
func (s *Service) amiProblems(a *domain.AMI) []string {
	var wrong []string
	need := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	strict := s.Config.Rules != rules.Open
	need(a.Architecture == "x86_64", "architecture is %s, must be x86_64", or(a.Architecture, "i386"))
	need(a.VirtType == "hvm", "virtualization type is %s, must be hvm", or(a.VirtType, "paravirtual"))
	need(a.BootMode == "uefi", "boot mode is %s, must be uefi", or(a.BootMode, "legacy-bios"))
	need(a.RootDevice == "/dev/sda1", "root device is %s, must be /dev/sda1", a.RootDevice)
	need(len(a.Mappings) == 1, "it has %d volumes, must have exactly one", len(a.Mappings))
	for _, m := range a.Mappings {
		need(!m.Encrypted, "volume %s is encrypted, must not be", m.Device)
		need(m.SizeGiB <= MaxImportGiB, "volume %s is %d GiB, must be at most %d GiB", m.Device, m.SizeGiB, MaxImportGiB)
		if strict {
			need(m.VolumeType == "gp2" || m.VolumeType == "gp3", "volume %s is of type %s, must be gp2 or gp3", m.Device, m.VolumeType)
		}
	}
	if strict {
		need(a.TPM == "v2.0", "TPM support is %s, must be v2.0", or(a.TPM, "absent"))
		need(a.ENA, "ENA support is off, must be on")
		need(a.Platform == "windows" && a.Details == "Windows", "platform is %s, must be Windows", or(a.Details, "unknown"))
	}
	return wrong
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
