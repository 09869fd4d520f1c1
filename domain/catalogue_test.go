package domain

import (
	"strings"
	"testing"
)

func TestPublishedCatalogue(t *testing.T) {
	c := Instances()
	seen := map[string]bool{}
	builders, elastic, streams := 0, 0, 0
	for _, x := range c.types {
		if seen[x.Name] || x.Family == "" || x.VCPUs < 1 || x.MemoryMiB < LeastMemoryMiB {
			t.Errorf("%+v", x)
		}
		seen[x.Name] = true
		if !strings.HasPrefix(x.Name, "stream.") {
			if !c.Runs("CUSTOM", nil, x) || c.Runs("NATIVE", nil, x) {
				t.Errorf("%s: CUSTOM alone should run on it", x.Name)
			}
			continue
		}
		streams++
		if x.Builder {
			builders++
		}
		if x.Elastic {
			elastic++
		}
		if c.Runs("CUSTOM", nil, x) || !c.Runs("NATIVE", nil, x) || !c.Runs("BYOL", nil, x) {
			t.Errorf("%s: NATIVE and BYOL alone should run on it", x.Name)
		}
	}
	// As many as the API pages list.
	if streams != 52 || builders != 50 || elastic != 5 || len(c.software) != 24 {
		t.Errorf("%d stream types, %d for builders, %d elastic, %d softwares", streams, builders, elastic, len(c.software))
	}
	if got := strings.Join(c.Families("CUSTOM"), " "); got != "GENERAL_PURPOSE COMPUTE_OPTIMIZED MEMORY_OPTIMIZED GRAPHICS_G4 GRAPHICS_G5 GRAPHICS_G6" {
		t.Errorf("families of imported images: %s", got)
	}
	small, _ := c.Find("stream.standard.small")
	if c.Runs("NATIVE", []string{"GRAPHICS_G5"}, small) {
		t.Error("an image of one family runs on another")
	}
	if got := c.Usable("NATIVE", []string{"GENERAL_PURPOSE"}); strings.Join(got, " ") != "stream.standard.small stream.standard.medium stream.standard.large" {
		t.Errorf("usable: %v", got)
	}
}

func TestOverride(t *testing.T) {
	c, err := Instances().Override(strings.NewReader(`{"scale":{"memory":0.25,"vcpu":0.5},
		"types":[{"type":"stream.standard.small","memory_gib":1.5}],"image_types":{"CUSTOM":["GeneralPurpose.*","stream.standard.*"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	small, _ := c.Find("stream.standard.small")
	large, _ := c.Find("stream.standard.large")
	if small.MemoryMiB != 1536 || small.VCPUs != 1 || large.MemoryMiB != 2048 || large.VCPUs != 1 || !large.Exact {
		t.Errorf("%+v %+v", small, large)
	}
	if !c.Runs("CUSTOM", nil, small) {
		t.Error("the image types were not changed")
	}
	if was, _ := Instances().Find("stream.standard.small"); was.MemoryMiB != 2048 || was.Exact {
		t.Errorf("the published catalogue changed: %+v", was)
	}
	for text, want := range map[string]string{
		`{"type":1}`: "unknown field", `{"types":[{"type":"x"}]}`: `no instance type "x"`, `{"scale":{"memory":-1}}`: "negative",
		`{"types":[{"type":"stream.standard.small","gpu":true}]}`:       "only vcpu and memory_gib",
		`{"types":[{"type":"stream.standard.small","memory_gib":0.1}]}`: "512 MiB",
		`{"image_types":{"ODD":["*"]}}`:                                 `no image type "ODD"`,
		`{"image_types":{"BYOL":["["]}}`:                                "not a pattern",
	} {
		if _, err := Instances().Override(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFit(t *testing.T) {
	large := InstanceType{VCPUs: 8, MemoryMiB: 32 << 10}
	exact := large
	exact.Exact = true
	for _, c := range []struct {
		t    InstanceType
		h    HostRoom
		cpus int
		mib  int64
	}{
		{large, HostRoom{}, 8, 32 << 10},
		{large, HostRoom{MemoryMiB: 8 << 10, CPUs: 2}, 2, 4 << 10},
		{large, HostRoom{MemoryMiB: 600, CPUs: 2}, 2, LeastMemoryMiB},
		{exact, HostRoom{MemoryMiB: 8 << 10, CPUs: 2}, 2, 32 << 10},
		{large, HostRoom{MemoryMiB: 256 << 10, CPUs: 64}, 8, 32 << 10},
	} {
		if cpus, mib := c.t.Fit(c.h); cpus != c.cpus || mib != c.mib {
			t.Errorf("%+v on %+v: %d, %d", c.t, c.h, cpus, mib)
		}
	}
}
