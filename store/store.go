// Package store is the contract for keeping what Slipway knows: resources,
// references between them, jobs and the event log, written together in one
// transaction.
//
// It knows nouns only as documents (domain.Noun): adding a noun needs no new
// SQL and no new method. Backends live below (store/sqlite); store/storetest is
// the one suite they pass. Nothing here decides who may do what.
package store

import (
	"context"
	"slices"
	"time"

	"slipway/domain"
)

// Store keeps state durably. One process owns it at a time.
type Store interface {
	// View runs f on a consistent snapshot. Views run beside each other and
	// beside one Update. f must not call View or Update (few readers exist).
	View(ctx context.Context, f func(Tx) error) error
	// Update runs f in the one writing transaction. f's error rolls everything
	// back and is returned as it is. When Update returns nil, all of it is on
	// stable storage. f may be run once only, and must not call View or Update.
	// After an error, what f did to its own copies (Head included) means nothing.
	Update(ctx context.Context, f func(Tx) error) error
	// Remember gives what f answered before, as long as nothing that f has read
	// in its views has changed since, else what f answers now. f runs its views
	// with the context it is given and depends on them and on key (comparable)
	// alone. Nothing is kept that depends on Tx.Now, jobs or the event log, nor
	// where bytes, what keeping the answer costs, is 0. Others get the same
	// answer: nobody may change it.
	Remember(ctx context.Context, key any, f func(context.Context) (answer any, bytes int, err error)) (any, error)
	// Epoch is the boot epoch: grows by one each time the store is opened.
	Epoch() int64
	// Changed returns a channel that is closed at the next commit of an Update
	// that wrote something; get it before looking, to miss nothing.
	Changed() <-chan struct{}
	// Close waits for what runs and lets another process own the data.
	// Repeatable; View and Update are fault.Unavailable afterwards.
	Close() error
}

// Tx is a transaction. Documents that an Update hands out are the caller's own
// copies. Those that a View hands out are the caller's own structs, whose maps,
// slices and pointers are shared with others, also after the View: set fields,
// but never change what is in them. (Reads are answered from memory; copying all
// of a page would cost more than everything else about it.)
// Writing methods in a View are fault.Internal.
type Tx interface {
	// Now is one moment for the whole transaction, UTC, microseconds.
	Now() time.Time

	// Get reads the resource of n's key type into n: fills the document and
	// Head(). fault.NotFound when it is not there.
	Get(key domain.Key, n domain.Noun) error
	// Insert creates n at n.Head().Key in the noun's initial state and fills
	// its Head: version 1, created and updated Now. fault.Exists when the key
	// is taken.
	Insert(n domain.Noun) error
	// Put writes n's document and alias, not its state, and updates its Head.
	// fault.Busy when the row's version is not n.Head().Version any more;
	// NotFound when it is gone.
	Put(n domain.Noun) error
	// Delete removes the resource and the references it holds. Repeatable.
	// References to it are the caller's business (see Referrers).
	Delete(key domain.Key) error
	// Query walks resources in order of name (then account, then Region) and
	// calls f with a decoder for each row until f returns false or an error,
	// which Query returns as it is. f may use the transaction; a row f has not
	// been given yet may or may not show what f wrote.
	Query(q Query, f func(Row) (more bool, err error)) error
	// Count counts what Query would walk (After and Limit ignored).
	Count(q Query) (int, error)

	// States counts what Query would walk (After and Limit ignored), by state;
	// states without any are left out.
	States(q Query) (map[domain.State]int, error)
	// Keys lists what Query would walk (After and Limit ignored), in no order and
	// without reading any document: for those who look at everything there is.
	Keys(q Query) ([]domain.Key, error)

	// Move sends an event to the resource's state machine. On Accept the new
	// state is written and a log entry appended; on Ignore nothing is written;
	// on Refuse the error is fault.WrongState naming state and event; NotFound
	// when there is no such resource. n may be nil; otherwise it must be the
	// resource as read in this transaction (else fault.Busy): its document is
	// written too and its Head updated. On Ignore n's changes are not written.
	Move(key domain.Key, on domain.Event, detail string, n domain.Noun) (domain.Verdict, error)

	// Refer records that from uses to; repeatable. The target need not exist.
	Refer(from, to domain.Key) error
	// Unrefer takes that back; repeatable.
	Unrefer(from, to domain.Key) error
	// Referrers lists who uses to, ordered; kinds empty means any.
	Referrers(to domain.Key, kinds ...domain.Kind) ([]domain.Key, error)
	// References lists what from uses.
	References(from domain.Key) ([]domain.Key, error)

	// Append adds an entry to the event log; Seq and At are filled in.
	Append(e domain.LogEntry) error
	// Events reads the log after seq, oldest first; key nil means all, limit 0
	// no limit.
	Events(key *domain.Key, after int64, limit int) ([]domain.LogEntry, error)
	// Forget removes what the log says of a resource: of those that come and go all
	// the time nobody asks when they are gone. The log outlives all others.
	Forget(key domain.Key) error

	// PutJob inserts or replaces a job by ID; fills in Updated, and Created
	// when it is zero. To change a job, read it in the same transaction.
	PutJob(j *domain.Job) error
	// Job reads one; fault.NotFound.
	Job(id string) (*domain.Job, error)
	// Jobs lists jobs, newest first (but see JobQuery.Due).
	Jobs(q JobQuery) ([]*domain.Job, error)
}

// Query selects resources of one kind.
type Query struct {
	Kind    domain.Kind
	Account string         // "" means any
	Region  string         // "" means any
	Names   []string       // empty means any
	Alias   string         // "" means any
	States  []domain.State // empty means any
	After   string         // names after this one, for paging in one account and Region
	Limit   int            // 0: no limit
}

// Row is one resource of a Query.
type Row interface {
	Key() domain.Key
	State() domain.State
	Decode(n domain.Noun) error
}

// JobQuery selects jobs.
type JobQuery struct {
	Statuses []domain.JobStatus
	Subject  *domain.Key
	Workflow string
	// Due, when not zero, selects jobs that have not ended and whose NextRun is
	// not after it, and orders them by NextRun, the longest due first. This is
	// fast however many jobs there are.
	Due   time.Time
	Limit int // 0: no limit
}

// List reads all resources a query selects, decoded.
func List[T any, P interface {
	*T
	domain.Noun
}](tx Tx, q Query) ([]P, error) {
	var out []P
	// A page at a time: one allocation, not one for each.
	var room []T
	err := tx.Query(q, func(r Row) (bool, error) {
		if len(room) == 0 {
			n := min(max(len(out), 1), listRoom)
			if q.Limit > 0 {
				n = min(q.Limit-len(out), listRoom)
			}
			room = make([]T, n)
			out = slices.Grow(out, n)
		}
		n := P(&room[0])
		if err := r.Decode(n); err != nil {
			return false, err
		}
		out, room = append(out, n), room[1:]
		return true, nil
	})
	return out, err
}

// listRoom bounds what List allocates ahead.
const listRoom = 32
