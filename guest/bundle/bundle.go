// Package bundle is the CD that the guest tool arrives on: the programs for Linux
// and Windows, which make puts beside this file before it builds the server, an
// installer for each, and the ISO 9660 image made of them.
//
// A server built without the programs has no CD: its machines run, and nothing in
// them talks to the server. What the programs do is in guest/tool.
package bundle

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"

	"slipway/fault"
)

//go:embed files
var embedded embed.FS

const (
	filesDir = "files"
	// label is the CD's; guests find it by this name.
	label = "SLIPWAY"
	block = 2048
)

// programs are what a CD is for; versionFile holds the version that they were built
// with, which need not be the server's.
var programs = []string{"slipway-guest", "slipway-guest.exe"}

const versionFile = "version.txt"

// Missing names what was not there when the server was built: programs, or their
// version.
func Missing() (out []string) {
	for _, p := range append([]string{versionFile}, programs...) {
		if _, err := fs.Stat(embedded, path.Join(filesDir, p)); err != nil {
			out = append(out, p)
		}
	}
	return out
}

// Version is what the programs say that they are; "" when there are none.
func Version() string {
	b, err := embedded.ReadFile(path.Join(filesDir, versionFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Program is the guest tool for a system, "linux" or "windows"; nil when this server
// carries none.
func Program(system string) []byte {
	name := map[string]string{"linux": programs[0], "windows": programs[1]}[system]
	if name == "" {
		return nil
	}
	b, err := embedded.ReadFile(path.Join(filesDir, name))
	if err != nil {
		return nil
	}
	return b
}

// ISO makes the CD's image in dir, unless it is there, and returns its path: one
// file for what this server carries, whose name says so. "" without programs.
// Images of other servers in dir are removed; machines that have one in their
// drive keep it.
func ISO(ctx context.Context, dir string) (string, error) {
	if len(Missing()) > 0 {
		return "", nil
	}
	files, err := fs.Sub(embedded, filesDir)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "The CD with the guest tools could not be made.")
	}
	return Make(ctx, files, dir)
}

// Make is ISO for any files, all in one directory.
func Make(ctx context.Context, from fs.FS, dir string) (string, error) {
	const what = "The CD with the guest tools could not be made."
	sum := sha256.New()
	err := eachFile(from, func(name string, b []byte) error {
		fmt.Fprintf(sum, "%s %d\n", name, len(b))
		_, err := sum.Write(b)
		return err
	})
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, what)
	}
	out := filepath.Join(dir, "tools-"+hex.EncodeToString(sum.Sum(nil)[:8])+".iso")
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Wrap(fault.Unavailable, err, what)
	}
	old, err := filepath.Glob(filepath.Join(dir, "tools-*"))
	for _, o := range old {
		err = errors.Join(err, os.Remove(o))
	}
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, what)
	}
	part := out + ".part"
	err = write(ctx, from, part)
	if err == nil {
		err = os.Rename(part, out)
	}
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, errors.Join(err, os.Remove(part)), what)
	}
	return out, nil
}

// write makes the image with both kinds of long names: Joliet for Windows, Rock
// Ridge for Linux, where programs must be executable.
func write(ctx context.Context, from fs.FS, out string) error {
	work, err := os.MkdirTemp(filepath.Dir(out), "tools-work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	var size int64
	err = eachFile(from, func(name string, b []byte) error {
		size += int64(len(b))
		mode := fs.FileMode(0o444)
		if !strings.HasSuffix(name, ".txt") {
			mode = 0o555
		}
		return os.WriteFile(filepath.Join(work, name), b, mode)
	})
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b, err := file.CreateFromPath(out, size+4<<20)
	if err != nil {
		return err
	}
	iso, err := iso9660.Create(b, 0, 0, block, work)
	if err == nil {
		err = iso.Finalize(iso9660.FinalizeOptions{RockRidge: true, Joliet: true, VolumeIdentifier: label})
	}
	return errors.Join(err, b.Close())
}

func eachFile(from fs.FS, do func(name string, b []byte) error) error {
	es, err := fs.ReadDir(from, ".")
	if err != nil {
		return err
	}
	for _, e := range es {
		b, err := fs.ReadFile(from, e.Name())
		if err != nil {
			return err
		}
		if err := do(e.Name(), b); err != nil {
			return err
		}
	}
	return nil
}
