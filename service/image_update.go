package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// ImageUpdate is what CreateUpdatedImage asks for.
type ImageUpdate struct {
	Source      string
	Name        string
	DisplayName string
	Description string
	Tags        domain.Tags
}

// checkFresh is how long a guest's answer about its updates is believed.
const checkFresh = 10 * time.Minute

// UpdateImage begins to make a new image of an own one: its guest, updated. A
// builder of the service's, UPDATING, does it; nobody else can start, stop or
// delete it. The image is there, PENDING, when it returns; nil when the guest has
// said shortly before that there is nothing to update.
func (s *Service) UpdateImage(ctx context.Context, c domain.Caller, in ImageUpdate) (img *domain.Image, err error) {
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		from, err := s.checkUpdate(tx, c, in)
		if err != nil {
			return err
		}
		if from.Check != nil && from.Check.Count == 0 && tx.Now().Sub(from.Check.At) < checkFresh {
			return nil
		}
		b, err := s.updateBuilder(tx, from, in)
		if err != nil {
			return err
		}
		img = updatedImage(from, b, in)
		if err := tx.Insert(img); err != nil {
			return err
		}
		if err := tx.Insert(b); err != nil {
			return err
		}
		for _, used := range []domain.Key{from.Key, domain.DiskKey(b.Disk)} {
			if used.Name != "" {
				if err := tx.Refer(b.Key, used); err != nil {
					return err
				}
			}
		}
		if _, err := tx.Move(b.Key, domain.BuilderUpdateBegun, in.Name, nil); err != nil {
			return err
		}
		return s.enqueue(tx, domain.FlowImageUpdate, img.Key)
	})
	if err != nil {
		return nil, err
	}
	return img, nil
}

// checkUpdate checks all that can be known and returns the image to update.
func (s *Service) checkUpdate(tx store.Tx, c domain.Caller, in ImageUpdate) (*domain.Image, error) {
	if domain.ReservedImageName(in.Name) {
		return nil, fault.New(fault.BadValue, "The image name %s begins with a reserved prefix (aws, appstream, amazon).", in.Name)
	}
	from, err := ownImage(tx, c, in.Source)
	if err != nil {
		return nil, err
	}
	if err := mustBeAvailable(from); err != nil {
		return nil, err
	}
	if from.Visibility == domain.VisibilityPublic {
		return nil, fault.New(fault.WrongState, "The image %s is public. Only private images can be updated.", in.Source).WithHint("Withdraw it first.")
	}
	if from.Disk == "" && !s.room().Pretend {
		return nil, fault.New(fault.Incompatible, "The image %s has no disk on this server: it is known by name only.", in.Source)
	}
	if err := s.checkImageName(tx, c, in.Name); err != nil {
		return nil, err
	}
	running, err := tx.Count(store.Query{Kind: domain.KindBuilder, Account: c.Account, Region: c.Region, States: []domain.State{domain.BuilderUpdating, domain.BuilderPendingQualification}})
	if err != nil {
		return nil, err
	}
	if err := room(tx, c.Scope(), domain.QuotaImageUpdates, "", running); err != nil {
		return nil, err
	}
	return from, roomFor(tx, c.Scope(), domain.KindBuilder, domain.QuotaBuilders, "")
}

// updateNameMost is how much of the image's name its builder has: ten digits come
// after it, and names are bounded.
const updateNameMost = 90

// updateBuilder is the builder that updates an image: of the smallest type of its
// family, with internet access, in no subnet (developer guide, "Administer your
// images").
func (s *Service) updateBuilder(tx store.Tx, from *domain.Image, in ImageUpdate) (*domain.Builder, error) {
	var types []domain.InstanceType
	for _, name := range s.instances().Usable(from.Type, from.Families) {
		if t, ok := s.instances().Find(name); ok {
			types = append(types, t)
		}
	}
	if len(types) == 0 {
		return nil, fault.New(fault.Incompatible, "No instance type of this host runs the image %s.", from.Key.Name)
	}
	family := types[0].Family
	types = slices.DeleteFunc(types, func(t domain.InstanceType) bool { return t.Family != family })
	t := slices.MinFunc(types, func(a, b domain.InstanceType) int {
		return cmp.Or(cmp.Compare(a.MemoryMiB, b.MemoryMiB), cmp.Compare(a.VCPUs, b.VCPUs))
	})
	b := &domain.Builder{
		Description: "Updates an image: " + in.Name, Image: from.Key, ImageARN: domain.ImageARN(from.Key), Platform: from.Platform, InstanceType: t.Name,
		VolumeGiB: max(domain.VolumeDefaultGiB, (from.DiskBytes+gib-1)/gib), Disk: from.Disk, DiskBytes: from.DiskBytes, Internet: true, Updates: in.Name,
		Tool: from.AgentVersion, Machine: s.IDs.Machine(), Run: 1,
	}
	if f := in.Tags["slipway:fault"]; f != "" {
		b.Tags = domain.Tags{"slipway:fault": f} // heeded by the fake driver alone
	}
	b.Key = domain.Key{Scope: from.Key.Scope, Kind: domain.KindBuilder, Name: in.Name[:min(len(in.Name), updateNameMost)] + "-" + s.IDs.Digits(10)}
	if err := s.promise(tx, b, t); err != nil {
		return nil, err
	}
	return b, s.place(tx, b)
}

