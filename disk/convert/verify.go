package convert

import (
	"context"

	"slipway/disk"
	"slipway/disk/gate"
	"slipway/fault"
)

// verify reads what was written through the gate, as a stranger's file, and
// compares every byte of the disk in it by digest.
func (j *job) verify(ctx context.Context, made string, want disk.Digest) error {
	const what = "What was written could not be read back."
	j.notify(full*9/10, full, "comparing")
	f, err := disk.OpenSparse(made)
	if err != nil {
		return err
	}
	defer f.Close()
	size, content := f.Size(), disk.Content(f)
	if j.o.Format != gate.Raw { // a raw disk is its bytes, whatever they look like
		d, err := gate.Open(f, f.Size(), gate.Options{Declared: j.o.Format})
		if err == nil {
			err = d.Check(ctx)
		}
		if err != nil {
			return wrongOutput(err, "it was refused")
		}
		size, content = d.VirtualSize, d
	}
	if size != j.size {
		return wrongOutput(nil, "it has another size")
	}
	got, err := disk.Sum(ctx, content, size, nil)
	if gate.Code(err) != "" {
		return wrongOutput(err, "it was refused")
	}
	if err != nil {
		return wrap(err, what)
	}
	if got.Digest != want {
		return wrongOutput(nil, "it differs from its source")
	}
	return nil
}

func wrongOutput(err error, why string) error {
	return fault.Wrap(fault.Internal, err, "The converted disk was read back and %s; it was removed.", why).
		WithHint("Nothing happened to the source. Check the machine's disk and memory, try again, and report this with the version of qemu-img.").WithCode("conversion-differs")
}
