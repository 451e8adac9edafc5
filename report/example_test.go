package report_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/report"
)

// What virt-inspector prints of the same disk.
func ExampleVirtInspector() {
	guest, err := guestkit.Open("../testdata/images/debian12-bios.qcow2", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer guest.Close()
	rep, err := guest.Inspect(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	var infos []*format.Info
	for _, img := range guest.Images() {
		infos = append(infos, img.Info())
	}
	var out bytes.Buffer
	if err := report.VirtInspector(&out, &report.Guest{Images: infos, Report: rep}); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "product_name") {
			fmt.Println(strings.TrimSpace(line))
		}
	}
	// Output: <product_name>Debian GNU/Linux 12 (bookworm)</product_name>
}
