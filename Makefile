# What people do with this repository. FUZZTIME and PARALLEL steer `make fuzz`,
# DESTDIR and PREFIX `make install`, BIN is where what is built goes.
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s
PARALLEL ?= 1
PREFIX   ?= /usr/local
BIN      ?= bin
TOOL      = go tool -modfile=tools/go.mod

.PHONY: build lab test short lint fmt fuzz bench microbench reference man deb install clean

build: # one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/edged ./cmd/edged

lab: build # a whole federation on loopback, until interrupted
	$(BIN)/edged lab

test: # everything: race detector, real peers
	sh test/setup.sh
	go test -race -shuffle=on ./...

short: # what needs neither gcc nor peers
	go test -short ./...

lint: # and a proof that the import rules fire
	$(TOOL) golangci-lint run ./...
	go test -run TestLinterSeesPlants ./internal/repotest -lint

fmt:
	$(TOOL) golangci-lint fmt ./...

fuzz: # every target, FUZZTIME each, PARALLEL at a time
	@grep -ro --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|/[^/]*:func | |' | sort | \
	xargs -r -P $(PARALLEL) -L 1 sh -c 'echo "== $$0 $$1"; exec go test -run "^$$" -fuzz "^$$1\$$" -fuzztime $(FUZZTIME) "$$0"'

bench: build # edged beside its peers, into docs/performance.md: about twelve minutes
	go build -trimpath -o $(BIN)/bench ./bench
	$(BIN)/bench run -edged $(BIN)/edged -out docs/performance.md

microbench: # Go's benchmarks of single functions
	go test -run '^$$' -bench . -benchmem ./...

reference: # docs/reference, from the comments of the source
	go test ./cmd/edged -run 'TestReference$$' -count=1 -update
	go test ./internal/daemon -run 'TestMetricsPage$$' -count=1 -update

man: # the manual pages, from docs/reference
	sh packaging/man.sh $(BIN)/man $(VERSION)

deb: build man # a Debian package, and what it is made of as CycloneDX
	sh packaging/deb.sh $(VERSION) $(BIN)

install: build # binary and units; the configuration is yours
	install -D -m 755 $(BIN)/edged $(DESTDIR)$(PREFIX)/bin/edged
	install -d $(DESTDIR)/lib/systemd/system
	sed 's|/usr/bin/edged|$(PREFIX)/bin/edged|' systemd/edged.service > $(DESTDIR)/lib/systemd/system/edged.service
	install -m 644 systemd/*.socket $(DESTDIR)/lib/systemd/system

clean:
	rm -rf bin
