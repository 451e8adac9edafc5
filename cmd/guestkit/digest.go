package main

import (
	"encoding/hex"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/digest"
	"github.com/guestkit/guestkit/format"
)

type digestDoc struct {
	Schema    string `json:"schema"`
	Path      string `json:"path"`
	Algorithm string `json:"algorithm"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// digestAlgorithm names what package digest computes.
const digestAlgorithm = "blkhash-sha256"

func newDigest(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "digest [flags] IMAGE…",
		Short: "Print a checksum of a disk that does not depend on its format",
		Long: `Prints a checksum of the disk that an image holds: the same for a raw, a qcow2 or a
VMDK image of it. What is known to be zeros is not read. It is the construction of
blkhash with SHA-256, blocks of 64 KiB and 64 streams.`,
		Example: `  guestkit digest disk.qcow2 disk.vmdk`,
	}
	src := a.sourceFlags(cmd)
	show := a.progressFlag(cmd)
	a.jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		guests, err := src.each(args)
		if err != nil {
			return err
		}
		return a.forEach(guests, false, func(disks []string) error {
			for _, path := range disks {
				if err := a.digest(path, src, *show); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func (a *app) digest(path string, src *source, show string) error {
	how, err := a.newProgress(show)
	if err != nil {
		return err
	}
	img, err := openSource(path, src.options(), a)
	if err != nil {
		return err
	}
	defer img.Close()
	var progress func(done, total int64)
	if report := how.callback(); report != nil {
		progress = func(done, total int64) { report(convert.Progress{Done: done, Total: total}) }
	}
	sum, err := digest.Sum(a.ctx, img, 0, progress)
	how.end()
	if err != nil {
		return pathError(path, err)
	}
	if a.json {
		return a.document(digestDoc{schema("digest"), shownImage(path), digestAlgorithm, hex.EncodeToString(sum[:]), img.Size()})
	}
	a.out.Printf("%s  %s\n", hex.EncodeToString(sum[:]), shownImage(path))
	return nil
}

// diskDigest is the digest of a disk in hexadecimal digits.
func (a *app) diskDigest(path string, o *format.Options) (string, error) {
	img, err := format.OpenFile(path, o)
	if err != nil {
		return "", err
	}
	defer img.Close()
	sum, err := digest.Sum(a.ctx, img, 0, nil)
	return hex.EncodeToString(sum[:]), pathError(path, err)
}
