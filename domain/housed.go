package domain

// Housed is a resource that has a machine on this host.
type Housed interface {
	Noun
	// MachineName names its machine and the layer it writes into; "" for none.
	MachineName() string
	// HeldMiB is the memory that its machine was promised and may have now.
	HeldMiB() int64
	// Guest is who the guest of its machine is.
	Guest() Guest
}

// HousedKinds lists every kind of resource with a machine: all that share the
// host's memory, and whose machines and layers are not removed as nobody's.
var HousedKinds = []struct {
	Kind  Kind
	New   func() Housed
	Named bool // after its machine; else its alias is the machine's name
}{
	{KindBuilder, func() Housed { return new(Builder) }, false},
	{KindFleetInstance, func() Housed { return new(FleetInstance) }, true},
}

// MachineName and HeldMiB make a builder Housed.
func (b *Builder) MachineName() string { return b.Machine }

func (b *Builder) HeldMiB() int64 {
	if HoldsMachine(b.State) {
		return b.MemoryMiB
	}
	return 0
}
