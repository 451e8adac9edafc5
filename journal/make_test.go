package journal_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

const remote = "/lib/systemd/systemd-journal-remote"

// A kind of journal file, as the environment of systemd 252 asks for it.
type kind struct {
	name string
	env  []string
	args []string
	pack string // the tool that the values are compressed by afterwards
}

var kinds = []kind{
	{"plain", []string{"SYSTEMD_JOURNAL_COMPACT=0", "SYSTEMD_JOURNAL_KEYED_HASH=0"}, []string{"--compress=no"}, ""},
	{"keyed", []string{"SYSTEMD_JOURNAL_COMPACT=0", "SYSTEMD_JOURNAL_KEYED_HASH=1"}, []string{"--compress=no"}, ""},
	{"zstd", []string{"SYSTEMD_JOURNAL_COMPACT=0", "SYSTEMD_JOURNAL_KEYED_HASH=1"}, []string{"--compress=yes"}, ""},
	{"compact", []string{"SYSTEMD_JOURNAL_COMPACT=1", "SYSTEMD_JOURNAL_KEYED_HASH=1"}, []string{"--compress=yes"}, ""},
	{"lz4", []string{"SYSTEMD_JOURNAL_COMPACT=0", "SYSTEMD_JOURNAL_KEYED_HASH=0"}, []string{"--compress=no"}, "lz4"},
	{"xz", []string{"SYSTEMD_JOURNAL_COMPACT=1", "SYSTEMD_JOURNAL_KEYED_HASH=0"}, []string{"--compress=no"}, "xz"},
}

// make makes a journal of the kind from entries in the export format.
func (k kind) make(t testing.TB, export []byte) []byte {
	t.Helper()
	peers.Need(t, remote)
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "x.export"), filepath.Join(dir, "x.journal")
	if err := os.WriteFile(src, export, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := peers.Command(t, remote, append(k.args, "-o", dst, src)...)
	cmd.Env = append(cmd.Env, k.env...)
	peers.RunCmd(t, cmd)
	b, err := os.ReadFile(dst)
	if err != nil {
		t.Fatal(err)
	}
	if k.pack != "" {
		repack(t, b, k.pack)
	}
	return b
}

// repack compresses the values of a journal that are longer than 512 bytes, each
// in its place: this systemd writes neither XZ nor LZ4, and reads both.
func repack(t testing.TB, b []byte, tool string) {
	le := binary.LittleEndian
	head := uint64(0x40)
	if b[0x0c]&16 != 0 {
		head = 0x48
	}
	flag := map[string]byte{"xz": 1, "lz4": 2}[tool]
	b[0x0c] |= flag
	n := 0
	for off := le.Uint64(b[0x58:]); off+16 <= uint64(len(b)); {
		size := le.Uint64(b[off+8:])
		if size < 16 {
			break
		}
		if b[off] == 1 && size-head > 512 {
			payload := b[off+head : off+size]
			packed := pack(t, tool, payload)
			if len(packed) < len(payload) {
				clear(payload)
				copy(payload, packed)
				b[off+1] = flag
				le.PutUint64(b[off+8:], head+uint64(len(packed)))
				n++
			}
		}
		off += (size + 7) &^ 7
	}
	if n == 0 {
		t.Fatal("nothing was compressed")
	}
}

func pack(t testing.TB, tool string, payload []byte) []byte {
	args := []string{"-c"}
	if tool == "xz" {
		args = append(args, "--check=none")
	}
	cmd := peers.Command(t, tool, args...)
	cmd.Stdin = bytes.NewReader(payload)
	out := []byte(peers.RunCmd(t, cmd))
	if tool == "xz" {
		return out
	}
	// A frame: magic, flags, a checksum of the flags, then the size of the only block.
	if out[4]&0x08 != 0 {
		t.Fatal("the frame says how large it is")
	}
	size := binary.LittleEndian.Uint32(out[7:])
	if size>>31 != 0 {
		return payload // stored
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(payload))), out[11:11+size]...)
}

// entries are the entries of a machine in the export format: boots, units,
// priorities, long values, bytes, values that repeat.
func entries(first, n int) []byte {
	var b bytes.Buffer
	for i := first; i < first+n; i++ {
		boot := 1 + i/40
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n", 1_700_000_000_000_000+int64(i)*7_000_123, 1_000_000+int64(i%40)*7_000_123)
		fmt.Fprintf(&b, "_BOOT_ID=%032x\n_MACHINE_ID=%032x\n_HOSTNAME=guest\n", boot*0x1111, 0x77)
		fmt.Fprintf(&b, "PRIORITY=%d\n", i%8)
		switch i % 6 {
		case 0:
			fmt.Fprintf(&b, "_TRANSPORT=kernel\nSYSLOG_IDENTIFIER=kernel\nMESSAGE=usb %d-1: new device\n", i)
		case 1:
			fmt.Fprintf(&b, "_TRANSPORT=journal\nSYSLOG_IDENTIFIER=systemd\n_PID=1\n_UID=0\nUNIT=ssh.service\nMESSAGE=Started ssh.service %d.\n_SYSTEMD_UNIT=init.scope\n", i)
		case 2:
			fmt.Fprintf(&b, "SYSLOG_IDENTIFIER=sshd\n_PID=%d\n_UID=0\n_SYSTEMD_UNIT=ssh.service\nMESSAGE=Accepted publickey for ada from 192.0.2.%d\n_SOURCE_REALTIME_TIMESTAMP=%d\n", 700+i, i, 1_700_000_000_000_000+int64(i)*7_000_000)
		case 3:
			fmt.Fprintf(&b, "_COMM=cron\nSYSLOG_PID=%d\n_SYSTEMD_UNIT=cron.service\nMESSAGE\n", i)
			text(&b, fmt.Sprintf("line one of %d\nline two\n\nlast line\n", i))
		case 4:
			fmt.Fprintf(&b, "SYSLOG_IDENTIFIER=app\nTAG=a\nTAG=b\nTAG=%d\n_SYSTEMD_UNIT=app@%d.service\nMESSAGE\n", i, i)
			text(&b, "bytes \x00\x01\xff\x1b[31m")
			fmt.Fprintf(&b, "EMPTY=\nUMLAUT=Grüße <&> \u2028\n")
		case 5:
			fmt.Fprintf(&b, "SYSLOG_IDENTIFIER=long\nMESSAGE=%s\nSTACK=%s\n", strings.Repeat(fmt.Sprintf("long message %d ", i), 60), strings.Repeat("frame ", 1200))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func text(b *bytes.Buffer, s string) {
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s))))
	b.WriteString(s + "\n")
}
