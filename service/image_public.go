package service

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// PublicImage is one base image of a catalogue file (docs/PUBLIC-IMAGES.md).
type PublicImage struct {
	Name         string               `json:"name"`
	DisplayName  string               `json:"display_name,omitempty"`
	Description  string               `json:"description,omitempty"`
	Platform     string               `json:"platform,omitempty"`      // AWS's platform word
	Families     []string             `json:"families,omitempty"`      // instance families it runs on
	AgentVersion string               `json:"agent_version,omitempty"` //
	Released     time.Time            `json:"released,omitzero"`
	Disk         string               `json:"disk,omitempty"` // digest of a sealed disk on this server; "" is metadata only
	Applications []domain.Application `json:"-"`
}

// listed is a PublicImage as a file has it.
type listed struct {
	PublicImage
	Applications []listedApplication `json:"applications,omitempty"`
}

type listedApplication struct {
	Name             string `json:"name"`
	DisplayName      string `json:"display_name,omitempty"`
	Path             string `json:"path"`
	WorkingDirectory string `json:"working_directory,omitempty"`
	Parameters       string `json:"parameters,omitempty"`
}

// ReadCatalogue reads a catalogue: {"images":[…]}. Unknown fields are refused,
// since a misspelt one would be silently without effect.
func ReadCatalogue(r io.Reader) (out []PublicImage, err error) {
	var c struct {
		Images []listed `json:"images"`
	}
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fault.New(fault.BadValue, "The catalogue of public images is not understood: %v.", err).WithHint("docs/PUBLIC-IMAGES.md has its form.")
	}
	seen := map[string]bool{}
	for i, p := range c.Images {
		if p.Name == "" || seen[p.Name] {
			return nil, fault.New(fault.BadValue, "Public image %d of the catalogue needs a name of its own (%q).", i+1, p.Name)
		}
		seen[p.Name] = true
		for _, a := range p.Applications {
			app := domain.Application{Name: a.Name, DisplayName: a.DisplayName, Path: a.Path, WorkingDirectory: a.WorkingDirectory, Parameters: a.Parameters}
			if wrong := app.Wrong(); wrong != "" || slices.ContainsFunc(p.PublicImage.Applications, named(app.Name)) {
				return nil, fault.New(fault.BadValue, "The application %q of the public image %s is not understood, or there twice. %s", a.Name, p.Name, wrong)
			}
			p.PublicImage.Applications = append(p.PublicImage.Applications, app)
		}
		out = append(out, p.PublicImage)
	}
	return out, nil
}

// SyncCatalogue makes the public images that come from a file what the file
// says: new ones appear, changed ones change, and those that are gone go unless
// something uses them.
func (s *Service) SyncCatalogue(ctx context.Context, want []PublicImage) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := store.List[domain.Image](tx, store.Query{Kind: domain.KindImage, Account: domain.PublicAccount})
		if err != nil {
			return err
		}
		for _, img := range have {
			listed := slices.ContainsFunc(want, func(p PublicImage) bool { return p.Name == img.Key.Name })
			if img.Origin == domain.OriginCatalogue && !listed {
				if err := withdraw(tx, img); err != nil && !fault.Is(err, fault.InUse) {
					return err
				}
			}
		}
		for _, p := range want {
			img := p.image(domain.OriginCatalogue)
			if err := putPublic(tx, img); err != nil {
				return fmt.Errorf("public image %s: %w", p.Name, err)
			}
		}
		return nil
	})
}

func (p PublicImage) image(origin string) *domain.Image {
	img := &domain.Image{
		DisplayName: p.DisplayName, Description: p.Description, Platform: p.Platform, Families: p.Families, AgentVersion: p.AgentVersion,
		Disk: p.Disk, Catalog: p.Applications, Type: "NATIVE", Visibility: domain.VisibilityPublic, Origin: origin,
	}
	if !p.Released.IsZero() {
		img.Released = &p.Released
	}
	img.Key = domain.PublicImageKey(p.Name)
	return img
}