func updatedImage(from *domain.Image, b *domain.Builder, in ImageUpdate) *domain.Image {
	img := &domain.Image{
		DisplayName: in.DisplayName, Description: in.Description, Tags: in.Tags, Visibility: domain.VisibilityPrivate,
		Type: from.Type, Platform: from.Platform, Families: from.Families, Catalog: slices.Clone(from.Catalog), Software: from.Software,
		DynamicCatalog: from.DynamicCatalog, AgentPolicy: from.AgentPolicy, AgentVersion: from.AgentVersion, Released: from.Released,
		BaseImage: domain.ImageARN(from.Key), Updater: b.Key.Name,
	}
	img.Key = domain.Key{Scope: from.Key.Scope, Kind: domain.KindImage, Name: in.Name}
	return img
}

// CanUpdateImage asks the guest of an own image, in a machine of its own that
// leaves the image as it is, whether there is anything to update. A guest takes a
// while to come up: when it takes too long the error is fault.Busy, the question
// goes on, and its answer is there for who asks again. It is believed for some
// minutes.
func (s *Service) CanUpdateImage(ctx context.Context, c domain.Caller, in ImageUpdate) (bool, error) {
	patience := cmp.Or(s.Config.AskPatience, 20*time.Second)
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var job string
	for {
		changed := s.Store.Changed()
		check, err := s.askUpdates(ctx, c, in, &job)
		if err != nil || check != nil {
			return check != nil && check.Count > 0, err
		}
		select {
		case <-changed:
		case <-wait.Done():
			if err := ctx.Err(); err != nil {
				return false, err
			}
			return false, fault.New(fault.Busy, "The guest of the image %s is being asked for its updates, which takes longer than a request may.", in.Source).
				WithHint("Ask again: its answer is kept.")
		}
	}
}

// askUpdates returns the answer that is there, or begins to ask; job is the asking
// that this request waits for.
func (s *Service) askUpdates(ctx context.Context, c domain.Caller, in ImageUpdate, job *string) (check *domain.UpdateCheck, err error) {
	if *job != "" {
		err := s.Store.View(ctx, func(tx store.Tx) error {
			j, err := tx.Job(*job)
			if err != nil || !j.Status.Ended() {
				return err
			}
			if j.Status != domain.JobDone {
				return fault.Wrap(fault.Incompatible, errors.New(j.Private), "The guest of the image %s could not be asked for its updates: %s", in.Source, j.Error)
			}
			img, err := ownImage(tx, c, in.Source)
			if err == nil {
				check = img.Check
			}
			return err
		})
		return check, err
	}
	return check, s.Store.Update(ctx, func(tx store.Tx) error {
		img, err := s.checkUpdate(tx, c, in)
		if err != nil {
			return err
		}
		if img.Check != nil && tx.Now().Sub(img.Check.At) < checkFresh {
			check = img.Check
			return nil
		}
		jobs, err := tx.Jobs(store.JobQuery{Subject: &img.Key, Limit: 1})
		if err != nil {
			return err
		}
		if len(jobs) > 0 && jobs[0].Workflow == domain.FlowImageCheck && !jobs[0].Status.Ended() {
			*job = jobs[0].ID
			return nil
		}
		j, err := domain.NewJob(s.IDs, tx.Now(), domain.FlowImageCheck, 1, img.Key, struct{}{})
		if err != nil {
			return err
		}
		*job = j.ID
		return tx.PutJob(j)
	})
}
