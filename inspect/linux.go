package inspect

// identifyLinux says all that is known of a Linux system. The package
// database comes late: it is what takes time.
func (r *root) identifyLinux() error {
	r.identify()
	r.findHostname()
	r.findKernels()
	r.findArch()
	r.findInit()
	if err := r.findPackages(); err != nil {
		return err
	}
	r.findInitVersion()
	return nil
}
