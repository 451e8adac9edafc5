package main

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker in releases; see the Makefile.
var version string

type versionDoc struct {
	Schema  string `json:"schema"`
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func newVersion(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version [flags]",
		Short:   "Print the version",
		Example: "  guestkit version --json",
		Args:    args(0, 0, "nothing"),
		RunE:    func(*cobra.Command, []string) error { return a.version() },
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) version() error {
	d := versionDoc{schema("version"), buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
	if a.json {
		return a.document(d)
	}
	a.out.Printf("guestkit %s (%s, %s/%s)\n", d.Version, d.Go, d.OS, d.Arch)
	return nil
}

// buildVersion is the release, or what the Go tool knows of a build by hand.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	if v := info.Main.Version; v != "(devel)" {
		return cmp.Or(v, "devel")
	}
	return "devel"
}
