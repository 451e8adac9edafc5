package nbd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// defaultPort is where servers listen.
const defaultPort = "10809"

// An address is what an NBD URI says (doc/uri.md of the NBD project).
type address struct {
	network, host string // for net.Dial
	export        string
	secure        bool
	verifyName    string // of the server's certificate
	insecure      bool   // its certificate is not verified
	certificates  string // a folder
	shown         string
}

// Is reports whether a name is the URI of an export.
func Is(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	if !ok {
		return false
	}
	switch strings.ToLower(scheme) {
	case "nbd", "nbds", "nbd+unix", "nbds+unix":
		return true
	}
	return false
}

// parse takes a URI apart: nbd://host:port/export, nbd+unix:///export?socket=PATH, and
// nbds for TLS, with tls-certificates=FOLDER, tls-hostname=NAME and
// tls-verify-peer=false.
func parse(uri string) (*address, error) {
	wrong := func(text string, args ...any) error {
		return &block.Error{What: "NBD URI", Off: -1, Err: fmt.Errorf("%w: %s", block.ErrOption, fmt.Sprintf(text, args...))}
	}
	u, err := url.Parse(uri)
	if err != nil || !Is(uri) {
		return nil, wrong("it is no nbd://host/export")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, wrong("its query cannot be read")
	}
	a := &address{network: "tcp", export: strings.TrimPrefix(u.Path, "/"), secure: strings.HasPrefix(strings.ToLower(u.Scheme), "nbds")}
	socket := query.Get("socket")
	if strings.HasSuffix(strings.ToLower(u.Scheme), "+unix") {
		if socket == "" || u.Host != "" {
			return nil, wrong("that of a Unix socket is nbd+unix:///export?socket=PATH")
		}
		a.network, a.host, a.verifyName = "unix", socket, "localhost"
	} else {
		if u.Hostname() == "" || socket != "" {
			return nil, wrong("it is no nbd://host/export")
		}
		port := u.Port()
		if port == "" {
			port = defaultPort
		}
		a.host, a.verifyName = net.JoinHostPort(u.Hostname(), port), u.Hostname()
	}
	if len(a.export) > maxName {
		return nil, wrong("the name of the export is longer than %d bytes", maxName)
	}
	for key, values := range query {
		v := values[0]
		switch key {
		case "socket":
		case "tls-certificates":
			a.certificates = v
		case "tls-hostname":
			a.verifyName = v
		case "tls-verify-peer":
			a.insecure = v == "false" || v == "0"
		default:
			return nil, wrong("%q is not understood", key)
		}
	}
	if !a.secure && (a.certificates != "" || a.insecure) {
		return nil, wrong("what is said of TLS goes with nbds://")
	}
	u.User = nil
	a.shown = u.String()
	return a, nil
}

// config is how TLS is spoken with the server.
func (a *address) config(own *tls.Config) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if own != nil {
		c = own.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = a.verifyName
	}
	c.InsecureSkipVerify = c.InsecureSkipVerify || a.insecure
	if a.certificates == "" {
		return c, nil
	}
	// The names are those of libnbd and QEMU.
	pem, err := os.ReadFile(filepath.Join(a.certificates, "ca-cert.pem"))
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: it holds no certificate", filepath.Join(a.certificates, "ca-cert.pem"))
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.certificates, "client-cert.pem"), filepath.Join(a.certificates, "client-key.pem"))
	switch {
	case err == nil:
		c.Certificates = []tls.Certificate{pair}
	case !errors.Is(err, fs.ErrNotExist): // a client need not have one
		return nil, err
	}
	return c, nil
}
