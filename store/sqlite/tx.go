package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"slipway/domain"
	"slipway/fault"
)

// tx is a transaction on a session; it lives no longer than the function it was
// given to.
type tx struct {
	ctx    context.Context
	s      *session // of a view: nil until it needs one
	d      *db
	writes bool
	wrote  bool
	now    time.Time

	touched writes // by an update

	// Of a view:
	era     *era
	sources *sources      // of the answer that is being made; nil for none
	lent    chan *session // where s goes back to
}

func (t *tx) Now() time.Time {
	t.sources.readUnknown()
	return t.now
}

// mayRead is asked before each reading method.
func (t *tx) mayRead() error {
	if t.ctx.Err() != nil {
		return interrupted(t.ctx)
	}
	return nil
}

// mayWrite is asked before each writing method.
func (t *tx) mayWrite() error {
	if !t.writes {
		return fault.New(fault.Internal, "A view may not write.")
	}
	if err := t.mayRead(); err != nil {
		return err
	}
	t.wrote = true
	return nil
}

// Times are stored as whole microseconds since 1970, UTC; the zero time as the
// smallest number, since it lies before what fits.
const never = -1 << 63

func toMicros(at time.Time) int64 {
	if at.IsZero() {
		return never
	}
	return at.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == never {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func keyArgs(k domain.Key) []any {
	return []any{string(k.Kind), k.Account, k.Region, k.Name}
}

const whereKey = ` WHERE kind = ? AND account = ? AND region = ? AND name = ?`

func missing(k domain.Key) error {
	return fault.New(fault.NotFound, "The %s %s does not exist.", k.Kind, k.Name)
}

func encode(n domain.Noun) (string, error) {
	b, err := json.Marshal(n)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "A %s cannot be stored.", n.Head().Key.Kind)
	}
	return string(b), nil
}

func (t *tx) Get(key domain.Key, n domain.Noun) error {
	if err := t.mayRead(); err != nil {
		return err
	}
	at := place{group: group{kind: key.Kind, Scope: key.Scope}, name: key.Name}
	u, err := t.recall(&at)
	if err != nil {
		return err
	}
	if u == nil {
		if u, err = t.readOne(key, at); err != nil {
			return err
		}
	}
	if len(u.rows) == 0 {
		return missing(key)
	}
	return u.rows[0].Decode(n)
}

// readOne reads a resource, or that there is none.
func (t *tx) readOne(key domain.Key, at place) (*unit, error) {
	r, u := &row{d: t.d}, &unit{at: at}
	ok, err := t.s.row(`SELECT `+rowColumns+` FROM resource`+whereKey, keyArgs(key), r.dest()...)
	if err != nil {
		return nil, err
	}
	if ok {
		u.rows = []*row{r}
		if !t.writes {
			r.share()
		}
	}
	if key.Name != "" {
		t.keep(u)
	}
	return u, nil
}

func (t *tx) Insert(n domain.Noun) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	h := n.Head()
	if h.Key.Kind == "" || h.Key.Name == "" {
		return fault.New(fault.Internal, "A resource needs a kind and a name.")
	}
	doc, err := encode(n)
	if err != nil {
		return err
	}
	state, at := domain.InitialState(h.Key.Kind), toMicros(t.now)
	made, err := t.s.change(`INSERT INTO resource (kind, account, region, name, alias, state, version, schema, created, updated, doc)
		VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT (kind, account, region, name) DO NOTHING`,
		append(keyArgs(h.Key), n.Alias(), string(state), n.Schema(), at, at, doc)...)
	if err != nil {
		return err
	}
	if made == 0 {
		return fault.New(fault.Exists, "The %s %s already exists.", h.Key.Kind, h.Key.Name)
	}
	t.touched.key(h.Key, n.Alias())
	h.State, h.Version, h.Created, h.Updated = state, 1, t.now, t.now
	return nil
}

func (t *tx) Put(n domain.Noun) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	h := n.Head()
	have, err := t.have(h.Key)
	if err != nil {
		return err
	}
	if have.version != h.Version {
		return stale(h.Key)
	}
	return t.store(n, have.state, have)
}

func stale(k domain.Key) error {
	return fault.New(fault.Busy, "The %s %s was changed by another request at the same time.", k.Kind, k.Name)
}

// present is what is needed of a row before it is written.
type present struct {
	state   domain.State
	version int64
	alias   string
}

func (t *tx) have(k domain.Key) (p present, err error) {
	ok, err := t.s.row(`SELECT state, version, alias FROM resource`+whereKey, keyArgs(k), &p.state, &p.version, &p.alias)
	if err == nil && !ok {
		err = missing(k)
	}
	return p, err
}

// store writes n, in a state, over the row that is there.
func (t *tx) store(n domain.Noun, state domain.State, have present) error {
	h := n.Head()
	doc, err := encode(n)
	if err != nil {
		return err
	}
	args := []any{n.Alias(), string(state), have.version + 1, n.Schema(), toMicros(t.now), doc}
	err = t.s.exec(`UPDATE resource SET alias = ?, state = ?, version = ?, schema = ?, updated = ?, doc = ?`+whereKey,
		append(args, keyArgs(h.Key)...)...)
	if err != nil {
		return err
	}
	t.touched.key(h.Key, have.alias)
	t.touched.key(h.Key, n.Alias())
	h.State, h.Version, h.Updated = state, have.version+1, t.now
	return nil
}

func (t *tx) Delete(key domain.Key) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	var alias string
	if was, err := t.s.row(`DELETE FROM resource`+whereKey+` RETURNING alias`, keyArgs(key), &alias); err != nil {
		return err
	} else if was {
		t.touched.key(key, alias)
	}
	held, err := t.s.keys(`DELETE FROM reference`+whereFrom+` RETURNING to_kind, to_account, to_region, to_name`, keyArgs(key))
	for _, to := range held {
		t.touched.reference(key, to)
	}
	return err
}

func (t *tx) Move(key domain.Key, on domain.Event, detail string, n domain.Noun) (domain.Verdict, error) {
	if err := t.mayWrite(); err != nil {
		return domain.Refuse, err
	}
	m := domain.Machines[key.Kind]
	if m == nil {
		return domain.Refuse, fault.New(fault.Internal, "A %s has no states.", key.Kind)
	}
	have, err := t.have(key)
	if err != nil {
		return domain.Refuse, err
	}
	if n != nil && n.Head().Key != key {
		return domain.Refuse, fault.New(fault.Internal, "%s was to be moved with the document of %s.", key, n.Head().Key)
	}
	if n != nil && n.Head().Version != have.version {
		return domain.Refuse, stale(key)
	}
	to, verdict := m.Next(have.state, on)
	switch verdict {
	case domain.Ignore:
		return verdict, nil
	case domain.Refuse:
		return verdict, fault.New(fault.WrongState, "The %s %s is in state %s, which does not allow %s.", key.Kind, key.Name, have.state, on)
	}
	if n != nil {
		err = t.store(n, to, have)
		have.alias = n.Alias()
	} else {
		err = t.s.exec(`UPDATE resource SET state = ?, version = ?, updated = ?`+whereKey,
			append([]any{string(to), have.version + 1, toMicros(t.now)}, keyArgs(key)...)...)
		t.touched.key(key, have.alias)
	}
	if err != nil {
		return domain.Refuse, err
	}
	return verdict, t.Append(domain.LogEntry{Key: key, Alias: have.alias, Event: on, From: have.state, To: to, Detail: detail})
}
