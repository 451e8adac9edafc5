package main

import (
	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/evtx"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/rpmdb"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/journal"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/registry"
	"github.com/guestkit/guestkit/vdi"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vhdx"
	"github.com/guestkit/guestkit/vmdk"
	"github.com/guestkit/guestkit/volume/lvm"
)

type limitsDoc struct {
	Schema string     `json:"schema"`
	Limits []limitDoc `json:"limits"`
}

type limitDoc struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
	Bytes bool   `json:"bytes,omitempty"` // the value is a size; else it is a count
}

func newLimits(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "limits [flags]",
		Short: "Print what an image may ask for at most",
		Long: `Prints the limits that keep a hostile image from taking memory and time without
end. What asks for more is refused with an error that names the place. Programs
that use the library can set others.`,
		Example: `  guestkit limits
  guestkit limits --json`,
		Args: args(0, 0, "nothing"),
		RunE: func(*cobra.Command, []string) error {
			d := limitsDoc{schema("limits"), limits()}
			switch {
			case a.json:
				return a.document(d)
			case a.quiet:
				return nil
			}
			t := &terminal.Table{Right: "-r"}
			t.Head("LIMIT", "DEFAULT")
			for _, l := range d.Limits {
				if l.Bytes {
					t.Row(l.Name, terminal.Size(l.Value))
				} else {
					t.Row(l.Name, l.Value)
				}
			}
			a.out.Table(t)
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// limits asks each package for its own defaults.
func limits() []limitDoc {
	q := qcow2.DefaultLimits()
	w := format.DefaultWrappedLimits()
	return []limitDoc{
		{"images behind an image", format.DefaultMaxDepth, false},
		{"qcow2: L1 table", q.L1Table, true},
		{"qcow2: refcount table", q.RefcountTable, true},
		{"qcow2: snapshots", q.Snapshots, false},
		{"qcow2: snapshot table", q.SnapshotTable, true},
		{"qcow2: extra data of a snapshot", q.SnapshotExtra, true},
		{"qcow2: bitmaps", q.Bitmaps, false},
		{"qcow2: bitmap directory", q.BitmapDir, true},
		{"qcow2: name of the backing file", q.BackingName, true},
		{"cache of tables and inflated data of a chain", format.DefaultCacheBytes, true},
		{"qcow2: window of zstd", q.ZstdWindowSize, true},
		{"VMDK: disk", vmdk.MaxSize, true},
		{"VMDK: descriptor", vmdk.MaxDescriptor, true},
		{"VMDK: extents", vmdk.MaxExtents, false},
		{"VHD: disk", vhd.MaxSize, true},
		{"VHD: disk of a fixed image", vhd.MaxFixedSize, true},
		{"VHDX: disk", vhdx.MaxSize, true},
		{"VDI: blocks", vdi.MaxBlocks, false},
		{"compressed file: what it holds", w.Size, true},
		{"compressed file: data for a byte of file, past 1 GiB", w.Ratio, false},
		{"compressed file: window of zstd", w.ZstdWindow, true},
		{"compressed file: dictionary of xz", w.XzDict, true},
		{"check --untrusted: disk", convert.DefaultMaxVirtualSize, true},
		{"check --untrusted: data for a byte of file", convert.DefaultMaxRatio, false},
		{"GPT: entries", partition.MaxGPT, true},
		{"MBR: logical partitions", partition.DefaultMaxLogical, false},
		{"LVM2: metadata of a group", lvm.MaxMetadata, true},
		{"LVM2: volumes of a group", lvm.MaxVolumes, false},
		{"ext4: names of a directory", ext4.MaxDirEntries, false},
		{"ext4: blocks changed by the journal", ext4.MaxReplay, false},
		{"XFS: names of a directory", xfs.DefaultMaxDirEntries, false},
		{"XFS: index into the log", xfs.DefaultLogBytes, true},
		{"manifest: values of the extended attributes of a file", maxLineXattrs, true},
		{"rpm: header of a package", rpmdb.MaxHeader, true},
		{"registry: data of a value", registry.DefaultMaxValueBytes, true},
		{"registry: levels of keys", registry.MaxDepth, false},
		{"journal: field", journal.DefaultMaxFieldBytes, true},
		{"journal: fields of an entry", journal.DefaultMaxEntryBytes, true},
		{"event log: levels of an event", evtx.MaxDepth, false},
		{"guest: configuration file", inspect.DefaultMaxConfig, true},
		{"guest: package database", inspect.DefaultMaxDatabase, true},
		{"guest: packages of a database", inspect.DefaultMaxPackages, false},
		{"guest: packages of all databases", int64(system.AllPackages(inspect.DefaultMaxPackages)), false},
		{"guest: systems", inspect.MaxSystems, false},
		{"guest: all systems without packages", inspect.MaxSystemBytes, true},
	}
}
