package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/appstream"
	"slipway/wire/ebs"
)

func open(t *testing.T, dir string, now *time.Time, every int) *Log {
	t.Helper()
	n := 0
	l, err := Open(Options{Dir: dir, Keep: 2, ReadEvery: every, Now: func() time.Time { return *now }, Log: slog.New(slog.DiscardHandler),
		NewID: func() string { n++; return fmt.Sprint("event-", n) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func call(op *wire.Op, in any) *wire.Call {
	return &wire.Call{Op: op, RequestID: "r", Region: "us-east-1", Source: "127.0.0.1", UserAgent: "aws-cli/2", Input: in,
		Identity: wire.Identity{AccessKeyID: "AKIA", Account: "123456789012", ARN: "arn:aws:iam::123456789012:root", UserID: "123456789012", Kind: "root"}}
}

func TestRecordHasCloudTrailsForm(t *testing.T) {
	in := &appstream.CreateImportedImageRequest{
		Name: new("img"), SourceAmiId: new("ami-1"),
		AppCatalogConfig: []appstream.ApplicationConfig{{Name: new("secret-app"), AbsoluteAppPath: new("C:\\secret.exe")}},
		Tags:             map[string]string{"Team": "a"},
	}
	out := &appstream.CreateImportedImageResult{Image: &appstream.Image{Name: new("img")}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	raw, err := json.Marshal(NewRecord(call(appstream.OpCreateImportedImage, in), wire.Outcome{Output: out}, at, "e"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"eventSource":"appstream.amazonaws.com"`, `"eventName":"CreateImportedImage"`, `"eventTime":"2026-01-02T03:04:05Z"`, `"type":"Root"`,
		`"sourceAmiId":"ami-1"`, `"tags":{"Team":"a"}`, `"responseElements":{"image":{"name":"img"}}`, `"readOnly":false`, `"userAgent":"aws-cli/2"`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in %s", want, raw)
		}
	}
	if strings.Contains(string(raw), "secret") {
		t.Errorf("a sensitive member was written: %s", raw)
	}
}

func TestReadsAreSampledAndWritesAreNot(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	l := open(t, t.TempDir(), &now, 10)
	ctx := context.Background()
	for range 20 {
		l.After(ctx, call(appstream.OpDescribeImages, nil), wire.Outcome{})
		l.After(ctx, call(appstream.OpDeleteImage, nil), wire.Outcome{})
		l.After(ctx, call(ebs.OpPutSnapshotBlock, nil), wire.Outcome{})
	}
	l.After(ctx, call(appstream.OpDescribeImages, nil), wire.Outcome{Error: wire.Exceptionf("AccessDeniedException", "no")})
	for _, c := range []struct {
		q    Query
		want int
	}{
		{Query{Event: "DescribeImages"}, 3}, {Query{Event: "DeleteImage"}, 20}, {Query{Event: "PutSnapshotBlock"}, 0},
		{Query{Errors: true}, 1}, {Query{Account: "210987654321"}, 0}, {Query{Limit: 5}, 5}, {Query{Since: now.Add(time.Hour)}, 0},
	} {
		got, err := l.Search(ctx, c.q)
		if err != nil || len(got) != c.want {
			t.Errorf("%+v: %d records, want %d (%v)", c.q, len(got), c.want, err)
		}
	}
}

func TestOldFilesGoAndNewestComesFirst(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	l := open(t, dir, &now, 1)
	for range 4 {
		l.After(context.Background(), call(appstream.OpDeleteImage, nil), wire.Outcome{})
		now = now.AddDate(0, 0, 1)
	}
	fs, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(fs) != 3 {
		t.Errorf("files: %v %v, want those of the last three days", fs, err)
	}
	if st, err := os.Stat(fs[0]); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v %v", st, err)
	}
	got, err := l.Search(context.Background(), Query{Limit: 1})
	if err != nil || len(got) != 1 || !strings.Contains(string(got[0]), "2026-01-05") {
		t.Errorf("newest: %s %v", got, err)
	}
}
