package service

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// NewImage is what the Image Assistant's create-image asks for.
type NewImage struct {
	Builder        string
	Name           string
	DisplayName    string
	Description    string
	DynamicCatalog bool
	LatestAgent    bool // always the newest guest tool, not the one that is there
	Tags           domain.Tags
	DryRun         bool
}

// CodeTags marks the refusal of tags.
const CodeTags = "tags"

var imageName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// CreateImageFromBuilder begins to make an image of a running builder: the builder
// is SNAPSHOTTING and the image PENDING when it returns. With DryRun, everything
// is checked, nothing done, and the image returned that would have been.
func (s *Service) CreateImageFromBuilder(ctx context.Context, c domain.Caller, in NewImage) (img *domain.Image, err error) {
	if err := checkNewImage(in); err != nil {
		return nil, err
	}
	create := func(tx store.Tx) error {
		b, err := ownBuilder(tx, c, in.Builder)
		if err != nil {
			return err
		}
		if err := s.checkImageName(tx, c, in.Name); err != nil {
			return err
		}
		if _, v := domain.BuilderMachine.Next(b.State, domain.BuilderSnapBegun); v != domain.Accept {
			return fault.New(fault.WrongState, "The image builder %s is %s. The image builder must be RUNNING for this action to succeed.", in.Builder, b.State)
		}
		if img, err = imageOf(tx, b, in); err != nil || in.DryRun {
			return err
		}
		if err := tx.Insert(img); err != nil {
			return err
		}
		if _, err := tx.Move(b.Key, domain.BuilderSnapBegun, in.Name, b); err != nil {
			return err
		}
		return s.enqueue(tx, domain.FlowBuilderImage, img.Key)
	}
	if in.DryRun {
		err = s.Store.View(ctx, create)
	} else {
		err = s.Store.Update(ctx, create)
	}
	if err != nil {
		return nil, err
	}
	if told := s.Config.ImageBegun; told != nil && !in.DryRun {
		told(c, img)
	}
	return img, nil
}

func checkNewImage(in NewImage) error {
	switch {
	case len(in.Name) > domain.ImageNameMax || !imageName.MatchString(in.Name):
		return fault.New(fault.BadValue, "The image name must have 1 to %d letters, digits, underscores, hyphens and periods, and begin with a letter or digit.", domain.ImageNameMax)
	case domain.ReservedImageName(in.Name):
		return fault.New(fault.BadValue, "The image name %s begins with a reserved prefix (aws, appstream, amazon).", in.Name)
	case len([]rune(in.DisplayName)) > domain.ImageTextMax || strings.ContainsFunc(in.DisplayName, unicode.IsControl):
		return fault.New(fault.BadValue, "The display name has more than %d characters, or some that cannot be shown.", domain.ImageTextMax)
	case len([]rune(in.Description)) > domain.ImageTextMax || strings.ContainsFunc(in.Description, unicode.IsControl):
		return fault.New(fault.BadValue, "The description has more than %d characters, or some that cannot be shown.", domain.ImageTextMax)
	case len(in.Tags) > domain.TagsPerResource:
		return fault.New(fault.Quota, "An image can have at most %d tags.", domain.TagsPerResource).WithCode(CodeTags)
	}
	for k, v := range in.Tags {
		if err := checkTag(k, v); err != nil {
			return fault.New(fault.BadValue, "%s", fault.Public(err)).WithCode(CodeTags)
		}
	}
	return nil
}

// imageOf is an image that takes after its builder, and through it after the
// image that one was made from. The base may be gone by now; what of it matters
// the builder has.
func imageOf(tx store.Tx, b *domain.Builder, in NewImage) (*domain.Image, error) {
	img := &domain.Image{
		DisplayName: in.DisplayName, Description: in.Description, Platform: b.Platform, Visibility: domain.VisibilityPrivate,
		Builder: b.Key.Name, BaseImage: b.ImageARN, DynamicCatalog: in.DynamicCatalog, AgentVersion: b.Tool, AgentPolicy: domain.AgentCurrent,
		Catalog: slices.Clone(b.Catalog), Tags: in.Tags,
	}
	if in.LatestAgent {
		img.AgentPolicy = domain.AgentAlways
	}
	img.Key = domain.Key{Scope: b.Key.Scope, Kind: domain.KindImage, Name: in.Name}
	base := new(domain.Image)
	if err := tx.Get(b.Image, base); err != nil { // a builder's image cannot be deleted
		return nil, err
	}
	img.Type, img.Families = base.Type, base.Families
	if img.AgentVersion == "" {
		img.AgentVersion = base.AgentVersion
	}
	all, err := softwareOf(tx, b)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if domain.SoftwareHas(n.State) {
			img.Software = append(img.Software, n.Name)
		}
	}
	if base.Visibility == domain.VisibilityPublic {
		img.Released = base.Released
	}
	return img, nil
}

