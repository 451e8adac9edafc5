package fusemount

import "golang.org/x/sys/unix"

const noAttr = unix.ENOATTR
