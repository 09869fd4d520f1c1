package service

import (
	"context"
	"maps"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// ImageQuery selects images that the caller may know of: own ones, shared and
// public ones. Names find own and public images, ARNs shared ones too. Names and
// ARNs exclude each other.
type ImageQuery struct {
	Names []string
	ARNs  []string
	Type  string // PRIVATE (own), SHARED (by others) or PUBLIC; "" for all
	After string
	Limit int
}

// Images lists images, own ones first, in order of name, and says where to go
// on. A name or ARN that is not there is fault.NotFound.
func (s *Service) Images(ctx context.Context, c domain.Caller, q ImageQuery) (out []*domain.Image, next string, err error) {
	if len(q.Names) > 0 && len(q.ARNs) > 0 {
		return nil, "", fault.New(fault.BadCombination, "Specify either Names or Arns, not both.")
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		if len(q.Names)+len(q.ARNs) > 0 {
			out, err = namedImages(tx, c, q)
			return err
		}
		if out, err = ownImages(tx, c, q); err != nil || q.Limit > 0 && len(out) > q.Limit {
			return err
		}
		others, err := othersImages(tx, c, q, len(out))
		out = append(out, others...)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
		next = position(out[q.Limit-1], c)
	}
	return out, next, nil
}

// Positions in the list: own images come before those of others.
const ownFirst, othersNext = "o:", "s:"

func position(img *domain.Image, c domain.Caller) string {
	if img.Key.Account == c.Account {
		return ownFirst + img.Key.Name
	}
	return othersNext + img.Key.Account + "/" + img.Key.Name
}

func typeOf(img *domain.Image, c domain.Caller) string {
	switch {
	case img.Visibility == domain.VisibilityPublic:
		return domain.VisibilityPublic
	case img.Key.Account == c.Account:
		return domain.VisibilityPrivate
	}
	return domain.VisibilityShared
}

func ownImages(tx store.Tx, c domain.Caller, q ImageQuery) ([]*domain.Image, error) {
	after, own := strings.CutPrefix(q.After, ownFirst)
	if q.After != "" && !own || q.Type != "" && q.Type != domain.VisibilityPrivate {
		return nil, nil
	}
	sq := store.Query{Kind: domain.KindImage, Account: c.Account, Region: c.Region, After: after}
	if q.Limit > 0 {
		sq.Limit = q.Limit + 1
	}
	return store.List[domain.Image](tx, sq)
}

// othersImages lists what others share with the caller, one more than fits
// beside what there is already.
func othersImages(tx store.Tx, c domain.Caller, q ImageQuery, have int) ([]*domain.Image, error) {
	if q.Type == domain.VisibilityPrivate {
		return nil, nil
	}
	keys, err := sharedWith(tx, c, domain.KindImage)
	if err != nil {
		return nil, err
	}
	var out []*domain.Image
	for _, k := range keys {
		if q.Limit > 0 && have+len(out) > q.Limit {
			break
		}
		if strings.HasPrefix(q.After, othersNext) && othersNext+k.Account+"/"+k.Name <= q.After {
			continue
		}
		img := new(domain.Image)
		if err := tx.Get(k, img); fault.Is(err, fault.NotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		if visible(img, c) && (q.Type == "" || q.Type == typeOf(img, c)) {
			out = append(out, seen(img, c))
		}
	}
	return out, nil
}

// namedImages finds what was asked for by name; a miss is told even where the
// type would have left it out.
func namedImages(tx store.Tx, c domain.Caller, q ImageQuery) ([]*domain.Image, error) {
	found := map[string]*domain.Image{}
	for _, n := range q.Names {
		img, err := imageByName(tx, c, n)
		if err != nil {
			return nil, err
		}
		found[position(img, c)] = img
	}
	for _, arn := range q.ARNs {
		img, err := imageByARN(tx, c, arn)
		if err != nil {
			return nil, err
		}
		found[position(img, c)] = img
	}
	var out []*domain.Image
	for _, p := range slices.Sorted(maps.Keys(found)) {
		if img := found[p]; p > q.After && (q.Type == "" || q.Type == typeOf(img, c)) {
			out = append(out, img)
		}
	}
	return out, nil
}

// imageByName finds an own image or a public one.
func imageByName(tx store.Tx, c domain.Caller, name string) (*domain.Image, error) {
	img, err := ownImage(tx, c, name)
	if !fault.Is(err, fault.NotFound) {
		return img, err
	}
	keys, kerr := tx.References(domain.Everyone())
	if kerr != nil {
		return nil, kerr
	}
	for _, k := range keys {
		if k.Kind == domain.KindImage && k.In(c.Region) && k.Name == name {
			img := new(domain.Image)
			err := tx.Get(k, img)
			return seen(img, c), err
		}
	}
	return nil, err
}

// imageByARN finds an own, shared or public image. What is nobody's business
// is as good as absent.
func imageByARN(tx store.Tx, c domain.Caller, arn string) (*domain.Image, error) {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] != "aws" || p[2] != "appstream" || p[3] != c.Region {
		return nil, noImage(arn, c)
	}
	name, ok := strings.CutPrefix(p[5], "image/")
	if !ok {
		return nil, noImage(arn, c)
	}
	key := domain.Key{Scope: domain.Scope{Account: p[4], Region: p[3]}, Kind: domain.KindImage, Name: name}
	if p[4] == "" {
		key = domain.PublicImageKey(name)
	}
	img := new(domain.Image)
	err := tx.Get(key, img)
	if fault.Is(err, fault.NotFound) || err == nil && !visible(img, c) {
		return nil, noImage(arn, c)
	}
	return seen(img, c), err
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

// Image finds one image of the caller's.
func (s *Service) Image(ctx context.Context, c domain.Caller, name string) (*domain.Image, error) {
	var img *domain.Image
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		img, err = ownImage(tx, c, name)
		return err
	})
	return img, err
}

// DeleteImage starts the deletion of an image that nothing uses and returns it
// as it was, DELETING.
func (s *Service) DeleteImage(ctx context.Context, c domain.Caller, name string) (*domain.Image, error) {
	var img *domain.Image
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if img, err = ownImage(tx, c, name); err != nil {
			return err
		}
		users, err := tx.Referrers(img.Key)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			u := users[0]
			if u.Kind == domain.KindAccount {
				return fault.New(fault.InUse, "The image %s is shared with account %s.", name, u.Name).WithHint("Take that back first, with DeleteImagePermissions.")
			}
			return fault.New(fault.InUse, "The image %s is used by the %s %s.", name, u.Kind, u.Name).WithHint("Delete that first.")
		}
		v, err := tx.Move(img.Key, domain.ImageAskDelete, "", img)
		if fault.Is(err, fault.WrongState) {
			return fault.New(fault.WrongState, "The image %s is %s and cannot be deleted now.", name, img.State).
				WithHint("Wait until that has ended, or stop the work with `slipway job cancel`.")
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
