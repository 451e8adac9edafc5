//go:build linux

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// A line is a command of guestkit and what people type on a mount instead, both for sh:
// $GUESTKIT, the $IMAGE of a disk, the folder $MOUNT where a kernel shows it, the output
// $OUT, which is removed after each run.
type line struct {
	name         string
	disk         string // one of disks, or of sources; "" is none
	ours, theirs string
	before       string  // runs before each, and is not measured
	after        string  // the same, to see that it is right
	tool         string  // that the other needs
	wall, cpu    float64 // the goals: ratios, 0 for none
}

// What changes images in place changes a copy each time, and qemu-img looks at it and
// at its disk.
const (
	fresh = `cp --sparse=always "$IMAGE" "$OUT"`
	same  = `qemu-img check -q "$OUT" && qemu-img compare -q "$OUT" "$IMAGE"`
)

// Both programs serve at once, for five minutes at most, and one of them is read.
const (
	served = `timeout 300 "$GUESTKIT" serve nbd -q --socket "$OUT.ours" "$IMAGE" >/dev/null 2>&1 & echo $! >"$OUT.pid"
timeout 300 qemu-nbd -r -t -e 8 -f qcow2 -k "$OUT.theirs" "$IMAGE" >/dev/null 2>&1 & echo $! >>"$OUT.pid"
for i in $(seq 100); do [ -S "$OUT.ours" ] && [ -S "$OUT.theirs" ] && break; sleep 0.1; done`
	unserved = `kill $(cat "$OUT.pid"); for i in $(seq 100); do [ -S "$OUT.ours" ] || break; sleep 0.1; done; rm -f "$OUT.pid" "$OUT.ours" "$OUT.theirs"`
)

var lines = []line{
	{name: "start", ours: `exec "$GUESTKIT" version`, theirs: `exec qemu-img --version`, tool: "qemu-img"},
	{name: "info of a qcow2", disk: "qcow2", ours: `exec "$GUESTKIT" info "$IMAGE"`, theirs: `exec qemu-img info "$IMAGE"`, tool: "qemu-img"},
	{name: "map of a qcow2, JSON", disk: "qcow2", ours: `exec "$GUESTKIT" map --output=json "$IMAGE"`, theirs: `exec qemu-img map --output=json "$IMAGE"`, tool: "qemu-img"},
	{name: "check of a qcow2", disk: "qcow2", ours: `exec "$GUESTKIT" check "$IMAGE"`, theirs: `exec qemu-img check -q "$IMAGE"`, tool: "qemu-img"},
	{name: "compare of qcow2 and raw", disk: "qcow2", ours: `exec "$GUESTKIT" compare -q "$IMAGE" "$RAW"`, theirs: `exec qemu-img compare -q "$IMAGE" "$RAW"`, tool: "qemu-img"},
	{name: "snapshot made, 1 TiB with 100 MiB", disk: "wide", before: fresh, after: same, ours: `exec "$GUESTKIT" snapshot -q -c s "$OUT"`, theirs: `exec qemu-img snapshot -q -c s "$OUT"`, tool: "qemu-img", wall: 0.5},
	{name: "snapshot deleted, 1 TiB with 100 MiB", disk: "wide", before: fresh + ` && qemu-img snapshot -q -c s "$OUT"`, after: same, ours: `exec "$GUESTKIT" snapshot -q -d s "$OUT"`, theirs: `exec qemu-img snapshot -q -d s "$OUT"`, tool: "qemu-img", wall: 0.5},
	{name: "rebase, 8 GiB of which 256 MiB differ", disk: "overlay", before: fresh, after: same, ours: `exec "$GUESTKIT" rebase -q -b other -F qcow2 "$OUT"`, theirs: `exec qemu-img rebase -q -b other -F qcow2 "$OUT"`, tool: "qemu-img", wall: 0.8},
	{name: "rebase onto nothing, 2 GiB", disk: "overlay", before: fresh, after: same, ours: `exec "$GUESTKIT" rebase -q -b '' "$OUT"`, theirs: `exec qemu-img rebase -q -b '' "$OUT"`, tool: "qemu-img", wall: 0.8},
	{name: "commit of 128 MiB", disk: "overlay", before: `cp --sparse=always base "$OUT.base" && ` + fresh + ` && qemu-img rebase -u -q -b "$OUT.base" -F qcow2 "$OUT"`, after: same + ` && qemu-img check -q "$OUT.base" && qemu-img compare -q "$OUT.base" "$IMAGE"`, ours: `exec "$GUESTKIT" commit -q "$OUT"`, theirs: `exec qemu-img commit -q "$OUT"`, tool: "qemu-img", wall: 0.8},
	{name: "NBD, all of a qcow2", disk: "qcow2", before: served, after: unserved, ours: `exec nbdcopy "nbd+unix:///?socket=$OUT.ours" null:`, theirs: `exec nbdcopy "nbd+unix:///?socket=$OUT.theirs" null:`, tool: "nbdcopy", wall: 1},
	{name: "NBD, 50,000 reads of 4 KiB, 16 at once", disk: "qcow2", before: served, after: unserved, ours: `exec qemu-img bench -f raw -d 16 -s 4096 -S 1052672 -c 50000 "nbd+unix:///?socket=$OUT.ours"`, theirs: `exec qemu-img bench -f raw -d 16 -s 4096 -S 1052672 -c 50000 "nbd+unix:///?socket=$OUT.theirs"`, tool: "qemu-img", wall: 1},
	{name: "manifest of a system", disk: "system", ours: `exec "$GUESTKIT" manifest "$IMAGE"`, theirs: `cd "$MOUNT" && find . -type f -print0 | xargs -0 -P2 sha256sum`, wall: 1},
	{name: "cp of a system", disk: "system", ours: `exec "$GUESTKIT" cp -q "$IMAGE" / "$OUT"`, theirs: `exec cp -a "$MOUNT" "$OUT"`, wall: 1},
	{name: "tar of a system", disk: "system", ours: `exec "$GUESTKIT" tar "$IMAGE" -o - >/dev/null`, theirs: `tar -C "$MOUNT" -cf - . | cat >/dev/null`, wall: 1},
	{name: "ls -lR of 50,000 files", disk: "many", ours: `exec "$GUESTKIT" ls -lR "$IMAGE" /`, theirs: `exec ls -lR "$MOUNT"`},
	{name: "find -ls of 50,000 files", disk: "many", ours: `exec "$GUESTKIT" find "$IMAGE" --ls`, theirs: `exec find "$MOUNT" -ls`, wall: 0.6},
	{name: "find of 50,000 files by name", disk: "many", ours: `exec "$GUESTKIT" find "$IMAGE" -name '*7.txt'`, theirs: `exec find "$MOUNT" -name '*7.txt'`, wall: 0.6},
	{name: "du of 50,000 files", disk: "many", ours: `exec "$GUESTKIT" du -s "$IMAGE"`, theirs: `exec du -s "$MOUNT"`, wall: 0.6},
	{name: "manifest of 50,000 files", disk: "many", ours: `exec "$GUESTKIT" manifest "$IMAGE"`, theirs: `cd "$MOUNT" && find . -type f -print0 | xargs -0 -P2 sha256sum`, wall: 1},
	{name: "a file of 100,000 extents, XFS", disk: "xfs", ours: `exec "$GUESTKIT" cat "$IMAGE" /fragmented >/dev/null`, theirs: `exec cat "$MOUNT/fragmented" >/dev/null`, wall: 2},
	{name: "a file of 100,000 extents, ext4", disk: "ext4", ours: `exec "$GUESTKIT" cat "$IMAGE" /fragmented >/dev/null`, theirs: `exec cat "$MOUNT/fragmented" >/dev/null`, wall: 2},
	{name: "a file of 100,000 extents, NTFS", disk: "ntfs", ours: `exec "$GUESTKIT" cat "$IMAGE" /fragmented >/dev/null`, theirs: `exec cat "$MOUNT/fragmented" >/dev/null`, tool: "ntfs-3g", wall: 1},
	{name: "inspect of a system, packages too", disk: "system", ours: `exec "$GUESTKIT" inspect --json "$IMAGE"`, theirs: `exec qemu-img info --output=json "$IMAGE"`, tool: "qemu-img"},
}