// Applications lists the catalogue of a builder, in the order of adding.
func (s *Service) Applications(ctx context.Context, c domain.Caller, builder string) ([]domain.Application, error) {
	b, err := s.Builder(ctx, c, builder)
	if err != nil {
		return nil, err
	}
	return b.Catalog, nil
}

// AddApplication adds to the catalogue of a running builder. Errors: BadValue;
// Exists; Quota; WrongState.
func (s *Service) AddApplication(ctx context.Context, c domain.Caller, builder string, app domain.Application) error {
	if wrong := app.Wrong(); wrong != "" {
		return fault.New(fault.BadValue, "%s", wrong)
	}
	app.Icon = "" // found when the image is made
	return s.changeCatalog(ctx, c, builder, func(list []domain.Application) ([]domain.Application, error) {
		if slices.ContainsFunc(list, named(app.Name)) {
			return nil, fault.New(fault.Exists, "Name is not unique")
		}
		if len(list) >= domain.ApplicationsMax {
			return nil, fault.New(fault.Quota, "Unable to add more than %d apps to the catalog.", domain.ApplicationsMax)
		}
		return append(slices.Clone(list), app), nil
	})
}

// RemoveApplication takes one from the catalogue of a running builder. Errors:
// NotFound; WrongState.
func (s *Service) RemoveApplication(ctx context.Context, c domain.Caller, builder, name string) error {
	return s.changeCatalog(ctx, c, builder, func(list []domain.Application) ([]domain.Application, error) {
		left := slices.DeleteFunc(slices.Clone(list), named(name))
		if len(left) == len(list) {
			return nil, fault.New(fault.NotFound, "App not found")
		}
		return left, nil
	})
}

func named(name string) func(domain.Application) bool {
	return func(a domain.Application) bool { return strings.EqualFold(a.Name, name) }
}

func (s *Service) changeCatalog(ctx context.Context, c domain.Caller, builder string, change func([]domain.Application) ([]domain.Application, error)) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		b, err := ownBuilder(tx, c, builder)
		if err != nil {
			return err
		}
		if b.State != domain.BuilderRunning {
			return fault.New(fault.WrongState, "The image builder %s is %s. The image builder must be RUNNING for this action to succeed.", builder, b.State)
		}
		if b.Catalog, err = change(b.Catalog); err != nil {
			return err
		}
		return tx.Put(b)
	})
}

// ImageProgress tells how far the making of an image is: the image, and the job
// that makes it; nil when none ever did.
func (s *Service) ImageProgress(ctx context.Context, c domain.Caller, name string) (*domain.Image, *domain.Job, error) {
	img, err := s.Image(ctx, c, name)
	if err != nil {
		return nil, nil, err
	}
	j, err := s.LastJob(ctx, img.Key)
	return img, j, err
}

// GuestCaller is who speaks for the guest of a machine: its builder's account, and
// the builder's name. Errors: NotFound while no guest of that machine is at work,
// Unsupported for the guest of a fleet.
func (s *Service) GuestCaller(ctx context.Context, machine string) (c domain.Caller, builder string, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		g, err := store.Guest(tx, machine)
		if err != nil {
			return err
		}
		if g.Of.Kind != domain.KindBuilder {
			return fault.New(fault.Unsupported, "This machine is an instance of the fleet %s: images are made on image builders.", g.Fleet)
		}
		c = domain.Caller{Account: g.Of.Account, Region: g.Of.Region, ARN: domain.BuilderARN(g.Of)}
		builder = g.Of.Name
		return nil
	})
	return c, builder, err
}
