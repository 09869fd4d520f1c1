package fake

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"slipway/compute"
	"slipway/fault"
)

// known remembers what files of machines said, as long as they are the same
// files: a host pretends to have tens of thousands of machines, and somebody looks
// at them all the time. What only starting a machine needs is left out.
type known struct {
	mu     sync.Mutex
	by     map[string]seen
	labels map[string]map[string]string // machines of one owner share theirs
}

type seen struct {
	file file
	m    machine
}

// file tells one file from what another process puts in its place.
type file struct {
	inode uint64
	size  int64
	at    time.Time
}

func fileOf(st fs.FileInfo) file {
	f := file{size: st.Size(), at: st.ModTime()}
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		f.inode = s.Ino
	}
	return f
}

// peek is load without what only Start needs; NotFound.
func (d *Driver) peek(id string) (machine, error) {
	if err := compute.CheckID(id); err != nil {
		return machine{}, err
	}
	st, err := os.Lstat(d.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return machine{}, fault.Wrap(fault.NotFound, err, "There is no machine %s.", id)
	} else if err != nil {
		return machine{}, fault.Wrap(fault.Internal, err, "The machine %s cannot be read.", id)
	}
	is := fileOf(st)
	if m, ok := d.known.find(id, is); ok {
		return m, nil
	}
	m, err := d.load(id)
	if err == nil {
		d.known.keep(id, is, &m)
	}
	return m, err
}

func (k *known) find(id string, is file) (machine, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.by[id]
	return s.m, ok && s.file == is
}

// keep also makes m as small as what is kept.
func (k *known) keep(id string, is file, m *machine) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m.Spec = compute.Spec{MemoryMB: m.Spec.MemoryMB, CPUs: m.Spec.CPUs, Labels: k.share(m.Spec.Labels)}
	k.by[id] = seen{is, *m}
}

// share gives one map for all equal ones; nobody changes them. The lock is held.
func (k *known) share(labels map[string]string) map[string]string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		text += name + "\x00" + labels[name] + "\x00"
	}
	if have, ok := k.labels[text]; ok {
		return have
	}
	k.labels[text] = labels
	return labels
}

func (k *known) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if delete(k.by, id); len(k.by) == 0 {
		clear(k.labels)
	}
}
