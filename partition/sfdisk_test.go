package partition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// sfdisk is what `sfdisk -J` prints.
type sfdisk struct {
	Table struct {
		Label      string `json:"label"`
		ID         string `json:"id"`
		SectorSize int64  `json:"sectorsize"`
		FirstLBA   int64  `json:"firstlba"`
		LastLBA    int64  `json:"lastlba"`
		Partitions []struct {
			Node     string `json:"node"`
			Start    int64  `json:"start"`
			Size     int64  `json:"size"`
			Type     string `json:"type"`
			UUID     string `json:"uuid"`
			Name     string `json:"name"`
			Attrs    string `json:"attrs"`
			Bootable bool   `json:"bootable"`
		} `json:"partitions"`
	} `json:"partitiontable"`
}

var trailingNumber = regexp.MustCompile(`\d+$`)

// lines says what sfdisk found in the words of Table.lines.
func (s *sfdisk) lines() []string {
	t := &s.Table
	head := fmt.Sprintf("%s %d %s", map[string]string{"dos": "mbr", "gpt": "gpt"}[t.Label], t.SectorSize,
		strings.TrimPrefix(strings.ToLower(t.ID), "0x"))
	if t.Label == "gpt" {
		head += fmt.Sprintf(" %d-%d", t.FirstLBA*t.SectorSize, (t.LastLBA+1)*t.SectorSize)
	}
	out := []string{head}
	for _, p := range t.Partitions {
		typ, uuid := strings.ToLower(p.Type), strings.ToLower(p.UUID)
		if t.Label == "dos" {
			n, _ := strconv.ParseUint(p.Type, 16, 8)
			typ = fmt.Sprintf("0x%02x", n)
		}
		out = append(out, fmt.Sprintf("%s %d+%d %s %s %q %v %s", trailingNumber.FindString(p.Node),
			p.Start*t.SectorSize, p.Size*t.SectorSize, typ, uuid, p.Name, p.Bootable, p.Attrs))
	}
	return out
}

// lines says what a table holds as sfdisk would.
func (t *Table) lines() []string {
	head := fmt.Sprintf("%s %d %s", t.Scheme, t.SectorSize, t.UUID)
	if t.Scheme == GPT {
		head += fmt.Sprintf(" %d-%d", t.FirstUsable, t.LastUsable)
	}
	out := []string{head}
	for _, p := range t.Partitions {
		uuid, boot, attrs := p.UUID, p.Bootable, ""
		if t.Scheme == MBR {
			uuid = ""
		} else {
			boot, attrs = false, sfdiskAttrs(p.Attributes)
		}
		out = append(out, fmt.Sprintf("%d %d+%d %s %s %q %v %s", p.Number, p.Start, p.Size, p.Type, uuid, p.Name, boot, attrs))
	}
	return out
}

func sfdiskAttrs(a uint64) string {
	var names []string
	for bit, name := range []string{"RequiredPartition", "NoBlockIOProtocol", "LegacyBIOSBootable"} {
		if a>>bit&1 != 0 {
			names = append(names, name)
		}
	}
	var bits []string
	for bit := 48; bit < 64; bit++ {
		if a>>bit&1 != 0 {
			bits = append(bits, strconv.Itoa(bit))
		}
	}
	if len(bits) > 0 {
		names = append(names, "GUID:"+strings.Join(bits, ","))
	}
	return strings.Join(names, " ")
}

func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d\n got %s\nwant %s", i, g, w)
		}
	}
}

// fixture unpacks a disk of testdata.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	return testimg.Unpack(t, "testdata/"+name+".img.gz")
}

// TestFixtures compares the disks of testdata with what sfdisk said of them
// when they were made.
func TestFixtures(t *testing.T) {
	for _, name := range []string{"mbr", "gpt", "gpt4k", "hybrid"} {
		t.Run(name, func(t *testing.T) {
			table, err := Read(bytes.NewReader(fixture(t, name)), nil)
			if err != nil {
				t.Fatal(err)
			}
			js, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want sfdisk
			if err := json.Unmarshal(js, &want); err != nil {
				t.Fatal(err)
			}
			sameLines(t, table.lines(), want.lines())
			if len(table.Problems) > 0 {
				t.Errorf("problems: %v", table.Problems)
			}
			if table.Hybrid != (name == "hybrid") {
				t.Errorf("Hybrid = %v", table.Hybrid)
			}
		})
	}
}

// statesSector is a Reader that states the size of its sectors.
type statesSector struct {
	block.Reader
	size int
}

func (s statesSector) SectorSize() int { return s.size }