// TestCommands prints the table of commands; see the package's documentation.
func TestCommands(t *testing.T) {
	b := newBench(t)
	tab := newTable(t, "commands", "| Command | wall | range of wall | CPU | guestkit: wall, CPU, peak memory | the other | goal |")
	for _, l := range lines { // here, so that the mounts outlive the jobs
		if _, ok := disks[l.disk]; ok && os.Geteuid() == 0 {
			if l.tool == "" || peers.Has(t, l.tool) {
				b.at(t, l.disk)
			}
		}
	}
	for _, l := range lines {
		t.Run(l.name, func(t *testing.T) {
			if l.tool != "" {
				peers.Need(t, l.tool)
			}
			out := filepath.Join(b.dir, "out")
			env := []string{"GUESTKIT=" + b.guestkit, "OUT=" + out, "RAW=" + b.raw}
			switch _, mounted := disks[l.disk]; {
			case mounted:
				image, dir := b.at(t, l.disk)
				env = append(env, "IMAGE="+image, "MOUNT="+dir)
			case l.disk != "":
				env = append(env, "IMAGE="+b.source(t, l.disk))
			}
			aside := func(what string) {
				if what != "" {
					cmd := peers.Command(t, "sh", "-c", what)
					cmd.Dir, cmd.Env = b.dir, append(os.Environ(), env...)
					peers.RunCmd(t, cmd)
				}
			}
			once := func(what string) cost {
				aside(l.before)
				c := b.run(t, env, []string{"sh", "-c", what})
				aside(l.after)
				aside(`rm -rf "$OUT" "$OUT.base"`)
				return c
			}
			once(l.ours) // unmeasured, so that both find their files in memory
			once(l.theirs)
			p := b.alternate(func() cost { return once(l.ours) }, func() cost { return once(l.theirs) })
			walls, cpus := p.ratios(wall), p.ratios(cpu)
			tab.add(fmt.Sprintf("| %s | %.2f | %.2f to %.2f | %.2f | %s | %s | %s |", l.name, middle(walls), walls[0], walls[len(walls)-1], middle(cpus),
				show(p.ours), show(p.theirs), judge(t, goal{"wall", middle(walls), l.wall}, goal{"CPU", middle(cpus), l.cpu})))
		})
	}
}
