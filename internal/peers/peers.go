// Package peers finds the tools that judge guestkit in tests: qemu-img,
// e2fsprogs, kernel mounts and others. A test that needs one skips with its
// name where it is absent, and fails where GUESTKIT_PEERS=require is set. None
// is used where GUESTKIT_PEERS=none is, as in tests under an emulator.
package peers

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Required reports whether a missing peer is a failure.
func Required() bool { return os.Getenv("GUESTKIT_PEERS") == "require" }

// Missing skips the test, or fails it where peers are required.
func Missing(t testing.TB, what string) {
	t.Helper()
	if Required() {
		t.Fatalf("peer %s is missing, and GUESTKIT_PEERS=require", what)
	}
	t.Skipf("needs %s", what)
}

// Need ends the test unless every one of the named tools is installed.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if find(tool) == "" {
			Missing(t, tool)
		}
	}
}

// find looks a tool up in PATH and in the folders of system tools, which a
// user's PATH may lack.
func find(tool string) string {
	if os.Getenv("GUESTKIT_PEERS") == "none" {
		return ""
	}
	if p, err := exec.LookPath(tool); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if p, err := exec.LookPath(filepath.Join(dir, tool)); err == nil {
			return p
		}
	}
	return ""
}

// Command is exec.Command for a peer, in the C locale and UTC. It ends the
// test if the tool is not installed.
func Command(t testing.TB, tool string, args ...string) *exec.Cmd {
	t.Helper()
	Need(t, tool)
	cmd := exec.Command(find(tool), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "MTOOLS_SKIP_CHECK=1")
	return cmd
}

// Run runs a peer and returns its standard output; a failure fails the test
// with what it said.
func Run(t testing.TB, tool string, args ...string) string {
	t.Helper()
	return RunCmd(t, Command(t, tool, args...))
}

// RunAgain is Run for a tool that fails now and then by itself: up to ten times.
// qemu-img is one where it makes LUKS, since it counts iterations by a clock that
// may not have gone on ("Unable to get accurate CPU usage").
func RunAgain(t testing.TB, tool string, args ...string) string {
	t.Helper()
	for range 9 {
		if out, err := Command(t, tool, args...).Output(); err == nil {
			return string(out)
		}
	}
	return Run(t, tool, args...)
}

// RunCmd is Run for a prepared command.
func RunCmd(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// Suite returns the folder with the source of a Debian package, whose tests are
// ours as well: .ci/suites fetches it. GUESTKIT_SUITES names the folder of all.
func Suite(t testing.TB, source string) string {
	t.Helper()
	dir := filepath.Join(os.Getenv("GUESTKIT_SUITES"), source)
	if _, err := os.Stat(dir); os.Getenv("GUESTKIT_SUITES") == "" || err != nil {
		Missing(t, "the source of "+source+" in GUESTKIT_SUITES (see .ci/suites)")
	}
	return dir
}

// NeedRoot ends the test unless it runs as root on Linux.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv("GUESTKIT_PEERS") == "none" {
		Missing(t, "root")
	}
}

// Mount mounts an image through a loop device for the length of the test and
// returns the folder. It needs root. Options are those of mount -o.
func Mount(t testing.TB, image, fstype string, options ...string) string {
	t.Helper()
	NeedRoot(t)
	dir := t.TempDir()
	opts := strings.Join(append([]string{"loop"}, options...), ",")
	cmd := Command(t, "mount", "-t", fstype, "-o", opts, image, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		Missing(t, fmt.Sprintf("a kernel mount of %s (-o %s): %v: %s", fstype, opts, err, bytes.TrimSpace(out)))
	}
	t.Cleanup(func() { Unmount(t, dir) })
	return dir
}

// Fuse mounts an image by a tool that takes the image and a folder, for the length of
// the test, and returns the folder. It needs root.
func Fuse(t testing.TB, tool, image string, options ...string) string {
	t.Helper()
	NeedRoot(t)
	dir := t.TempDir()
	if out, err := Command(t, tool, append(options, image, dir)...).CombinedOutput(); err != nil {
		Missing(t, fmt.Sprintf("a mount by %s: %v: %s", tool, err, bytes.TrimSpace(out)))
	}
	t.Cleanup(func() { Unmount(t, dir) })
	return dir
}

// Unmount ends a Mount early. A folder that is not mounted any more is left
// alone.
func Unmount(t testing.TB, dir string) {
	t.Helper()
	// Not by mountpoint(1), which fails on a filesystem that was shut down.
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || !strings.Contains(string(mounts), " "+dir+" ") {
		return
	}
	if out, err := exec.Command(find("umount"), dir).CombinedOutput(); err != nil {
		t.Errorf("umount %s: %v: %s", dir, err, out)
		exec.Command(find("umount"), "-l", dir).Run()
	}
}

// Loop attaches a file to a loop device for the length of the test and returns
// the device. It needs root.
func Loop(t testing.TB, image string, args ...string) string {
	t.Helper()
	NeedRoot(t)
	out, err := Command(t, "losetup", append(append([]string{"-f", "--show"}, args...), image)...).CombinedOutput()
	if err != nil {
		Missing(t, fmt.Sprintf("a loop device: %v: %s", err, bytes.TrimSpace(out)))
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command(find("losetup"), "-d", dev).Run() })
	return dev
}

// Has reports whether a tool is installed, for a test that goes on without; where
// peers are required it is.
func Has(t testing.TB, tool string) bool {
	t.Helper()
	if Required() {
		Need(t, tool)
	}
	return find(tool) != ""
}
