package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// BuilderSpec is what CreateImageBuilder asks for.
type BuilderSpec struct {
	Name         string
	ImageName    string // exactly one of ImageName and ImageARN
	ImageARN     string
	InstanceType string
	DisplayName  string
	Description  string
	VolumeGiB    int64 // 0: the default
	Subnets      []string
	Groups       []string
	Endpoints    []domain.AccessEndpoint
	RoleARN      string
	Internet     bool
	Directory    string // to join; "" for none
	AgentVersion string
	NoIMDSv1     *bool
	Install      []string
	Uninstall    []string
	Tags         domain.Tags
}

// CreateBuilder checks all that can be known and starts a builder. It is there,
// PENDING, when CreateBuilder returns.
func (s *Service) CreateBuilder(ctx context.Context, c domain.Caller, in BuilderSpec) (*domain.Builder, error) {
	t, err := s.checkBuilderRequest(in)
	if err != nil {
		return nil, err
	}
	b := &domain.Builder{
		DisplayName: in.DisplayName, Description: in.Description, InstanceType: in.InstanceType, VolumeGiB: in.VolumeGiB,
		Subnets: in.Subnets, Groups: in.Groups, Endpoints: in.Endpoints, RoleARN: in.RoleARN, Internet: in.Internet,
		AgentVersion: in.AgentVersion, NoIMDSv1: in.NoIMDSv1, Tags: in.Tags, Machine: s.IDs.Machine(), Run: 1,
	}
	if b.VolumeGiB == 0 {
		b.VolumeGiB = domain.VolumeDefaultGiB
	}
	b.Key = c.Key(domain.KindBuilder, in.Name)
	create := func(tx store.Tx) error {
		if err := s.checkBuilderName(tx, b.Key); err != nil {
			return err
		}
		img, err := imageFor(tx, c, in.ImageName, in.ImageARN, "image builders", func(p domain.ImagePermission) bool { return p.Builder })
		if err != nil {
			return err
		}
		if err := s.checkBuilderImage(img, t, b); err != nil {
			return err
		}
		if in.RoleARN != "" {
			if err := s.checkRole(tx, c, in.RoleARN, nil); err != nil {
				return err
			}
		}
		if err := checkPlace(tx, c, in.Subnets, in.Groups); err != nil {
			return err
		}
		if err := s.promise(tx, b, t); err != nil {
			return err
		}
		if err := s.place(tx, b); err != nil {
			return err
		}
		if err := s.insertBuilder(tx, c, b); err != nil {
			return err
		}
		return s.firstSoftware(tx, b, img.Software, in.Install, in.Uninstall)
	}
	if len(in.Subnets) > 0 {
		err = s.network(ctx, c, true, create)
	} else {
		err = s.Store.Update(ctx, create)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// checkBuilderRequest checks what needs no look-up.
func (s *Service) checkBuilderRequest(in BuilderSpec) (domain.InstanceType, error) {
	t, err := s.checkBuilderType(in.InstanceType)
	switch {
	case in.ImageName == "" && in.ImageARN == "":
		err = fault.New(fault.BadCombination, "Specify either ImageName or ImageArn.")
	case in.ImageName != "" && in.ImageARN != "":
		err = fault.New(fault.BadCombination, "Specify only one of ImageName and ImageArn.")
	case err != nil:
	case in.VolumeGiB != 0 && (in.VolumeGiB < domain.VolumeDefaultGiB || in.VolumeGiB > domain.VolumeMaxGiB):
		err = fault.New(fault.BadValue, "VolumeSizeInGb is %d: it must be from %d to %d.", in.VolumeGiB, domain.VolumeDefaultGiB, domain.VolumeMaxGiB)
	case len(in.Subnets) > 1:
		err = fault.New(fault.BadCombination, "An image builder is in one subnet only, not in %d.", len(in.Subnets))
	case len(in.Groups) > domain.GroupsPerBuilder:
		err = fault.New(fault.BadValue, "An image builder has at most %d security groups, not %d.", domain.GroupsPerBuilder, len(in.Groups))
	case len(in.Groups) > 0 && len(in.Subnets) == 0:
		err = fault.New(fault.BadCombination, "SecurityGroupIds needs a subnet in SubnetIds.")
	case in.Directory != "":
		err = fault.New(fault.NotFound, "The directory config %s does not exist.", in.Directory).
			WithHint("Directory configs are not built on this server: leave DomainJoinInfo out and join the domain in the guest.")
	default:
		if err = checkEndpoints(in.Endpoints); err == nil {
			err = s.checkSoftware(in.Install, in.Uninstall)
		}
	}
	return t, err
}

// checkBuilderType finds an instance type that a new builder can have here.
func (s *Service) checkBuilderType(name string) (domain.InstanceType, error) {
	t, ok := s.instances().Find(name)
	switch {
	case !ok || !t.Builder:
		return t, fault.New(fault.BadValue, "The instance type %s is not supported for image builders.", name).
			WithHint("%s", s.someTypes())
	case t.Legacy:
		return t, fault.New(fault.BadValue, "The instance type %s is at its end of life: new image builders cannot have it.", name).
			WithHint("Choose a type of another family.")
	case t.GPU:
		return t, s.noGPU(t)
	}
	return t, nil
}

func (s *Service) noGPU(t domain.InstanceType) error {
	return fault.New(fault.NotAvailable, "The instance type %s needs a GPU, and this host has none for machines.", t.Name).WithHint("%s", s.someTypes())
}

// someTypes names instance types that there are, for images of either kind.
func (s *Service) someTypes() string {
	first := func(kind string) string {
		all := s.instances().Usable(kind, nil)
		return strings.Join(all[:min(len(all), 3)], ", ")
	}
	return fmt.Sprintf("Use one such as %s for base images, or %s for imported ones.", first("NATIVE"), first("CUSTOM"))
}

func (s *Service) checkBuilderName(tx store.Tx, key domain.Key) error {
	old := new(domain.Builder)
	err := tx.Get(key, old)
	switch {
	case fault.Is(err, fault.NotFound):
		return roomFor(tx, key.Scope, domain.KindBuilder, domain.QuotaBuilders, "")
	case err != nil:
		return err
	case old.State == domain.BuilderDeleting:
		return fault.New(fault.Busy, "The image builder %s is being deleted.", key.Name).WithHint("Try again in a moment.")
	}
	return fault.New(fault.Exists, "The image builder %s already exists.", key.Name).WithHint("Choose another name, or delete that image builder first.")
}

// imageFor finds the image that a builder or fleet is to be made of: by name own
// and public ones, by ARN also those that others share for that purpose.
func imageFor(tx store.Tx, c domain.Caller, name, arn, purpose string, allows func(domain.ImagePermission) bool) (img *domain.Image, err error) {
	if name != "" {
		img, err = imageByName(tx, c, name)
	} else {
		img, err = imageByARN(tx, c, arn)
	}
	if err != nil {
		return nil, err
	}
	if img.Visibility == domain.VisibilityShared && !allows(img.Shares[c.Account]) {
		return nil, fault.New(fault.WrongState, "The image %s is not shared with account %s for %s.", img.Key.Name, c.Account, purpose).
			WithHint("Ask its owner to allow %s.", purpose)
	}
	return img, mustBeAvailable(img)
}

// checkBuilderImage holds an image against type and volume, and hands the
// builder what it needs of it.
func (s *Service) checkBuilderImage(img *domain.Image, t domain.InstanceType, b *domain.Builder) error {
	if !s.instances().Runs(img.Type, img.Families, t) {
		return s.wrongFamily(img, t)
	}
	if err := s.agent(b, b.AgentVersion, img.AgentVersion); err != nil {
		return err
	}
	if img.Disk == "" && !s.room().Pretend {
		return noDisk(img)
	}
	if volume := b.VolumeGiB * gib; volume < img.DiskBytes {
		return smallVolume(b.VolumeGiB, img)
	}
	b.Image, b.ImageARN, b.Platform = imageKey(img), domain.ImageARN(img.Key), img.Platform
	b.Disk, b.DiskBytes, b.Catalog = img.Disk, img.DiskBytes, img.Catalog
	b.Tool = img.AgentVersion
	return nil
}

// smallVolume is told when an image's disk does not fit into a root volume.
func smallVolume(volumeGiB int64, img *domain.Image) error {
	need := (img.DiskBytes + gib - 1) / gib
	e := fault.New(fault.BadValue, "VolumeSizeInGb is %d: the disk of the image %s is larger, %d GiB.", volumeGiB, img.Key.Name, need)
	if need > domain.VolumeMaxGiB {
		return e.WithHint("Root volumes have %d GiB at most: make the disk smaller and import it again.", domain.VolumeMaxGiB)
	}
	return e.WithHint("Give a RootVolumeConfig with a VolumeSizeInGb of at least %d.", need)
}

// imageKey is where an image that was found is kept: a public one was given the
// caller's Region.
func imageKey(img *domain.Image) domain.Key {
	if img.Visibility == domain.VisibilityPublic {
		return domain.PublicImageKey(img.Key.Name)
	}
	return img.Key
}

// noDisk is told of public images that no machine can be made of.
func noDisk(img *domain.Image) error {
	return fault.New(fault.NotAvailable, "The image %s has no disk on this server: it is known by name only.", img.Key.Name).
		WithHint("An operator gives it one with `slipway image publish %s --from-image IMAGE`, after taking the name out of the catalogue file.", img.Key.Name)
}

// wrongFamily is told when an instance type does not run an image.
func (s *Service) wrongFamily(img *domain.Image, t domain.InstanceType) error {
	families := img.Families
	if len(families) == 0 {
		families = s.instances().Families(img.Type)
	}
	e := fault.New(fault.BadCombination, "%s", domain.FamilyMismatch(t, families))
	if usable := s.instances().Usable(img.Type, img.Families); len(usable) > 0 {
		e = e.WithHint("On %s: %s.", img.Key.Name, strings.Join(usable, ", "))
	}
	return e
}

// checkPlace wants a subnet and groups that exist, in one VPC.
func checkPlace(tx store.Tx, c domain.Caller, subnets, groups []string) error {
	var vpc string
	for _, id := range subnets {
		n := new(domain.Subnet)
		if err := tx.Get(c.Key(domain.KindSubnet, id), n); fault.Is(err, fault.NotFound) {
			return noID(domain.KindSubnet, id)
		} else if err != nil {
			return err
		}
		vpc = n.VPC
	}
	for _, id := range groups {
		g := new(domain.SecurityGroup)
		if err := tx.Get(c.Key(domain.KindSecurityGroup, id), g); fault.Is(err, fault.NotFound) {
			return noID(domain.KindSecurityGroup, id)
		} else if err != nil {
			return err
		}
		if g.VPC != vpc {
			return fault.New(fault.BadCombination, "The security group %s and the subnet %s belong to different VPCs.", id, subnets[0])
		}
	}
	return nil
}

// insertBuilder writes a builder with what it uses: image, disk, subnet and
// groups stay as long as it does.
func (s *Service) insertBuilder(tx store.Tx, c domain.Caller, b *domain.Builder) error {
	if err := tx.Insert(b); err != nil {
		return err
	}
	uses := []domain.Key{b.Image}
	if b.Disk != "" {
		uses = append(uses, domain.DiskKey(b.Disk))
	}
	for _, id := range b.Subnets {
		uses = append(uses, c.Key(domain.KindSubnet, id))
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(b.Groups))) {
		uses = append(uses, c.Key(domain.KindSecurityGroup, id))
	}
	for _, k := range uses {
		if err := tx.Refer(b.Key, k); err != nil {
			return fmt.Errorf("what the image builder uses: %w", err)
		}
	}
	return s.enqueue(tx, domain.FlowBuilderStart, b.Key)
}
