package registry_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/registry"
)

// large is a hive of 50,000 keys with two values each.
func large() []byte {
	root := &regftest.Key{Name: "R"}
	for i := range 500 {
		k := &regftest.Key{Name: fmt.Sprintf("{%08x}", uint32(i)*2654435761)}
		for j := range 99 {
			k.Keys = append(k.Keys, &regftest.Key{Name: fmt.Sprintf("subkey %02d", j), Values: []regftest.Value{
				regftest.SZ("Description", fmt.Sprintf("the value %d of %d", j, i)), regftest.DWORD("Number", uint32(i*j))}})
		}
		root.Keys = append(root.Keys, k)
	}
	return regftest.Build(root, nil)
}

// BenchmarkWalk reads every key and value of a hive, by turns with hivexml,
// which writes them down as well, and reports the ratio of the medians.
func BenchmarkWalk(b *testing.B) {
	peers.Need(b, "hivexml")
	hive := large()
	file := filepath.Join(b.TempDir(), "hive")
	if err := os.WriteFile(file, hive, 0o600); err != nil {
		b.Fatal(err)
	}
	var ours, theirs []time.Duration
	for b.Loop() {
		start := time.Now()
		f, err := os.Open(file)
		if err != nil {
			b.Fatal(err)
		}
		h, err := registry.Open(sized{f, int64(len(hive))}, nil)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		root := h.Root()
		count(b, root, &n)
		f.Close()
		ours = append(ours, time.Since(start))
		start = time.Now()
		peers.Run(b, "hivexml", file)
		theirs = append(theirs, time.Since(start))
	}
	us, them := median(ours), median(theirs)
	b.ReportMetric(float64(us.Microseconds())/1000, "ms/walk")
	b.ReportMetric(float64(them.Microseconds())/1000, "ms/hivexml")
	b.ReportMetric(float64(us)/float64(them), "x-of-hivexml")
}

type sized struct {
	*os.File
	n int64
}

func (s sized) Size() int64 { return s.n }

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func count(b *testing.B, k *registry.Key, n *int) {
	for v, err := range k.Values() {
		if err != nil {
			b.Fatal(err)
		}
		if _, err := v.Bytes(); err != nil {
			b.Fatal(err)
		}
		*n++
	}
	for sub, err := range k.Subkeys() {
		if err != nil {
			b.Fatal(err)
		}
		*n++
		count(b, sub, n)
	}
}

// BenchmarkFind looks up a key three levels deep in an open hive.
func BenchmarkFind(b *testing.B) {
	h := open(b, large(), nil)
	path := fmt.Sprintf(`{%08x}\subkey 77`, uint32(250*2654435761%(1<<32)))
	for b.Loop() {
		if _, err := h.Find(path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a hive of 12 MiB.
func BenchmarkOpen(b *testing.B) {
	hive := large()
	b.SetBytes(int64(len(hive)))
	for b.Loop() {
		if _, err := registry.Open(bytes.NewReader(hive), nil); err != nil {
			b.Fatal(err)
		}
	}
}
