// The analyzers of Trivy 0.36.0 are a few hundred packages, those of 0.45 and later
// thousands. "go mod tidy -e" keeps this file: the tests of what it needs, which nobody
// runs, ask for packages that are gone.
module github.com/guestkit/guestkit/examples/trivy

go 1.26.3

replace github.com/guestkit/guestkit => ../../

require (
	github.com/aquasecurity/go-dep-parser v0.0.0-20221229114138-e380bc98c4ea
	github.com/aquasecurity/trivy v0.36.0
	github.com/guestkit/guestkit v0.0.0
	golang.org/x/sync v0.25.0
)

require (
	github.com/aquasecurity/trivy-db v0.0.0-20221227141502-af78ecb7db4c // indirect
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/docker/libnetwork v0.0.0-20180706232811-d00ceed44cc4 // indirect
	github.com/google/go-containerregistry v0.12.0 // indirect
	github.com/google/licenseclassifier/v2 v2.0.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/knqyf263/go-apk-version v0.0.0-20200609155635-041fdbb8563f // indirect
	github.com/knqyf263/go-deb-version v0.0.0-20190517075300-09fca494f03d // indirect
	github.com/masahiro331/go-xfs-filesystem v0.0.0-20221225060805-c02764233454 // indirect
	github.com/samber/lo v1.36.0 // indirect
	github.com/sergi/go-diff v1.1.0 // indirect
	github.com/ulikunitz/xz v0.5.17 // indirect
	go.uber.org/atomic v1.10.0 // indirect
	go.uber.org/multierr v1.8.0 // indirect
	go.uber.org/zap v1.24.0 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/crypto v0.59.0 // indirect
	golang.org/x/exp v0.0.0-20220823124025-807a23277127 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/text v0.44.0 // indirect
	golang.org/x/xerrors v0.0.0-20220907171357-04be3eba64a2 // indirect
)
