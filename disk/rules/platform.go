package rules

import (
	"strings"

	"slipway/disk/facts"
)

// Platform is the AppStream platform word of the disk's operating system, ""
// when the API has none.
func Platform(f facts.Facts) string {
	switch {
	case f.OS == facts.Windows && f.Windows != nil:
		return map[string]string{
			"Windows Server 2016": "WINDOWS_SERVER_2016", "Windows Server 2019": "WINDOWS_SERVER_2019",
			"Windows Server 2022": "WINDOWS_SERVER_2022", "Windows Server 2025": "WINDOWS_SERVER_2025"}[f.Windows.Name]
	case f.OS == facts.Linux && f.Linux != nil:
		l := f.Linux
		major, _, _ := strings.Cut(l.VersionID, ".")
		switch {
		case l.ID == "amzn" && l.VersionID == "2":
			return "AMAZON_LINUX2"
		case l.ID == "rhel" && major == "8":
			return "RHEL8"
		case l.ID == "rocky" && major == "8":
			return "ROCKY_LINUX8"
		case l.ID == "ubuntu" && l.VersionID == "24.04":
			return "UBUNTU_PRO_2404"
		}
	}
	return ""
}

// Buses and network cards as words; those of compute.Bus and compute.Model.
const (
	BusVirtio = "virtio-blk"
	BusNVMe   = "nvme"
	NICVirtio = "virtio-net"
	NICE1000e = "e1000e"
)

// Bus is the disk controller that the guest can start from: virtio when every
// sign says that it has the driver, otherwise NVMe, which every current system
// knows.
func Bus(f facts.Facts) string {
	switch {
	case f.OS == facts.Windows && f.Windows != nil:
		if s, ok := f.Windows.Service(facts.SvcVioStor); ok && s.File && s.Start == facts.StartBoot {
			return BusVirtio
		}
	case f.OS == facts.Linux && f.Linux.Driver("virtio_blk"):
		if _, _, lacking := f.Linux.Lacking("virtio_blk"); !lacking {
			return BusVirtio
		}
	}
	return BusNVMe
}

// NIC is the network card that the guest has a driver for: virtio when known,
// otherwise e1000e.
func NIC(f facts.Facts) string {
	if f.OS == facts.Windows && f.Windows.Driver(facts.SvcNetKVM) || f.OS == facts.Linux && f.Linux.Driver("virtio_net") {
		return NICVirtio
	}
	return NICE1000e
}
