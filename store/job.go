package store

import (
	"time"

	"slipway/domain"
	"slipway/fault"
)

// CancelJob asks for a job to stop: it is undone and ends as canceled. Why is
// shown to people. It may be repeated while the job has not ended; after that
// it is fault.WrongState. A job whose undoing had already begun for a failure
// still ends as failed, and one whose last step is done or cannot be taken back
// ends as done.
func CancelJob(tx Tx, id, why string) error {
	j, err := tx.Job(id)
	if err != nil {
		return err
	}
	if j.Status.Ended() {
		return fault.New(fault.WrongState, "The job %s has already ended (%s).", id, j.Status)
	}
	if j.Cancel != "" {
		return nil
	}
	if why == "" {
		why = "canceled"
	}
	j.Cancel = why
	if j.Status != domain.JobUndoing {
		j.NextRun = time.Time{} // also before those that wait longer, and for its next try no more
	}
	return tx.PutJob(j)
}

// ResumeJob lets a job that waits for an operator go on where it stopped, with
// its tries counted anew; a job in any other status is fault.WrongState.
func ResumeJob(tx Tx, id string) error {
	j, err := tx.Job(id)
	if err != nil {
		return err
	}
	if j.Status != domain.JobOperator {
		return fault.New(fault.WrongState, "The job %s does not wait for an operator (%s).", id, j.Status)
	}
	j.Status = j.Held
	if j.Status == "" {
		j.Status = domain.JobQueued
	}
	if j.Status != domain.JobUndoing {
		j.Error, j.Fault, j.Code, j.Private = "", "", "", ""
	}
	j.Held, j.Attempt, j.Epoch, j.NextRun = "", 0, 0, time.Time{}
	return tx.PutJob(j)
}
