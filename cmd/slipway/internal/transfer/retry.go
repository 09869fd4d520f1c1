package transfer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Patience is how long nothing may succeed before a transfer gives up: a
// server's restart takes seconds, a machine's a minute or two.
const Patience = 4 * time.Minute

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// errAgain marks an answer that came damaged; asking again may help.
var errAgain = errors.New("damaged answer")

// retrier repeats requests for all goroutines of one transfer, so that the
// user is told once that the server is away and once that it is back.
type retrier struct {
	report Reporter

	mu    sync.Mutex
	since time.Time // when the trouble began; zero while all is well
}

// do calls f until it succeeds, fails for good, or patience ends.
func (r *retrier) do(ctx context.Context, f func(context.Context) error) error {
	pause := firstPause
	for {
		err := f(ctx)
		if err == nil {
			r.well()
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !transient(err) {
			return err
		}
		if away := r.trouble(err); away > Patience {
			return fmt.Errorf("nothing succeeded for %s; what is done is remembered, run the same command again to go on: %w", away.Round(time.Second), err)
		}
		// Jitter keeps parallel workers from returning all at once.
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

var retryables = retry.IsErrorRetryables(retry.DefaultRetryables)

func transient(err error) bool {
	return errors.Is(err, errAgain) || retryables.IsErrorRetryable(err) == aws.TrueTernary
}

func (r *retrier) well() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.since.IsZero() {
		r.since = time.Time{}
		r.report.Say("It answers again; going on.")
	}
}

// trouble notes a failure and says how long nothing has succeeded.
func (r *retrier) trouble(err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = time.Now()
		r.report.Say("A request failed (%v); trying again for up to %s.", last(err), Patience)
	}
	return time.Since(r.since)
}

// last is the innermost cause: the one that people can read.
func last(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
