package domain

import "strings"

// InstanceType is what a machine of a type has. Sizes and family words are
// ours, after the EC2 sizes; the published list names families only.
type InstanceType struct {
	Name      string
	Family    string // as SupportedInstanceFamilies spells it
	VCPUs     int
	MemoryMiB int64
	GPU       bool
}

var importedSizes = []struct {
	size  string
	vcpus int
}{{"large", 2}, {"xlarge", 4}, {"2xlarge", 8}, {"4xlarge", 16}, {"8xlarge", 32}}

var importedFamilies = []struct {
	prefix, family string
	mibPerVCPU     int64
	gpu            bool
}{
	{"GeneralPurpose.m7i.", "GENERAL_PURPOSE", 4096, false},
	{"ComputeOptimized.c7i.", "COMPUTE_OPTIMIZED", 2048, false},
	{"MemoryOptimized.r7i.", "MEMORY_OPTIMIZED", 8192, false},
	{"Accelerated.g4dn.", "GRAPHICS_G4", 4096, true},
	{"Accelerated.g5.", "GRAPHICS_G5", 4096, true},
	{"Accelerated.g6.", "GRAPHICS_G6", 4096, true},
}

// ImportedInstanceType finds a type that images of type CUSTOM run on.
func ImportedInstanceType(name string) (InstanceType, bool) {
	for _, f := range importedFamilies {
		size, ok := strings.CutPrefix(name, f.prefix)
		if !ok {
			continue
		}
		for _, z := range importedSizes {
			if z.size == size {
				return InstanceType{Name: name, Family: f.family, VCPUs: z.vcpus, MemoryMiB: int64(z.vcpus) * f.mibPerVCPU, GPU: f.gpu}, true
			}
		}
	}
	return InstanceType{}, false
}

// ImportedTypes lists the types that images of type CUSTOM run on.
func ImportedTypes() []string {
	var out []string
	for _, f := range importedFamilies {
		for _, z := range importedSizes {
			out = append(out, f.prefix+z.size)
		}
	}
	return out
}

// ImportedFamilies lists the family words of images of type CUSTOM.
func ImportedFamilies() []string {
	var out []string
	for _, f := range importedFamilies {
		out = append(out, f.family)
	}
	return out
}
