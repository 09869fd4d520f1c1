package service

import (
	"context"
	"sort"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// ImageQuery selects images of the caller's; Names and ARNs exclude each other.
type ImageQuery struct {
	Names []string
	ARNs  []string
	Type  string // visibility: PUBLIC, PRIVATE, SHARED; "" for all
	After string
	Limit int
}

// Images lists images in order of name and says which name to go on after.
// A name or ARN that is not there is fault.NotFound.
func (s *Service) Images(ctx context.Context, c domain.Caller, q ImageQuery) (out []*domain.Image, next string, err error) {
	if len(q.Names) > 0 && len(q.ARNs) > 0 {
		return nil, "", fault.New(fault.BadCombination, "Specify either Names or Arns, not both.")
	}
	names := append([]string(nil), q.Names...)
	for _, arn := range q.ARNs {
		n, ok := imageNameOf(c, arn)
		if !ok {
			return nil, "", noImage(arn, c)
		}
		names = append(names, n)
	}
	sq := store.Query{Kind: domain.KindImage, Account: c.Account, Region: c.Region, Names: names, After: q.After}
	if q.Limit > 0 && q.Type == "" {
		sq.Limit = q.Limit + 1
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		out, err = store.List[domain.Image](tx, sq)
		if err != nil {
			return err
		}
		return mustHave(tx, c, names)
	})
	if err != nil {
		return nil, "", err
	}
	out = keep(out, func(i *domain.Image) bool { return q.Type == "" || i.Visibility == q.Type })
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
		next = out[q.Limit-1].Key.Name
	}
	return out, next, nil
}

func mustHave(tx store.Tx, c domain.Caller, names []string) error {
	sort.Strings(names)
	for _, n := range names {
		k, err := tx.Count(store.Query{Kind: domain.KindImage, Account: c.Account, Region: c.Region, Names: []string{n}})
		if err != nil {
			return err
		}
		if k == 0 {
			return noImage(n, c)
		}
	}
	return nil
}

func keep[T any](in []T, ok func(T) bool) []T {
	out := in[:0]
	for _, x := range in {
		if ok(x) {
			out = append(out, x)
		}
	}
	return out
}

// noImage is the text the service is known to answer; clients match its start.
func noImage(name string, c domain.Caller) error {
	return fault.New(fault.NotFound, "The image %s for account %s does not exist.", name, c.Account)
}

func imageNameOf(c domain.Caller, arn string) (string, bool) {
	k := c.Key(domain.KindImage, "")
	prefix := domain.ImageARN(k)
	if len(arn) <= len(prefix) || arn[:len(prefix)] != prefix {
		return "", false
	}
	return arn[len(prefix):], true
}

// Image finds one image of the caller's.
func (s *Service) Image(ctx context.Context, c domain.Caller, name string) (*domain.Image, error) {
	img := new(domain.Image)
	err := s.Store.View(ctx, func(tx store.Tx) error { return tx.Get(c.Key(domain.KindImage, name), img) })
	if fault.Is(err, fault.NotFound) {
		return nil, noImage(name, c)
	}
	return img, err
}

// DeleteImage starts the deletion of an image that nothing uses and returns it
// as it was, DELETING.
func (s *Service) DeleteImage(ctx context.Context, c domain.Caller, name string) (*domain.Image, error) {
	img := new(domain.Image)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		err := tx.Get(c.Key(domain.KindImage, name), img)
		if fault.Is(err, fault.NotFound) {
			return noImage(name, c)
		} else if err != nil {
			return err
		}
		users, err := tx.Referrers(img.Key)
		if err != nil {
			return err
		}
		for _, u := range users {
			return fault.New(fault.InUse, "The image %s is used by the %s %s.", name, u.Kind, u.Name).WithHint("Delete that first.")
		}
		v, err := tx.Move(img.Key, domain.ImageAskDelete, "", img)
		if fault.Is(err, fault.WrongState) {
			return fault.New(fault.WrongState, "The image %s is %s and cannot be deleted now.", name, img.State).
				WithHint("Wait until the import has ended, or stop it with `slipway job cancel`.")
		} else if err != nil || v == domain.Ignore {
			return err
		}
		return s.enqueue(tx, domain.FlowImageDelete, img.Key)
	})
	if err != nil {
		return nil, err
	}
	return img, nil
}
