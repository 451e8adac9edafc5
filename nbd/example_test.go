package nbd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/nbd"
)

// A disk for whoever connects to a port of this machine.
func ExampleServer() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	disk := block.Plain(bytes.NewReader(make([]byte, 1<<20)))
	done := make(chan error)
	go func() {
		s := nbd.Server{Exports: []nbd.Export{{Name: "disk", Device: disk}}}
		done <- s.Serve(ctx, l)
	}()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	magic := make([]byte, 8)
	_, err = io.ReadFull(client, magic)
	fmt.Printf("%s %v\n", magic, err)
	client.Close()
	cancel()
	fmt.Println(<-done)
	// Output:
	// NBDMAGIC <nil>
	// <nil>
}
