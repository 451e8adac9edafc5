package target

import (
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/vmdk"
)

// Ways of writing that several platforms share.

func rawImage() output { return output{"raw", nil, Facts{Format: "raw"}} }

func qcow2Image() output { return output{"qcow2", nil, Facts{Format: "qcow2"}} }

func vhdImage(subformat string) output {
	return output{"vhd", func(o *convert.Output) { o.VHD.Subformat = subformat }, Facts{Format: "vhd", Subformat: subformat}}
}

func vhdxImage() output {
	return output{"vhdx", func(o *convert.Output) { o.VHDX.Subformat = "dynamic" }, Facts{Format: "vhdx", Subformat: "dynamic"}}
}

func vdiImage() output { return output{"vdi", nil, Facts{Format: "vdi", Subformat: "dynamic"}} }

// vmdkImage is a VMDK in one file.
func vmdkImage() output {
	return output{"vmdk", func(o *convert.Output) { o.VMDK.Subformat = vmdk.MonolithicSparse },
		Facts{Format: "vmdk", Subformat: "monolithicSparse", Adapter: "ide", Version: 1}}
}

// streamed is the VMDK that VMware's products import.
func streamed() Facts {
	return Facts{Format: "vmdk", Subformat: "streamOptimized", Adapter: "lsilogic", Version: 3}
}

func vmdkStream() output {
	return output{"vmdk", func(o *convert.Output) { o.VMDK.Subformat = vmdk.StreamOptimized }, streamed()}
}

func ovaPackage() output {
	d := streamed()
	return output{"ova", nil, Facts{Format: "ova", Disks: []*Facts{&d}}}
}

// archive is disk.raw in a compressed tar archive.
func archive() output {
	return output{"tar.gz", nil, Facts{Format: "tar.gz", Members: []member{{name: "disk.raw", old: true}}}}
}
