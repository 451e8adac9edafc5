package linux

import (
	"encoding/binary"
	"fmt"
	"time"
)

// installerFiles are written by an installer at its end, so that their time is that
// of the installation.
var installerFiles = [...]string{
	"root/anaconda-ks.cfg", "root/initial-setup-ks.cfg", "var/log/anaconda/anaconda.log",
	"var/log/installer/status", "var/log/installer/installer-journal.txt", "var/log/installer/syslog", "var/log/installer/curtin-install.log",
	"var/log/YaST2/y2log-1.gz", "root/autoinst.xml", "var/log/archinstall/install.log", "var/log/calamares/session.log",
}

// findTimes reads when the system was installed, by what its installer left, and when
// it last started, by the log of logins.
func (r *root) findTimes() {
	if name, ok := r.FirstFile(installerFiles[:]...); ok {
		if fi := r.Stat(name); fi != nil && fi.ModTime().Unix() > 0 {
			at := fi.ModTime().UTC()
			r.Sys.Installed = &at
			r.Because("installed", name, 0, "its installer wrote this last")
		}
	}
	const wtmp = "var/log/wtmp"
	if !r.IsFile(wtmp) {
		return
	}
	if at := lastBoot(r.Tail(wtmp, maxWtmp)); at != nil {
		r.Sys.LastBoot = at
		r.Because("last_boot", wtmp, 0, "the last record of a start")
	}
}

// maxWtmp is how much of the end of the log of logins is looked at: 2,700 records.
const maxWtmp = 1 << 20

// The records of utmp(5): those of most architectures, and those of 64 bits whose
// times never had 32.
const (
	utmpSize, utmpTime         = 384, 340
	utmpSizeWide, utmpTimeWide = 400, 344
	utmpBoot                   = 2
)

// lastBoot finds the last record of a start at the end of a log of logins.
func lastBoot(b []byte) *time.Time {
	for _, form := range [...]struct{ size, at int }{{utmpSize, utmpTime}, {utmpSizeWide, utmpTimeWide}} {
		for end := len(b); end >= form.size; end -= form.size {
			rec := b[end-form.size : end]
			if binary.LittleEndian.Uint16(rec) != utmpBoot || fmt.Sprintf("%.6s", rec[44:]) != "reboot" {
				continue
			}
			sec := int64(binary.LittleEndian.Uint32(rec[form.at:]))
			if form.size == utmpSizeWide {
				sec = int64(binary.LittleEndian.Uint64(rec[form.at:]))
			}
			if sec > 0 && sec < 1<<34 {
				t := time.Unix(sec, 0).UTC()
				return &t
			}
		}
	}
	return nil
}
