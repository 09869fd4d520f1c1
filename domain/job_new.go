package domain

import (
	"encoding/json"
	"fmt"
	"time"
)

// NewJob makes a queued job of a workflow whose steps share the state s. It is
// written with the store's PutJob, in the transaction that writes its subject.
func NewJob[S any](ids IDs, now time.Time, workflow string, version int, subject Key, s S) (*Job, error) {
	state, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("state of a %s job: %w", workflow, err)
	}
	return &Job{
		ID: ids.Job(), Workflow: workflow, Version: version, Subject: subject,
		Status: JobQueued, State: state, NextRun: now, Created: now, Updated: now,
	}, nil
}
