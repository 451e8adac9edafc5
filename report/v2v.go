package report

import (
	"context"
	"encoding/xml"
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect"
)

// The elements of virt-v2v-inspector, in the order in which it writes them.
type v2vDoc struct {
	XMLName  xml.Name  `xml:"v2v-inspection"`
	Program  string    `xml:"program"`
	Package  string    `xml:"package"`
	Version  string    `xml:"version"`
	Disks    v2vDisks  `xml:"disks"`
	Firmware v2vType   `xml:"firmware"`
	System   v2vSystem `xml:"operatingsystem"`
}

type v2vDisks struct {
	Disks []v2vDisk `xml:"disk"`
}

type v2vDisk struct {
	Index     int           `xml:"index,attr"`
	Size      int64         `xml:"virtual-size"`
	Allocated *v2vEstimated `xml:"allocated"`
}

type v2vEstimated struct {
	Estimated bool  `xml:"estimated,attr"`
	Bytes     int64 `xml:",chardata"`
}

type v2vType struct {
	Type string `xml:"type,attr"`
}

type v2vSystem struct {
	Name         string  `xml:"name"`
	Distro       string  `xml:"distro"`
	OSInfo       string  `xml:"osinfo"`
	Arch         string  `xml:"arch"`
	Major        int     `xml:"major_version"`
	Minor        int     `xml:"minor_version"`
	Format       string  `xml:"package_format"`
	Management   string  `xml:"package_management"`
	Product      string  `xml:"product_name,omitempty"`
	Variant      string  `xml:"product_variant,omitempty"`
	SystemRoot   string  `xml:"windows_systemroot,omitempty"`
	SoftwareHive string  `xml:"windows_software_hive,omitempty"`
	SystemHive   string  `xml:"windows_system_hive,omitempty"`
	ControlSet   string  `xml:"windows_current_control_set,omitempty"`
	Root         string  `xml:"root"`
	Mounts       xmlList `xml:"mountpoints"`
}

// VirtV2VInspector writes the XML that virt-v2v-inspector prints, of the first
// installed system; version is what it says of itself. allocated is how many bytes of
// each disk hold data, -1 where that is not known: how large a copy of it will be.
// Where there is no system that libguestfs has a word for, the error is ErrNoSystem.
func VirtV2VInspector(w io.Writer, g *Guest, version string, allocated []int64) error {
	doc := v2vDoc{Program: "virt-v2v-inspector", Package: "guestkit", Version: version}
	for i, info := range g.Images {
		d := v2vDisk{Index: i, Size: info.VirtualSize}
		if i < len(allocated) && allocated[i] >= 0 {
			d.Allocated = &v2vEstimated{true, allocated[i]}
		}
		doc.Disks.Disks = append(doc.Disks.Disks, d)
	}
	for _, s := range g.Report.Systems {
		x, ok := newXMLSystem(g.Report, s)
		if !ok {
			continue
		}
		unknown := func(s string) string {
			if s == "" {
				return inspect.Unknown
			}
			return s
		}
		doc.Firmware.Type = "bios"
		if s.Firmware == inspect.FirmwareUEFI {
			doc.Firmware.Type = "uefi"
		}
		doc.System = v2vSystem{Name: x.Name, Distro: unknown(x.Distro), OSInfo: unknown(x.OSInfo), Arch: unknown(x.Arch), Major: x.Major, Minor: x.Minor, Format: unknown(x.Format),
			Management: unknown(x.Management), Product: x.Product, Variant: x.Variant, SystemRoot: x.SystemRoot, ControlSet: x.ControlSet, Root: x.Root, Mounts: x.Mounts}
		if x.SystemRoot != "" {
			for _, e := range s.Because("hostname") { // the hives have the guest's own case
				doc.System.SystemHive = e.Path
			}
			for _, e := range s.Because("product_name") {
				doc.System.SoftwareHive = e.Path
			}
		}
		return writeXML(w, `<?xml version='1.0' encoding='utf-8'?>`, doc)
	}
	return ErrNoSystem
}

// Allocated is how many bytes of a disk are neither holes nor zeros, as far as its
// image tells.
func Allocated(ctx context.Context, d block.Device) (int64, error) {
	var n int64
	for e, err := range block.Extents(d, 0, d.Size()) {
		if err != nil {
			return 0, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if !e.Zero {
			n += e.Len
		}
	}
	return n, nil
}
