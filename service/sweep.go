package service

import (
	"time"

	"slipway/domain"
	"slipway/store"
)

const (
	// swept is how many old ones each new one looks at.
	swept = 16
	// sweepAfter is how long what has ended is told as expired, not as unknown.
	sweepAfter = time.Hour
)

// sweep removes resources of a kind that ended, from a random name on: since
// each new one looks at several old ones, those that ended never make up more
// than a small part of all, without any schedule.
func sweep[T any, P interface {
	*T
	domain.Noun
	Ended(now time.Time) bool
}](tx store.Tx, kind domain.Kind, from string) error {
	some, err := store.List[T, P](tx, store.Query{Kind: kind, After: from, Limit: swept})
	if err != nil {
		return err
	}
	if len(some) < swept {
		first, err := store.List[T, P](tx, store.Query{Kind: kind, Limit: swept - len(some)})
		if err != nil {
			return err
		}
		some = append(some, first...)
	}
	for _, n := range some {
		if n.Ended(tx.Now().Add(-sweepAfter)) {
			if err := tx.Delete(n.Head().Key); err != nil {
				return err
			}
		}
	}
	return nil
}
