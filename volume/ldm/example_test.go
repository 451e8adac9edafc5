package ldm

import "fmt"

// The dynamic disks of a guest make groups, and these have volumes.
func Example() {
	d, err := Open(mem(small()))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range Assemble([]*Disk{d}) {
		for _, v := range g.Volumes {
			fmt.Println(g.Name, v.Name, v.Type, v.Drive, v.Size, v.Err)
		}
	}
	// Output: group Volume1 simple E: 4096 <nil>
}
