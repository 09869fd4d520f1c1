package qemu

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"slipway/compute"
)

// plan is all that a command line is made of.
type plan struct {
	spec  compute.Spec // checked
	files files
	accel string // "kvm" or "tcg"
	code  string // firmware, read-only
	// clipboard: QEMU has a clipboard for the guest's vdagent, which viewers of
	// the display share.
	clipboard bool
}

// option is one pair on the command line.
type option struct{ name, value string }

// props prints as JSON with its keys in order.
type props map[string]any

func (p props) String() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings, numbers, booleans and maps of them
	}
	return string(b)
}

// commandLine is the one place where machines are shaped. It is pure. Options
// are sorted by name; among equal names the order is kept, because QEMU makes
// devices and block nodes in that order and the guest sees it as addresses.
func commandLine(p plan) []string {
	var o []option
	add := func(name string, value any) { o = append(o, option{name, fmt.Sprint(value)}) }
	s, f := p.spec, p.files

	cpu := "max"
	if p.accel == "kvm" {
		cpu = "host"
	}
	add("accel", p.accel)
	// A guest that panics is kept for a look instead of ending QEMU.
	add("action", "panic=pause,reboot=reset,shutdown=poweroff,watchdog=none")
	add("cpu", cpu)
	add("m", strconv.FormatInt(s.MemoryMB, 10)+"M")
	add("machine", "q35,smm=off,vmport=off")
	add("name", "slipway-"+s.ID)
	add("rtc", "base=utc")
	add("sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
	add("smp", fmt.Sprintf("%d,sockets=1,cores=%d,threads=1", s.CPUs, s.CPUs))
	add("uuid", uuid(s.ID))

	// Firmware: shared code that nobody writes, variables of our own.
	add("drive", "if=pflash,unit=0,format=raw,readonly=on,file="+p.code)
	add("drive", "if=pflash,unit=1,format=raw,file="+f.vars())

	disk(add, s)
	if s.CD != "" {
		// On the chipset's own controller: every system has a driver for it.
		add("blockdev", props{"driver": "file", "filename": s.CD, "node-name": "cdfile", "read-only": true})
		add("blockdev", props{"driver": "raw", "file": "cdfile", "node-name": "cd", "read-only": true})
		add("device", props{"driver": "ide-cd", "bus": "ide.0", "drive": "cd", "serial": "slipwaycd"})
	}

	// Two monitors: one for our questions, and one on stdin and stdout, which
	// are files, that keeps a list of all events also while nobody of us runs.
	add("chardev", "socket,id=monitor,path="+f.monitor()+",server=on,wait=off")
	add("mon", "chardev=monitor,mode=control")
	add("chardev", "stdio,id=events,signal=off")
	add("mon", "chardev=events,mode=control")
	// append: the file can be cut from outside and QEMU goes on at its new end.
	add("chardev", "file,id=serial,append=on,path="+f.serial())
	add("serial", "chardev:serial")

	add("chardev", "socket,id=agent,path="+f.agent()+",server=on,wait=off")
	add("device", props{"driver": "virtio-serial-pci", "id": "ports"})
	add("device", props{"driver": "virtserialport", "bus": "ports.0", "chardev": "agent", "name": "org.qemu.guest_agent.0"})
	add("chardev", "socket,id=channel,path="+f.channel()+",server=on,wait=off")
	add("device", props{"driver": "virtserialport", "bus": "ports.0", "chardev": "channel", "name": compute.ChannelPort})
	if p.clipboard {
		// The port that spice-vdagent looks for, in Linux and in Windows.
		add("chardev", "qemu-vdagent,id=clipboard,name=vdagent,clipboard=on,mouse=off")
		add("device", props{"driver": "virtserialport", "bus": "ports.0", "chardev": "clipboard", "name": "com.redhat.spice.0"})
	}

	add("display", "none")
	add("vnc", "unix:"+f.display()+",share=force-shared")
	// Memory for screens up to 3840 × 2160.
	add("device", props{"driver": "VGA", "id": "screen", "vgamem_mb": 64})
	add("device", props{"driver": "qemu-xhci", "id": "usb"})
	add("device", props{"driver": "usb-tablet", "bus": "usb.0"})
	add("device", props{"driver": "pvpanic"})

	// The frames of the guest go to the network process and nowhere else; while
	// it is not there they are dropped.
	add("netdev", props{"type": "dgram", "id": "net0",
		"local":  props{"type": "unix", "path": f.netPeer()},
		"remote": props{"type": "unix", "path": f.net()}})
	card := map[compute.Model]string{compute.E1000e: "e1000e", compute.VirtioNet: "virtio-net-pci"}[s.NIC]
	// Without a boot ROM the firmware cannot use the card: a frame is a sign of
	// an operating system.
	add("device", props{"driver": card, "netdev": "net0", "mac": cmp.Or(s.Network.MAC, mac(s.ID)), "romfile": ""})

	if s.TPM {
		add("chardev", "socket,id=tpm,path="+f.tpm())
		add("tpmdev", "emulator,id=tpm0,chardev=tpm")
		add("device", props{"driver": "tpm-crb", "tpmdev": "tpm0"})
	}
	return render(o)
}

// disk adds the chain, the lowest layer first, since a layer must know the one
// below it. Nothing is probed: formats and backing are said for each layer, also
// that the lowest has none, whatever its header may claim.
func disk(add func(string, any), s compute.Spec) {
	for i := len(s.Disk.Chain) - 1; i >= 0; i-- {
		l, below := s.Disk.Chain[i], i > 0 // below: lies under another layer
		file := props{"driver": "file", "filename": l.Path, "node-name": fmt.Sprintf("file%d", i), "read-only": below}
		node := props{"driver": l.Format, "file": fmt.Sprintf("file%d", i), "node-name": fmt.Sprintf("disk%d", i), "read-only": below}
		if !below {
			file["discard"], node["discard"] = "unmap", "unmap"
		}
		if l.Format == "qcow2" {
			node["backing"] = nil
			if i+1 < len(s.Disk.Chain) {
				node["backing"] = fmt.Sprintf("disk%d", i+1)
			}
		}
		add("blockdev", file)
		add("blockdev", node)
	}
	drive := props{"driver": "nvme", "drive": "disk0", "bootindex": 0, "serial": "slipway0"}
	if s.Bus == compute.VirtioBlk {
		drive["driver"] = "virtio-blk-pci"
	}
	add("device", drive)
}

func render(o []option) []string {
	slices.SortStableFunc(o, func(a, b option) int { return cmp.Compare(a.name, b.name) })
	args := []string{"-nodefaults", "-no-user-config"}
	for _, x := range o {
		args = append(args, "-"+x.name, x.value)
	}
	return args
}

// tpmCommandLine is swtpm's; all paths are absolute, it changes its directory.
func tpmCommandLine(f files) []string {
	return []string{"socket", "--tpm2", "--terminate",
		"--ctrl", "type=unixio,mode=0600,path=" + f.tpm(),
		"--tpmstate", "mode=0600,dir=" + f.tpmState()}
}