// putPublic writes a public image, new or over the one of that name and origin.
func putPublic(tx store.Tx, img *domain.Image) error {
	if img.Disk != "" {
		d := new(domain.Disk)
		if err := tx.Get(domain.DiskKey(img.Disk), d); fault.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "There is no sealed disk %s on this server.", img.Disk).WithHint("Push the disk first, or leave it out.")
		} else if err != nil {
			return err
		}
		img.DiskBytes = d.SizeBytes
	}
	old := new(domain.Image)
	err := tx.Get(img.Key, old)
	switch {
	case err == nil && old.Origin != img.Origin:
		return fault.New(fault.Exists, "There is a public image %s already (%s).", img.Key.Name, old.Origin)
	case err == nil:
		img.Meta = old.Meta
		if old.Disk != "" && old.Disk != img.Disk {
			if err := tx.Unrefer(img.Key, domain.DiskKey(old.Disk)); err != nil {
				return err
			}
		}
		if err := tx.Put(img); err != nil {
			return err
		}
	case fault.Is(err, fault.NotFound):
		if err := insertPublic(tx, img); err != nil {
			return err
		}
	default:
		return err
	}
	if img.Disk == "" {
		return nil
	}
	return tx.Refer(img.Key, domain.DiskKey(img.Disk))
}

func insertPublic(tx store.Tx, img *domain.Image) error {
	if err := tx.Insert(img); err != nil {
		return err
	}
	for _, e := range []domain.Event{domain.ImageImportBegun, domain.ImageReady} {
		if _, err := tx.Move(img.Key, e, img.Origin, img); err != nil {
			return err
		}
	}
	return tx.Refer(domain.Everyone(), img.Key)
}

// withdraw removes a public image that nothing but its being public refers to.
func withdraw(tx store.Tx, img *domain.Image) error {
	users, err := tx.Referrers(img.Key)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u != domain.Everyone() {
			return fault.New(fault.InUse, "The public image %s is used by the %s %s.", img.Key.Name, u.Kind, u.Name).WithHint("Delete that first.")
		}
	}
	if err := tx.Unrefer(domain.Everyone(), img.Key); err != nil {
		return err
	}
	return tx.Delete(img.Key)
}

// Publication is what an operator makes public: an image or an AMI of their
// own, under a public name.
type Publication struct {
	Name        string // public name
	Image       string // exactly one of Image and AMI
	AMI         string
	DisplayName string
	Description string
}

// PublishImage makes a public base image of the disk of an own image or AMI.
// It is the operator's act; who may is checked by the admin API.
func (s *Service) PublishImage(ctx context.Context, c domain.Caller, p Publication) (*domain.Image, error) {
	if p.Name == "" || (p.Image == "") == (p.AMI == "") {
		return nil, fault.New(fault.BadCombination, "Publishing takes a public name, and an image or an AMI to publish.")
	}
	var img *domain.Image
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		from := &domain.Image{Families: s.instances().Families("CUSTOM")}
		if p.Image != "" {
			own, err := ownImage(tx, c, p.Image)
			if err != nil {
				return err
			}
			if err := mustBeAvailable(own); err != nil {
				return err
			}
			from = own
		} else {
			_, snap, err := s.importSource(tx, c, p.AMI)
			if err != nil {
				return err
			}
			from.Disk = snap.Disk
		}
		now := tx.Now()
		img = PublicImage{
			Name: p.Name, DisplayName: or(p.DisplayName, from.DisplayName), Description: or(p.Description, from.Description),
			Platform: from.Platform, Families: from.Families, Released: now, Disk: from.Disk, Applications: from.Catalog, AgentVersion: from.AgentVersion,
		}.image(domain.OriginPublished)
		img.AgentPolicy, img.DynamicCatalog, img.Software = from.AgentPolicy, from.DynamicCatalog, from.Software
		return putPublic(tx, img)
	})
	return img, err
}

// WithdrawImage takes a published image back.
func (s *Service) WithdrawImage(ctx context.Context, name string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		img := new(domain.Image)
		err := tx.Get(domain.PublicImageKey(name), img)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "There is no public image %s.", name)
		} else if err != nil {
			return err
		}
		if img.Origin == domain.OriginCatalogue {
			return fault.New(fault.WrongState, "The public image %s comes from the catalogue file.", name).WithHint("Take it out of the file and restart the server.")
		}
		return withdraw(tx, img)
	})
}
