package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/remote"
	"github.com/guestkit/guestkit/retry"
)

// remotes is how images at addresses are fetched.
type remotes struct {
	headers []string // --header
	netrc   string   // --netrc
	folder  string   // --cache-dir
	count   remote.Count
}

// remoteFlags gives a command the flags of images at addresses.
func (s *source) remoteFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.remote.headers, "header", nil, "send this `HEADER` (Name: value, or @FILE of such lines) for an image at https://…; repeatable")
	f.StringVar(&s.remote.netrc, "netrc", "", "take logins for servers from this `FILE` (~/.netrc without =FILE)")
	f.Lookup("netrc").NoOptDefVal = "~/.netrc"
	f.StringVar(&s.remote.folder, "cache-dir", "", "keep what is fetched in `DIR`, within 1 GiB, for further runs")
	cmd.MarkFlagDirname("cache-dir")
}

// openAddress opens an image at an address.
func (s *source) openAddress(address string) (format.Source, error) {
	return s.openAddressIn(s.a.ctx, address)
}

// openAddressIn opens an image at an address, for as long as ctx lasts.
func (s *source) openAddressIn(ctx context.Context, address string) (format.Source, error) {
	scheme, _, _ := strings.Cut(address, "://")
	switch strings.ToLower(scheme) {
	case "http", "https", "s3", "nbd", "nbds", "nbd+unix", "nbds+unix":
	case "gs", "gcs", "azure", "az", "swift":
		return nil, fmt.Errorf("%s://: %w: sign an address for it (a presigned URL), and give that", scheme, block.ErrUnsupported)
	default:
		return nil, fmt.Errorf("%s://: %w: images are read from files, http, https, s3 and nbd", scheme, block.ErrUnsupported)
	}
	o := &remote.Options{Context: ctx, Folder: s.remote.folder, Count: &s.remote.count, Header: http.Header{}}
	o.Retry = retry.Policy{Notify: func(err error, pause time.Duration) { s.a.note("%v; again in %s", err, pause.Round(time.Millisecond)) }}
	if err := s.addHeaders(o.Header); err != nil {
		return nil, err
	}
	if name := s.remote.netrc; name != "" {
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, err
			}
			name = filepath.Join(home, rest)
		}
		login, err := remote.Netrc(name)
		if err != nil {
			return nil, err
		}
		o.Login = login
	}
	if strings.EqualFold(scheme, "s3") {
		var err error
		if o.S3, err = s3(); err != nil {
			return nil, err
		}
	}
	src, err := remote.Open(address, o)
	if err == nil {
		s.a.note("opened %s", src.Name())
	}
	return src, err
}

// s3 is how S3 is reached, by what the programs of Amazon take.
func s3() (*remote.S3, error) {
	home, _ := os.UserHomeDir() // without one there are no files in it
	return remote.S3FromEnvironment(os.Getenv, home)
}

// putAddress writes an object at an address.
func (s *source) putAddress(ctx context.Context, address string, content []byte, mediaType string) error {
	access, err := s3()
	if err != nil {
		return err
	}
	o := &remote.Options{S3: access, Count: &s.remote.count}
	o.Retry = retry.Policy{Notify: func(err error, pause time.Duration) { s.a.note("%v; again in %s", err, pause.Round(time.Millisecond)) }}
	return o.Put(ctx, address, content, mediaType)
}

// addHeaders reads the values of --header.
func (s *source) addHeaders(h http.Header) error {
	lines := s.remote.headers
	for i := 0; i < len(lines); i++ {
		if file, ok := strings.CutPrefix(lines[i], "@"); ok {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(b)) {
				if line = strings.TrimSpace(line); line != "" {
					lines = append(lines[:len(lines):len(lines)], strings.TrimPrefix(line, "@"))
				}
			}
			continue
		}
		name, value, ok := strings.Cut(lines[i], ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name+value, "\r\n\x00 ") && strings.ContainsAny(name, " ") {
			return usagef("--header takes 'Name: value'")
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return nil
}

// noteRemote says with --verbose what was fetched.
func (s *source) noteRemote() {
	if n := s.remote.count.Requests.Load(); n > 0 {
		s.a.note("fetched %d bytes in %d requests, %d of them again", s.remote.count.Bytes.Load(), n, s.remote.count.Retries.Load())
	}
}
