package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"slipway/fault"
)

// Copy writes the store in dir, as it was at one commit, into the new file to.
// Another process may own dir and go on writing meanwhile. Errors: NotFound when
// dir holds no store; Exists when to is there.
func Copy(ctx context.Context, dir, to string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The data directory cannot be found.")
	}
	from := filepath.Join(dir, File)
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "%s holds no server's data.", dir).WithHint("Name the data directory with --data-dir.")
	}
	// Made first, and empty, for its mode: the documents hold secrets.
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Exists, "%s exists.", to)
	} else if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The copy of the database cannot be written.")
	}
	defer f.Close()
	q := url.Values{"_pragma": {"busy_timeout(10000)"}}
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: from, RawQuery: q.Encode()}).String())
	if err != nil {
		return broken(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, `VACUUM INTO ?`, to); err != nil {
		if ctx.Err() != nil {
			return interrupted(ctx)
		}
		return broken(err)
	}
	if err := f.Sync(); err != nil { // VACUUM INTO does not
		return broken(err)
	}
	return nil
}
