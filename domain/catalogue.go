package domain

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
)

// InstanceType is what a machine of a type has. The published lists name types
// and families; sizes and the spelling of family words are ours, after the EC2
// sizes.
type InstanceType struct {
	Name      string
	Family    string // as SupportedInstanceFamilies spells it
	VCPUs     int
	MemoryMiB int64
	GPU       bool
	Legacy    bool // at its end of life: what exists goes on, nothing new
	Builder   bool // image builders may have it
	Elastic   bool // Elastic fleets and app block builders may have it
	// Exact: the operator has said how large it is on this host.
	Exact bool
}

// Catalogue is what the service knows by name: instance types, which kinds of
// images run on which, and licence-included software. It does not change once
// it is made.
type Catalogue struct {
	types      []InstanceType
	imageTypes map[string][]string // image type to patterns of instance types
	software   []string
}

//go:embed catalogue.json
var catalogueFile []byte

type catalogueRow struct {
	Type      string  `json:"type"`
	Family    string  `json:"family,omitempty"`
	VCPU      int     `json:"vcpu,omitempty"`
	MemoryGiB float64 `json:"memory_gib,omitempty"`
	GPU       bool    `json:"gpu,omitempty"`
	Legacy    bool    `json:"legacy,omitempty"`
	Builder   *bool   `json:"builder,omitempty"` // absent: yes
	Elastic   bool    `json:"elastic,omitempty"`
}

func mib(gib float64) int64 { return int64(math.Round(gib * 1024)) }

// Instances is the catalogue as it is published.
var Instances = sync.OnceValue(func() *Catalogue {
	var f struct {
		ImageTypes map[string][]string `json:"image_types"`
		Types      []catalogueRow      `json:"types"`
		Software   []string            `json:"software"`
	}
	d := json.NewDecoder(bytes.NewReader(catalogueFile))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		panic("catalogue.json: " + err.Error()) // it is part of the program
	}
	c := &Catalogue{imageTypes: f.ImageTypes, software: f.Software}
	for _, r := range f.Types {
		c.types = append(c.types, InstanceType{
			Name: r.Type, Family: r.Family, VCPUs: r.VCPU, MemoryMiB: mib(r.MemoryGiB),
			GPU: r.GPU, Legacy: r.Legacy, Builder: r.Builder == nil || *r.Builder, Elastic: r.Elastic,
		})
	}
	return c
})

// Find finds a type by its name.
func (c *Catalogue) Find(name string) (InstanceType, bool) {
	i := slices.IndexFunc(c.types, func(t InstanceType) bool { return t.Name == name })
	if i < 0 {
		return InstanceType{}, false
	}
	return c.types[i], true
}

// Software tells whether a name is one of the licence-included softwares.
func (c *Catalogue) Software(name string) bool { return slices.Contains(c.software, name) }

// Runs tells whether images of a type (NATIVE, CUSTOM, BYOL) run on an
// instance type; families are those that the image itself names, none meaning
// all.
func (c *Catalogue) Runs(imageType string, families []string, t InstanceType) bool {
	fits := slices.ContainsFunc(c.imageTypes[imageType], func(p string) bool {
		ok, _ := path.Match(p, t.Name) // patterns were checked when they were read
		return ok
	})
	return fits && (len(families) == 0 || slices.Contains(families, t.Family))
}

// Usable lists the types that images of a type run on and a new builder or
// fleet on a host without GPU may have.
func (c *Catalogue) Usable(imageType string, families []string) []string {
	var out []string
	for _, t := range c.types {
		if !t.GPU && !t.Legacy && t.Builder && c.Runs(imageType, families, t) {
			out = append(out, t.Name)
		}
	}
	return out
}

// Families lists the family words of the types that images of a type run on.
func (c *Catalogue) Families(imageType string) []string {
	var out []string
	for _, t := range c.types {
		if !slices.Contains(out, t.Family) && c.Runs(imageType, nil, t) {
			out = append(out, t.Family)
		}
	}
	return out
}

