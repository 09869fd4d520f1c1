package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"slipway/disk/convert"
	"slipway/disk/gate"
)

// convertGoal is what a conversion may cost that is hashed, read back whole and
// compared, in conversions of plain qemu-img.
const convertGoal = 2.0

// plainly is how somebody would ask qemu-img for the same file.
var plainly = map[gate.Format][]string{
	gate.QCOW2: {"-O", "qcow2", "-c", "-o", "compression_type=zstd"},
	gate.VMDK:  {"-O", "vmdk", "-o", "subformat=streamOptimized"},
	gate.VHD:   {"-O", "vpc", "-o", "force_size=on"},
	gate.VHDX:  {"-O", "vhdx"},
	gate.OVA:   {"-O", "vmdk", "-o", "subformat=streamOptimized"},
}

// conversions measures every format against plain qemu-img, the last round of
// each: they take long.
func (b *bench) conversions() error {
	disk := filepath.Join(b.dir, "convert.raw")
	if err := makeDisk(disk, virtual); err != nil {
		return err
	}
	defer os.Remove(disk)
	c := &convert.Converter{Warn: func(text string) { fmt.Fprintln(os.Stderr, text) }}
	if err := c.Check(b.ctx); err != nil {
		return err
	}
	b.table.head("The same disk converted; ours in a sandbox, hashed, read back whole, compared and durable; median of %d rounds", b.rounds)
	for _, f := range convert.Formats() {
		var ours, theirs []time.Duration
		var bytes int64
		for range b.rounds {
			out := filepath.Join(b.dir, "plain."+string(f))
			name, args := "qemu-img", append([]string{"convert", "-f", "raw"}, append(plainly[f], disk, out)...)
			if f == gate.Raw {
				name, args = "cp", []string{"--sparse=always", disk, out}
			}
			took, _, err := b.timed(name, args...)
			if err != nil {
				return err
			}
			flush, err := fsync(out)
			if err != nil {
				return err
			}
			theirs = append(theirs, took+flush)
			if err := os.Remove(out); err != nil {
				return err
			}
			took, n, err := b.converted(c, disk, f)
			if err != nil {
				return err
			}
			ours, bytes = append(ours, took), n
		}
		a, p := median(ours), median(theirs)
		b.table.add(fmt.Sprintf("%s by qemu-img (raw: by cp) and fsync", f), ms(p), "", true)
		b.table.add(fmt.Sprintf("%s by slipway, %d MB", f, bytes/1e6), ms(a), "", true)
		b.table.add("  against that", times(ratio(a, p)), fmt.Sprintf("≤ %.0f ×", convertGoal), ratio(a, p) <= convertGoal)
	}
	return nil
}

func (b *bench) converted(c *convert.Converter, disk string, f gate.Format) (time.Duration, int64, error) {
	ctx, stop := context.WithCancel(b.ctx)
	defer stop()
	out := filepath.Join(b.dir, "ours."+string(f))
	begun := time.Now()
	r, err := c.File(ctx, disk, out, convert.Options{Format: f})
	took := time.Since(begun)
	if err != nil {
		return 0, 0, err
	}
	return took, r.FileBytes, os.Remove(out)
}
