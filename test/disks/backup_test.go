package disks

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"slipway/test/rig"
)

// traffic uploads, completes and deletes snapshots until it is stopped.
func traffic(t *testing.T, a *account) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id, err := a.brief(ctx, byte(10+w*50+n%40))
				if err == nil && n%2 == 0 {
					// Being completed it may refuse: then it stays.
					_, err = a.ec2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &id})
				}
				if err != nil && ctx.Err() == nil && !strings.Contains(err.Error(), "IncorrectState") {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// brief uploads a snapshot of one block and does not wait for its seal.
func (a *account) brief(ctx context.Context, fill byte) (string, error) {
	out, err := a.ebs.StartSnapshot(ctx, &ebs.StartSnapshotInput{VolumeSize: aws.Int64(1)})
	if err != nil {
		return "", err
	}
	err = a.put(ctx, *out.SnapshotId, 1, blockOf(fill))
	if err == nil {
		_, err = a.ebs.CompleteSnapshot(ctx, &ebs.CompleteSnapshotInput{SnapshotId: out.SnapshotId, ChangedBlocksCount: aws.Int32(1)})
	}
	return *out.SnapshotId, err
}

// A backup of a server under load restores to a whole data directory that a
// server goes on from.
func TestBackupAndRestore(t *testing.T) {
	s := rig.Start(t, "--compute=fake", "--throttle-writes=0", "--throttle-reads=0")
	me := operator(s)
	s.Must("quota", "set", "ebs/snapshots", "100000")
	keep := me.snapshot(t, 1, map[int32]byte{0: 1, 7: 2, 2047: 3})
	stop := traffic(t, me)
	dir := t.TempDir()
	for _, name := range []string{"b1", "b2.tar", "b3", "b4.tar"} {
		code, out := status(t, s, "backup", filepath.Join(dir, name), "--data-dir", s.DataDir)
		if code != 0 {
			t.Errorf("backup %s: %d %s", name, code, out)
		}
		t.Log(out)
	}
	stop()
	s.Stop()
	for _, name := range []string{"b1", "b2.tar", "b3", "b4.tar"} {
		to := filepath.Join(dir, "restored-"+name)
		if code, out := status(t, s, "restore", filepath.Join(dir, name), to); code != 0 {
			t.Fatalf("restore %s: %d %s", name, code, out)
		}
		if code, out := status(t, s, "fsck", "--data-dir", to); code != 0 {
			t.Errorf("fsck of %s: %d %s", to, code, out)
		}
	}
	// A server goes on from the last one: what was there is there, and work works.
	if err := errors.Join(os.RemoveAll(s.DataDir), os.Rename(filepath.Join(dir, "restored-b4.tar"), s.DataDir)); err != nil {
		t.Fatal(err)
	}
	s.Again("127.0.0.1:0")
	me = operator(s)
	if got := strings.Join(me.changes(t, nil, keep), " "); got != "0> 7> 2047>" {
		t.Errorf("the blocks of the snapshot: %s", got)
	}
	again := me.snapshot(t, 1, map[int32]byte{0: 1, 7: 2, 2047: 3})
	if got := me.changes(t, &keep, again); len(got) != 0 {
		t.Errorf("the same blocks again differ: %v", got)
	}
	rig.Until(t, limit, "what was not complete is settled", func() (bool, error) {
		code, out := status(t, s, "fsck", "--data-dir", s.DataDir)
		if code == 2 {
			return false, errors.New(out)
		}
		return code == 0, nil
	})
}

// What is wrong with a backup is said, and nothing appears.
func TestBackupRefusals(t *testing.T) {
	s := rig.Start(t, "--compute=fake", "--scrub-rate=0")
	me := operator(s)
	me.snapshot(t, 1, map[int32]byte{0: 1})
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	expect := func(want int, word string, args ...string) {
		t.Helper()
		if code, out := status(t, s, args...); code != want || !strings.Contains(out, word) {
			t.Errorf("slipway %s: %d, want %d with %q: %s", strings.Join(args, " "), code, want, word, out)
		}
	}
	expect(0, "1 sealed disks", "backup", at("a.tar"), "--data-dir", s.DataDir)
	expect(0, "1 sealed disks", "backup", at("a"), "--data-dir", s.DataDir)
	expect(2, "exists", "backup", at("a.tar"), "--data-dir", s.DataDir)
	expect(2, "holds no server's data", "backup", at("b"), "--data-dir", dir)
	expect(2, "is not empty", "restore", at("a.tar"), s.DataDir)

	whole, err := os.ReadFile(at("a.tar"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"cut.tar":     func(b []byte) []byte { return b[:len(b)/2] },
		"flipped.tar": func(b []byte) []byte { b[len(b)-1<<18] ^= 1; return b }, // within the disk's block
		"empty.tar":   func(b []byte) []byte { return nil },
		"newer.tar":   func(b []byte) []byte { return []byte(strings.Replace(string(b), `"version": 1`, `"version": 9`, 1)) },
	} {
		if err := os.WriteFile(at(name), change([]byte(string(whole))), 0o600); err != nil {
			t.Fatal(err)
		}
		word := "backup"
		if name == "newer.tar" {
			word = "newer version"
		}
		expect(2, word, "restore", at(name), at("x"))
		if _, err := os.Stat(at("x")); err == nil {
			t.Fatalf("%s was restored", name)
		}
	}
	t.Chdir(dir) // paths need not be absolute
	expect(0, "verified", "restore", "a.tar", "./rel")
	expect(0, "verified", "restore", "a", "rel2/")
	expect(0, "Nothing is wrong.", "fsck", "--data-dir", "rel")
	// A damaged disk is left out and named; the rest is there.
	flip(t, s, disksOf(t, s.Must("disk", "ls", "--json"))[0].Digest, 5)
	expect(1, "damaged or missing", "backup", at("c.tar"), "--data-dir", s.DataDir)
	expect(1, "damaged or missing", "backup", at("c"), "--data-dir", s.DataDir)
	expect(1, "disk-missing", "restore", at("c.tar"), at("y"))
	// A newer layout of the data directory is refused in plain words.
	s.Stop()
	if err := os.WriteFile(filepath.Join(s.DataDir, "disks/layout.json"), []byte(`{"layout":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(2, "newer version", "fsck", "--data-dir", s.DataDir)
	expect(1, "newer version", "serve", "--data-dir", s.DataDir, "--listen", "127.0.0.1:0", "--compute=fake")
	var m map[string]any
	if b, err := os.ReadFile(at("a/manifest.json")); err != nil || json.Unmarshal(b, &m) != nil || m["left_out"] == nil {
		t.Errorf("%v %v", m, err)
	}
}
