// Package target knows what platforms ask of the images that they take: Azure,
// AWS, Google Cloud, VMware ESXi, Hyper-V, VirtualBox, Proxmox VE and KubeVirt.
//
// Each platform is a table of rules. A rule says in words what it asks, where
// the platform's documentation says so, and what is wrong with an image that
// breaks it. [Target.Check] applies the rules to an image; [Target.Plan] says
// how to write one that keeps them. The rules are those of the image file: what
// must be inside the guest (drivers, agents, a serial console) is not looked at.
package target