// Override reads what an operator changes: a scale for all types, sizes of
// single types, and which instance types an image type runs on.
//
//	{"scale": {"vcpu": 0.5, "memory": 0.25},
//	 "types": [{"type": "stream.standard.medium", "vcpu": 1, "memory_gib": 1.5}],
//	 "image_types": {"CUSTOM": ["GeneralPurpose.*", "stream.standard.*"]}}
//
// The catalogue itself stays as it is.
func (c *Catalogue) Override(r io.Reader) (*Catalogue, error) {
	var f struct {
		Scale struct {
			VCPU   float64 `json:"vcpu"`
			Memory float64 `json:"memory"`
		} `json:"scale"`
		Types      []catalogueRow      `json:"types"`
		ImageTypes map[string][]string `json:"image_types"`
	}
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	if f.Scale.VCPU < 0 || f.Scale.Memory < 0 {
		return nil, errors.New("a scale cannot be negative")
	}
	out := &Catalogue{types: slices.Clone(c.types), imageTypes: map[string][]string{}, software: c.software}
	for i := range out.types {
		out.types[i].scale(f.Scale.VCPU, f.Scale.Memory)
	}
	for _, row := range f.Types {
		if err := out.resize(row); err != nil {
			return nil, err
		}
	}
	for k, v := range c.imageTypes {
		out.imageTypes[k] = v
	}
	for k, v := range f.ImageTypes {
		if _, known := c.imageTypes[k]; !known {
			return nil, fmt.Errorf("there is no image type %q", k)
		}
		for _, p := range v {
			if _, err := path.Match(p, ""); err != nil {
				return nil, fmt.Errorf("%q is not a pattern of instance types", p)
			}
		}
		out.imageTypes[k] = v
	}
	return out, nil
}

func (t *InstanceType) scale(vcpu, memory float64) {
	if vcpu > 0 {
		t.VCPUs = max(1, int(math.Round(float64(t.VCPUs)*vcpu)))
	}
	if memory > 0 {
		t.MemoryMiB = max(LeastMemoryMiB, int64(math.Round(float64(t.MemoryMiB)*memory)))
		t.Exact = true
	}
}

func (c *Catalogue) resize(r catalogueRow) error {
	i := slices.IndexFunc(c.types, func(t InstanceType) bool { return t.Name == r.Type })
	switch {
	case i < 0:
		return fmt.Errorf("there is no instance type %q", r.Type)
	case r.Family != "" || r.GPU || r.Legacy || r.Elastic || r.Builder != nil:
		return fmt.Errorf("%s: only vcpu and memory_gib can be changed", r.Type)
	case r.VCPU < 0 || r.MemoryGiB < 0 || r.MemoryGiB > 0 && mib(r.MemoryGiB) < LeastMemoryMiB:
		return fmt.Errorf("%s: a machine needs a processor and %d MiB", r.Type, LeastMemoryMiB)
	}
	if r.VCPU > 0 {
		c.types[i].VCPUs = r.VCPU
	}
	if r.MemoryGiB > 0 {
		c.types[i].MemoryMiB, c.types[i].Exact = mib(r.MemoryGiB), true
	}
	return nil
}

// LeastMemoryMiB is what no machine is made smaller than.
const LeastMemoryMiB = 512

// HostRoom is what this host has for machines.
type HostRoom struct {
	MemoryMiB int64 // all machines together may have it; 0: unknown, no limit
	FreeMiB   int64 // a new machine may take it now; 0: unknown
	CPUs      int   // 0: unknown
	// Pretend: machines are not real here; they need no disk.
	Pretend bool
}

// Fit is what a machine of a type gets on a host: what the type has, but no
// more processors than there are and, unless the operator has said how large
// the type is, no more than half the memory. A small host thus runs every type,
// smaller than elsewhere.
func (t InstanceType) Fit(h HostRoom) (cpus int, memoryMiB int64) {
	cpus, memoryMiB = max(t.VCPUs, 1), max(t.MemoryMiB, LeastMemoryMiB)
	if h.CPUs > 0 {
		cpus = min(cpus, h.CPUs)
	}
	if h.MemoryMiB > 0 && !t.Exact {
		memoryMiB = min(memoryMiB, max(h.MemoryMiB/2, LeastMemoryMiB))
	}
	return cpus, memoryMiB
}

// FamilyMismatch is the sentence the service is known to answer when a type
// does not run an image.
func FamilyMismatch(t InstanceType, imageFamilies []string) string {
	return fmt.Sprintf("The combination of instance type %s and image instance family %s is not supported. "+
		"Select an image that belongs to image instance family supported by this instance type.", t.Name, strings.Join(imageFamilies, ", "))
}
