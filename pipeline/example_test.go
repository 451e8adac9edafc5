package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/guestkit/guestkit/pipeline"
	"github.com/guestkit/guestkit/retry"
)

func ExampleRun() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	plan := &pipeline.Plan{
		Images: []pipeline.Image{{Path: "../testdata/images/debian12-uefi.qcow2", Name: "web"}},
		Stages: []pipeline.Stage{
			{Work: &pipeline.Check{}},
			{Work: &pipeline.Convert{To: filepath.Join(dir, "{name}.vmdk")}, Retry: &retry.Policy{Attempts: 3}, Timeout: time.Hour},
			{Work: &pipeline.Verify{}, Image: "convert"},
		},
	}
	report, err := pipeline.Run(context.Background(), plan, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range report.Images[0].Stages {
		fmt.Println(s.ID, s.Status)
	}
	// Output:
	// check done
	// convert done
	// verify done
}
