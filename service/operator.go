package service

import (
	"context"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Jobs lists the newest jobs; active leaves out those that have ended.
func (s *Service) Jobs(ctx context.Context, limit int, active bool) ([]*domain.Job, error) {
	q := store.JobQuery{Limit: limit}
	if active {
		q.Statuses = []domain.JobStatus{domain.JobQueued, domain.JobRunning, domain.JobUndoing}
	}
	var out []*domain.Job
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		out, err = tx.Jobs(q)
		return err
	})
	return out, err
}

// Job finds one job.
func (s *Service) Job(ctx context.Context, id string) (*domain.Job, error) {
	var j *domain.Job
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		j, err = tx.Job(id)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "There is no job %s.", id).WithHint("`slipway job ls` lists them.")
	}
	return j, err
}

// CancelJob asks a job to stop; it is undone and what it worked for ends as
// failed, saying why.
func (s *Service) CancelJob(ctx context.Context, id, why string) (*domain.Job, error) {
	if _, err := s.Job(ctx, id); err != nil {
		return nil, err
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error { return store.CancelJob(tx, id, why) })
	if err != nil {
		return nil, err
	}
	return s.Job(ctx, id)
}

// LastJob is the newest job that worked for a resource; nil when none did.
func (s *Service) LastJob(ctx context.Context, subject domain.Key) (*domain.Job, error) {
	var out *domain.Job
	err := s.Store.View(ctx, func(tx store.Tx) error {
		js, err := tx.Jobs(store.JobQuery{Subject: &subject, Limit: 1})
		if err == nil && len(js) > 0 {
			out = js[0]
		}
		return err
	})
	return out, err
}
