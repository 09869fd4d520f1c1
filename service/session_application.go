package service

import (
	"context"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// SessionApplication is what a session's user may start.
type SessionApplication struct {
	domain.Application
	IconURL string // "" without a picture
}

// SessionApplications is the catalogue of a session: that of the image its
// instance was made from. NotFound: the session has ended, or its instance.
func (s *Service) SessionApplications(ctx context.Context, key domain.Key) (out []SessionApplication, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		x, i, img := new(domain.Session), new(domain.FleetInstance), new(domain.Image)
		err := tx.Get(key, x)
		if err == nil && x.State == domain.SessionExpired {
			return noSession()
		}
		if err == nil {
			err = tx.Get(x.InstanceKey(), i)
		}
		if fault.Is(err, fault.NotFound) {
			return noSession()
		}
		if err == nil {
			err = tx.Get(i.Image, img)
		}
		// An image that is known by name only has no catalogue.
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		for _, a := range img.Catalog {
			out = append(out, SessionApplication{Application: a, IconURL: s.Config.Icons.URL(a.Icon)})
		}
		return nil
	})
	return out, err
}

// SessionLaunched writes down which application was started in a session last.
func (s *Service) SessionLaunched(ctx context.Context, key domain.Key, application string) error {
	return s.changeSession(ctx, key, "", func(_ store.Tx, x *domain.Session) bool {
		was := x.Launched
		x.Launched = application
		return was != application
	})
}
