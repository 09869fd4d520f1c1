package convert

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"slipway/disk/gate"
)

// pack writes an OVA: a description, a manifest and a stream-optimized VMDK, in
// the order in which a reader wants them (DSP0243).
func (j *job) pack(ctx context.Context) (string, error) {
	vmdk, err := j.qemuImg(ctx, gate.VMDK)
	if err != nil {
		return "", err
	}
	defer os.Remove(vmdk) // or with the directory
	in, err := os.Open(vmdk)
	if err != nil {
		return "", err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	if err := copyAll(ctx, sum, in); err != nil {
		return "", err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	name := j.machineName()
	disk := name + "-disk1.vmdk"
	ovf, err := description(name, disk, st.Size(), j.size)
	if err != nil {
		return "", err
	}
	ovfSum := sha256.New()
	ovfSum.Write(ovf)
	manifest := manifestLine(name+".ovf", ovfSum) + manifestLine(disk, sum)

	path := filepath.Join(j.dir, "disk.ova")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	w := tar.NewWriter(f)
	err = member(ctx, w, name+".ovf", int64(len(ovf)), strings.NewReader(string(ovf)))
	if err == nil {
		err = member(ctx, w, name+".mf", int64(len(manifest)), strings.NewReader(manifest))
	}
	if err == nil {
		err = member(ctx, w, disk, st.Size(), in)
	}
	return path, errors.Join(err, w.Close(), f.Close())
}

func manifestLine(name string, sum hash.Hash) string {
	return fmt.Sprintf("SHA256(%s)= %s\n", name, hex.EncodeToString(sum.Sum(nil)))
}

// member adds a file to the archive: plain ustar, and GNU's binary size where
// octal digits do not reach.
func member(ctx context.Context, w *tar.Writer, name string, size int64, r io.Reader) error {
	h := &tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR, ModTime: time.Unix(0, 0)}
	if size >= 8<<30 {
		h.Format = tar.FormatGNU
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	return copyAll(ctx, w, r)
}

func copyAll(ctx context.Context, w io.Writer, r io.Reader) error {
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// machineName is safe as the name of a file anywhere.
func (j *job) machineName() string {
	name := j.o.Name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(j.out), filepath.Ext(j.out))
	}
	name = strings.Trim(notInNames.ReplaceAllString(name, "-"), "-.")
	if name == "" {
		name = "machine"
	}
	return name[:min(len(name), 60)]
}

// description is the OVF: two processors, 4 GiB, UEFI, and the disk on an NVMe
// controller, as the machines here have it. Hardware 13 is the first that knows
// the controller.
func description(name, disk string, fileBytes, diskBytes int64) ([]byte, error) {
	var safe strings.Builder
	if err := xml.EscapeText(&safe, []byte(name)); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, ovfText, disk, fileBytes, diskBytes, safe.String()), nil
}

const ovfText = `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
    <File ovf:id="file1" ovf:href="%[1]s" ovf:size="%[2]d"/>
  </References>
  <DiskSection>
    <Info>The disks</Info>
    <Disk ovf:diskId="disk1" ovf:fileRef="file1" ovf:capacity="%[3]d" ovf:capacityAllocationUnits="byte" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <VirtualSystem ovf:id="%[4]s">
    <Info>A machine</Info>
    <Name>%[4]s</Name>
    <OperatingSystemSection ovf:id="102">
      <Info>Another 64-bit system</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>What the machine needs</Info>
      <System>
        <vssd:ElementName>Virtual hardware</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>%[4]s</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
        <rasd:ElementName>2 processors</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>2</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:ElementName>4096 MiB of memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>4096</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:ElementName>NVMe controller</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>vmware.nvme.controller</rasd:ResourceSubType>
        <rasd:ResourceType>20</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Disk 1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
`
