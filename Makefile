# The targets are what people type; .ci/run is what decides.

VERSION ?= $(shell cat VERSION 2>/dev/null || git describe --tags --always --dirty 2>/dev/null || echo devel)
OUT     ?= guestkit

# These flags make the same bytes from the same source in any folder.
BUILD = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -buildid= -X main.version=$(VERSION)'

PREFIX  ?= /usr/local

.PHONY: build install test check release wheel wheels fixtures clean

build: ## one static binary, ./guestkit
	$(BUILD) -o $(OUT) ./cmd/guestkit

install: build ## the binary, manual pages and completions, below DESTDIR and PREFIX
	install -D -m 755 $(OUT) $(DESTDIR)$(PREFIX)/bin/guestkit
	./$(OUT) man-pages $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	./$(OUT) completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/guestkit
	./$(OUT) completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_guestkit
	./$(OUT) completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/guestkit.fish

test: ## needs nothing but Go
	go test ./...

check: ## all that CI does; installs the peer tools (Debian, root)
	bash .ci/run

release: ## dist/: six binaries, the vendored source, SHA256SUMS
	bash .ci/release dist

wheel: ## dist/: the Python package for this machine (manylinux_2_17 on Linux); needs Go and Python
	bash python/build.sh dist

wheels: ## dist/: the Python package for all platforms, and its source
	bash python/build.sh dist all

fixtures: ## makes the images under testdata again; needs the peer tools
	bash testdata/make.sh

clean:
	rm -rf dist guestkit guestkit.exe
