package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/fault"
	"slipway/wire"
)

// Options of a Log.
type Options struct {
	Dir string // one file a day, <date>.jsonl; made when missing
	// Keep is for how many days records are kept; 0 means 90, as CloudTrail's
	// event history.
	Keep int
	// ReadEvery keeps one of so many successful reads of each account; 0 means
	// 100, 1 keeps all. Writes and refusals are all kept.
	ReadEvery int
	Now       func() time.Time
	NewID     func() string
	Log       *slog.Logger
}

// Log appends records to files. Records are on their way to the disk when
// After returns; they are not waited for, since a lost last second of a
// machine that lost power is not worth a sync for every call.
type Log struct {
	o Options

	mu    sync.Mutex
	day   string
	file  *os.File
	reads map[string]int // by account
}

// Open makes the directory and removes files that are too old.
func Open(o Options) (*Log, error) {
	if o.Keep == 0 {
		o.Keep = 90
	}
	if o.ReadEvery == 0 {
		o.ReadEvery = 100
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The audit log's directory cannot be made.")
	}
	l := &Log{o: o, reads: map[string]int{}}
	l.expire()
	return l, nil
}

// After is wire.Config.After.
func (l *Log) After(_ context.Context, c *wire.Call, o wire.Outcome) {
	if dataEvent(c.Op) || !l.wanted(c, o) {
		return
	}
	now := l.o.Now()
	l.keep(now, NewRecord(c, o, now, l.o.NewID()))
}

// Add writes a record of what was no call; it gets its id here, and the time unless
// it has one.
func (l *Log) Add(r Record) {
	if r.EventTime.IsZero() {
		r.EventTime = l.o.Now().UTC().Truncate(time.Second)
	}
	r.EventID, r.UserAgent, r.ErrorMessage = l.o.NewID(), cut(r.UserAgent, 256), cut(r.ErrorMessage, 1024)
	l.keep(l.o.Now(), r)
}

func (l *Log) keep(now time.Time, r Record) {
	line, err := json.Marshal(r)
	if err == nil {
		err = l.append(now, append(line, '\n'))
	}
	if err != nil {
		l.o.Log.Error("a record was not written to the audit log", "event", r.EventName, "request", r.RequestID, "err", err)
	}
}

// wanted samples successful reads.
func (l *Log) wanted(c *wire.Call, o wire.Outcome) bool {
	if o.Error != nil || !ReadOnly(c.Op.Name) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.reads[c.Identity.Account]
	l.reads[c.Identity.Account] = n + 1
	return n%l.o.ReadEvery == 0
}

func (l *Log) append(now time.Time, line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if day := now.UTC().Format(time.DateOnly); day != l.day || l.file == nil {
		f, err := os.OpenFile(l.path(day), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if l.file != nil {
			_ = l.file.Close() // written through already: nothing is buffered
		}
		if l.day != "" {
			l.expire()
		}
		l.day, l.file = day, f
	}
	_, err := l.file.Write(line)
	return err
}

func (l *Log) path(day string) string { return filepath.Join(l.o.Dir, day+".jsonl") }

// days lists the days that have a file, oldest first.
func (l *Log) days() []string {
	es, _ := os.ReadDir(l.o.Dir) // no directory, no days
	var out []string
	for _, e := range es {
		day, ok := strings.CutSuffix(e.Name(), ".jsonl")
		if _, err := time.Parse(time.DateOnly, day); ok && err == nil {
			out = append(out, day)
		}
	}
	slices.Sort(out)
	return out
}

func (l *Log) expire() {
	oldest := l.o.Now().UTC().AddDate(0, 0, -l.o.Keep).Format(time.DateOnly)
	for _, d := range l.days() {
		if d < oldest {
			if err := os.Remove(l.path(d)); err != nil {
				l.o.Log.Warn("an old audit file stays", "day", d, "err", err)
			}
		}
	}
}

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}

// Query selects records; empty fields select all.
type Query struct {
	Account string
	Event   string // event name, "CreateImportedImage"
	User    string // part of the caller's ARN or access key
	Errors  bool   // only refused and failed calls
	Since   time.Time
	Limit   int // newest so many; 0 means 100
}

// Search reads records, newest first.
func (l *Log) Search(ctx context.Context, q Query) ([]json.RawMessage, error) {
	if q.Limit == 0 {
		q.Limit = 100
	}
	var out []json.RawMessage
	days := l.days()
	for i := len(days) - 1; i >= 0 && len(out) < q.Limit; i-- {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if days[i] < q.Since.UTC().Format(time.DateOnly) {
			break
		}
		found, err := l.scan(days[i], q)
		if err != nil {
			return nil, err
		}
		slices.Reverse(found)
		out = append(out, found...)
	}
	return out[:min(len(out), q.Limit)], nil
}

// scan reads one day's file, keeping the newest q.Limit matches.
func (l *Log) scan(day string, q Query) ([]json.RawMessage, error) {
	f, err := os.Open(l.path(day))
	if err != nil {
		return nil, fmt.Errorf("read the audit log of %s: %w", day, err)
	}
	defer f.Close()
	var out []json.RawMessage
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if q.matches(sc.Bytes()) {
			out = append(out, json.RawMessage(bytes.Clone(sc.Bytes())))
			if len(out) > q.Limit {
				out = out[1:]
			}
		}
	}
	return out, sc.Err()
}

func (q Query) matches(line []byte) bool {
	var r Record
	if json.Unmarshal(line, &r) != nil {
		return false // a line cut by a crash
	}
	who := r.UserIdentity
	return (q.Account == "" || r.RecipientAccountID == q.Account) &&
		(q.Event == "" || strings.EqualFold(r.EventName, q.Event)) &&
		(q.User == "" || strings.Contains(who.ARN, q.User) || who.AccessKeyID == q.User) &&
		(!q.Errors || r.ErrorCode != "") && !r.EventTime.Before(q.Since.Truncate(time.Second))
}
