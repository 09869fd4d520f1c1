package sqlite

import (
	"strconv"

	"slipway/fault"
)

// migrations bring the file from version i to i+1, in order. One that was
// released is never changed; a change is a new one at the end.
var migrations = [][]string{
	{ // 1: everything
		`CREATE TABLE resource (
			kind    TEXT NOT NULL,
			account TEXT NOT NULL,
			region  TEXT NOT NULL,
			name    TEXT NOT NULL,
			alias   TEXT NOT NULL,
			state   TEXT NOT NULL,
			version BIGINT NOT NULL,
			schema  BIGINT NOT NULL,
			created BIGINT NOT NULL,
			updated BIGINT NOT NULL,
			doc     TEXT NOT NULL,
			UNIQUE (kind, account, region, name))`,
		`CREATE INDEX resource_name ON resource (kind, name, account, region)`,
		`CREATE INDEX resource_alias ON resource (kind, alias, account, region, name)`,
		`CREATE INDEX resource_state ON resource (kind, state, account, region, name)`,

		`CREATE TABLE reference (
			from_kind    TEXT NOT NULL,
			from_account TEXT NOT NULL,
			from_region  TEXT NOT NULL,
			from_name    TEXT NOT NULL,
			to_kind      TEXT NOT NULL,
			to_account   TEXT NOT NULL,
			to_region    TEXT NOT NULL,
			to_name      TEXT NOT NULL,
			UNIQUE (from_kind, from_account, from_region, from_name, to_kind, to_account, to_region, to_name))`,
		`CREATE INDEX reference_to ON reference (to_kind, to_account, to_region, to_name)`,

		// The log of what happened is in order of seq, which is never used twice.
		`CREATE TABLE event (
			seq        INTEGER PRIMARY KEY AUTOINCREMENT,
			at         BIGINT NOT NULL,
			kind       TEXT NOT NULL,
			account    TEXT NOT NULL,
			region     TEXT NOT NULL,
			name       TEXT NOT NULL,
			event      TEXT NOT NULL,
			from_state TEXT NOT NULL,
			to_state   TEXT NOT NULL,
			detail     TEXT NOT NULL)`,
		`CREATE INDEX event_of ON event (kind, account, region, name, seq)`,

		// seq tells which of two jobs of one moment is newer. ended is 1 for jobs
		// that will not run again: those to run are found at once, however many
		// have been.
		`CREATE TABLE job (
			seq      INTEGER PRIMARY KEY AUTOINCREMENT,
			id       TEXT NOT NULL UNIQUE,
			status   TEXT NOT NULL,
			workflow TEXT NOT NULL,
			kind     TEXT NOT NULL,
			account  TEXT NOT NULL,
			region   TEXT NOT NULL,
			name     TEXT NOT NULL,
			next_run BIGINT NOT NULL,
			ended    BIGINT NOT NULL,
			doc      TEXT NOT NULL)`,
		`CREATE INDEX job_due ON job (ended, next_run, seq)`,
		`CREATE INDEX job_due_workflow ON job (ended, workflow, next_run, seq)`,
		`CREATE INDEX job_status ON job (status, seq)`,
		`CREATE INDEX job_of ON job (kind, account, region, name)`,
	},
	{ // 2: the log says whose a resource is, so that readers need not ask
		`ALTER TABLE event ADD COLUMN alias TEXT NOT NULL DEFAULT ''`,
	},
}

// migrate brings the file to the newest version, and refuses one that is newer.
func migrate(s *session) error {
	if err := s.exec(`CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)`); err != nil {
		return err
	}
	have, err := metaInt(s, "schema")
	if err != nil {
		return err
	}
	if have > int64(len(migrations)) {
		return fault.New(fault.Incompatible, "The data directory was written by a newer version of this program (schema %d, this one knows %d).", have, len(migrations)).
			WithHint("Run the newer version, or restore the copy made before the upgrade.")
	}
	for _, m := range migrations[have:] {
		for _, text := range m {
			if err := s.exec(text); err != nil {
				return err
			}
		}
	}
	return setMeta(s, "schema", int64(len(migrations)))
}

func nextEpoch(s *session) (int64, error) {
	e, err := metaInt(s, "epoch")
	if err != nil {
		return 0, err
	}
	return e + 1, setMeta(s, "epoch", e+1)
}

// metaInt reads a number from table meta, 0 when it is not there.
func metaInt(s *session, name string) (int64, error) {
	var text string
	ok, err := s.row(`SELECT value FROM meta WHERE name = ?`, []any{name}, &text)
	if err != nil || !ok {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, broken(err)
	}
	return n, nil
}

func setMeta(s *session, name string, v int64) error {
	return s.exec(`INSERT INTO meta (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, strconv.FormatInt(v, 10))
}
