// Guestkit reads, inspects and converts the disk images of virtual machines.
// It opens the files that it is given and no others, never writes to a source,
// and needs neither root nor any other program.
//
// "guestkit help" lists the commands; docs/cli.md in the source has the exit
// codes, docs/json.md the documents that --json prints.
//
// Each command is a file of its name and a line in newRoot (root.go). Flags that
// several commands have are in flags.go, those of what is written in layout.go.
// source.go and open.go open images, guest.go and volumename.go find what is
// looked at in them; foreign.go answers to the verbs of other programs.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 2)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) { // as nohup has it
			signal.Notify(signals, s)
		}
	}
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, signals))
}
