package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/nbd"
)

func newServe(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve disks to other programs",
		Long:  `Serves the disks of a guest to other programs, read only. 'serve nbd' speaks NBD.`,
		Example: `  guestkit serve nbd --socket /tmp/disk.sock disk.vmdk
  qemu-img info 'nbd+unix:///disk?socket=/tmp/disk.sock'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown protocol %q (supported: nbd)", args[0])
			}
			return usagef("no protocol is given (supported: nbd)")
		},
	}
	cmd.AddCommand(newServeNBD(a))
	return cmd
}

// serveNBD is one run of serve nbd.
type serveNBD struct {
	a                  *app
	socket, listen     string
	cert, key, clients string
}

func newServeNBD(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "nbd [flags] IMAGE…",
		Short: "Serve disks and volumes over NBD, read only",
		Long: `Serves the disks of a guest, and each of its volumes, over the Network Block Device
protocol, read only, until it is interrupted. The exports have the names that
'volumes' prints: disk, gpt2, lvm:vg/root; the first disk is the default. Clients
learn which parts are data, zeros or holes.

Without --listen or --socket it listens on 127.0.0.1, port 10809.`,
		Example: `  guestkit serve nbd --socket /tmp/disk.sock disk.qcow2
  nbdcopy 'nbd+unix:///gpt2?socket=/tmp/disk.sock' root.img
  guestkit serve nbd --listen 0.0.0.0:10809 --tls-cert cert.pem --tls-key key.pem disk.vmdk`,
	}
	src := a.sourceFlags(cmd)
	s := &serveNBD{a: a}
	f := cmd.Flags()
	f.StringVar(&s.socket, "socket", "", "listen on a Unix socket at `PATH`")
	f.StringVar(&s.listen, "listen", "", "listen on this `ADDRESS`, host:port")
	f.StringVar(&s.cert, "tls-cert", "", "require TLS, with the certificate in this PEM `FILE`")
	f.StringVar(&s.key, "tls-key", "", "its key in this PEM `FILE`")
	f.StringVar(&s.clients, "tls-clients", "", "require certificates of clients, signed by those in this PEM `FILE`")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		disks, rest, err := src.one(args)
		if err != nil {
			return err
		}
		return s.run(src, append(disks, rest...))
	}
	return cmd
}

func (s *serveNBD) run(src *source, disks []string) error {
	if s.socket != "" && s.listen != "" {
		return usagef("--socket and --listen exclude each other")
	}
	server := &nbd.Server{}
	var err error
	if server.TLS, err = s.tls(); err != nil {
		return err
	}
	g, err := src.open(disks, &inspect.Options{NoPackages: true})
	if err != nil {
		return err
	}
	defer g.Close()
	rep, err := g.Volumes(s.a.ctx)
	if err != nil {
		return err
	}
	src.a.noteVolumes(rep)
	for i, img := range g.Images() {
		name := "disk"
		if i > 0 {
			name = fmt.Sprintf("disk%d", i+1)
		}
		server.Exports = append(server.Exports, nbd.Export{Name: name, Description: img.Info().Format + " image", Device: img})
	}
	for _, v := range rep.Volumes {
		if d := v.Device(); d != nil && v.Name != "disk" && server.Find(v.Name) == nil {
			server.Exports = append(server.Exports, nbd.Export{Name: v.Name, Description: terminal.Escape(v.Content), Device: d})
		}
	}
	l, where, err := s.open()
	if err != nil {
		return err
	}
	s.a.tidies.Store(true) // the socket goes with the server
	if !s.a.quiet {
		t := &terminal.Table{}
		t.Head("export", "size", "content")
		for _, e := range server.Exports {
			t.Row(e.Name, terminal.Size(e.Device.Size()), e.Description)
		}
		s.a.out.Table(t)
		s.a.out.Printf("serving at %s\n", where)
		if err := s.a.finish(); err != nil {
			l.Close()
			return err
		}
	}
	return server.Serve(s.a.ctx, l)
}

// open listens where the flags say.
func (s *serveNBD) open() (l net.Listener, where string, err error) {
	if s.socket != "" {
		if l, err = net.Listen("unix", s.socket); err != nil {
			return nil, "", err
		}
		if err := os.Chmod(s.socket, 0o600); err != nil {
			l.Close()
			return nil, "", err
		}
		return l, "nbd+unix:///?socket=" + s.socket, nil
	}
	address := s.listen
	if address == "" {
		address = "127.0.0.1:10809"
	}
	if l, err = net.Listen("tcp", address); err != nil {
		return nil, "", err
	}
	scheme := "nbd"
	if s.cert != "" {
		scheme = "nbds"
	}
	return l, scheme + "://" + l.Addr().String(), nil
}

func (s *serveNBD) tls() (*tls.Config, error) {
	switch {
	case s.cert == "" && s.key == "" && s.clients == "":
		return nil, nil
	case s.cert == "" || s.key == "":
		return nil, usagef("--tls-cert and --tls-key belong together")
	}
	pair, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if s.clients != "" {
		pem, err := os.ReadFile(s.clients)
		if err != nil {
			return nil, err
		}
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: it holds no certificate", s.clients)
		}
	}
	return c, nil
}
