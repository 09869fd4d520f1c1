package work

import (
	"errors"

	"slipway/domain"
	"slipway/fault"
)

// verdict is what follows from a step's error.
type verdict uint8

const (
	retry    verdict = iota // later, a limited number of times
	giveUp                  // undo
	operator                // stop and keep everything for a person
)

type judged struct {
	error
	v verdict
}

func (j *judged) Unwrap() error { return j.error }

// GiveUp marks an error that trying again will not cure, whatever its kind: the
// job is undone (an undo that says so waits for an operator). nil stays nil.
func GiveUp(err error) error {
	if err == nil {
		return nil
	}
	return &judged{err, giveUp}
}

// Operator marks an error that a person must look at before anything else
// happens: the job stops where it is and keeps everything. nil stays nil.
func Operator(err error) error {
	if err == nil {
		return nil
	}
	return &judged{err, operator}
}

// judge classifies a step's error. Unmarked errors are tried again when their
// kind says that the world was at fault, not the request.
func judge(err error) verdict {
	var j *judged
	if errors.As(err, &j) {
		return j.v
	}
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable, fault.Busy:
		return retry
	default:
		return giveUp
	}
}

// blame writes down why a job is undone.
func blame(j *domain.Job, err error) {
	j.Error, j.Fault, j.Code, j.Private = fault.Public(err), fault.KindOf(err).String(), "", err.Error()
	var e *fault.Error
	if errors.As(err, &e) {
		j.Code = e.Code
	}
}

// causeOf is the public side of what blame wrote down.
func causeOf(j *domain.Job) error {
	if j.Error == "" {
		return nil
	}
	kind := fault.Internal
	for _, k := range fault.Kinds() {
		if k.String() == j.Fault {
			kind = k
		}
	}
	return fault.New(kind, "%s", j.Error).WithCode(j.Code)
}
