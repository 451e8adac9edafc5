package convert

import (
	"os"
	"syscall"
)

// fsctlSetSparse is FSCTL_SET_SPARSE of winioctl.h. Package x/sys/windows
// names it, and imports package net, which no library package may depend on.
const fsctlSetSparse = 0x900c4

// setSparse lets a file have holes, which files have only on request here.
func setSparse(f *os.File) error {
	var n uint32
	// A file system without sparse files takes more room, and is as right.
	_ = syscall.DeviceIoControl(syscall.Handle(f.Fd()), fsctlSetSparse, nil, 0, nil, 0, &n, nil)
	return nil
}
